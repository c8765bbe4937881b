//! Sums over whole tables, page by page in one snapshot: no statement takes longer than others may, however long the tables.

use std::collections::BTreeMap;

use sea_orm::{DbErr, FromQueryResult, Value};
use uuid::Uuid;

use super::balances;
use super::exchanges::UNIT;
use super::finding::{Findings, Place};
use super::invariant::Invariant;
use super::snapshot::Snapshot;

/// Accounts added up at once.
const ACCOUNTS: u32 = 50_000;

/// Exchanges added up at once: each is looked up with its rate and its rounding.
const EXCHANGES: u32 = 10_000;

/// Half the digits of a remainder: no sum of halves leaves 64 bits.
const HALF: i128 = 1_000_000_000;

#[derive(FromQueryResult)]
struct Sum {
    id: Uuid,
    currency: String,
    balance: i64,
}

/// All balances.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_balances(snapshot: &Snapshot, findings: &mut Findings) -> Result<(), DbErr> {
    let sql = format!("SELECT id, currency, balance FROM accounts WHERE id > $1 ORDER BY id LIMIT {ACCOUNTS}");
    let mut sums: BTreeMap<String, i128> = BTreeMap::new();
    let mut after = Some(Uuid::nil());
    while let Some(from) = after.take() {
        let add = |row: Sum| {
            after = Some(row.id);
            match sums.get_mut(&row.currency) {
                Some(sum) => *sum += i128::from(row.balance),
                None => drop(sums.insert(row.currency, i128::from(row.balance))),
            }
        };
        snapshot.each(&sql, vec![Value::from(from)], add).await?;
    }
    balances::check_sums(&sums, findings);
    Ok(())
}

#[derive(FromQueryResult)]
struct Taken {
    account: Uuid,
    high: Option<i64>,
    low: Option<i64>,
    booked: Option<i64>,
}

#[derive(FromQueryResult)]
struct Carried {
    account: Uuid,
    grains: i64,
}

#[derive(FromQueryResult)]
struct End {
    id: Uuid,
}

/// What rounding took is what was booked and what is carried, to the last digit.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_remainders(snapshot: &Snapshot, findings: &mut Findings) -> Result<(), DbErr> {
    let page = format!("SELECT id FROM exchanges WHERE id > $1 ORDER BY id LIMIT 1 OFFSET {}", EXCHANGES - 1);
    let taken = "SELECT r.rounding_account_id AS account, CAST(sum(x.remainder / 1000000000) AS bigint) AS high, \
                 CAST(sum(x.remainder % 1000000000) AS bigint) AS low, \
                 CAST(sum(coalesce(t.amount, 0)) AS bigint) AS booked \
                 FROM exchanges x JOIN exchange_rates r ON r.id = x.rate_id \
                 LEFT JOIN transfers t ON t.id = x.rounding_transfer_id WHERE x.id > $1 AND x.id <= $2 \
                 GROUP BY r.rounding_account_id";
    let number = |of: Option<i64>| i128::from(of.unwrap_or_default());
    let mut sums: BTreeMap<Uuid, (i128, i128)> = BTreeMap::new();
    let mut from = Uuid::nil();
    loop {
        let end: Option<End> = snapshot.all(&page, vec![Value::from(from)]).await?.pop();
        let to = end.map_or(Uuid::max(), |end| end.id);
        let add = |row: Taken| {
            let (took, kept) = sums.entry(row.account).or_default();
            *took += number(row.high) * HALF + number(row.low);
            *kept += number(row.booked) * UNIT;
        };
        snapshot.each(taken, vec![Value::from(from), Value::from(to)], add).await?;
        if to == Uuid::max() {
            break;
        }
        from = to;
    }
    let carried = "SELECT rounding_account_id AS account, grains FROM exchange_carries";
    let add = |row: Carried| sums.entry(row.account).or_default().1 += i128::from(row.grains);
    snapshot.each(carried, Vec::new(), add).await?;
    for (account, (took, kept)) in sums {
        let place = Place::default().of(account);
        findings.check_by(Invariant::Remainders, &place, took == kept, took - kept, || {
            format!("rounding took {took} of 10^18, and {kept} is booked and carried")
        });
    }
    Ok(())
}
