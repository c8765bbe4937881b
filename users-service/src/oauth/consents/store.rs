//! The rows of consents, as their user sees them.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use shared::clock::from_micros;
use shared::domain::{ClientId, UserId};

use super::model::ConsentView;
use crate::db::entity::oauth_consent::{Column, Entity};
use crate::db::{Fault, Write};
use crate::oauth::scope::Scope;
use crate::{clients, sessions};

/// Consents that are shown at once. Nobody has as many; whoever has takes some back to see the rest.
const MOST: u64 = 1_000;

/// A user's, the latest first.
pub(super) async fn all<C: ConnectionTrait>(db: &C, user: UserId) -> Result<Vec<ConsentView>, Fault> {
    let of_user = Entity::find().filter(Column::UserId.eq(user.as_uuid())).limit(MOST);
    let rows = of_user.order_by_desc(Column::GrantedAt).order_by_desc(Column::ClientId).all(db).await?;
    let names = clients::names(db, rows.iter().map(|row| row.client_id)).await?;
    let used = sessions::last_used_by(db, user).await?;
    let shown = rows.into_iter().filter_map(|row| {
        // Without one it was removed just now, and so was this.
        let name = names.get(&row.client_id)?.clone();
        let last_used_at = used.get(&row.client_id).copied().map(from_micros);
        let scopes = Scope::stored(&row.scope).words().map(str::to_owned).collect();
        let (client_id, granted_at) = (ClientId::from(row.client_id), from_micros(row.granted_at));
        Some(ConsentView { client_id, name, scopes, granted_at, last_used_at })
    });
    Ok(shown.collect())
}

/// Forgets what a user has allowed a client: `false` when that was nothing. The caller holds the user's row.
pub(super) async fn remove(write: &Write, user: UserId, client: ClientId) -> Result<bool, Fault> {
    let row = Entity::delete_by_id((user.as_uuid(), client.as_uuid()));
    Ok(row.exec(write.transaction()).await?.rows_affected == 1)
}
