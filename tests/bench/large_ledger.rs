//! A ledger of millions of transfers: whether it slows down as it grows, and what it then costs to ask, verify and copy it.

mod copy;
mod growth;
mod instants;
mod run;

use std::ffi::OsStr;
use std::path::Path;

use sqlx::Executor;

use self::run::Ran;
use crate::Scale;
use crate::failure::Failure;
use crate::postgres::{self, Checkpoints, Postgres};
use crate::report::{Detail, Report, Row, Target};
use crate::server::Server;
use crate::transfers::ledger;

/// Accounts that pay, numbered from 1.
const PAYERS: u64 = 10_000;
/// The account that all of them pay, so that it ends with an entry for each transfer.
const PAYEE: u64 = PAYERS + 1;
/// Room on disk for each transfer: two databases and the file between them.
const BYTES_EACH: u64 = 3_500;
/// Room on disk besides: write-ahead log.
const BYTES_BESIDES: u64 = 4 << 30;
const KIB_PER_MIB: f64 = 1024.0;
/// What a command may keep resident however long the ledger is, in MiB.
const COMMAND_MIB: f64 = 256.0;

/// What the steps work on.
struct Ground<'a> {
    postgres: Postgres,
    folder: &'a Path,
    secret: &'a str,
    /// Payments, each an entry of the payee's.
    transfers: u64,
}

impl Ground<'_> {
    /// All of the ledger's transfers: the payments, and one for each payer that funded it.
    const fn recorded(&self) -> u64 {
        self.transfers + PAYERS
    }

    /// Runs a command of the program on the ledger at `url`.
    async fn run(&self, name: &str, url: &str, arguments: &[&OsStr]) -> Result<Ran, Failure> {
        let mut command = ledger::service(url, self.secret)?;
        command.arg(name).args(arguments);
        run::to_end(name, command, self.folder).await
    }
}

/// Grows a ledger, asks it, verifies it and copies it.
pub async fn measure(scale: Scale, folder: &Path, secret: &str, report: &mut Report) -> Result<(), Failure> {
    postgres::require_room(scale.transfers * BYTES_EACH + BYTES_BESIDES)?;
    let postgres = Postgres::start(folder, Checkpoints::Throughout).await?;
    let service = ledger::start(&postgres, folder, secret, "accounts-service").await?;
    let ground = Ground { postgres, folder, secret, transfers: scale.transfers };
    ground.postgres.connect().await?.execute(sqlx::raw_sql(include_str!("large_ledger/accounts.sql"))).await?;
    growth::grow(&ground, &service, report).await?;
    instants::ask(&ground, &service, scale, report).await?;
    // What follows is measured alone.
    drop(service);
    let mut commands = Vec::new();
    let done = run_commands(&ground, report, &mut commands).await;
    report.details.push(Detail {
        title: format!("Commands on a ledger of {} transfers", grouped(ground.recorded())),
        head: vec!["command", "seconds", "transfers/s", "peak MiB"],
        rows: commands,
    });
    done
}

/// The program's own `verify`, `export` and `import`.
async fn run_commands(ground: &Ground<'_>, report: &mut Report, lines: &mut Vec<Vec<String>>) -> Result<(), Failure> {
    let verified = ground.run("verify", &ground.postgres.url, &[]).await?;
    verified.tell("verify", ground.recorded(), report);
    lines.push(verified.cells("verify", ground.recorded()));
    copy::make(ground, verified, report, lines).await
}

impl Ran {
    /// The rows of its rate and of the most that it had resident.
    fn tell(&self, name: &str, transfers: u64, report: &mut Report) {
        report.rows.push(Row {
            what: format!("{name} of {} transfers, per second", grouped(transfers)),
            ours: format!("{:.1} s", self.took.as_secs_f64()),
            peer: String::new(),
            value: Some(self.rate(transfers)),
            unit: "/s",
            target: Target::None,
        });
        let peak = self.peak_mib();
        report.rows.push(Row {
            what: format!("{name} of {} transfers, peak of its resident memory", grouped(transfers)),
            ours: format!("{peak:.1} MiB"),
            peer: String::new(),
            value: Some(peak),
            unit: "MiB",
            target: Target::Most(COMMAND_MIB),
        });
    }

    /// Its line of the commands' table.
    fn cells(&self, name: &str, transfers: u64) -> Vec<String> {
        let seconds = format!("{:.1}", self.took.as_secs_f64());
        vec![name.to_owned(), seconds, format!("{:.0}", self.rate(transfers)), format!("{:.1}", self.peak_mib())]
    }

    fn rate(&self, transfers: u64) -> f64 {
        transfers as f64 / self.took.as_secs_f64()
    }

    fn peak_mib(&self) -> f64 {
        self.peak_kib as f64 / KIB_PER_MIB
    }
}

/// The present and the most of what the service has resident, in KiB.
fn resident(service: &Server) -> Result<(u64, u64), Failure> {
    let processes = service.processes()?;
    Ok((processes.memory_kib().0, processes.peak_kib()))
}

/// A number as people write large ones.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
