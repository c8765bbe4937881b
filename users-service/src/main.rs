//! The binary: read the configuration, then serve, migrate, or show.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use shared::clock::{Clock, to_micros};
use shared::store::Stores;
use shared::{config, telemetry};
use users_service::db::Database;
use users_service::{
    Config, Deps, Dry, KeyOrder, Place, Purpose, Refusal, Summary, Verdict, build, import_users, openapi, order_keys,
    verify_audit,
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How `verify-audit` ends when nobody knows: neither whole nor broken.
const UNCHECKED: u8 = 2;

/// How `import-users` ends when it did not come to the end of the file.
const STOPPED: u8 = 2;

/// Users and sign-in.
#[derive(Parser)]
#[command(name = "users-service", version)]
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
    /// Show the signing keys: which signs, which will, which only verify.
    Keys,
    /// Let the next signing key sign, or take one out of use.
    RotateKeys {
        /// Believe nothing any more that this key has signed: gateways refuse its tokens within a second.
        #[arg(long, value_name = "KID", allow_hyphen_values = true)]
        revoke: Option<String>,
        /// Do not wait until every verifier knows the next key.
        #[arg(long, conflicts_with = "revoke")]
        force: bool,
        /// Which keys: each kind of token has its own.
        #[arg(long, value_enum, default_value_t, conflicts_with = "revoke")]
        ring: RingName,
    },
    /// Register users of another system, with the hashes that it made of their passwords: a JSON object a line with
    /// `email`, `username`, `password_hash`, and perhaps `email_verified`, `name`, `created_at`. Ends with 0 when all are
    /// there, 1 when lines were refused, 2 when it was stopped; it may be run again with the same file.
    ImportUsers {
        /// The file, or `-` for what is piped in.
        file: PathBuf,
        /// Only say what would come of it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Check that no security event was changed, added or taken away: 0 when the chain is whole, 1 when it is broken, 2
    /// when it could not be checked.
    VerifyAudit {
        /// Trust the chain up to this place, as an earlier check printed it, and hold it to that.
        #[arg(long, value_name = "SEQ:HASH")]
        from: Option<Place>,
    },
}

/// What a key signs, as the command line has it.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum RingName {
    /// Access tokens.
    #[default]
    Access,
    /// ID tokens.
    Id,
}

impl From<RingName> for Purpose {
    fn from(ring: RingName) -> Self {
        match ring {
            RingName::Access => Self::Access,
            RingName::Id => Self::Id,
        }
    }
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
        Command::Keys => keys(file, KeyOrder::Show).await,
        Command::RotateKeys { revoke: Some(kid), .. } => keys(file, KeyOrder::Revoke(kid)).await,
        Command::RotateKeys { revoke: None, force, ring } => {
            keys(file, KeyOrder::Rotate { purpose: ring.into(), force }).await
        }
        Command::ImportUsers { file: users, dry_run } => return imported(import(file, &users, dry_run).await),
        Command::VerifyAudit { from } => return checked(verified(file, from).await),
    };
    done.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

fn load(file: Option<&Path>) -> Result<Config, String> {
    Config::load(file, &config::process_env()).map_err(|error| error.to_string())
}

async fn serve(file: Option<&Path>) -> Result<(), String> {
    let config = load(file)?;
    let _telemetry = telemetry::init("users", &config.telemetry).map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(config.server.listen).map_err(|e| format!("{}: {e}", config.server.listen))?;
    let grace = config.server.shutdown_grace.get();
    let clock = Clock::system();
    let stores = match config.redis.url.as_str() {
        "" => Stores::memory(clock.clone()),
        url => Stores::redis(url, clock.clone()).await.map_err(|error| error.to_string())?,
    };
    let service = build(config, Deps { clock, stores }, listener).await.map_err(|error| error.to_string())?;
    if let Some(admin) = &service.bootstrap {
        say(&format!("administrator: {}\npassword: {}\n", admin.email, admin.password.expose()));
    }
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
    let db = Database::connect(&config.database).await.map_err(|error| error.to_string())?;
    db.migrate().await.map_err(|error| error.to_string())
}

async fn keys(file: Option<&Path>, order: KeyOrder) -> Result<(), String> {
    let config = load(file)?;
    let keys = order_keys(&config, &Clock::system(), order).await.map_err(|error| error.to_string())?;
    say(&keys);
    Ok(())
}

async fn verified(file: Option<&Path>, from: Option<Place>) -> Result<Verdict, String> {
    let config = load(file)?;
    let db = Database::connect_to_read(&config.database).await.map_err(|error| error.to_string())?;
    let before = to_micros(Clock::system().now() - config.retention.failed_sign_ins.get());
    verify_audit(&db, from, before).await.map_err(|error| error.to_string())
}

async fn import(file: Option<&Path>, users: &Path, dry_run: bool) -> Result<Summary, String> {
    let config = load(file)?;
    let dry = if dry_run { Dry::Run } else { Dry::No };
    let named = |error: std::io::Error| format!("{}: {error}", users.display());
    let mut source: Box<dyn BufRead> = match users == Path::new("-") {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(BufReader::new(File::open(users).map_err(named)?)),
    };
    let mut tell = |refused: &Refusal| drop(writeln!(std::io::stderr(), "{refused}"));
    import_users(&config, &Clock::system(), &mut *source, dry, &mut tell).await.map_err(|error| error.to_string())
}

/// Says what came of an import.
fn imported(summary: Result<Summary, String>) -> ExitCode {
    match summary {
        Ok(Summary { imported, present, refused, memory_kib }) => {
            say(&format!("{imported} imported, {present} there already, {refused} refused\n"));
            if memory_kib > 0 {
                say(&format!(
                    "one sign-in of theirs takes up to {memory_kib} KiB, one at a time, until it is theirs here\n"
                ));
            }
            if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            fail(&error);
            ExitCode::from(STOPPED)
        }
    }
}

/// Says what came of checking the audit.
fn checked(verdict: Result<Verdict, String>) -> ExitCode {
    match verdict {
        Ok(Verdict::Whole { rows, taken, head }) => {
            say(&format!(
                "{rows} events are as they were written; from {taken} personal data was purged\nhead: {head}\n"
            ));
            ExitCode::SUCCESS
        }
        Ok(Verdict::Broken { seq, how }) => fail(&format!("event {seq} is broken: {how}")),
        Err(error) => {
            fail(&error);
            ExitCode::from(UNCHECKED)
        }
    }
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
    drop(writeln!(std::io::stderr(), "users-service: {error}"));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_may_be_named_before_and_after_the_command() {
        for line in ["users-service --config x.toml serve", "users-service serve --config x.toml"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(arguments.config, Some(PathBuf::from("x.toml")), "{line}");
        }
    }

    #[test]
    fn users_may_be_piped_in() {
        let parsed = Arguments::try_parse_from(["users-service", "import-users", "-", "--dry-run"]);
        let Command::ImportUsers { file, dry_run } = parsed.unwrap().command else { panic!("another command") };
        assert_eq!((file, dry_run), (PathBuf::from("-"), true));
    }

    #[test]
    fn a_key_may_be_named_whose_name_looks_like_a_flag() {
        for kid in ["-Xyz", "--force", "abc"] {
            let parsed = Arguments::try_parse_from(["users-service", "rotate-keys", "--revoke", kid]);
            let Command::RotateKeys { revoke, force, .. } = parsed.unwrap().command else { panic!("{kid}") };
            assert_eq!((revoke.as_deref(), force), (Some(kid), false));
        }
    }
}
