//! The ledger's growth, tenth by tenth: what the service keeps resident, and how fast it still posts.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use shared::auth::AUDIENCE_ACCOUNTS;
use shared::domain::Role;
use tests::say;

use super::{Ground, KIB_PER_MIB, PAYEE, PAYERS, grouped, resident};
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::load::{self, Load, Outcome, Requests};
use crate::report::{Detail, Report, Row, Target};
use crate::server::Server;
use crate::transfers::ledger::{SYSTEM, account, batch_of, owner, post, written};

const CONNECTIONS: usize = 4;
/// Transfers of a batch.
const BATCH: u64 = 1_000;
/// Every so many requests one is of a single transfer.
const SINGLE_EVERY: u64 = 20;
const TENTHS: u64 = 10;
/// What each payer is given, in cents: more than all payments of one.
const FUNDS: u64 = 100_000_000_000;
/// After that a tenth is given up.
const LIMIT: Duration = Duration::from_secs(3600);

/// Requests that post so many transfers and then end.
struct Orders {
    batch: Rc<Endpoint>,
    single: Rc<Endpoint>,
    /// Whose money goes where, by the transfer's number.
    order: fn(u64) -> String,
    total: u64,
    written: Cell<u64>,
    requests: Cell<u64>,
}

impl Requests for Orders {
    fn write(&self, _connection: usize, buffer: &mut Vec<u8>) {
        let (first, number) = (self.written.get(), self.requests.get());
        self.requests.set(number + 1);
        if number % SINGLE_EVERY == SINGLE_EVERY - 1 {
            self.written.set(first + 1);
            return post(&self.single, &(self.order)(first), buffer);
        }
        let beyond = (first + BATCH).min(self.total);
        self.written.set(beyond);
        post(&self.batch, &batch_of((first..beyond).map(self.order)), buffer);
    }

    /// Whether each item of a batch was posted is seen by the payee's entries.
    fn is_good(&self, status: u16) -> bool {
        matches!(status, 200 | 201)
    }

    fn is_more(&self) -> bool {
        self.written.get() < self.total
    }
}

/// One tenth of the growth.
struct Tenth {
    rate: f64,
    p50: f64,
    p99: f64,
    /// In KiB: now, and at most so far.
    resident: u64,
    peak: u64,
}

/// Funds the payers, has them pay, and tells how it went.
pub async fn grow(ground: &Ground<'_>, service: &Server, report: &mut Report) -> Result<(), Failure> {
    run(ground, service, funding, PAYERS).await?;
    let mut tenths = Vec::new();
    for number in 1..=TENTHS {
        let share = ground.transfers / TENTHS;
        let outcome = run(ground, service, payment, share).await?;
        let (resident, peak) = resident(service)?;
        require_entries(ground, number * share).await?;
        let rate = share as f64 / outcome.took.as_secs_f64();
        say(format!("  tenth {number}: {rate:.0}/s, {:.1} MiB resident", resident as f64 / KIB_PER_MIB));
        tenths.push(Tenth { rate, p50: outcome.latency(0.5), p99: outcome.latency(0.99), resident, peak });
    }
    tell(ground, &tenths, report);
    Ok(())
}

async fn run(ground: &Ground<'_>, service: &Server, order: fn(u64) -> String, total: u64) -> Result<Outcome, Failure> {
    let endpoint = |path| {
        // The funds come out of a system account, and those are a treasurer's to debit.
        Endpoint::called(ground.secret, AUDIENCE_ACCOUNTS, ("POST", path), Some((owner(), Role::Treasurer)))
    };
    let (batch, single) = (endpoint("/api/v1/transfers/batch")?, endpoint("/api/v1/transfers")?);
    let orders = Rc::new(Orders { batch, single, order, total, written: Cell::new(0), requests: Cell::new(0) });
    let requests: Rc<dyn Requests> = Rc::<Orders>::clone(&orders);
    let outcome = load::run(&service.address(), requests, Load::closed(CONNECTIONS, LIMIT)).await;
    let outcome = outcome.map_err(|failure| service.failed(&failure.to_string()))?;
    if orders.is_more() {
        return Err(Failure::said(format!("{} transfers did not post within {LIMIT:?}", grouped(total))));
    }
    Ok(outcome)
}

fn funding(number: u64) -> String {
    written(SYSTEM, number + 1, FUNDS)
}

fn payment(_number: u64) -> String {
    written(rand::random_range(1..=PAYERS), PAYEE, rand::random_range(1..=100))
}

/// As many payments as were acknowledged have reached the payee, none was declined.
async fn require_entries(ground: &Ground<'_>, payments: u64) -> Result<(), Failure> {
    let sql = "SELECT seq FROM accounts WHERE id = $1::uuid";
    let query = sqlx::query_scalar::<_, i64>(sql).bind(account(PAYEE));
    let entries = query.fetch_one(&mut ground.postgres.connect().await?).await?;
    if u64::try_from(entries) == Ok(payments) {
        return Ok(());
    }
    let payments = grouped(payments);
    Err(Failure::said(format!("{payments} payments were acknowledged, and the account paid has {entries} entries")))
}

fn tell(ground: &Ground<'_>, tenths: &[Tenth], report: &mut Report) {
    let mebibytes = |kib: u64| kib as f64 / KIB_PER_MIB;
    let transfers = grouped(ground.transfers);
    if let [_, second, .., last] = tenths {
        report.rows.push(Row {
            what: format!(
                "accounts-service, resident memory after {transfers} transfers, against after the second tenth"
            ),
            ours: format!("{:.1} MiB", mebibytes(last.resident)),
            peer: format!("{:.1} MiB", mebibytes(second.resident)),
            value: Some(last.resident as f64 / second.resident as f64),
            unit: "x",
            target: Target::Most(1.1),
        });
        report.rows.push(Row {
            what: format!("transfers, the last tenth of {transfers} to one account, against the second tenth"),
            ours: format!("{:.0}/s", last.rate),
            peer: format!("{:.0}/s", second.rate),
            value: Some(last.rate / second.rate),
            unit: "x",
            target: Target::Least(0.8),
        });
    }
    let rows = tenths.iter().zip(1_u64..).map(|(tenth, number)| {
        let latencies = [tenth.p50, tenth.p99].map(|micros| format!("{:.1}", micros / 1e3));
        let sizes = [tenth.resident, tenth.peak].map(|kib| format!("{:.1}", mebibytes(kib)));
        let entries = grouped(number * ground.transfers / TENTHS);
        [entries, format!("{:.0}", tenth.rate)].into_iter().chain(latencies).chain(sizes).collect()
    });
    report.details.push(Detail {
        title: format!("A ledger grows: {BATCH} transfers a request, {CONNECTIONS} connections, all to one account"),
        head: vec!["entries by then", "transfers/s", "request p50 ms", "p99 ms", "resident MiB", "peak MiB"],
        rows: rows.collect(),
    });
}
