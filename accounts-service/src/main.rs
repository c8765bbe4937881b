//! The binary: read the configuration, then serve, migrate, or show.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use accounts_service::archive::{self, ArchiveError, Dry, Sink, Summary};
use accounts_service::db::{Backend, Database, Month};
use accounts_service::proof::{Link, Wanted, command};
use accounts_service::receipts::{KeyOrder, Unread};
use accounts_service::{Config, Deps, build, openapi, receipts};
use clap::{Parser, Subcommand};
use shared::clock::Clock;
use shared::{config, telemetry};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How a command ends that could not be carried out, and may be another time: neither a yes nor a no.
const STOPPED: u8 = 2;

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
    /// Look whether the whole ledger is sound, and say where it is not: ends with 0 (sound), 1 (violated), 2 (nothing could be said).
    ///
    /// It only reads, in one snapshot that stays open until it ends. Beside an open snapshot each commit on a PostgreSQL primary
    /// takes longer than the one before: name a standby without `hot_standby_feedback` in `TOLLGATE_ACCOUNTS__DATABASE__URL`, or
    /// choose a quiet hour.
    Verify {
        /// Print the report as JSON.
        #[arg(long)]
        json: bool,
        /// Begin with this month, as 2026-11, and take what was before as it is; what is not kept by month is looked at whole.
        #[arg(long, value_name = "YYYY-MM")]
        from: Option<Month>,
        /// The link that a batch has to have, as BATCH:HASH: one that was kept elsewhere. The report shows the head's.
        #[arg(long, value_name = "BATCH:HASH")]
        expect: Option<Link>,
        /// Show so many violations; all are counted.
        #[arg(long, default_value_t = 100, value_name = "COUNT")]
        most: usize,
    },
    /// Check the configuration and stop.
    CheckConfig,
    /// Print the OpenAPI document.
    Openapi,
    /// Print the keys that receipts are checked by, as they are published.
    ReceiptKeys,
    /// Have another key sign receipts, once everybody may be taken to know it (`receipts.publish_before`).
    RotateReceiptKey {
        /// Wait ten seconds and not for everybody.
        #[arg(long)]
        force: bool,
    },
    /// Believe nothing any more that a receipt key signs or has signed; if it was the one that signs, another does at once.
    RevokeReceiptKey {
        /// Its name.
        #[arg(value_name = "KID", allow_hyphen_values = true)]
        kid: String,
        /// Since when somebody else may have it; since now, where nothing is said.
        #[arg(long, value_name = "RFC 3339", value_parser = instant)]
        since: Option<OffsetDateTime>,
    },
    /// Check a receipt by published keys, without a database: ends with 0 and prints what it says, 1 when it is not to be
    /// believed, 2 when it could not be checked.
    CheckReceipt {
        /// The file with the receipt, or `-` for what is piped in.
        #[arg(default_value = "-")]
        file: PathBuf,
        /// The key set, as the issuer has it at /.well-known/receipt-keys.json.
        #[arg(long)]
        keys: PathBuf,
        /// Who has to have issued it.
        #[arg(long)]
        issuer: Option<String>,
    },
    /// Write the whole ledger, as of one moment, to a file. It may run beside the service.
    ///
    /// A snapshot stays open until it ends: on a busy PostgreSQL primary do as for `verify`.
    Export {
        /// Where to; gzip if the name ends with `.gz`. `-`: the standard output.
        #[arg(long, default_value = "-")]
        out: PathBuf,
    },
    /// Read what `export` wrote into an empty ledger: all of it, or nothing.
    Import {
        /// What to read, compressed by gzip or not. `-`: the standard input.
        #[arg(default_value = "-")]
        file: PathBuf,
        /// Check everything, and leave the ledger empty.
        #[arg(long)]
        dry_run: bool,
    },
}

