//! What somebody may hand out or take away: no more than they hold themselves, by the database and under lock. A token may be
//! minutes old, and whoever was just demoted must not undo it with one.

use shared::auth::{SIGN_IN, SignedIn};
use shared::domain::{Permission, Permissions, Role, Roles, UserId};
use shared::problem::{Code, Problem};

use crate::db::Write;
use crate::sessions;
use crate::users::{self, Status, User, UserError};

/// What the caller holds this moment.
#[derive(Clone, Copy, Debug)]
pub struct Authority {
    roles: Roles,
    grantable: Permissions,
}

impl Authority {
    /// That of a user as they are stored.
    #[must_use]
    pub fn of(user: &User) -> Self {
        Self { roles: user.roles, grantable: user.roles.may_grant().union(user.permissions) }
    }

    /// Whether they may give, or take away, this much.
    #[must_use]
    pub const fn covers(&self, permissions: Permissions) -> bool {
        self.grantable.has_all(permissions)
    }

    /// Whether they may give, or take away, this role. What makes administrators is being one: nobody becomes one by
    /// holding every single permission, for an administrator may give more than that.
    #[must_use]
    pub fn covers_role(&self, role: Role) -> bool {
        match role {
            Role::Admin => self.roles.has(Role::Admin),
            Role::User | Role::Support | Role::Treasurer => self.covers(role.permissions()),
        }
    }

    /// Whether they may change, shut out or restore this one: whoever could do that to somebody who may do more would be
    /// a password reset away from doing it in their name.
    #[must_use]
    pub fn covers_user(&self, user: &User) -> bool {
        user.roles.iter().all(|role| self.covers_role(role)) && self.covers(user.permissions)
    }
}

/// The caller's authority, once it is certain that they still have what `needed` names and the session they came with. Their
/// row stays locked; so does that of `target`, which comes with it. In the order of their ids, like everywhere.
///
/// # Errors
/// 401 for an ended session, 403 for whoever lost the permission or uses an API key, 404 when there is no such target.
pub async fn lock_with(
    write: &Write,
    caller: &SignedIn,
    needed: Permission,
    target: UserId,
) -> Result<(Authority, User), UserError> {
    let mut rows = Vec::with_capacity(2);
    let (first, second) = (caller.user.id.min(target), caller.user.id.max(target));
    for id in [Some(first), Some(second).filter(|id| *id != first)].into_iter().flatten() {
        rows.extend(users::lock(write, id).await?.map(|row| row.user));
    }
    let find = |id: UserId| rows.iter().find(|row| row.id == id).cloned();
    let authority = still(write, caller, find(caller.user.id), needed).await?;
    Ok((authority, find(target).ok_or(UserError::NotFound)?))
}

/// The same with nobody for a target.
///
/// # Errors
/// As [`lock_with`].
pub async fn lock(write: &Write, caller: &SignedIn, needed: Permission) -> Result<Authority, UserError> {
    let row = users::lock(write, caller.user.id).await?.map(|row| row.user);
    still(write, caller, row, needed).await
}

async fn still(
    write: &Write,
    caller: &SignedIn,
    row: Option<User>,
    needed: Permission,
) -> Result<Authority, UserError> {
    let session = caller.user.session.filter(|_| caller.in_session());
    let session = session.ok_or_else(|| Problem::new(Code::Forbidden).detail(SIGN_IN))?;
    let session = sessions::find(write.transaction(), session).await?;
    let lasts = session.is_some_and(|session| session.user == caller.user.id && !session.state.ended);
    let row = row.filter(|row| lasts && row.status == Status::Active);
    let row = row.ok_or_else(|| Problem::new(Code::TokenInvalid))?;
    let holds = row.roles.permissions().union(row.permissions).has(needed);
    if holds { Ok(Authority::of(&row)) } else { Err(UserError::Forbidden) }
}

/// Refuses to let the caller act on somebody who may do more than they: 403. Oneself one may always act on.
///
/// # Errors
/// 403, and 401 when the caller is gone.
pub async fn outranks(write: &Write, caller: &SignedIn, user: &User) -> Result<(), UserError> {
    if caller.user.id == user.id {
        return Ok(());
    }
    let row = users::find(write.transaction(), caller.user.id).await?.filter(|row| row.status == Status::Active);
    let row = row.ok_or_else(|| Problem::new(Code::TokenInvalid))?;
    if Authority::of(&row).covers_user(user) { Ok(()) } else { Err(UserError::Forbidden) }
}
