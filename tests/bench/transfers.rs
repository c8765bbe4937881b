//! Transfers per second: ours over HTTP against pgbench writing the same rows, on the same PostgreSQL, round by round.

mod known;
pub mod ledger;
mod pace;
mod pair;
mod pgbench;
mod tell;

use std::path::Path;
use std::rc::Rc;

use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tests::say;

use self::known::Known;
use self::ledger::{Batch, Single};
use crate::Scale;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::load::{self, Load, Requests};
use crate::postgres::{Checkpoints, Postgres};
use crate::report::{Report, median};
use crate::server::Server;

/// As many as transfers/accounts.sql makes and the pgbench scripts choose from.
const ACCOUNTS: u64 = 10_000;
const PEER_CLIENTS: [usize; 4] = [1, 4, 16, 64];
const OUR_CLIENTS: [usize; 6] = [1, 4, 16, 64, 256, 512];
/// With as few clients as these we must not be slower than pgbench with as many.
const FEW_CLIENTS: [usize; 3] = [1, 4, 16];
const BATCH_CLIENTS: usize = 4;
const BATCH_SIZE: u64 = 1000;

/// Which accounts a transfer moves money between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Any two.
    Uniform,
    /// From any to one of them.
    Hot,
    /// From any to the system account that funded them.
    System,
}

/// Who is asked, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Pgbench(Spread, usize),
    Single(Spread, usize),
    Batch,
}

impl Way {
    /// Both sides at the same number of clients stand next to each other: the disk may change its mind within a round.
    fn all() -> Vec<Self> {
        let mut ways = Vec::new();
        for spread in [Spread::Uniform, Spread::Hot] {
            for clients in OUR_CLIENTS {
                if PEER_CLIENTS.contains(&clients) {
                    ways.push(Self::Pgbench(spread, clients));
                }
                ways.push(Self::Single(spread, clients));
            }
        }
        ways.push(Self::Batch);
        ways
    }

    fn cells(self) -> [String; 3] {
        match self {
            Self::Pgbench(spread, clients) => ["pgbench".to_owned(), format!("{spread:?}"), clients.to_string()],
            Self::Single(spread, clients) => ["tollgate".to_owned(), format!("{spread:?}"), clients.to_string()],
            Self::Batch => [format!("tollgate, {BATCH_SIZE} a batch"), "Uniform".to_owned(), BATCH_CLIENTS.to_string()],
        }
    }
}

/// Everything that a round needs.
struct Ground<'a> {
    postgres: Postgres,
    service: Server,
    folder: &'a Path,
    secret: &'a str,
    single: Rc<Endpoint>,
    batch: Rc<Endpoint>,
}

/// One way's rounds.
#[derive(Debug)]
struct Series {
    way: Way,
    rates: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    /// CPU per transfer in microseconds: of the service, and of PostgreSQL.
    service: Vec<f64>,
    postgres: Vec<f64>,
    /// Bytes of write-ahead log per transfer.
    wal: Vec<f64>,
}

/// Runs the comparison and adds its rows.
pub async fn compare(scale: Scale, folder: &Path, secret: &str, report: &mut Report) -> Result<(), Failure> {
    let postgres = Postgres::start(folder, Checkpoints::After).await?;
    // It migrates first: its tables are there once it is ready.
    let service = ledger::start(&postgres, folder, secret, "accounts-service").await?;
    let mut connection = postgres.connect().await?;
    for sql in [include_str!("transfers/accounts.sql"), include_str!("transfers/peer.sql")] {
        connection.execute(sqlx::raw_sql(sql)).await?;
    }
    let single = ledger::endpoint(secret, "/api/v1/transfers")?;
    let batch = ledger::endpoint(secret, "/api/v1/transfers/batch")?;
    let ground = Ground { postgres, service, folder, secret, single, batch };
    let mut series: Vec<_> = Way::all().into_iter().map(Series::new).collect();
    let (known, mut ours) = Known::post(&ground).await?;
    let mut theirs = 0;
    // Rounds are many here; three medians are enough.
    for round in 0..scale.rounds.min(3) {
        for one in &mut series {
            let done = ground.measure(one, scale).await?;
            match one.way {
                Way::Pgbench(..) => theirs += done,
                Way::Single(..) | Way::Batch => ours += done,
            }
        }
        let best = |peer| best(&series, Spread::Uniform, peer).map_or_else(String::new, Series::shown);
        say(format!("  round {}: ours {}, pgbench {}, uniform, best so far", round + 1, best(false), best(true)));
    }
    tell::all(&series, report);
    // It is through. Else PostgreSQL would go on tidying up after it while others are measured.
    check(&mut connection, "peer", theirs).await?;
    connection.execute("DROP SCHEMA peer CASCADE").await?;
    ours += pace::compare(&ground, scale, report).await?;
    ours += known::compare(&ground, known, scale, report).await?;
    ours += pair::compare(&ground, folder, scale, report).await?;
    check(&mut connection, "public", ours).await?;
    tell::sizes(&mut connection, ours, report).await
}

