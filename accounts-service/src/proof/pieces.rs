//! Accounts of a round: the next ones of a tour through all of them, so that each is looked at some time, and as many from a
//! random place, so that nobody knows when. Long ones are looked at in a piece somewhere, and at their end.

use rand::Rng as _;
use sea_orm::{DbErr, FromQueryResult, Value};
use uuid::Uuid;

use super::balances::{self, Recorded};
use super::finding::{Findings, Place};
use super::invariant::Invariant;
use super::snapshot::Snapshot;
use super::walk::Fold;

/// Accounts of the tour in one round, and as many at random.
const ACCOUNTS: u32 = 20;

/// The least that is read of an account.
const PIECE: i64 = 50;

#[derive(FromQueryResult)]
struct Id {
    id: Uuid,
}

/// Looks at some accounts, at about `rows` of their entries; where the tour has come to.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_some(
    snapshot: &Snapshot,
    after: Option<Uuid>,
    rows: u32,
    findings: &mut Findings,
) -> Result<Option<Uuid>, DbErr> {
    let tour = next(snapshot, after.unwrap_or_default()).await?;
    let reached = tour.last().copied().filter(|_| tour.len() == ACCOUNTS as usize);
    let mut ids = tour;
    if let Some(place) = random(snapshot).await? {
        ids.extend(next(snapshot, place).await?);
    }
    ids.sort_unstable();
    ids.dedup();
    let count = i64::try_from(ids.len()).unwrap_or(1).max(1);
    let piece = (i64::from(rows) / count).max(PIECE);
    for id in ids {
        check_one(snapshot, id, piece, findings).await?;
    }
    Ok(reached)
}

async fn next(snapshot: &Snapshot, after: Uuid) -> Result<Vec<Uuid>, DbErr> {
    let sql = format!("SELECT id FROM accounts WHERE id > $1 ORDER BY id LIMIT {ACCOUNTS}");
    let ids: Vec<Id> = snapshot.all(&sql, vec![after.into()]).await?;
    Ok(ids.into_iter().map(|row| row.id).collect())
}

/// A place between the least and the greatest id of an account.
async fn random(snapshot: &Snapshot) -> Result<Option<Uuid>, DbErr> {
    let (Some(least), Some(greatest)) = (end(snapshot, "ASC").await?, end(snapshot, "DESC").await?) else {
        return Ok(None);
    };
    Ok(Some(Uuid::from_u128(rand::rng().random_range(least..=greatest))))
}

async fn end(snapshot: &Snapshot, order: &str) -> Result<Option<u128>, DbErr> {
    let sql = format!("SELECT id FROM accounts ORDER BY id {order} LIMIT 1");
    let ids: Vec<Id> = snapshot.all(&sql, Vec::new()).await?;
    Ok(ids.first().map(|row| row.id.as_u128()))
}

#[derive(FromQueryResult)]
struct Side {
    seq: i64,
    position: i64,
    transfer_id: Uuid,
    amount: i64,
    balance_after: i64,
    id: Option<Uuid>,
    debit: Option<Uuid>,
    credit: Option<Uuid>,
    moved: Option<i64>,
    status: Option<String>,
    currency: Option<String>,
}

const SIDES: &str = "SELECT e.seq, e.position, e.transfer_id, e.amount, e.balance_after, t.id AS id, \
                     t.debit_account_id AS debit, t.credit_account_id AS credit, t.amount AS moved, t.status AS status, \
                     t.currency AS currency FROM entries e LEFT JOIN transfers t ON t.position = e.position \
                     WHERE e.account_id = $1";

