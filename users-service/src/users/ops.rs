//! What users do to themselves, and administrators to anybody: read, patch, delete.

use shared::auth::SignedIn;
use shared::domain::{Permission, Role, UserId};
use shared::http::Conditions;
use shared::store::Revocation;

use super::email_change;
use super::error::UserError;
use super::model::{Changes, Status, User};
use super::representation::Version;
use super::sign_in;
use super::store;
use super::target::Target;
use crate::app::App;
use crate::audit::{Event, Kind};
use crate::db::{Counter, Write};
use crate::links::{self, Purpose};
use crate::{revocations, roles, sessions, step_up};

/// Somebody the caller may read. The deleted exist only for those who could restore them, and for support.
pub(super) async fn read(
    app: &App,
    caller: &SignedIn,
    target: Target,
    conditions: &Conditions,
) -> Result<User, UserError> {
    let id = target.readable(caller)?;
    let stored = async || store::find(app.database.read(), id).await;
    // What a condition is held against is the database's word.
    let user = if conditions.has_if_match() {
        stored().await?
    } else {
        let (user, looked) = app.cache.get(id, stored).await?;
        app.metrics.cache(looked);
        user
    };
    let user = user.ok_or(UserError::NotFound)?;
    let staff = caller.may(Permission::UsersRead);
    if user.status == Status::Deleted && !staff { Err(UserError::NotFound) } else { Ok(user) }
}

/// The row of somebody, locked, once `If-Match` holds.
pub(super) async fn locked(
    write: &Write,
    id: UserId,
    version: Version,
    conditions: &Conditions,
) -> Result<User, UserError> {
    let user = store::lock(write, id).await?.ok_or(UserError::NotFound)?.user;
    version.require(conditions, &user)?;
    Ok(user)
}

/// Somebody as they are now, from inside the transaction that changed them.
pub(super) async fn reread(write: &Write, id: UserId) -> Result<User, UserError> {
    store::find(write.transaction(), id).await?.ok_or(UserError::NotFound)
}

/// Applies a merge patch.
pub(super) async fn patch(
    app: &App,
    caller: &SignedIn,
    target: Target,
    version: Version,
    conditions: &Conditions,
    changes: &Changes,
) -> Result<User, UserError> {
    let id = target.changeable(caller, Permission::UsersWrite)?;
    email_change::admit(app, caller, id, changes).await?;
    let write = app.database.write().await?;
    if changes.username.is_some() {
        write.hold(Counter::Users).await?;
    }
    let user = locked(&write, id, version, conditions).await?;
    if user.status == Status::Deleted {
        return Err(gone_for(caller));
    }
    roles::outranks(&write, caller, &user).await?;
    changes.profile.check(&user.profile)?;
    if changes.change_nothing(&user) {
        return Ok(user);
    }
    if changes.change_sign_in(&user) {
        sign_in::may_change(&write, caller, &user).await?;
    }
    let changes = email_change::held_back(app, &write, caller, &user, changes.clone()).await?;
    if !changes.change_nothing(&user) {
        store::change(&write, &user, &changes, app.clock.now()).await?;
        email_change::after(app, &write, &user, &changes).await?;
        record(app, &write, caller, &user, &changes);
    }
    let user = reread(&write, id).await?;
    write.commit().await?;
    app.mailer.wake();
    Ok(user)
}

/// An event for what signs them in, with before and after; one for all the rest, which says only what.
pub(super) fn record(app: &App, write: &Write, caller: &SignedIn, user: &User, changes: &Changes) {
    let event = |kind| Event::new(kind, caller.into(), &app.clock).about(user.id);
    if let Some(email) = changes.email.as_ref().filter(|email| email.as_str() != user.email) {
        write.audit(event(Kind::EmailChanged).with("before", user.email.as_str()).with("after", email.as_str()));
    }
    if let Some(username) = changes.username.as_ref().filter(|username| username.as_str() != user.username) {
        let event = event(Kind::UsernameChanged);
        write.audit(event.with("before", user.username.as_str()).with("after", username.as_str()));
    }
    let members = changes.members_besides(user);
    if !members.is_empty() {
        write.audit(event(Kind::UserChanged).with("members", members));
    }
}

/// Deletes somebody, softly: nobody can sign in as them, and their address and name stay taken.
pub(super) async fn delete(
    app: &App,
    caller: &SignedIn,
    target: Target,
    version: Version,
    conditions: &Conditions,
) -> Result<(), UserError> {
    let id = target.changeable(caller, Permission::UsersManage)?;
    let write = app.database.write().await?;
    roles::lock(&write).await?;
    let user = locked(&write, id, version, conditions).await?;
    if user.status == Status::Deleted {
        return if caller.may(Permission::UsersManage) { Ok(()) } else { Err(UserError::NotFound) };
    }
    if id == caller.user.id {
        step_up::require(app, &write, caller).await?;
    }
    roles::outranks(&write, caller, &user).await?;
    sign_in::may_change(&write, caller, &user).await?;
    shut_out(app, &write, caller, user, Status::Deleted).await?;
    write.commit().await?;
    app.relay.flush().await;
    Ok(())
}

fn gone_for(caller: &SignedIn) -> UserError {
    if caller.may(Permission::UsersWrite) { UserError::State("The user is deleted.") } else { UserError::NotFound }
}

/// Disables or deletes: every session and every open link ends, every token issued so far is void. The caller holds [`roles::lock`].
pub(super) async fn shut_out(
    app: &App,
    write: &Write,
    caller: &SignedIn,
    user: User,
    status: Status,
) -> Result<(), UserError> {
    if user.status == Status::Active && user.roles.has(Role::Admin) {
        roles::keep_an_administrator(write, user.id).await?;
    }
    let kind = if status == Status::Deleted { Kind::UserDeleted } else { Kind::UserDisabled };
    write.audit(Event::new(kind, caller.into(), &app.clock).about(user.id));
    let now = app.clock.now();
    let user = User { status, ver: user.ver + 1, ..user };
    store::save_standing(write, &user, now).await?;
    let ended_at = shared::clock::to_micros(now);
    sessions::end_all(write, user.id, ended_at).await?;
    links::end_open(write, user.id, &Purpose::ALL, ended_at).await?;
    let revocation = Revocation::User { user: user.id, ver: user.ver, expires_at: app.tokens_die_at() };
    revocations::record(write, &revocation).await?;
    Ok(())
}
