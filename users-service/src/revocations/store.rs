//! The rows: one per revocation, kept until the last token it concerns has expired.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use shared::clock::{from_micros, to_micros};
use shared::domain::{ApiKeyId, Roles, SessionId, UserId};
use shared::store::Revocation;
use uuid::Uuid;

use crate::db::entity::revocation::{ActiveModel, Column, Entity, Model};
use crate::db::{self, Database, Fault, Write};
use crate::roles::{parse_permissions, parse_roles, write_permissions, write_roles};

/// Rows published in one go.
const BATCH: u64 = 256;

const SESSION: &str = "session";
const USER: &str = "user";
const ROLES: &str = "roles";
const API_KEY: &str = "api_key";
const SIGNING_KEY: &str = "signing_key";

/// What this release understands. The rest is told by those that wrote it.
const KINDS: [&str; 5] = [SESSION, USER, ROLES, API_KEY, SIGNING_KEY];

/// Writes a revocation in the transaction of the change that makes it so.
///
/// # Errors
/// When the statement fails.
pub async fn record(write: &Write, revocation: &Revocation) -> Result<(), Fault> {
    let empty = ActiveModel {
        id: Set(Uuid::new_v4()),
        kind: Set(String::new()),
        session_id: Set(None),
        user_id: Set(None),
        ver: Set(None),
        roles: Set(None),
        permissions: Set(None),
        api_key_id: Set(None),
        kid: Set(None),
        expires_at: Set(to_micros(revocation.expires_at())),
        published_at: Set(None),
    };
    let row = match revocation {
        &Revocation::Session { sid, .. } => {
            ActiveModel { kind: Set(SESSION.to_owned()), session_id: Set(Some(sid.as_uuid())), ..empty }
        }
        &Revocation::ApiKey { key, .. } => {
            ActiveModel { kind: Set(API_KEY.to_owned()), api_key_id: Set(Some(key.as_uuid())), ..empty }
        }
        Revocation::SigningKey { kid, .. } => {
            ActiveModel { kind: Set(SIGNING_KEY.to_owned()), kid: Set(Some(kid.clone())), ..empty }
        }
        &Revocation::User { user, ver, .. } => {
            ActiveModel { kind: Set(USER.to_owned()), user_id: Set(Some(user.as_uuid())), ver: Set(Some(ver)), ..empty }
        }
        &Revocation::Roles { user, ver, roles, permissions, .. } => ActiveModel {
            kind: Set(ROLES.to_owned()),
            user_id: Set(Some(user.as_uuid())),
            ver: Set(Some(ver)),
            roles: Set(Some(write_roles(roles))),
            permissions: Set(Some(write_permissions(permissions))),
            ..empty
        },
    };
    Entity::insert(row).exec_without_returning(write.transaction()).await?;
    Ok(())
}

/// A row as it is published.
pub(super) struct Stored {
    pub id: Uuid,
    pub revocation: Revocation,
}

/// Those nobody has been told of yet.
pub(super) async fn unpublished<C: ConnectionTrait>(db: &C) -> Result<Vec<Stored>, Fault> {
    let known = Entity::find().filter(Column::Kind.is_in(KINDS));
    let rows = known.filter(Column::PublishedAt.is_null()).order_by_asc(Column::Id).limit(BATCH);
    read(rows.all(db).await?)
}

/// Those that still matter, after `after`.
pub(super) async fn live<C: ConnectionTrait>(db: &C, now: i64, after: Option<Uuid>) -> Result<Vec<Stored>, Fault> {
    let known = Entity::find().filter(Column::Kind.is_in(KINDS));
    let mut rows = known.filter(Column::ExpiresAt.gt(now)).order_by_asc(Column::Id).limit(BATCH);
    if let Some(after) = after {
        rows = rows.filter(Column::Id.gt(after));
    }
    read(rows.all(db).await?)
}

/// Notes that these have been told.
pub(super) async fn mark_published<C: ConnectionTrait>(db: &C, ids: Vec<Uuid>, now: i64) -> Result<(), Fault> {
    let row = ActiveModel { published_at: Set(Some(now)), ..Default::default() };
    Entity::update_many().set(row).filter(Column::Id.is_in(ids)).exec(db).await?;
    Ok(())
}

/// Removes those that do not matter any more.
///
/// # Errors
/// When the statement fails.
pub async fn sweep(database: &Database, now: i64) -> Result<(), Fault> {
    db::remove_where(database, ("revocations", "id"), "expires_at <= $1", &[now]).await
}

fn read(rows: Vec<Model>) -> Result<Vec<Stored>, Fault> {
    rows.into_iter().map(|row| Ok(Stored { id: row.id, revocation: revocation(&row)? })).collect()
}

fn revocation(row: &Model) -> Result<Revocation, Fault> {
    let wrong = || Fault::from(DbErr::Type(format!("revocation {} of kind {}", row.id, row.kind)));
    let expires_at = from_micros(row.expires_at);
    let user = || row.user_id.zip(row.ver).map(|(user, ver)| (UserId::from(user), ver)).ok_or_else(wrong);
    match row.kind.as_str() {
        SESSION => {
            let sid = row.session_id.map(SessionId::from).ok_or_else(wrong)?;
            Ok(Revocation::Session { sid, expires_at })
        }
        API_KEY => {
            let key = row.api_key_id.map(ApiKeyId::from).ok_or_else(wrong)?;
            Ok(Revocation::ApiKey { key, expires_at })
        }
        SIGNING_KEY => {
            let kid = row.kid.clone().ok_or_else(wrong)?;
            Ok(Revocation::SigningKey { kid, expires_at })
        }
        USER => user().map(|(user, ver)| Revocation::User { user, ver, expires_at }),
        ROLES => {
            let roles: Roles = row.roles.as_deref().map(parse_roles).ok_or_else(wrong)?;
            // A release that knew none has left them out.
            let permissions = row.permissions.as_deref().map(parse_permissions).unwrap_or_default();
            user().map(|(user, ver)| Revocation::Roles { user, ver, roles, permissions, expires_at })
        }
        _ => Err(wrong()),
    }
}
