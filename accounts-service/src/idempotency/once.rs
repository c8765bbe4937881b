//! A POST done once: its key is claimed in the transaction of its change, so that both are there or neither is.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, SqlErr};
use shared::clock::Clock;
use shared::problem::{Code, Problem};
use shared::wire::idempotency::REPLAYED_HEADER;
use uuid::Uuid;

use crate::db::entity::idempotency_key;
use crate::db::{Backend, Database, code, problem};
use crate::posting::KeyDigest;

/// How long a key is kept: 30 days, in microseconds.
const KEPT: i64 = 30 * 24 * 3_600 * 1_000_000;

/// How long a request waits for another with the same key, as PostgreSQL writes it.
const PATIENCE: &str = "'2s'";

/// PostgreSQL's `lock_not_available`.
const LOCK_TIMEOUT: &str = "55P03";

/// A key and what is asked under it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Caller, method, route and key.
    pub digest: KeyDigest,
    /// What identifies the request.
    pub fingerprint: Uuid,
}

/// An answer as it is given and kept.
#[derive(Clone, Debug)]
pub struct Stored {
    /// HTTP status.
    pub status: u16,
    /// `Location`, for what was created.
    pub location: Option<String>,
    /// `ETag` of the representation.
    pub etag: Option<String>,
    /// JSON.
    pub body: Vec<u8>,
    /// Whether it was given before.
    pub replayed: bool,
}

impl From<Stored> for HttpResponse {
    fn from(stored: Stored) -> Self {
        let mut response = Self::build(StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK));
        response.insert_header((CONTENT_TYPE, "application/json"));
        response.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(location) = stored.location {
            response.insert_header((LOCATION, location));
        }
        if let Some(etag) = stored.etag {
            response.insert_header((ETAG, etag));
        }
        if stored.replayed {
            response.insert_header((REPLAYED_HEADER, "true"));
        }
        response.body(stored.body)
    }
}

/// Runs `work` in a transaction, under `claim` if there is one. A refusal rolls everything back, the key included.
pub async fn once<W>(db: &Database, clock: &Clock, claim: Option<Claim>, work: W) -> Result<Stored, Problem>
where
    W: AsyncFnOnce(&DatabaseTransaction) -> Result<Stored, Problem>,
{
    let transaction = db.write().await.map_err(problem)?;
    if let Some(claim) = claim
        && let Some(earlier) = take(db, &transaction, clock, claim).await?
    {
        return Ok(earlier);
    }
    let stored = work(&transaction).await?;
    if let Some(claim) = claim {
        keep(&transaction, claim, &stored).await.map_err(problem)?;
    }
    transaction.commit().await.map_err(problem)?;
    Ok(stored)
}

/// Claims the key, or finds the answer that was given under it. Waits for a transaction that is running under the same
/// key, at most [`PATIENCE`].
async fn take(
    db: &Database,
    transaction: &DatabaseTransaction,
    clock: &Clock,
    claim: Claim,
) -> Result<Option<Stored>, Problem> {
    patience(db, transaction, PATIENCE).await.map_err(problem)?;
    let earlier = claimed_or_found(transaction, clock.now_micros(), claim).await?;
    // The work waits for its rows for as long as without a key: what holds those is no request under this key.
    patience(db, transaction, "DEFAULT").await.map_err(problem)?;
    Ok(earlier)
}

/// How long the statements of `transaction` wait for a row. SQLite has one writer, and it is this one.
async fn patience(db: &Database, transaction: &DatabaseTransaction, wait: &str) -> Result<(), DbErr> {
    match db.backend {
        Backend::Postgres(_) => {
            transaction.execute_unprepared(&format!("SET LOCAL lock_timeout TO {wait}")).await.map(drop)
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
    let found = idempotency_key::Entity::find_by_id(claim.digest.0).one(transaction).await.map_err(problem)?;
    match found {
        Some(row) if row.expires_at <= now => {
            idempotency_key::Entity::delete_by_id(row.digest).exec(transaction).await.map_err(problem)?;
            // Another request may have renewed the expired key first.
            if insert(transaction, claim, now).await.map_err(waited)? { Ok(None) } else { Err(in_progress()) }
        }
        Some(row) if row.fingerprint != claim.fingerprint => Err(Problem::new(Code::IdempotencyKeyReused)),
        Some(row) => Ok(Some(Stored {
            status: u16::try_from(row.status).unwrap_or(500),
            location: row.location,
            etag: row.etag,
            body: row.body,
            replayed: true,
        })),
        // It was rolled back between the two statements.
        None => Err(in_progress()),
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

/// By its code: the text of a lock timeout is in the server's language.
fn waited(error: DbErr) -> Problem {
    if code(&error).as_deref() == Some(LOCK_TIMEOUT) { in_progress() } else { problem(error) }
}

fn in_progress() -> Problem {
    Problem::new(Code::IdempotencyInProgress).retry_after(std::time::Duration::from_secs(1))
}