/// An instant on the command line.
fn instant(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "an RFC 3339 instant, as 2026-11-22T10:00:00Z".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return fail("another crypto provider is installed already");
    }
    let Arguments { config, command } = Arguments::parse();
    let file = config.as_deref();
    let done = match command {
        Command::Verify { json, from, expect, most } => return verify(file, json, Wanted { from, expect, most }).await,
        Command::Serve => serve(file).await,
        Command::Migrate => migrate(file).await,
        Command::CheckConfig => load(file).map(|_| say("the configuration is sound\n")),
        Command::Openapi => {
            say(&openapi::document());
            Ok(())
        }
        Command::ReceiptKeys => keys(file, KeyOrder::Show).await,
        Command::RotateReceiptKey { force } => keys(file, KeyOrder::Rotate { force }).await,
        Command::RevokeReceiptKey { kid, since } => keys(file, KeyOrder::Revoke { kid, since }).await,
        Command::CheckReceipt { file, keys, issuer } => return checked(&file, &keys, issuer.as_deref()),
        Command::Export { out } => return ended("wrote", export(file, &out).await),
        Command::Import { file: ledger, dry_run } => {
            let did = if dry_run { "would import" } else { "imported" };
            return ended(did, import(file, &ledger, dry_run).await);
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

async fn keys(file: Option<&Path>, order: KeyOrder) -> Result<(), String> {
    let config = load(file)?;
    let keys = receipts::obey(&config, &Clock::system(), order).await.map_err(|error| error.to_string())?;
    say(&keys);
    Ok(())
}

/// Checks a receipt, and says what came of it.
fn checked(receipt: &Path, keys: &Path, issuer: Option<&str>) -> ExitCode {
    let opened = |path: &Path| -> Result<Box<dyn Read>, Unread> {
        match path == Path::new("-") {
            true => Ok(Box::new(std::io::stdin().lock())),
            false => Ok(Box::new(File::open(path)?)),
        }
    };
    let read = || {
        let set = opened(keys).and_then(receipts::read_keys).map_err(|error| (keys, error))?;
        let text = opened(receipt).and_then(receipts::read_text).map_err(|error| (receipt, error))?;
        Ok::<_, (&Path, Unread)>((set, text))
    };
    let (set, text) = match read() {
        Ok(read) => read,
        Err((path, error)) => {
            fail(&format!("{}: {error}", path.display()));
            return ExitCode::from(STOPPED);
        }
    };
    match receipts::check(&text, &set, issuer) {
        Ok(claims) => {
            say(&(serde_json::to_string_pretty(&claims).unwrap_or_default() + "\n"));
            ExitCode::SUCCESS
        }
        Err(refusal) => fail(&format!("the receipt is refused: {refusal}")),
    }
}

async fn verify(file: Option<&Path>, json: bool, wanted: Wanted) -> ExitCode {
    let run = async {
        let config = load(file)?;
        command::run(config.database.url.expose(), wanted).await.map_err(|error| error.to_string())
    };
    match run.await {
        Ok(report) => {
            say(&if json { format!("{:#}\n", report.json()) } else { report.text() });
            if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            fail(&error);
            ExitCode::from(STOPPED)
        }
    }
}

async fn export(file: Option<&Path>, out: &Path) -> Result<Summary, ArchiveError> {
    let backend = backend(file)?;
    let named = |error: std::io::Error| std::io::Error::new(error.kind(), format!("{}: {error}", out.display()));
    let mut sink = Sink::open(out).map_err(named)?;
    let summary = archive::export(&backend, &Clock::system(), &mut sink).await?;
    sink.keep().map_err(named)?;
    Ok(summary)
}

async fn import(file: Option<&Path>, ledger: &Path, dry_run: bool) -> Result<Summary, ArchiveError> {
    let backend = backend(file)?;
    let named = |error: std::io::Error| std::io::Error::new(error.kind(), format!("{}: {error}", ledger.display()));
    let source = archive::source(ledger).map_err(named)?;
    archive::import(&backend, source, if dry_run { Dry::Run } else { Dry::No }).await
}

/// Where the ledger is.
fn backend(file: Option<&Path>) -> Result<Backend, ArchiveError> {
    let config = load(file).map_err(std::io::Error::other)?;
    Backend::parse(config.database.url.expose()).map_err(|error| std::io::Error::other(error.to_string()).into())
}

/// Says what came of an export or an import: on the standard error, for the ledger itself may be on the other.
fn ended(did: &str, done: Result<Summary, ArchiveError>) -> ExitCode {
    match done {
        Ok(summary) => {
            drop(writeln!(std::io::stderr(), "accounts-service: {did} {summary}"));
            ExitCode::SUCCESS
        }
        Err(error) if error.is_final() => fail(&error.to_string()),
        Err(error) => {
            fail(&error.to_string());
            ExitCode::from(STOPPED)
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

    #[test]
    fn a_key_may_be_named_whose_name_looks_like_a_flag() {
        let parsed = Arguments::try_parse_from([
            "accounts-service",
            "revoke-receipt-key",
            "-Xyz",
            "--since",
            "2026-11-22T10:00:00Z",
        ]);
        let Command::RevokeReceiptKey { kid, since } = parsed.unwrap().command else { panic!("another command") };
        assert_eq!((kid.as_str(), since.is_some()), ("-Xyz", true));
        assert!(Arguments::try_parse_from(["accounts-service", "revoke-receipt-key", "x", "--since", "noon"]).is_err());
    }
}
