//! What the service keeps of its own checks: how far it is, who looks, what was looked at, what was found.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::finding::{Findings, Known, Place, Violation};
use super::invariant::Invariant;
use super::part::{self, Standing};
use super::verify::Head;
use super::walk::Chain;
use crate::db::Database;

/// Violations that nobody has acted on and that are kept; of a ledger with more, more would say nothing else.
const MOST: i64 = 1_000;

/// Violations of before that a round notes the good end of, the open ones and then the latest.
const KNOWN: u32 = 2_000;

/// How far the checks are.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Watch {
    /// The last batch that was looked at.
    pub batch_no: i64,
    /// Its last position.
    pub position: i64,
    /// Its instant.
    pub at: i64,
    /// Its link.
    pub hash: Vec<u8>,
    /// The last account of the round through all of them.
    pub account: Option<Uuid>,
    /// When all balances were added up last.
    pub sums_at: i64,
    /// When anything was looked at last.
    pub round_at: i64,
}

impl Watch {
    /// Where it begins that has looked at nothing.
    #[must_use]
    pub fn beginning() -> Self {
        Self { batch_no: 0, position: 0, at: 0, hash: vec![0; 32], account: None, sums_at: 0, round_at: 0 }
    }

    /// The end of the chain that was looked at.
    #[must_use]
    pub fn chain(&self) -> Chain {
        Chain { batch_no: self.batch_no, hash: self.hash.clone(), last: self.position, at: self.at }
    }

    /// The same, having come to this end.
    #[must_use]
    pub fn reached(self, chain: Chain) -> Self {
        Self { batch_no: chain.batch_no, position: chain.last, at: chain.at, hash: chain.hash, ..self }
    }
}

/// How much of an invariant was looked at so far.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Checked {
    /// Which.
    pub invariant: String,
    /// How many things.
    pub checked: i64,
    /// When last.
    pub checked_at: i64,
    /// Up to which batch.
    pub batch_no: i64,
    /// And position.
    pub position: i64,
}

/// A violation that was found.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Kept {
    /// Which.
    pub id: Uuid,
    /// Of what.
    pub invariant: String,
    /// How it is instead.
    pub says: String,
    /// Where.
    pub batch_no: Option<i64>,
    /// Where.
    pub position: Option<i64>,
    /// When that was written.
    pub at: Option<i64>,
    /// Of which account.
    pub account_id: Option<Uuid>,
    /// Of which transfer.
    pub transfer_id: Option<Uuid>,
    /// When it was found first.
    pub found_at: i64,
    /// When it was found last.
    pub seen_at: i64,
    /// When somebody acted.
    pub acknowledged_at: Option<i64>,
    /// Who.
    pub acknowledged_by: Option<Uuid>,
    /// What they said.
    pub note: Option<String>,
}

impl Kept {
    /// Where.
    #[must_use]
    pub const fn place(&self) -> Place {
        let Self { batch_no, position, at, account_id, transfer_id, .. } = *self;
        Place { batch_no, position, at, account_id, transfer_id, name: None }
    }
}

fn statement(on: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(on.get_database_backend(), sql, values)
}

/// How far it is; the beginning where nothing is kept.
///
/// # Errors
/// When the database cannot answer.
pub async fn read(on: &impl ConnectionTrait) -> Result<Watch, DbErr> {
    let sql = "SELECT batch_no, position, at, hash, account, sums_at, round_at FROM invariant_watch WHERE id = 1";
    let watch = Watch::find_by_statement(statement(on, sql, Vec::new())).one(on).await?;
    Ok(watch.unwrap_or_else(Watch::beginning))
}

/// A process that would look.
#[derive(Clone, Copy, Debug)]
pub struct Asks {
    /// Which.
    pub holder: Uuid,
    /// What time it is.
    pub now: i64,
    /// For how long the lease is.
    pub lease: i64,
    /// It is due when the last round was then, or before.
    pub due: i64,
}

/// Takes the lease until `now + lease`, if a round is due and no other process has it: whether it is ours, and how far it is.
/// A lease and a round from a clock that was far ahead count for nothing. The tables may have been emptied.
///
/// # Errors
/// When the database cannot answer.
pub async fn take(db: &Database, asks: Asks) -> Result<Option<Watch>, DbErr> {
    let Asks { holder, now, lease, due } = asks;
    let tx = db.write().await?;
    let sql = "INSERT INTO invariant_watch (id, batch_no, position, at, hash, sums_at, round_at) \
               VALUES (1, 0, 0, 0, $1, 0, 0) ON CONFLICT (id) DO NOTHING";
    tx.execute_raw(statement(&tx, sql, vec![vec![0_u8; 32].into()])).await?;
    let sql = "UPDATE invariant_watch SET holder = $1, leased_until = $2 WHERE id = 1 \
               AND (holder IS NULL OR holder = $3 OR leased_until <= $4 OR leased_until > $5) \
               AND (round_at <= $6 OR round_at > $7)";
    let values = vec![
        holder.into(),
        (now + lease).into(),
        holder.into(),
        now.into(),
        (now + 2 * lease).into(),
        due.into(),
        now.into(),
    ];
    let taken = tx.execute_raw(statement(&tx, sql, values)).await?.rows_affected() == 1;
    let watch = if taken { Some(read(&tx).await?) } else { None };
    tx.commit().await?;
    Ok(watch)
}

