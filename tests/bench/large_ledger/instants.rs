//! The balance at an instant of an account with an entry for each payment, at instants that nobody has asked for before.

use std::rc::Rc;

use serde_json::Value;
use shared::auth::AUDIENCE_ACCOUNTS;
use shared::clock::{from_micros, rfc3339};
use sqlx::PgConnection;

use super::{Ground, PAYEE, grouped};
use crate::Scale;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::load::{self, Connection, Load, Requests};
use crate::report::{Detail, Report, Row, Target, median};
use crate::server::Server;
use crate::transfers::ledger::{account, owner};

/// Instants whose answers are held against the sums of entries: half of them are those of commits.
const CHECKED: usize = 65;
const CONNECTIONS: [usize; 2] = [1, 16];
/// What an answer may take, in microseconds.
const MOST_MICROS: f64 = 5_000.0;

/// Asks for the balance at microseconds at random between two: of so many, none is likely to come twice.
struct Instants {
    endpoint: Rc<Endpoint>,
    first: i64,
    last: i64,
}

impl Instants {
    fn write_at(&self, at: i64, buffer: &mut Vec<u8>) {
        let query = format!("?at={}", rfc3339(from_micros(at)));
        self.endpoint.write_asking(&query, "", "", buffer);
    }
}

impl Requests for Instants {
    fn write(&self, _connection: usize, buffer: &mut Vec<u8>) {
        self.write_at(rand::random_range(self.first..=self.last), buffer);
    }

    fn is_good(&self, status: u16) -> bool {
        status == 200
    }
}

/// Checks some answers, then measures how fast they come.
pub async fn ask(ground: &Ground<'_>, service: &Server, scale: Scale, report: &mut Report) -> Result<(), Failure> {
    let mut database = ground.postgres.connect().await?;
    let sql = "SELECT min(posted_at), max(posted_at) FROM entries WHERE account_id = $1::uuid AND seq IN (1, $2)";
    let ends = sqlx::query_as(sql).bind(account(PAYEE)).bind(i64::try_from(ground.transfers).unwrap_or(i64::MAX));
    let (first, last): (i64, i64) = ends.fetch_one(&mut database).await?;
    let path = format!("/api/v1/accounts/{}/balance", account(PAYEE));
    let endpoint = Endpoint::new(ground.secret, AUDIENCE_ACCOUNTS, ("GET", &path), Some(owner()))?;
    let instants = Rc::new(Instants { endpoint, first, last });
    check(&instants, service, &mut database).await?;
    let mut details = Vec::new();
    for connections in CONNECTIONS {
        let (mut rates, mut p50, mut p99) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..scale.rounds.min(3) {
            let requests: Rc<dyn Requests> = Rc::<Instants>::clone(&instants);
            let ran = load::run(&service.address(), requests, Load::closed(connections, scale.round)).await;
            let outcome = ran.map_err(|failure| service.failed(&failure.to_string()))?;
            rates.push(outcome.rate());
            p50.push(outcome.latency(0.5));
            p99.push(outcome.latency(0.99));
        }
        let figures = [median(rates), median(p50), median(p99)];
        if connections == 1 {
            tell(ground, figures, report);
        }
        let cells = figures.map(|figure| format!("{figure:.0}"));
        details.push(std::iter::once(connections.to_string()).chain(cells).collect());
    }
    report.details.push(Detail {
        title: format!("The balance at an instant of an account with {} entries", grouped(ground.transfers)),
        head: vec!["connections", "per second", "p50 us", "p99 us"],
        rows: details,
    });
    Ok(())
}

fn tell(ground: &Ground<'_>, [rate, _, p99]: [f64; 3], report: &mut Report) {
    let entries = grouped(ground.transfers);
    report.rows.push(Row {
        what: format!("the balance at a random instant of an account with {entries} entries, one client alone, p99"),
        ours: format!("{p99:.0} us at {rate:.0}/s"),
        peer: String::new(),
        value: Some(p99),
        unit: "us",
        target: Target::Most(MOST_MICROS),
    });
}

/// What the service says is what the entries add up to.
async fn check(instants: &Instants, service: &Server, database: &mut PgConnection) -> Result<(), Failure> {
    let sql = "SELECT posted_at FROM ledger_batches WHERE posted_at >= $1 ORDER BY random() LIMIT $2";
    let half = i64::try_from(CHECKED / 2).unwrap_or_default();
    let mut chosen: Vec<i64> =
        sqlx::query_scalar(sql).bind(instants.first).bind(half).fetch_all(&mut *database).await?;
    // Nothing was paid a microsecond before the first payment.
    chosen.push(instants.first - 1);
    chosen.resize_with(CHECKED, || rand::random_range(instants.first..=instants.last));
    chosen.sort_unstable();
    chosen.dedup();
    let sums = added_up(&chosen, database).await?;
    // Not before: adding up takes longer than a connection may say nothing.
    let mut connection = Connection::open(&service.address()).await?;
    for (at, expected) in chosen.iter().zip(sums) {
        let mut request = Vec::new();
        instants.write_at(*at, &mut request);
        let (status, body) = connection.exchange(&request).await?;
        let said: Option<Value> = serde_json::from_slice(body).ok();
        let number = |name: &str| said.as_ref().and_then(|said| said.get(name)).and_then(Value::as_i64);
        let found = (number("balance"), number("seq"));
        if status != 200 || found != (Some(expected.0), Some(expected.1)) {
            let at = rfc3339(from_micros(*at));
            let said = format!("{status}: {}", String::from_utf8_lossy(body));
            return Err(Failure::said(format!("at {at} entries make (balance, number) {expected:?}; answered {said}")));
        }
    }
    Ok(())
}

/// The sum and the number of the payee's entries by each of these instants, which go up, in one pass over the entries.
async fn added_up(instants: &[i64], database: &mut PgConnection) -> Result<Vec<(i64, i64)>, Failure> {
    // An entry of an instant counts at it: it is below the threshold one microsecond later.
    let thresholds: Vec<i64> = instants.iter().map(|at| at + 1).collect();
    let sql = "SELECT width_bucket(posted_at, $2::bigint[]), sum(amount)::bigint, count(*) FROM entries \
               WHERE account_id = $1::uuid GROUP BY 1 ORDER BY 1";
    let query = sqlx::query_as(sql).bind(account(PAYEE)).bind(thresholds);
    let steps: Vec<(i32, i64, i64)> = query.fetch_all(database).await?;
    let by = |place: usize| {
        let counted = steps.iter().filter(|(bucket, ..)| usize::try_from(*bucket).is_ok_and(|bucket| bucket <= place));
        counted.fold((0, 0), |(balance, number), (_, sum, count)| (balance + sum, number + count))
    };
    Ok((0..instants.len()).map(by).collect())
}
