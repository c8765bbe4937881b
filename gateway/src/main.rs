//! The gateway's command line: serve, check-config, config, diff, explain, openapi.

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gateway::config::diff::{self, Side};
use gateway::reload::{LOOK, Source};
use gateway::{Config, Deps, boot, explain};
use shared::clock::Clock;
use shared::config::process_env;
use shared::domain::{Permission, Permissions, Role};
use shared::store::Stores;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Tollgate's gateway.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// A TOML file that lies over the built-in defaults.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves until it is told to stop.
    Serve,
    /// Reads the configuration and reports every mistake in it.
    CheckConfig,
    /// Prints the configuration that holds, with every default, secrets hidden.
    Config {
        /// `toml`, or `json` as the operators' listener shows it.
        #[arg(long, default_value = "toml", value_parser = ["toml", "json"])]
        format: String,
    },
    /// Says what would change from one configuration to another. The environment lies over both.
    Diff {
        /// The file to compare from; without one, the built-in defaults.
        #[arg(long)]
        from: Option<PathBuf>,
        /// The gateway to compare from, by the URL of its operators' listener: http://127.0.0.1:9090. It shows no
        /// secrets, so whether those change is not said.
        #[arg(long, conflicts_with = "from")]
        against: Option<String>,
        /// The file to compare to; without one, that of --config.
        #[arg(long)]
        to: Option<PathBuf>,
    },
    /// Says which route, checks and limits would apply to a request.
    Explain {
        /// Method and path: "GET /api/v2/users/me".
        request: String,
        /// A role the caller has; may be given more than once. Without one the caller has no token.
        #[arg(long)]
        role: Vec<Role>,
        /// A permission that a custom role of the caller's adds; may be given more than once.
        #[arg(long)]
        permission: Vec<Permission>,
        /// The host that the request names. Without one: any that has no routes of its own.
        #[arg(long)]
        host: Option<String>,
    },
    /// Prints the merged OpenAPI document of the services that run now.
    Openapi {
        /// Only this version.
        #[arg(long = "api-version")]
        version: Option<String>,
    },
}

type Failure = Box<dyn std::error::Error>;

/// Requests are served by workers with runtimes of their own. What is behind them (stores, probes, keys) waits for the
/// network most of the time: one thread does it all, and its tasks need not wake a second one for each other.
#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Standard error may be closed; there is nobody else to tell.
            let _ = writeln!(std::io::stderr(), "gateway: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let env = process_env();
    let config = Config::load(cli.config.as_deref(), &env)?;
    match cli.command {
        Command::Serve => serve(config, Source { file: cli.config, env, look: LOOK }).await,
        Command::CheckConfig => {
            config.fit_to_serve()?;
            gateway::tls::examine(&config.tls, &Clock::system())
                .map_err(|mistakes| format!("the certificates do not hold:\n  {mistakes}"))?;
            print("the configuration is fine\n")
        }
        Command::Config { format } => {
            let shown = config.effective()?;
            print(&if format == "json" {
                serde_json::to_string_pretty(&shown)? + "\n"
            } else {
                toml::to_string(&shown)?
            })
        }
        Command::Diff { from, against, to } => {
            let from = match against {
                Some(url) => {
                    crypto()?;
                    Side::running(&url, &config.admin.token).await?
                }
                None => Side::read(from.as_deref(), &env)?,
            };
            let to = Side::read(to.or(cli.config).as_deref(), &env)?;
            print(&diff::describe(&from, &to))
        }
        Command::Explain { request, role, permission, host } => {
            let permissions: Permissions = permission.into_iter().collect();
            let anonymous = role.is_empty() && permissions.is_empty();
            let roles = if anonymous { None } else { Some(role.into_iter().collect()) };
            let question = explain::Question { request: &request, host: host.as_deref(), roles, permissions };
            print(&explain::explain(&config, question, &Clock::system())?)
        }
        Command::Openapi { version } => {
            crypto()?;
            print(&gateway::docs::print(&config, version.as_deref()).await?)
        }
    }
}

async fn serve(config: Config, source: Source) -> Result<(), Failure> {
    config.fit_to_serve()?;
    crypto()?;
    let telemetry = shared::telemetry::init("gateway", &config.telemetry)?;
    let clock = Clock::system();
    let stores = boot::redis(&config, clock.clone()).await?.unwrap_or_else(|| {
        tracing::warn!(
            "redis.url is empty: limits are this instance's alone, and what users-service revokes reaches it only when \
             the token expires"
        );
        Stores::memory(clock.clone())
    });
    boot::open_files(&config);
    let bind = |address| TcpListener::bind(address).map_err(|error| format!("{address}: {error}"));
    let (public, admin) = (bind(config.server.listen)?, bind(config.admin.listen)?);
    let grace = config.server.shutdown_grace.get();
    let service = gateway::build(config, Deps { clock, stores, log: telemetry.level(), source }, public, admin).await?;
    tracing::info!(public = %service.addr, admin = %service.admin_addr, "gateway is listening");
    let handle = service.handle();
    let stopper = tokio::spawn(async move {
        stop_signal().await;
        tracing::info!("stopping");
        handle.stop(grace).await;
    });
    service.run().await?;
    stopper.abort();
    Ok(())
}

/// reqwest and rustls are told which cryptography to use; without that they would guess.
fn crypto() -> Result<(), Failure> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| "a crypto provider is installed already".into())
}

async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

fn print(text: &str) -> Result<(), Failure> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
