//! Transfers per second: ours over HTTP against pgbench writing the same rows, on the same PostgreSQL, round by round.

mod ledger;
mod pgbench;

use std::path::Path;
use std::rc::Rc;

use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tests::say;

use self::ledger::{Batch, Single};
use crate::Scale;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::load::{self, Load, Requests};
use crate::postgres::Postgres;
use crate::report::{Detail, Report, Row, Target, median};
use crate::server::Server;

/// As many as transfers/accounts.sql makes and the pgbench scripts choose from.
const ACCOUNTS: u64 = 10_000;
const PEER_CLIENTS: [usize; 4] = [1, 4, 16, 64];
const OUR_CLIENTS: [usize; 5] = [1, 4, 16, 64, 256];
/// With as few clients as these we must not be slower than pgbench with as many.
const FEW_CLIENTS: [usize; 3] = [1, 4, 16];
const BATCH_CLIENTS: usize = 4;
const BATCH_SIZE: u64 = 1000;

/// Which accounts a transfer moves money between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Any two.
    Uniform,
    /// From any to one.
    Hot,
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
}

/// Runs the comparison and adds its rows.
pub async fn compare(scale: Scale, folder: &Path, secret: &str, report: &mut Report) -> Result<(), Failure> {
    let postgres = Postgres::start(folder).await?;
    // It migrates first: its tables are there once it is ready.
    let service = ledger::start(&postgres, folder, secret).await?;
    let mut connection = postgres.connect().await?;
    for sql in [include_str!("transfers/accounts.sql"), include_str!("transfers/peer.sql")] {
        connection.execute(sqlx::raw_sql(sql)).await?;
    }
    let single = ledger::endpoint(secret, "/api/v1/transfers")?;
    let batch = ledger::endpoint(secret, "/api/v1/transfers/batch")?;
    let ground = Ground { postgres, service, folder, single, batch };
    let mut series: Vec<_> = Way::all().into_iter().map(Series::new).collect();
    let (mut ours, mut theirs) = (0, 0);
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
    check(&mut connection, "public", ours).await?;
    check(&mut connection, "peer", theirs).await?;
    tell(&series, report);
    Ok(())
}

impl Series {
    fn new(way: Way) -> Self {
        Self { way, rates: Vec::new(), p50: Vec::new(), p99: Vec::new() }
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
        let figures = [of(&self.rates), of(&self.p50), of(&self.p99)];
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
        let outcome = load::run(&self.service.address(), requests, Load::closed(clients, scale.round)).await;
        let outcome = outcome.map_err(|failure| self.service.failed(&failure.to_string()))?;
        series.rates.push(outcome.rate());
        series.p50.push(outcome.latency(0.5));
        series.p99.push(outcome.latency(0.99));
        Ok(outcome.units)
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

fn tell(series: &[Series], report: &mut Report) {
    let one = |way: Way| series.iter().find(|one| one.way == way);
    let peak = |spread| best(series, spread, true);
    let mut row = |what: String, ours: Option<&Series>, peer: Option<&Series>, least: f64| {
        let shown = |side: Option<&Series>| side.map_or_else(String::new, Series::shown);
        let value = ours.zip(peer).map(|(ours, peer)| ours.rate() / peer.rate());
        report.rows.push(Row {
            what,
            ours: shown(ours),
            peer: shown(peer),
            value,
            unit: "x",
            target: Target::Least(least),
        });
    };
    for (spread, words, least) in [(Spread::Uniform, "uniform", 4.0), (Spread::Hot, "one hot account", 12.0)] {
        let what = format!("single transfers, {words}, against pgbench's best");
        row(what, best(series, spread, false), peak(spread), least);
    }
    for (spread, words) in [(Spread::Uniform, "uniform"), (Spread::Hot, "one hot account")] {
        for clients in FEW_CLIENTS {
            let what = format!("single transfers, {words}, against pgbench with as many clients");
            row(what, one(Way::Single(spread, clients)), one(Way::Pgbench(spread, clients)), 0.9);
        }
    }
    let batch = format!("batch transfers, {BATCH_SIZE} a request, against pgbench's best");
    row(batch, one(Way::Batch), peak(Spread::Uniform), 6.0);
    report.details.push(Detail {
        title: "Transfers per second on one durable PostgreSQL (medians)".to_owned(),
        head: vec!["side", "accounts", "clients", "transfers/s", "p50 us", "p99 us"],
        rows: series.iter().map(Series::cells).collect(),
    });
}
