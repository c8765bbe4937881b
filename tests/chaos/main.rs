//! `make chaos`: the system under a load while everything beneath it breaks, with a written report.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tests::chaos::{Blow, Outcome, Plan, run};
use tests::ledger::Features;

/// Sets of standing orders, however long it takes: enough to have some due all the while in five minutes.
const SETS: usize = 60;

/// Breaks everything beneath a ledger that is under load, and judges every answer.
#[derive(Debug, Parser)]
struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// What is asked and what breaks; a random one when absent.
    #[arg(long)]
    seed: Option<u64>,
    /// Clients at once.
    #[arg(long, default_value_t = 64)]
    clients: u64,
    /// What is not to happen; may be given more than once. Whatever else cannot happen here makes the run void.
    #[arg(long)]
    without: Vec<Blow>,
    /// Where the report goes.
    #[arg(long, default_value = "bench-results")]
    to: PathBuf,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    // A second provider is refused; ours is the first.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let arguments = Arguments::parse();
    let plan = Plan {
        seed: arguments.seed.unwrap_or_else(rand::random),
        lasts: Duration::from_secs(arguments.minutes * 60),
        clients: arguments.clients,
        blows: Blow::ALL.into_iter().filter(|blow| !arguments.without.contains(blow)).collect(),
        pauses: (3, 8),
        features: Features::ALL,
        sets: SETS,
        lease: None,
    };
    tests::say(format_args!("chaos: seed {}, {} minutes", plan.seed, arguments.minutes));
    let outcome = match run(&plan).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tests::say_error(error);
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = keep(&arguments.to, &outcome) {
        tests::say_error(error);
        return ExitCode::FAILURE;
    }
    tests::say(outcome.page());
    if outcome.violations() == 0 && outcome.void().is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn keep(folder: &std::path::Path, outcome: &Outcome) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("chaos.md"), outcome.page())?;
    std::fs::write(folder.join("chaos.json"), format!("{:#}\n", outcome.json()))?;
    // What a violation is traced with.
    outcome.history.write(std::io::BufWriter::new(std::fs::File::create(folder.join("chaos-history.ndjson"))?))
}
