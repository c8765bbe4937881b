//! The rows of clients.

use std::collections::HashMap;

use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use shared::clock::{from_micros, to_micros};
use shared::domain::paging::{CursorPage, CursorRequest};
use shared::domain::{ClientId, SessionId};
use shared::problem::Problem;
use uuid::Uuid;

use super::model::{Client, GrantType, Kind};
use super::secret::Digest;
use crate::db::entity::oauth_client::{ActiveModel, Column, Entity, Model};
use crate::db::entity::oauth_consent;
use crate::db::{Fault, Write};
use crate::oauth::scope::Scope;

impl From<Model> for Client {
    fn from(row: Model) -> Self {
        let grants = row.grants.split(' ');
        let previous = row.previous_digest.map(Digest::stored).zip(row.previous_until);
        Self {
            id: row.id.into(),
            seq: row.seq,
            session: row.session_id.into(),
            name: row.name,
            kind: if row.kind == Kind::Public.as_str() { Kind::Public } else { Kind::Confidential },
            secret: row.secret_digest.map(Digest::stored),
            previous,
            // A word that a later release wrote allows nothing here.
            grants: grants.filter_map(|word| GrantType::ALL.into_iter().find(|grant| grant.as_str() == word)).collect(),
            scopes: Scope::stored(&row.scopes),
            redirect_uris: serde_json::from_str(&row.redirect_uris).unwrap_or_default(),
            trusted: row.trusted,
            disabled: row.disabled_at.is_some(),
            revision: row.revision,
            created_at: from_micros(row.created_at),
            updated_at: from_micros(row.updated_at),
        }
    }
}

fn row(client: &Client) -> ActiveModel {
    let (previous_digest, previous_until) = client.previous.clone().unzip();
    let grants: Vec<_> = client.grants.iter().map(|grant| grant.as_str()).collect();
    let updated_at = to_micros(client.updated_at);
    ActiveModel {
        id: Unchanged(client.id.as_uuid()),
        seq: Set(client.seq),
        session_id: Set(client.session.as_uuid()),
        name: Set(client.name.clone()),
        kind: Set(client.kind.as_str().to_owned()),
        secret_digest: Set(client.secret.as_ref().map(Digest::bytes)),
        previous_digest: Set(previous_digest.as_ref().map(Digest::bytes)),
        previous_until: Set(previous_until),
        grants: Set(grants.join(" ")),
        scopes: Set(client.scopes.to_string()),
        redirect_uris: Set(serde_json::to_string(&client.redirect_uris).unwrap_or_default()),
        trusted: Set(client.trusted),
        revision: Set(client.revision),
        created_at: Set(to_micros(client.created_at)),
        updated_at: Set(updated_at),
        disabled_at: Set(client.disabled.then_some(updated_at)),
    }
}

/// Writes a new client.
pub(super) async fn insert(write: &Write, client: &Client) -> Result<(), Fault> {
    let row = ActiveModel { id: Set(client.id.as_uuid()), ..row(client) };
    Entity::insert(row).exec_without_returning(write.transaction()).await?;
    Ok(())
}

/// Writes all of a client that is locked.
pub(super) async fn save(write: &Write, client: &Client) -> Result<(), Fault> {
    Entity::update(row(client)).exec(write.transaction()).await?;
    Ok(())
}

/// Removes a client that is locked, and what users have allowed it.
pub(super) async fn remove(write: &Write, id: ClientId) -> Result<(), Fault> {
    let of_client = oauth_consent::Column::ClientId.eq(id.as_uuid());
    oauth_consent::Entity::delete_many().filter(of_client).exec(write.transaction()).await?;
    Entity::delete_by_id(id.as_uuid()).exec(write.transaction()).await?;
    Ok(())
}

/// A client.
///
/// # Errors
/// When the statement fails.
pub async fn find<C: ConnectionTrait>(db: &C, id: ClientId) -> Result<Option<Client>, Fault> {
    Ok(Entity::find_by_id(id.as_uuid()).one(db).await?.map(Client::from))
}

/// What these clients are called; those that are gone are left out.
///
/// # Errors
/// When the statement fails.
pub async fn names<C: ConnectionTrait>(
    db: &C,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, String>, Fault> {
    let rows = Entity::find().select_only().column(Column::Id).column(Column::Name).filter(Column::Id.is_in(ids));
    Ok(rows.into_tuple::<(Uuid, String)>().all(db).await?.into_iter().collect())
}

/// A client whose change has to wait for this transaction's end.
pub(super) async fn lock(write: &Write, id: ClientId) -> Result<Option<Client>, Fault> {
    Ok(Entity::find_by_id(id.as_uuid()).lock_exclusive().one(write.transaction()).await?.map(Client::from))
}

/// A client as it stays until this transaction's end; others may hold it so, too.
///
/// # Errors
/// When the statement fails.
pub async fn share(write: &Write, id: ClientId) -> Result<Option<Client>, Fault> {
    Ok(Entity::find_by_id(id.as_uuid()).lock_shared().one(write.transaction()).await?.map(Client::from))
}

/// Gives a client another session, in place of this one: all tokens of its own are of the old one. `false` when it has
/// another already, or is gone.
///
/// # Errors
/// When the statement fails.
pub async fn renew(write: &Write, id: ClientId, old: SessionId, new: SessionId) -> Result<bool, Fault> {
    let row = ActiveModel { session_id: Set(new.as_uuid()), ..Default::default() };
    let of_old = Entity::update_many().set(row).filter(Column::Id.eq(id.as_uuid()));
    let renewed = of_old.filter(Column::SessionId.eq(old.as_uuid())).exec(write.transaction()).await?;
    Ok(renewed.rows_affected == 1)
}

/// A place in the order of registrations.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Position {
    client: i64,
}

/// One page from a cursor on, oldest first. Registrations are numbered in the order in which they commit, so no client can
/// turn up behind a cursor.
pub(super) async fn page<C: ConnectionTrait>(db: &C, request: &CursorRequest) -> Result<CursorPage<Client>, Problem> {
    let position = request.position::<Position>()?.map_or(0, |position| position.client);
    let rows = Entity::find().filter(Column::Seq.gt(position)).order_by_asc(Column::Seq);
    let rows = rows.limit(u64::from(request.limit) + 1).all(db).await.map_err(Fault::from)?;
    let rows = rows.into_iter().map(Client::from).collect();
    Ok(CursorPage::new(rows, request.limit, |client: &Client| Position { client: client.seq }))
}
