//! What is done to others: roles, disabling, enabling, restoring.

use shared::auth::SignedIn;
use shared::clock::to_micros;
use shared::domain::{Permission, Role, UserId};
use shared::http::Conditions;
use shared::store::Revocation;

use super::error::UserError;
use super::model::{Status, User};
use super::ops::{locked, reread, shut_out};
use super::representation::Version;
use super::sign_in;
use super::store;
use super::target::Target;
use crate::app::App;
use crate::audit::{Event, Kind};
use crate::db::Write;
use crate::roles::{RolesRequest, words};
use crate::{revocations, roles};

/// A change of standing, each its own call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody can sign in as them.
    Disable,
    /// They can again.
    Enable,
    /// Takes a deletion back.
    Restore,
}

const OVER: &str = "The time in which the user could be restored is over.";

/// Gives somebody exactly these roles. Tokens issued before lose what was taken away, within a second.
pub(super) async fn set_roles(
    app: &App,
    caller: &SignedIn,
    target: Target,
    version: Version,
    conditions: &Conditions,
    request: RolesRequest,
) -> Result<User, UserError> {
    let (id, wanted) = (target.id(caller), request.parse()?);
    let write = app.database.write().await?;
    roles::lock(&write).await?;
    let (giver, user) = roles::lock_with(&write, caller, Permission::RolesAssign, id).await?;
    version.require(conditions, &user)?;
    if user.status == Status::Deleted {
        return Err(UserError::State("The user is deleted."));
    }
    if wanted.are_those_of(&user) {
        return Ok(user);
    }
    let change = wanted.of(&write, &user, &giver).await?;
    // Whoever may do less than somebody changes nothing about what they may.
    if id != caller.user.id && !giver.covers_user(&user) {
        return Err(UserError::Forbidden);
    }
    let demoted = user.roles.has(Role::Admin) && !change.roles.has(Role::Admin);
    if demoted && user.status == Status::Active {
        roles::keep_an_administrator(&write, id).await?;
    }
    let event = Event::new(Kind::RolesChanged, caller.into(), &app.clock).about(id);
    let (before, after) = (words(user.roles, &user.custom_roles), words(change.roles, &change.custom));
    write.audit(event.with("before", before).with("after", after));
    change.write(&write, &user, caller.user.id, app.clock.now_micros()).await?;
    let (roles, permissions, ver) = (change.roles, change.permissions, user.ver + 1);
    let changed = User { roles, custom_roles: change.custom, permissions, ver, ..user };
    store::save_standing(&write, &changed, app.clock.now()).await?;
    let left = Revocation::Roles { user: id, ver, roles, permissions, expires_at: app.tokens_die_at() };
    revocations::record(&write, &left).await?;
    let user = reread(&write, id).await?;
    write.commit().await?;
    app.relay.flush().await;
    Ok(user)
}

/// Changes somebody's standing in a transaction of the caller's. What is so already stays as it is.
pub(super) async fn set_standing(
    app: &App,
    write: &Write,
    caller: &SignedIn,
    id: UserId,
    version: Version,
    conditions: &Conditions,
    wanted: Standing,
) -> Result<User, UserError> {
    roles::lock(write).await?;
    let user = match locked(write, id, version, conditions).await {
        Err(UserError::NotFound) if wanted == Standing::Restore && store::was_purged(write, id).await? => {
            return Err(UserError::State(OVER));
        }
        locked => locked?,
    };
    roles::outranks(write, caller, Permission::UsersManage, &user).await?;
    sign_in::may_change(write, caller, &user).await?;
    match (wanted, user.status) {
        (Standing::Disable, Status::Disabled) | (Standing::Enable, Status::Active) => return Ok(user),
        (Standing::Disable, Status::Active) => shut_out(app, write, caller, user, Status::Disabled).await?,
        (Standing::Enable, Status::Disabled) => {
            let user = User { status: Status::Active, ..user };
            store::save_standing(write, &user, app.clock.now()).await?;
            write.audit(Event::new(Kind::UserEnabled, caller.into(), &app.clock).about(id));
        }
        (Standing::Disable | Standing::Enable, Status::Deleted) => {
            return Err(UserError::State("The user is deleted; restore them first."));
        }
        (Standing::Restore, Status::Deleted) => restore(app, write, caller, &user).await?,
        (Standing::Restore, Status::Active | Status::Disabled) => {
            return Err(UserError::State("The user is not deleted."));
        }
    }
    reread(write, id).await
}

/// Only as long as the deletion has not come due, even if nobody has swept yet.
async fn restore(app: &App, write: &Write, caller: &SignedIn, user: &User) -> Result<(), UserError> {
    let now = app.clock.now();
    // A deleted user changes no more, so the last change was the deletion.
    let due = to_micros(user.updated_at + app.config.retention.deleted_users.get());
    if to_micros(now) >= due {
        return Err(UserError::State(OVER));
    }
    store::undelete(write, user, now).await?;
    write.audit(Event::new(Kind::UserRestored, caller.into(), &app.clock).about(user.id));
    Ok(())
}
