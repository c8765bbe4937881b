//! Throw-away back-ends: `keep` holds one for a run of tests, `run` gives them to any command.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tests::backends::{self, BackendError, Cluster, DATABASE_URL, REDIS_URL, Redis};

/// Throw-away PostgreSQL and Redis for tests.
#[derive(Debug, Parser)]
enum Command {
    /// Keeps one PostgreSQL while any test process holds its lease (started by the tests themselves).
    Keep {
        /// Where the processes of the run meet.
        folder: PathBuf,
    },
    /// Runs a command with TEST_DATABASE_URL and TEST_REDIS_URL set, and removes the servers after it.
    Run {
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Keep { folder } => backends::keep(&folder).await.map(|()| ExitCode::SUCCESS),
        Command::Run { command } => run(&command).await,
    };
    done.unwrap_or_else(|error| {
        tests::say_error(&error);
        ExitCode::FAILURE
    })
}

async fn run(command: &[String]) -> Result<ExitCode, BackendError> {
    let folder = tempfile::Builder::new().prefix("tollgate-backends-").tempdir()?;
    let cluster = Cluster::start(&folder.path().join("cluster")).await?;
    let redis = Redis::own().await?;
    let status = tokio::process::Command::new(&command[0])
        .args(&command[1..])
        .env(DATABASE_URL, &cluster.url)
        .env(REDIS_URL, &redis.url)
        .status();
    // Ctrl-C reaches the command too; we only have to stay long enough to clean up.
    let code = tokio::select! {
        status = status => status?.code().unwrap_or(1),
        _ = tokio::signal::ctrl_c() => 130,
    };
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
