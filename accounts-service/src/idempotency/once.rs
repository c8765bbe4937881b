//! A POST done once: its key is claimed in the transaction of its change, so that both are there or neither is.

use std::time::Duration;

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, SqlErr,
};
use shared::problem::{Code, Problem};
use tokio::time::Instant;
use uuid::Uuid;

use super::running::{Place, Seat};
use super::stored::Stored;
use crate::app::App;
use crate::db::entity::idempotency_key;
use crate::db::{Backend, Database, code, problem};
use crate::posting::KeyDigest;

/// How long a key is kept: 30 days, in microseconds.
const KEPT: i64 = 30 * 24 * 3_600 * 1_000_000;

/// PostgreSQL's `query_canceled`, which a statement timeout is, and `lock_not_available`.
const WAITED: [&str; 2] = ["57014", "55P03"];

/// A key and what is asked under it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Caller, method, route and key.
    pub digest: KeyDigest,
    /// What identifies the request.
    pub fingerprint: Uuid,
}

/// Runs `work` in a transaction, under `claim` if there is one. A refusal rolls everything back, the key included.
pub async fn once<W>(app: &App, claim: Option<Claim>, work: W) -> Result<Stored, Problem>
where
    W: AsyncFnOnce(&DatabaseTransaction) -> Result<Stored, Problem>,
{
    let Some(claim) = claim else {
        let transaction = app.db.write().await.map_err(problem)?;
        return finish(transaction, None, work).await;
    };
    let now = app.clock.now_micros();
    let deadline = app.running.patience();
    let _seat = match turn(app, claim, now, deadline).await? {
        Turn::Ours(seat) => seat,
        Turn::Done(earlier) => return Ok(earlier),
    };
    let transaction = app.db.write().await.map_err(problem)?;
    if let Some(earlier) = take(&app.db, &transaction, claim, (now, deadline)).await? {
        return Ok(earlier);
    }
    finish(transaction, Some(claim), work).await
}

async fn finish<W>(transaction: DatabaseTransaction, claim: Option<Claim>, work: W) -> Result<Stored, Problem>
where
    W: AsyncFnOnce(&DatabaseTransaction) -> Result<Stored, Problem>,
{
    let stored = work(&transaction).await?;
    if let Some(claim) = claim {
        keep(&transaction, claim, &stored).await.map_err(problem)?;
    }
    transaction.commit().await.map_err(problem)?;
    Ok(stored)
}

/// What a claim takes at most when nobody holds the key, on a busy database.
const CLAIM: Duration = Duration::from_millis(250);

enum Turn<'a> {
    Ours(Seat<'a>),
    Done(Stored),
}

/// Waits for whoever runs under the key in this process; 409 after the deadline. The answer is looked for without the
/// transaction, so that a replay is not held up by others' writes.
async fn turn(app: &App, claim: Claim, now: i64, deadline: Instant) -> Result<Turn<'_>, Problem> {
    loop {
        if let Some(row) = find(&app.db.pool, claim).await?.filter(|row| row.expires_at > now) {
            return judged(row, claim).map(Turn::Done);
        }
        match app.running.enter(claim) {
            Place::First(seat) => return Ok(Turn::Ours(seat)),
            Place::Later(waiting) => {
                if !waiting.ended(deadline).await {
                    return Err(in_progress());
                }
            }
            Place::Reused => return Err(Problem::new(Code::IdempotencyKeyReused)),
        }
    }
}

/// Claims the key, or finds the answer that was given under it. Waits for a transaction of another process that is
/// running under the same key, at most until the deadline.
async fn take(
    db: &Database,
    transaction: &DatabaseTransaction,
    claim: Claim,
    (now, deadline): (i64, Instant),
) -> Result<Option<Stored>, Problem> {
    // Not a lock timeout, which begins anew with each of several that are waited for in turn. Waiting for a connection may
    // have used the time up, and then nobody runs under the key: the claim itself gets its moment.
    let left = deadline.saturating_duration_since(Instant::now()).max(CLAIM);
    patience(db, transaction, &left.as_millis().to_string()).await.map_err(problem)?;
    let earlier = claimed_or_found(transaction, now, claim).await?;
    // The work waits for its rows for as long as without a key: what holds those is no request under this key.
    patience(db, transaction, "DEFAULT").await.map_err(problem)?;
    Ok(earlier)
}