impl Series {
    fn new(way: Way) -> Self {
        let none = Vec::new;
        Self { way, rates: none(), p50: none(), p99: none(), service: none(), postgres: none(), wal: none() }
    }

    fn rate(&self) -> f64 {
        median(self.rates.iter().copied())
    }

    fn shown(&self) -> String {
        let (Way::Pgbench(_, clients) | Way::Single(_, clients)) = self.way else {
            return format!("{:.0}/s", self.rate());
        };
        format!("{:.0}/s ({clients} client{})", self.rate(), if clients == 1 { "" } else { "s" })
    }

    fn cells(&self) -> Vec<String> {
        let of = |values: &[f64]| {
            if values.is_empty() { "-".to_owned() } else { format!("{:.0}", median(values.iter().copied())) }
        };
        let figures =
            [&self.rates, &self.p50, &self.p99, &self.service, &self.postgres, &self.wal].map(|values| of(values));
        self.way.cells().into_iter().chain(figures).collect()
    }
}

impl Ground<'_> {
    /// One round; how many transfers were acknowledged.
    async fn measure(&self, series: &mut Series, scale: Scale) -> Result<u64, Failure> {
        let (requests, clients): (Rc<dyn Requests>, _) = match series.way {
            Way::Pgbench(spread, clients) => {
                let ran = pgbench::run(&self.postgres, self.folder, spread, clients, scale.round)?;
                series.rates.push(ran.rate);
                return Ok(ran.transfers);
            }
            Way::Single(spread, clients) => (Rc::new(Single { endpoint: Rc::clone(&self.single), spread }), clients),
            Way::Batch => (Rc::new(Batch { endpoint: Rc::clone(&self.batch), size: BATCH_SIZE }), BATCH_CLIENTS),
        };
        let (service, postgres) = (self.service.processes()?, self.postgres.processes()?);
        let before = (service.cpu_seconds(), postgres.cpu_seconds(), self.postgres.wal_bytes().await?);
        let outcome = load::run(&self.service.address(), requests, Load::closed(clients, scale.round)).await;
        let outcome = outcome.map_err(|failure| self.service.failed(&failure.to_string()))?;
        let each = |amount: f64| amount / outcome.units as f64;
        series.service.push(1e6 * each(service.cpu_seconds() - before.0));
        series.postgres.push(1e6 * each(postgres.cpu_seconds() - before.1));
        series.wal.push(each(self.postgres.wal_bytes().await? - before.2));
        series.rates.push(outcome.rate());
        series.p50.push(outcome.latency(0.5));
        series.p99.push(outcome.latency(0.99));
        Ok(outcome.units)
    }

    /// CPU per request of service and database together, in microseconds.
    async fn cpu_micros(&self, requests: &Rc<dyn Requests>, clients: usize, scale: Scale) -> Result<f64, Failure> {
        let (service, postgres) = (self.service.processes()?, self.postgres.processes()?);
        let before = service.cpu_seconds() + postgres.cpu_seconds();
        let outcome = load::run(&self.service.address(), Rc::clone(requests), Load::closed(clients, scale.round)).await;
        let outcome = outcome.map_err(|failure| self.service.failed(&failure.to_string()))?;
        Ok(1e6 * (service.cpu_seconds() + postgres.cpu_seconds() - before) / outcome.requests())
    }
}

/// Money is conserved, and the rows are there: as many as were acknowledged.
async fn check(connection: &mut PgConnection, schema: &str, acknowledged: u64) -> Result<(), Failure> {
    // `schema` is one of ours.
    let sql = format!(
        "SELECT (SELECT sum(balance) FROM {schema}.accounts)::bigint, (SELECT sum(amount) FROM {schema}.entries)::bigint,
                (SELECT count(*) FROM {schema}.transfers), (SELECT count(*) FROM {schema}.entries)"
    );
    let found: (i64, i64, i64, i64) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(connection).await?;
    let count = i64::try_from(acknowledged).unwrap_or(i64::MAX);
    if found == (0, 0, count, 2 * count) {
        return Ok(());
    }
    let words = "sum of balances, sum of entries, transfers, entries";
    Err(Failure::said(format!("{schema}: {words} are {found:?}, but {acknowledged} transfers were acknowledged")))
}

/// One side's best client count.
fn best(series: &[Series], spread: Spread, peer: bool) -> Option<&Series> {
    let of_side = series.iter().filter(|one| match one.way {
        Way::Pgbench(its, _) => peer && its == spread,
        Way::Single(its, _) => !peer && its == spread,
        Way::Batch => false,
    });
    of_side.max_by(|one, other| one.rate().total_cmp(&other.rate()))
}