/// Keeps the lease: whether it is still ours.
///
/// # Errors
/// When the database cannot answer.
pub async fn renew(db: &Database, holder: Uuid, until: i64) -> Result<bool, DbErr> {
    let sql = "UPDATE invariant_watch SET leased_until = $1 WHERE id = 1 AND holder = $2";
    let values = vec![until.into(), holder.into()];
    Ok(db.pool.execute_raw(statement(&db.pool, sql, values)).await?.rows_affected() == 1)
}

/// What was found before.
///
/// # Errors
/// When the database cannot answer.
pub async fn known(on: &impl ConnectionTrait) -> Result<Known, DbErr> {
    let sql = format!(
        "SELECT id, invariant FROM invariant_violations \
         ORDER BY CASE WHEN acknowledged_at IS NULL THEN 0 ELSE 1 END, seen_at DESC LIMIT {KNOWN}"
    );
    let mut known = HashMap::<Invariant, HashSet<Uuid>>::new();
    for row in on.query_all_raw(statement(on, &sql, Vec::new())).await? {
        if let Some(invariant) = named(&row.try_get_by_index::<String>(1)?) {
            known.entry(invariant).or_default().insert(row.try_get_by_index(0)?);
        }
    }
    Ok(Arc::new(known))
}

/// The end of the ledger.
///
/// # Errors
/// When the database cannot answer.
pub async fn head(on: &impl ConnectionTrait) -> Result<Head, DbErr> {
    let sql = "SELECT batch_no, position, committed_at, hash FROM ledger_head WHERE id = 1";
    let head = Head::find_by_statement(statement(on, sql, Vec::new())).one(on).await?;
    head.ok_or_else(|| DbErr::RecordNotFound("ledger_head".to_owned()))
}

/// Writes down what a part found and how far it came; the violations that are new, or open again. Whoever has lost the lease
/// meanwhile still tells what they found, and moves nothing on.
///
/// # Errors
/// When the database cannot answer.
pub async fn keep(
    db: &Database,
    holder: Uuid,
    (watch, now): (&Watch, i64),
    standing: &Standing,
    findings: &Findings,
) -> Result<Vec<Violation>, DbErr> {
    let tx = db.write().await?;
    let sql = "UPDATE invariant_watch SET batch_no = $1, position = $2, at = $3, hash = $4, account = $5, sums_at = $6, \
               round_at = $7 WHERE id = 1 AND holder = $8";
    let Watch { batch_no, position, at, hash, account, sums_at, round_at } = watch.clone();
    let values = vec![
        batch_no.into(),
        position.into(),
        at.into(),
        hash.into(),
        account.into(),
        sums_at.into(),
        round_at.into(),
        holder.into(),
    ];
    let ours = tx.execute_raw(statement(&tx, sql, values)).await?.rows_affected() == 1;
    if ours {
        count(&tx, (watch, now), findings).await?;
        part::write(&tx, standing).await?;
    }
    let fresh = add(&tx, now, findings).await?;
    for id in findings.clean() {
        let sql = "UPDATE invariant_violations SET clean_at = $1 WHERE id = $2";
        tx.execute_raw(statement(&tx, sql, vec![now.into(), id.into()])).await?;
    }
    tx.commit().await?;
    Ok(fresh)
}

async fn count(tx: &DatabaseTransaction, (watch, now): (&Watch, i64), findings: &Findings) -> Result<(), DbErr> {
    let sql = "INSERT INTO invariant_checks (invariant, checked, checked_at, batch_no, position) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (invariant) DO UPDATE SET \
               checked = invariant_checks.checked + excluded.checked, checked_at = excluded.checked_at, \
               batch_no = excluded.batch_no, position = excluded.position";
    for (invariant, checked) in &findings.checked {
        let checked = i64::try_from(*checked).unwrap_or(i64::MAX);
        let values =
            vec![invariant.word().into(), checked.into(), now.into(), watch.batch_no.into(), watch.position.into()];
        tx.execute_raw(statement(tx, sql, values)).await?;
    }
    Ok(())
}