/// How long a statement of `transaction` may take, in milliseconds. SQLite has one writer, and it is this one.
async fn patience(db: &Database, transaction: &DatabaseTransaction, wait: &str) -> Result<(), DbErr> {
    match db.backend {
        Backend::Postgres(_) => {
            // The pool's own bound on locks may be shorter, and would be no word about the key.
            let lock = if wait == "DEFAULT" { "DEFAULT" } else { "0" };
            let both = format!("SET LOCAL statement_timeout TO {wait}; SET LOCAL lock_timeout TO {lock}");
            transaction.execute_unprepared(&both).await.map(drop)
        }
        Backend::Sqlite(_) => Ok(()),
    }
}

async fn claimed_or_found(
    transaction: &DatabaseTransaction,
    now: i64,
    claim: Claim,
) -> Result<Option<Stored>, Problem> {
    if insert(transaction, claim, now).await.map_err(waited)? {
        return Ok(None);
    }
    match find(transaction, claim).await? {
        Some(row) if row.expires_at <= now => {
            forget(transaction, row.digest, now).await.map_err(waited)?;
            // Another request may have renewed the expired key first.
            if insert(transaction, claim, now).await.map_err(waited)? { Ok(None) } else { Err(in_progress()) }
        }
        Some(row) => judged(row, claim).map(Some),
        // It was rolled back between the two statements.
        None => Err(in_progress()),
    }
}

async fn find(db: &impl ConnectionTrait, claim: Claim) -> Result<Option<idempotency_key::Model>, Problem> {
    idempotency_key::Entity::find_by_id(claim.digest.0).one(db).await.map_err(problem)
}

/// Takes an expired key away; one that was renewed since it was read, or while this waited, is another request's.
async fn forget(transaction: &DatabaseTransaction, digest: Uuid, now: i64) -> Result<(), DbErr> {
    let expired = idempotency_key::Column::ExpiresAt.lte(now);
    let key = idempotency_key::Entity::delete_many().filter(idempotency_key::Column::Digest.eq(digest)).filter(expired);
    key.exec(transaction).await.map(drop)
}

fn judged(row: idempotency_key::Model, claim: Claim) -> Result<Stored, Problem> {
    if row.fingerprint == claim.fingerprint {
        Ok(Stored::again(row))
    } else {
        Err(Problem::new(Code::IdempotencyKeyReused))
    }
}

async fn insert(transaction: &DatabaseTransaction, claim: Claim, now: i64) -> Result<bool, DbErr> {
    let row = idempotency_key::ActiveModel {
        digest: Set(claim.digest.0),
        fingerprint: Set(claim.fingerprint),
        status: Set(0),
        location: Set(None),
        etag: Set(None),
        body: Set(Vec::new()),
        expires_at: Set(now.saturating_add(KEPT)),
    };
    let none_taken = OnConflict::column(idempotency_key::Column::Digest).do_nothing().to_owned();
    let inserted =
        idempotency_key::Entity::insert(row).on_conflict(none_taken).exec_without_returning(transaction).await;
    match inserted {
        Ok(rows) => Ok(rows > 0),
        Err(DbErr::RecordNotInserted) => Ok(false),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn keep(transaction: &DatabaseTransaction, claim: Claim, stored: &Stored) -> Result<(), DbErr> {
    let row = idempotency_key::ActiveModel {
        digest: Set(claim.digest.0),
        status: Set(i16::try_from(stored.status).unwrap_or(200)),
        location: Set(stored.location.clone()),
        etag: Set(stored.etag.clone()),
        body: Set(stored.body.clone()),
        ..Default::default()
    };
    idempotency_key::Entity::update(row).exec(transaction).await.map(drop)
}

/// By its code: the text of a timeout is in the server's language.
fn waited(error: DbErr) -> Problem {
    if code(&error).is_some_and(|code| WAITED.contains(&code.as_ref())) { in_progress() } else { problem(error) }
}

fn in_progress() -> Problem {
    Problem::new(Code::IdempotencyInProgress).retry_after(Duration::from_secs(1))
}
