//! A user, apart from how any table or any version of the API writes one.

use serde::{Deserialize, Serialize};
use shared::config::Secret;
use shared::domain::{Permissions, Roles, UserId};
use time::OffsetDateTime;

use super::fields::{Email, Name, Phone, Username};
use super::profile::{Profile, ProfileChanges};
use crate::passwords::PasswordHash;

/// Whether somebody may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Yes.
    Active,
    /// No, until an administrator enables them.
    Disabled,
    /// No; an administrator may restore them for 30 days.
    Deleted,
}

/// A user as stored. Written and read only by the cache, never from or to a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// The place of the registration among all, in the order in which they became visible.
    pub seq: i64,
    /// E-mail address as it was written.
    pub email: String,
    /// User name as it was written.
    pub username: String,
    /// Name, if given.
    pub name: Option<String>,
    /// What else they tell about themselves.
    pub profile: Profile,
    /// Roles.
    pub roles: Roles,
    /// The names of their custom roles.
    pub custom_roles: Vec<String>,
    /// What these permit.
    pub permissions: Permissions,
    /// Whether they may sign in.
    pub status: Status,
    /// Whether the address has been shown to be theirs.
    pub email_verified: bool,
    /// Tokens with a smaller version have lost something since.
    pub ver: i64,
    /// Goes up with every change; the ETag.
    pub revision: i64,
    /// When they registered.
    pub created_at: OffsetDateTime,
    /// When anything last changed.
    pub updated_at: OffsetDateTime,
}

impl User {
    /// Whether this is another mailbox than theirs, which they have not shown to be theirs. A stored address that is none
    /// any more is no proof either.
    #[must_use]
    pub fn moves_to(&self, email: &Email) -> bool {
        Email::parse(&self.email).map_or(true, |old| !old.same_mailbox(email))
    }
}

/// A user with what their password is checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub user: User,
    /// The hash.
    pub password: PasswordHash,
}

/// Somebody about to be registered.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// E-mail address.
    pub email: Email,
    /// User name.
    pub username: Username,
    /// Name.
    pub name: Option<Name>,
    /// Telephone number.
    pub phone: Option<Phone>,
    /// Roles.
    pub roles: Roles,
}

/// A validated registration.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Who.
    pub user: NewUser,
    /// With which password.
    pub password: Secret,
}

/// A validated merge patch: `None` keeps, `Some(None)` clears.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// E-mail address.
    pub email: Option<Email>,
    /// User name.
    pub username: Option<Username>,
    /// Name.
    pub name: Option<Option<Name>>,
    /// What else they tell.
    pub profile: ProfileChanges,
}

impl Changes {
    /// Whether the user would stay as they are.
    #[must_use]
    pub fn change_nothing(&self, user: &User) -> bool {
        !self.change_sign_in(user) && self.members_besides(user).is_empty()
    }

    /// Whether the user would sign in, or be sent a new password, otherwise than until now.
    #[must_use]
    pub fn change_sign_in(&self, user: &User) -> bool {
        let email = self.email.as_ref().is_some_and(|email| email.as_str() != user.email);
        let username = self.username.as_ref().is_some_and(|username| username.as_str() != user.username);
        email || username
    }

    /// What would change besides e-mail address and user name.
    #[must_use]
    pub fn members_besides(&self, user: &User) -> Vec<&'static str> {
        let name = self.name.as_ref().is_none_or(|name| name.as_ref().map(Name::as_str) == user.name.as_deref());
        let name = (!name).then_some("name");
        name.into_iter().chain(self.profile.on(&user.profile).differing(&user.profile)).collect()
    }
}
