//! Making, changing and removing custom roles: within what the maker holds, and a loss bites on tokens already issued.

use std::collections::BTreeMap;

use shared::auth::SignedIn;
use shared::domain::{Permission, Permissions, UserId};
use shared::http::{Conditions, entity_tag};
use shared::problem::{Code, Problem};
use shared::store::Revocation;
use uuid::Uuid;

use super::authority::{self, Authority};
use super::model::{NewRole, RolePatch, RoleView, RolesView};
use super::{parse_permissions, parse_roles, store};
use crate::app::App;
use crate::audit::{Event, Kind};
use crate::db::entity::custom_role::Model;
use crate::db::entity::user;
use crate::db::{Fault, Write};
use crate::revocations;
use crate::users::UserError;

/// Custom roles there may be.
const MOST: u64 = 200;

/// A role, and its entity tag.
pub(super) type Tagged = (RoleView, String);

/// Every role, ours first.
pub(super) async fn list(app: &App) -> Result<RolesView, Fault> {
    let custom = store::all(app.database.read()).await?.into_iter().map(RoleView::from);
    Ok(RolesView { data: shared::domain::Role::ALL.into_iter().map(RoleView::from).chain(custom).collect() })
}

/// The role of this name. What is ours never changes.
pub(super) async fn read(app: &App, name: &str) -> Result<Tagged, UserError> {
    if let Ok(role) = name.parse::<shared::domain::Role>() {
        return Ok((role.into(), entity_tag(name)));
    }
    let role = store::find(app.database.read(), name).await?.ok_or(UserError::NotFound)?;
    let tag = tag(&role);
    Ok((role.into(), tag))
}

fn tag(role: &Model) -> String {
    entity_tag(format_args!("{}-{}", role.id.simple(), role.revision))
}

/// Makes a role in a transaction of the caller's.
pub(super) async fn make(app: &App, write: &Write, caller: &SignedIn, new: &NewRole) -> Result<Tagged, UserError> {
    super::lock(write).await?;
    let maker = authority::lock(write, caller, Permission::RolesManage).await?;
    within(&maker, new.permissions)?;
    if store::find(write.transaction(), &new.name).await?.is_some() {
        return Err(UserError::State("There is a role of this name."));
    }
    if store::count(write).await? >= MOST {
        return Err(UserError::State("There are as many custom roles as there may be."));
    }
    let role = store::insert(write, new, &app.clock).await?;
    let event = Event::new(Kind::RoleMade, caller.into(), &app.clock).with("role", role.name.as_str());
    write.audit(event.with("permissions", words(new.permissions)));
    let tag = tag(&role);
    Ok((role.into(), tag))
}

/// Applies a merge patch. What the role no longer permits, its holders' tokens lose within a second.
pub(super) async fn patch(
    app: &App,
    caller: &SignedIn,
    name: &str,
    conditions: &Conditions,
    patch: RolePatch,
) -> Result<Tagged, UserError> {
    let write = app.database.write().await?;
    super::lock(&write).await?;
    let maker = authority::lock(&write, caller, Permission::RolesManage).await?;
    let role = changeable(&write, name, conditions).await?;
    let (before, new) = (parse_permissions(&role.permissions), patch.apply(&role)?);
    let after = new.permissions;
    if before == after && role.description == new.description {
        let tag = tag(&role);
        return Ok((role.into(), tag));
    }
    within(&maker, before.without(after).union(after.without(before)))?;
    let changed = store::change(&write, &role, &new, app.clock.now_micros()).await?;
    if before != after {
        spread(app, &write, &changed).await?;
    }
    let event = Event::new(Kind::RoleChanged, caller.into(), &app.clock).with("role", changed.name.as_str());
    write.audit(event.with("before", words(before)).with("after", words(after)));
    write.commit().await?;
    app.relay.flush().await;
    let tag = tag(&changed);
    Ok((changed.into(), tag))
}

/// Removes a role that nobody has.
pub(super) async fn remove(app: &App, caller: &SignedIn, name: &str, conditions: &Conditions) -> Result<(), UserError> {
    let write = app.database.write().await?;
    super::lock(&write).await?;
    let maker = authority::lock(&write, caller, Permission::RolesManage).await?;
    let role = changeable(&write, name, conditions).await?;
    within(&maker, parse_permissions(&role.permissions))?;
    if !store::holders(&write, &role, 1).await?.is_empty() {
        return Err(UserError::State("Somebody has this role: take it away from them first."));
    }
    store::remove(&write, &role).await?;
    write.audit(Event::new(Kind::RoleRemoved, caller.into(), &app.clock).with("role", name));
    Ok(write.commit().await?)
}

/// A custom role, once `If-Match` holds.
async fn changeable(write: &Write, name: &str, conditions: &Conditions) -> Result<Model, UserError> {
    if name.parse::<shared::domain::Role>().is_ok() {
        return Err(UserError::State("This role is one of ours: it never changes."));
    }
    let role = store::find(write.transaction(), name).await?.ok_or(UserError::NotFound)?;
    conditions.require(&tag(&role)).map_err(|_| UserError::Stale)?;
    Ok(role)
}

/// 403 unless the maker holds all of this.
fn within(maker: &Authority, permissions: Permissions) -> Result<(), Problem> {
    if maker.covers(permissions) {
        return Ok(());
    }
    let detail = "nobody gives or takes away what they do not hold";
    Err(Problem::new(Code::Forbidden).error("/permissions", "not_held", detail))
}

fn words(permissions: Permissions) -> Vec<&'static str> {
    permissions.iter().map(Permission::as_str).collect()
}

/// Works a change of a role out for everybody who has it. All of them in this transaction, so that no moment has some of it;
/// which is why only so many may have a role that changes.
async fn spread(app: &App, write: &Write, role: &Model) -> Result<(), UserError> {
    let most = u64::from(app.config.roles.most_holders);
    let ids = store::holders(write, role, most + 1).await?;
    if u64::try_from(ids.len()).is_ok_and(|count| count > most) {
        return Err(UserError::State("Too many people have this role to change what it permits: make another one."));
    }
    let rows = store::lock_users(write, &ids).await?;
    let permitted = store::permitted(write, &ids).await?;
    let mut alike = BTreeMap::<(String, bool), Vec<Uuid>>::new();
    for row in rows {
        let (before, now) = (parse_permissions(&row.permissions), permitted.get(&row.id).copied().unwrap_or_default());
        let lost = !now.has_all(before);
        if lost {
            revoke(app, write, &row, now).await?;
        }
        if now != before {
            alike.entry((super::rewrite_permissions(&row.permissions, now), lost)).or_default().push(row.id);
        }
    }
    for ((permissions, lost), ids) in alike {
        store::permit(write, ids, permissions, lost).await?;
    }
    Ok(())
}

/// Tokens of before keep their roles, and of what custom roles added only what is left.
async fn revoke(app: &App, write: &Write, row: &user::Model, permissions: Permissions) -> Result<(), Fault> {
    let left = Revocation::Roles {
        user: UserId::from(row.id),
        ver: row.ver + 1,
        roles: parse_roles(&row.roles),
        permissions,
        expires_at: app.tokens_die_at(),
    };
    revocations::record(write, &left).await
}