/// One that is open says how it is by now. One that somebody has acted on stays so, unless it has held since it was seen last,
/// or is another fault: then it is open again, with the note of before.
async fn add(tx: &DatabaseTransaction, now: i64, findings: &Findings) -> Result<Vec<Violation>, DbErr> {
    let open = "UPDATE invariant_violations SET seen_at = $1, says = $2, fault = $3 \
                WHERE id = $4 AND acknowledged_at IS NULL";
    let acted = "UPDATE invariant_violations SET seen_at = $1 \
                 WHERE id = $2 AND fault = $3 AND (clean_at IS NULL OR clean_at <= seen_at)";
    let again = "UPDATE invariant_violations SET seen_at = $1, says = $2, fault = $3, found_at = $4, \
                 acknowledged_at = NULL, acknowledged_by = NULL WHERE id = $5";
    let mut fresh = Vec::new();
    for violation in &findings.kept {
        let (id, Violation { says, fault, .. }) = (violation.id(), violation);
        let run = async |sql: &str, values: Vec<Value>| {
            tx.execute_raw(statement(tx, sql, values)).await.map(|done| done.rows_affected() > 0)
        };
        if run(open, vec![now.into(), says.into(), fault.into(), id.into()]).await?
            || run(acted, vec![now.into(), id.into(), fault.into()]).await?
        {
            continue;
        }
        if run(again, vec![now.into(), says.into(), fault.into(), now.into(), id.into()]).await?
            || insert(tx, now, violation).await?
        {
            fresh.push(violation.clone());
        }
    }
    Ok(fresh)
}

/// A new one, if there are not too many: whether it was.
async fn insert(tx: &DatabaseTransaction, now: i64, violation: &Violation) -> Result<bool, DbErr> {
    let sql = "INSERT INTO invariant_violations (id, invariant, says, fault, batch_no, position, at, account_id, \
               transfer_id, found_at, seen_at) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 WHERE \
               (SELECT count(*) FROM invariant_violations WHERE acknowledged_at IS NULL) < $12 \
               ON CONFLICT (id) DO NOTHING";
    let Violation { invariant, place, says, fault } = violation;
    let Place { batch_no, position, at, account_id, transfer_id, name: _ } = place;
    let values = vec![
        violation.id().into(),
        invariant.word().into(),
        says.into(),
        fault.into(),
        (*batch_no).into(),
        (*position).into(),
        (*at).into(),
        (*account_id).into(),
        (*transfer_id).into(),
        now.into(),
        now.into(),
        MOST.into(),
    ];
    Ok(tx.execute_raw(statement(tx, sql, values)).await?.rows_affected() > 0)
}

/// How much of each invariant was looked at.
///
/// # Errors
/// When the database cannot answer.
pub async fn checked(on: &impl ConnectionTrait) -> Result<Vec<Checked>, DbErr> {
    let sql = "SELECT invariant, checked, checked_at, batch_no, position FROM invariant_checks";
    Checked::find_by_statement(statement(on, sql, Vec::new())).all(on).await
}

/// Violations, those that nobody has acted on first, the newest first.
///
/// # Errors
/// When the database cannot answer.
pub async fn violations(on: &impl ConnectionTrait, most: u32) -> Result<Vec<Kept>, DbErr> {
    let sql = format!(
        "SELECT * FROM invariant_violations ORDER BY CASE WHEN acknowledged_at IS NULL THEN 0 ELSE 1 END, found_at DESC, \
         id LIMIT {most}"
    );
    Kept::find_by_statement(statement(on, &sql, Vec::new())).all(on).await
}

/// How many nobody has acted on, by invariant.
///
/// # Errors
/// When the database cannot answer.
pub async fn open(on: &impl ConnectionTrait) -> Result<Vec<(String, i64)>, DbErr> {
    let sql = "SELECT invariant, count(*) AS count FROM invariant_violations WHERE acknowledged_at IS NULL \
               GROUP BY invariant ORDER BY invariant";
    let rows = on.query_all_raw(statement(on, sql, Vec::new())).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
}

/// Somebody has acted on a violation; the first word stands. None: there is no such violation.
///
/// # Errors
/// When the database cannot answer.
pub async fn acknowledge(
    tx: &DatabaseTransaction,
    id: Uuid,
    (by, now): (Uuid, i64),
    note: Option<&str>,
) -> Result<Option<Kept>, DbErr> {
    let sql = "UPDATE invariant_violations SET acknowledged_at = $1, acknowledged_by = $2, note = $3 \
               WHERE id = $4 AND acknowledged_at IS NULL";
    let values = vec![now.into(), by.into(), note.map(str::to_owned).into(), id.into()];
    tx.execute_raw(statement(tx, sql, values)).await?;
    let sql = "SELECT * FROM invariant_violations WHERE id = $1";
    Kept::find_by_statement(statement(tx, sql, vec![id.into()])).one(tx).await
}

/// The invariant of a stored name; none: of another release.
#[must_use]
pub fn named(word: &str) -> Option<Invariant> {
    Invariant::ALL.iter().copied().find(|invariant| invariant.word() == word)
}
