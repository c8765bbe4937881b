//! The rows of custom roles, and of who has which.

use std::collections::BTreeMap;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use shared::clock::Clock;
use shared::domain::{Permissions, UserId};
use uuid::Uuid;

use super::model::NewRole;
use super::{parse_permissions, rewrite_permissions, write_permissions};
use crate::db::entity::custom_role::{ActiveModel, Column, Entity, Model};
use crate::db::entity::{user, user_custom_role as held};
use crate::db::{Fault, Write};

/// Every custom role, by name.
pub(super) async fn all<C: ConnectionTrait>(db: &C) -> Result<Vec<Model>, Fault> {
    Ok(Entity::find().order_by_asc(Column::Name).all(db).await?)
}

/// The custom role of this name.
pub(super) async fn find<C: ConnectionTrait>(db: &C, name: &str) -> Result<Option<Model>, Fault> {
    Ok(Entity::find().filter(Column::Name.eq(name)).one(db).await?)
}

/// Those of these names that there are.
pub(super) async fn named(write: &Write, names: &[String]) -> Result<Vec<Model>, Fault> {
    let these = Column::Name.is_in(names.iter().map(String::as_str));
    Ok(Entity::find().filter(these).order_by_asc(Column::Name).all(write.transaction()).await?)
}

/// How many there are.
pub(super) async fn count(write: &Write) -> Result<u64, Fault> {
    Ok(Entity::find().count(write.transaction()).await?)
}

/// Writes a new one. The caller holds [`super::lock`].
pub(super) async fn insert(write: &Write, new: &NewRole, clock: &Clock) -> Result<Model, Fault> {
    let now = clock.now_micros();
    let row = Model {
        id: Uuid::new_v4(),
        name: new.name.clone(),
        description: new.description.clone(),
        permissions: write_permissions(new.permissions),
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    let inserted: ActiveModel = row.clone().into();
    Entity::insert(inserted.reset_all()).exec_without_returning(write.transaction()).await?;
    Ok(row)
}

/// Writes what a role is from now on. The caller holds [`super::lock`].
pub(super) async fn change(write: &Write, role: &Model, new: &NewRole, now: i64) -> Result<Model, Fault> {
    let changed = Model {
        description: new.description.clone(),
        permissions: rewrite_permissions(&role.permissions, new.permissions),
        revision: role.revision + 1,
        updated_at: now,
        ..role.clone()
    };
    let row = ActiveModel {
        description: Set(changed.description.clone()),
        permissions: Set(changed.permissions.clone()),
        revision: Set(changed.revision),
        updated_at: Set(now),
        ..Default::default()
    };
    Entity::update_many().set(row).filter(Column::Id.eq(role.id)).exec(write.transaction()).await?;
    Ok(changed)
}

/// Removes a role that nobody has. The caller holds [`super::lock`].
pub(super) async fn remove(write: &Write, role: &Model) -> Result<(), Fault> {
    Entity::delete_by_id(role.id).exec(write.transaction()).await?;
    Ok(())
}

/// Who has a role, at most `most` of them, in the order of their ids.
pub(super) async fn holders(write: &Write, role: &Model, most: u64) -> Result<Vec<Uuid>, Fault> {
    let ids = held::Entity::find().select_only().column(held::Column::UserId);
    let ids = ids.filter(held::Column::RoleId.eq(role.id)).order_by_asc(held::Column::UserId).limit(most);
    Ok(ids.into_tuple().all(write.transaction()).await?)
}

/// The rows of these users, locked in the order of their ids.
pub(super) async fn lock_users(write: &Write, ids: &[Uuid]) -> Result<Vec<user::Model>, Fault> {
    let rows = user::Entity::find().filter(user::Column::Id.is_in(ids.iter().copied()));
    Ok(rows.order_by_asc(user::Column::Id).lock_exclusive().all(write.transaction()).await?)
}

/// All that custom roles permit each of these users. Who has none is not among them.
pub(super) async fn permitted(write: &Write, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Permissions>, Fault> {
    let roles: BTreeMap<Uuid, Permissions> = all(write.transaction())
        .await?
        .into_iter()
        .map(|role| (role.id, parse_permissions(&role.permissions)))
        .collect();
    let rows = held::Entity::find().filter(held::Column::UserId.is_in(ids.iter().copied()));
    let mut permitted = BTreeMap::<Uuid, Permissions>::new();
    for row in rows.all(write.transaction()).await? {
        let known = permitted.entry(row.user_id).or_default();
        *known = known.union(roles.get(&row.role_id).copied().unwrap_or_default());
    }
    Ok(permitted)
}

/// Writes what custom roles permit these users, who hold that alike, as it is stored; `lost`: tokens that say more are older than this.
/// Nothing else about them moves: not their last change, from which a deletion counts its time.
pub(super) async fn permit(write: &Write, ids: Vec<Uuid>, permissions: String, lost: bool) -> Result<(), Fault> {
    let column = user::Column::Ver;
    for id in &ids {
        write.touched((*id).into());
    }
    user::Entity::update_many()
        .col_expr(user::Column::Permissions, Expr::value(permissions))
        .col_expr(column, Expr::col(column).add(i64::from(lost)))
        .filter(user::Column::Id.is_in(ids))
        .exec(write.transaction())
        .await?;
    Ok(())
}

/// Gives and takes custom roles. The caller holds [`super::lock`] and the user's row.
pub(super) async fn assign(
    write: &Write,
    user: UserId,
    (given, taken): (&[&Model], &[&Model]),
    by: UserId,
    now: i64,
) -> Result<(), Fault> {
    let gone = held::Column::RoleId.is_in(taken.iter().map(|role| role.id));
    if !taken.is_empty() {
        let mine = held::Entity::delete_many().filter(held::Column::UserId.eq(user.as_uuid()));
        mine.filter(gone).exec(write.transaction()).await?;
    }
    let rows = given.iter().map(|role| held::ActiveModel {
        user_id: Set(user.as_uuid()),
        role_id: Set(role.id),
        granted_by: Set(by.as_uuid()),
        granted_at: Set(now),
    });
    if !given.is_empty() {
        held::Entity::insert_many(rows).exec_without_returning(write.transaction()).await?;
    }
    Ok(())
}

/// The ids of whoever has the custom role of this name.
#[must_use]
pub fn having(name: &str) -> SelectStatement {
    let mut query = Query::select();
    query
        .column((held::Entity, held::Column::UserId))
        .from(held::Entity)
        .inner_join(Entity, Expr::col((Entity, Column::Id)).equals((held::Entity, held::Column::RoleId)))
        .and_where(Expr::col((Entity, Column::Name)).eq(name));
    query
}
