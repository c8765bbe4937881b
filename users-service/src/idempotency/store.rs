//! The rows: claimed first, answered last, in one transaction.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter};

use shared::domain::UserId;

use super::answer::Answer;
use super::claim::Claim;
use crate::db::entity::idempotency_key::{ActiveModel, Column, Entity};
use crate::db::{self, Database, Fault, Write};
use crate::passwords::PasswordHash;

/// What is known of a key.
pub(super) struct Stored {
    pub fingerprint: Vec<u8>,
    pub password_hash: Option<PasswordHash>,
    /// Nothing where it was not kept.
    pub answer: Option<Answer>,
}

fn row_of(claim: &Claim) -> Condition {
    Condition::all()
        .add(Column::Scope.eq(claim.scope.as_str()))
        .add(Column::Route.eq(claim.route.as_str()))
        .add(Column::Key.eq(claim.key.as_str()))
}

/// `false` when somebody else has the key. Waits for a transaction that is about to have it.
pub(super) async fn claim(write: &Write, claim: &Claim, hash: Option<&PasswordHash>, now: i64) -> Result<bool, Fault> {
    let row = ActiveModel {
        scope: Set(claim.scope.clone()),
        route: Set(claim.route.clone()),
        key: Set(claim.key.as_str().to_owned()),
        fingerprint: Set(claim.fingerprint.to_vec()),
        password_hash: Set(hash.map(|hash| hash.as_str().to_owned())),
        status: Set(0),
        headers: Set(String::new()),
        body: Set(Vec::new()),
        created_at: Set(now),
        subject_id: Set(None),
    };
    let ours = OnConflict::new().do_nothing().to_owned();
    let rows = Entity::insert(row).on_conflict(ours).exec_without_returning(write.transaction()).await?;
    Ok(rows == 1)
}

/// Writes the answer into a row claimed in this transaction.
pub(super) async fn answer(write: &Write, claim: &Claim, answer: &Answer) -> Result<(), Fault> {
    let headers = serde_json::to_string(&answer.headers).map_err(|error| DbErr::Json(error.to_string()))?;
    let row = ActiveModel {
        status: Set(i32::from(answer.status)),
        headers: Set(headers),
        body: Set(answer.body.clone()),
        subject_id: Set(answer.subject.map(UserId::as_uuid)),
        ..Default::default()
    };
    Entity::update_many().set(row).filter(row_of(claim)).exec(write.transaction()).await?;
    Ok(())
}

/// The answer under a key, if it has one. A claim is seen only together with its answer.
pub(super) async fn find<C: ConnectionTrait>(db: &C, claim: &Claim) -> Result<Option<Stored>, Fault> {
    let Some(row) = Entity::find().filter(row_of(claim)).one(db).await? else { return Ok(None) };
    let status = u16::try_from(row.status).map_err(|error| DbErr::Type(error.to_string()))?;
    // A claim that is seen was committed; without an answer it had one that nobody may keep.
    let answer = match status {
        0 => None,
        status => {
            let headers = serde_json::from_str(&row.headers).map_err(|error| DbErr::Json(error.to_string()))?;
            Some(Answer { status, headers, body: row.body, replayed: true, unrepeatable: false, subject: None })
        }
    };
    Ok(Some(Stored {
        fingerprint: row.fingerprint,
        password_hash: row.password_hash.map(PasswordHash::stored),
        answer,
    }))
}

/// Forgets what somebody has asked for under keys, what they registered under whatever key, and what others were told of
/// them, for the day they are purged.
///
/// # Errors
/// When the statement fails.
pub async fn forget<C: ConnectionTrait>(db: &C, user: UserId, email_norm: &str) -> Result<(), Fault> {
    let of_user = Condition::any()
        .add(Column::Scope.is_in([user.to_string(), registration(email_norm)]))
        .add(Column::SubjectId.eq(user.as_uuid()));
    Entity::delete_many().filter(of_user).exec(db).await?;
    Ok(())
}

/// The scope of keys for a registration: whoever has none yet goes by their address.
#[must_use]
pub fn registration(email_norm: &str) -> String {
    format!("registration {email_norm}")
}

/// Forgets keys claimed before `before`.
///
/// # Errors
/// When the statement fails.
pub async fn sweep(database: &Database, before: i64) -> Result<(), Fault> {
    db::remove_where(database, ("idempotency_keys", "scope, route, key"), "created_at < $1", &[before]).await
}