async fn check_one(snapshot: &Snapshot, id: Uuid, piece: i64, findings: &mut Findings) -> Result<(), DbErr> {
    let sql = "SELECT a.id, a.currency, a.balance, a.held, a.seq, (SELECT CAST(sum(h.amount - h.posted - h.released) AS \
               bigint) FROM holds h WHERE h.debit_account_id = a.id AND h.state = 'open' \
               AND (h.expires_at IS NULL OR h.expires_at >= a.next_expiry)) AS claimed, \
               (SELECT count(*) FROM holds h WHERE h.debit_account_id = a.id AND h.state = 'open' \
               AND h.expires_at > (SELECT committed_at FROM ledger_head WHERE id = 1) \
               AND (a.next_expiry IS NULL OR a.next_expiry > h.expires_at)) AS missed FROM accounts a WHERE a.id = $1";
    let Some(account) = snapshot.all::<Recorded>(sql, vec![id.into()]).await?.pop() else { return Ok(()) };
    balances::check_held(&account, findings);
    let low = if account.seq > piece { rand::rng().random_range(0..=account.seq - piece) } else { 0 };
    let sql = format!("{SIDES} AND e.seq > $2 AND e.seq <= $3 ORDER BY e.seq");
    let values: Vec<Value> = vec![id.into(), low.into(), (low + piece).into()];
    let sides: Vec<Side> = snapshot.all(&sql, values).await?;
    let fold = walk(&account, low, &sides, findings);
    // The last one that there is, not the last one that there should be.
    let sql = format!("{SIDES} ORDER BY e.seq DESC LIMIT 1");
    let last: Option<Side> = snapshot.all(&sql, vec![id.into()]).await?.pop();
    let end = last.map_or(Fold { seq: 0, balance: 0, currency: None }, |last| Fold {
        seq: last.seq,
        balance: last.balance_after,
        currency: fold.and_then(|fold| fold.currency),
    });
    // A piece that holds says nothing of the others.
    let whole = low == 0 && account.seq <= piece;
    balances::check_fold(&account, end, whole, findings);
    // A piece that should have reached further has lost what comes behind it.
    let reached = fold.map_or(low, |fold| fold.seq);
    let place = Place::default().of(id);
    let holds = reached == account.seq.min(low + piece);
    findings.check_part(Invariant::SeqDense, &place, (holds, whole), || {
        format!("its entries from {low} on end with {reached}")
    });
    Ok(())
}

/// Entry by entry, each with its transfer; what they make of the account.
fn walk(account: &Recorded, low: i64, sides: &[Side], findings: &mut Findings) -> Option<Fold> {
    let mut before = sides.first().map(|first| match low {
        0 => Fold { seq: 0, balance: 0, currency: None },
        _ => Fold { seq: low, balance: first.balance_after.wrapping_sub(first.amount), currency: None },
    })?;
    let mut position = i64::MIN;
    for side in sides {
        let place = Place::at(side.position).of(account.id).with(side.transfer_id);
        let next = side.seq == before.seq + 1;
        // What a piece begins from is taken from its first entry, which so says nothing of what is before it.
        let known = low == 0 || side.seq > low + 1;
        findings.check_part(Invariant::SeqDense, &place, (next, known), || {
            format!("entry {} comes after entry {}", side.seq, before.seq)
        });
        let after = before.balance.checked_add(side.amount);
        if next && known {
            findings.check(Invariant::BalanceAfter, &place, after == Some(side.balance_after), || {
                format!("{} and {} make {}", before.balance, side.amount, side.balance_after)
            });
        }
        findings.check_part(Invariant::Positions, &place, (side.position > position, known), || {
            "an entry comes before the one with the number before".to_owned()
        });
        findings.check(Invariant::EntryPairs, &place, side.is_of(account.id), || {
            "an entry that is not a side of the transfer at its position".to_owned()
        });
        position = side.position;
        let currency = side.currency.as_deref().and_then(|code| <[u8; 3]>::try_from(code.as_bytes()).ok());
        // One that is another stays, whatever comes after it.
        let currency = before.currency.filter(|code| code != account.currency.as_bytes()).or(currency);
        before = Fold { seq: side.seq, balance: side.balance_after, currency };
    }
    Some(before)
}

impl Side {
    fn is_of(&self, account: Uuid) -> bool {
        let moved = self.moved.unwrap_or_default();
        let paid = self.debit == Some(account) && self.amount == moved.saturating_neg();
        let received = self.credit == Some(account) && self.amount == moved;
        self.id == Some(self.transfer_id) && self.status.as_deref() == Some("posted") && (paid || received)
    }
}
