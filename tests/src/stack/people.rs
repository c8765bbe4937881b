//! Starting the system for people: data under one folder, and a few lines that say where everything is.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use shared::config::process_env;
use shared::telemetry::{self, Format, TelemetryConfig, TelemetryError};
use tokio::signal::unix::{SignalKind, signal};

use super::data::{CREDENTIALS, Data};
use super::engine::{Engine, Listeners, Plan, StackError};
use super::settings::{Service, Settings};
use crate::client::Client;
use crate::say;
use crate::wait::try_until;

const DATA_DIR: &str = "TOLLGATE_DATA_DIR";
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long requests in flight may take after Ctrl-C.
const GRACE: Duration = Duration::from_secs(30);

/// An e-mail address with its password.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// E-mail address.
    pub email: String,
    /// Password.
    pub password: String,
}

impl From<&users_service::BootstrapAdmin> for Credentials {
    fn from(admin: &users_service::BootstrapAdmin) -> Self {
        Self { email: admin.email.clone(), password: admin.password.expose().to_owned() }
    }
}

/// Why `make run` gave up; its text is one line, except for configuration mistakes.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Somebody listens there already.
    #[error("{addr} is taken ({error}): stop what listens there, or set {variable}")]
    Taken {
        /// The address.
        addr: String,
        /// The system's words.
        error: io::Error,
        /// The setting that moves us elsewhere.
        variable: &'static str,
    },
    /// Another stack uses the folder.
    #[error("another stack is running on {0}: stop it, or set {DATA_DIR}")]
    InUse(String),
    /// The folder cannot be used.
    #[error("{0}: {1}")]
    Data(String, io::Error),
    /// Logging cannot start.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// It did not start, or ended.
    #[error("{0}")]
    Stack(#[from] StackError),
    /// It listens, but is not ready.
    #[error("not ready after {READY_LIMIT:?}: see http://{0}/readyz")]
    NotReady(SocketAddr),
}

/// Only what went wrong, as text: a person reads it between the greeting's lines.
const LOG: &str = "warn";

/// Starts everything, says where it is, and returns after Ctrl-C or SIGTERM.
///
/// # Errors
/// [`LaunchError`], before anything has been printed.
pub async fn launch() -> Result<(), LaunchError> {
    let env = process_env();
    let named = env.iter().find(|(name, value)| name == DATA_DIR && !value.is_empty());
    let data = Data::open(Path::new(named.map_or("data", |(_, folder)| folder)))?;
    let mut settings = Settings::from_env(env.iter().filter(|(name, _)| name != DATA_DIR).cloned());
    let log = TelemetryConfig {
        log: settings.get(Service::Gateway, "telemetry.log").unwrap_or(LOG).to_owned(),
        format: Format::Text,
        otlp_endpoint: settings.get(Service::Gateway, "telemetry.otlp_endpoint").unwrap_or_default().to_owned(),
    };
    let _telemetry = telemetry::init("tollgate", &log)?;
    let listeners = listeners(&settings)?;
    let [users, accounts, gateway, admin] = listeners.addrs().map_err(StackError::Io)?;
    settings.fill(Service::Users, "database.url", data.sqlite("users"));
    settings.fill(Service::Accounts, "database.url", data.sqlite("accounts"));
    settings.fill(Service::Users, "mail.spool", data.file("mail").display());
    settings.assertion_secret(&data.assertion_secret(&settings)?);
    settings.upstream(Service::Users, users);
    settings.upstream(Service::Accounts, accounts);
    // The address that clients see, wherever it was moved to.
    settings.fill(Service::Users, "tokens.issuer", public(gateway));
    settings.fill(Service::Accounts, "receipts.issuer", public(gateway));
    settings.fill(Service::Gateway, "authentication.issuer", public(gateway));
    let administrator = data.administrator(&mut settings)?;
    let plan = Plan { env: settings.vars(), gateway_file: None, listeners, accounts: true };
    let (engine, bootstrap) = Engine::start(plan).await?;
    if let Some(administrator) = &bootstrap {
        data.keep_credentials(administrator)?;
    }
    let administrator = administrator.or(bootstrap);
    let operator = Client::new(admin);
    let answers = async || {
        operator.call(reqwest::Method::GET, "/readyz").try_send().await.ok().filter(|answer| answer.status == 200)
    };
    if try_until(READY_LIMIT, async || answers().await).await.is_none() {
        return Err(LaunchError::NotReady(admin));
    }
    greet(gateway, admin, administrator.as_ref(), &data);
    engine.run_until(asked_to_stop(), GRACE).await?;
    Ok(())
}

fn greet(gateway: SocketAddr, admin: SocketAddr, administrator: Option<&Credentials>, data: &Data) {
    say("Tollgate is ready.");
    say(format_args!("  public API   {}", public(gateway)));
    say(format_args!("  documents    {}/docs", public(gateway)));
    say(format_args!("  operators    {}/", public(admin)));
    if let Some(Credentials { email, password }) = administrator {
        say(format_args!("  administrator (made just now; also in {})", data.file(CREDENTIALS).display()));
        say(format_args!("    e-mail     {email}"));
        say(format_args!("    password   {password}"));
    }
    say("Ctrl-C stops it.");
}

/// The URL of an address from this machine.
fn public(addr: SocketAddr) -> String {
    let mut addr = addr;
    if addr.ip().is_unspecified() {
        addr.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{addr}")
}

async fn asked_to_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    say("draining …");
}

/// The public ports are promised; the services behind the gateway take any that is free.
fn listeners(settings: &Settings) -> Result<Listeners, LaunchError> {
    let bind = |service, key, default: &str, variable| {
        let addr = settings.get(service, key).unwrap_or(default);
        TcpListener::bind(addr).map_err(|error| LaunchError::Taken { addr: addr.to_owned(), error, variable })
    };
    Ok(Listeners {
        gateway: bind(Service::Gateway, "server.listen", "127.0.0.1:8080", "TOLLGATE_GATEWAY__SERVER__LISTEN")?,
        admin: bind(Service::Gateway, "admin.listen", "127.0.0.1:9090", "TOLLGATE_GATEWAY__ADMIN__LISTEN")?,
        users: bind(Service::Users, "server.listen", "127.0.0.1:0", "TOLLGATE_USERS__SERVER__LISTEN")?,
        accounts: bind(Service::Accounts, "server.listen", "127.0.0.1:0", "TOLLGATE_ACCOUNTS__SERVER__LISTEN")?,
    })
}
