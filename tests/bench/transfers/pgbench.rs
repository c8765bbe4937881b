//! pgbench: one prepared transaction per transfer, writing the rows that our ledger writes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::Spread;
use crate::failure::Failure;
use crate::postgres::Postgres;
use crate::server::command;

const TRANSFER: &str = include_str!("transfer.pgbench");
const UNIFORM: &str = include_str!("uniform.pgbench");
const HOT: &str = include_str!("hot.pgbench");
const SYSTEM: &str = include_str!("system.pgbench");

/// What one run of pgbench did.
#[derive(Debug, Clone, Copy)]
pub struct Ran {
    /// Transactions per second, without the time to connect.
    pub rate: f64,
    /// Transactions committed.
    pub transfers: u64,
}

/// Runs it with `clients` for `time`, which is cut to whole seconds. Nothing else is going on meanwhile, so it blocks.
pub fn run(postgres: &Postgres, folder: &Path, spread: Spread, clients: usize, time: Duration) -> Result<Ran, Failure> {
    let script = folder.join(format!("{spread:?}.pgbench"));
    let opening = match spread {
        Spread::Uniform => UNIFORM,
        Spread::Hot => HOT,
        Spread::System => SYSTEM,
    };
    fs::write(&script, format!("{opening}{TRANSFER}"))?;
    let mut pgbench = command("pgbench")?;
    pgbench.args(["--no-vacuum", "--protocol", "prepared", "--host", "127.0.0.1", "--username", "postgres"]);
    pgbench.args(["--port", &postgres.port.to_string(), "--time", &time.as_secs().max(1).to_string()]);
    pgbench.args(["--client", &clients.to_string(), "--jobs", &clients.min(2).to_string()]);
    pgbench.arg("--file").arg(script).arg("postgres");
    let output = pgbench.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let number = |opening: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(opening))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let (rate, count) = (number("tps = "), number("number of transactions actually processed: "));
    match (output.status.success(), rate, count) {
        (true, Some(rate), Some(count)) => Ok(Ran { rate, transfers: count as u64 }),
        _ => Err(Failure::said(format!("pgbench: {}", String::from_utf8_lossy(&output.stderr)))),
    }
}
