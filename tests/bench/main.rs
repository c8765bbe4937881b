//! Performance side by side with peers, as ratios in one run. The method is in README.md beside this file.
#![expect(clippy::float_arithmetic, reason = "ratios and rates, never money")]

mod endpoint;
mod failure;
mod gateways;
mod large_ledger;
mod load;
mod memory;
mod postgres;
mod procfs;
mod refreshes;
mod report;
mod server;
mod sign_ins;
mod stack;
mod token;
mod token_check;
mod transfers;
mod upstream;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use tests::{say, say_error};

use crate::failure::Failure;
use crate::procfs::Others;
use crate::report::Report;

/// The gateway's own, so that the floor under it stands on the same ground.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Performance side by side with peers.
#[derive(Debug, Parser)]
struct Cli {
    /// Only this part; may be given more than once.
    #[arg(long)]
    only: Vec<Part>,
    /// Fewer and shorter rounds: a look, not a measurement.
    #[arg(long)]
    quick: bool,
    /// How large the large ledger is, instead of ten million transfers (a quick look's: 300,000).
    #[arg(long, value_parser = clap::value_parser!(u64).range(10_000..))]
    transfers: Option<u64>,
    #[command(subcommand)]
    command: Option<Command>,
}

impl Cli {
    /// A large ledger is measured only where it is named: it takes as long as all others, and tens of gigabytes of disk.
    fn wants(&self, part: Part) -> bool {
        if self.only.is_empty() { part != Part::Ledger } else { self.only.contains(&part) }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The trivial upstream, as a process of its own.
    #[command(hide = true)]
    Upstream(upstream::Arguments),
    /// The least that a gateway made of our libraries can be, as a process of its own.
    #[command(hide = true)]
    Floor(gateways::floor::Arguments),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Gateway,
    Transfers,
    SignIns,
    Refreshes,
    TokenCheck,
    Memory,
    Soak,
    Weight,
    Ledger,
}

/// With more CPU than this for everybody else, the kernel's own threads among them, a run is no measurement.
const QUIET_PERCENT: f64 = 8.0;

const PARTS: [Part; 9] = [
    Part::Memory,
    Part::Weight,
    Part::Soak,
    Part::Gateway,
    Part::TokenCheck,
    Part::Transfers,
    Part::SignIns,
    Part::Refreshes,
    Part::Ledger,
];

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Rounds of each side.
    rounds: usize,
    /// One round.
    round: Duration,
    /// Transfers of a large ledger.
    transfers: u64,
}

/// The results' folder, in the folder that `make` runs in; git ignores it.
const RESULTS: &str = "bench-results";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Upstream(arguments)) => upstream::serve(arguments).await,
        Some(Command::Floor(arguments)) => gateways::floor::serve(arguments).await,
        // Whatever was started is ended when this future is dropped.
        None => tokio::select! {
            done = all(&cli) => done,
            _ = tokio::signal::ctrl_c() => Err(Failure::said("stopped")),
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say_error(format!("bench: {failure}"));
            ExitCode::FAILURE
        }
    }
}

async fn all(cli: &Cli) -> Result<(), Failure> {
    let mut scale = if cli.quick {
        Scale { rounds: 3, round: Duration::from_secs(1), transfers: 300_000 }
    } else {
        Scale { rounds: 5, round: Duration::from_secs(4), transfers: 10_000_000 }
    };
    scale.transfers = cli.transfers.unwrap_or(scale.transfers);
    let mut report = Report::default();
    let mut failed = false;
    for part in PARTS.into_iter().filter(|part| cli.wants(*part)) {
        say(format!("{part:?}"));
        let others = Others::watch();
        let ran = run(part, scale, &mut report).await;
        let share = others.percent();
        if share > QUIET_PERCENT && !matches!(part, Part::Memory | Part::Weight | Part::Soak) {
            let what = "measure again when it is quiet";
            report.note(format!("{part:?}: other programs took {share:.0} % of this machine meanwhile; {what}"));
        }
        if let Err(failure) = ran {
            failed = true;
            report.note(format!("{part:?} was NOT MEASURED to the end: {failure}"));
        }
    }
    let opening = if cli.quick { "A quick look (`--quick`), not a measurement." } else { "One run of `make bench`." };
    say(format!("\n{}", report.markdown()));
    report.write(Path::new(RESULTS), opening)?;
    if failed { Err(Failure::said("not everything could be measured")) } else { Ok(()) }
}

async fn run(part: Part, scale: Scale, report: &mut Report) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let secret = hex::encode(rand::random::<[u8; 32]>());
    match part {
        Part::Gateway => gateways::compare(scale, folder.path(), &secret, report).await,
        Part::Transfers => transfers::compare(scale, folder.path(), &secret, report).await,
        Part::SignIns => sign_ins::compare(scale, folder.path(), &secret, report).await,
        Part::Refreshes => refreshes::measure(scale, folder.path(), &secret, report).await,
        Part::TokenCheck => token_check::measure(scale, folder.path(), &secret, report).await,
        Part::Soak => gateways::soak::soak(scale, folder.path(), &secret, report).await,
        Part::Weight => gateways::weight::weigh(folder.path(), &secret, report).await,
        Part::Ledger => large_ledger::measure(scale, folder.path(), &secret, report).await,
        Part::Memory => memory::weigh(folder.path(), &secret, report).await,
    }
}
