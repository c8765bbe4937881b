//! The binary: read the configuration, then serve, migrate, or show.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use accounts_service::db::Database;
use accounts_service::{Config, Deps, build, openapi};
use clap::{Parser, Subcommand};
use shared::clock::Clock;
use shared::{config, telemetry};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Accounts and transfers.
#[derive(Parser)]
#[command(name = "accounts-service", version)]
struct Arguments {
    /// A configuration file over the defaults, under the environment.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C.
    Serve,
    /// Apply missing migrations and stop.
    Migrate,
    /// Check the configuration and stop.
    CheckConfig,
    /// Print the OpenAPI document.
    Openapi,
}

#[tokio::main]
async fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return fail("another crypto provider is installed already");
    }
    let Arguments { config, command } = Arguments::parse();
    let file = config.as_deref();
    let done = match command {
        Command::Serve => serve(file).await,
        Command::Migrate => migrate(file).await,
        Command::CheckConfig => load(file).map(|_| say("the configuration is sound\n")),
        Command::Openapi => {
            say(&openapi::document());
            Ok(())
        }
    };
    done.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

fn load(file: Option<&Path>) -> Result<Config, String> {
    Config::load(file, &config::process_env()).map_err(|error| error.to_string())
}

async fn serve(file: Option<&Path>) -> Result<(), String> {
    let config = load(file)?;
    let _telemetry = telemetry::init("accounts", &config.telemetry).map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(config.server.listen).map_err(|e| format!("{}: {e}", config.server.listen))?;
    let grace = config.server.grace.get();
    let service = build(config, Deps { clock: Clock::system() }, listener).await.map_err(|error| error.to_string())?;
    let handle = service.handle();
    tracing::info!(addr = %service.addr, "serving");
    tokio::spawn(async move {
        stopped().await;
        tracing::info!("stopping");
        handle.stop(grace).await;
    });
    service.run().await.map_err(|error| error.to_string())
}

async fn migrate(file: Option<&Path>) -> Result<(), String> {
    let config = load(file)?;
    let db = Database::connect(config.database.url.expose(), 1).await.map_err(|error| error.to_string())?;
    db.migrate().await.map_err(|error| error.to_string())
}

/// Waits for Ctrl-C or SIGTERM.
async fn stopped() {
    let interrupted = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
        }
        Err(_) => drop(interrupted.await),
    }
}

fn say(text: &str) {
    // A closed pipe is nobody to tell.
    drop(std::io::stdout().write_all(text.as_bytes()));
}

fn fail(error: &str) -> ExitCode {
    drop(writeln!(std::io::stderr(), "accounts-service: {error}"));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_may_be_named_before_and_after_the_command() {
        for line in ["accounts-service --config x.toml serve", "accounts-service serve --config x.toml"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(arguments.config, Some(PathBuf::from("x.toml")), "{line}");
        }
    }
}
