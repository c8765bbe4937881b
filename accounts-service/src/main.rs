//! The binary: read the configuration, then serve, migrate, or show.

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
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
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C.
    Serve(File),
    /// Apply missing migrations and stop.
    Migrate(File),
    /// Check the configuration and stop.
    CheckConfig(File),
    /// Print the OpenAPI document.
    Openapi,
}

#[derive(clap::Args)]
struct File {
    /// A configuration file over the defaults, under the environment.
    #[arg(long)]
    config: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return fail("another crypto provider is installed already");
    }
    let done = match Arguments::parse().command {
        Command::Serve(file) => serve(file).await,
        Command::Migrate(file) => migrate(file).await,
        Command::CheckConfig(file) => load(file).map(|_| say("the configuration is sound\n")),
        Command::Openapi => {
            say(&openapi::document());
            Ok(())
        }
    };
    done.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

fn load(file: File) -> Result<Config, String> {
    Config::load(file.config.as_deref(), &config::process_env()).map_err(|error| error.to_string())
}

async fn serve(file: File) -> Result<(), String> {
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

async fn migrate(file: File) -> Result<(), String> {
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
