//! The closed list of permissions, what each role may, and sets of them small enough to copy.
//!
//! A role stands for permissions, and a custom role is nothing but permissions. Who holds one, by whatever role, may do it;
//! what a scope allows is another question: it bounds a credential, and both must hold.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::role::{Role, Roles};

macro_rules! permissions {
    ($($(#[doc = $said:literal])+ $name:ident $word:literal;)+) => {
        /// What somebody may do besides what everybody may do with what is their own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Permission {
            $($(#[doc = $said])+ #[serde(rename = $word)] $name,)+
        }

        impl Permission {
            /// Every permission.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word used in tokens, JSON and configuration.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// What it lets somebody do, in a sentence.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $(Self::$name => concat!($($said),+),)+ }.trim()
            }
        }
    };
}

permissions! {
    /// Lists users and reads any of them.
    UsersRead "users:read";
    /// Changes any user's data.
    UsersWrite "users:write";
    /// Disables, enables, deletes and restores users, and sends them a link to choose a new password.
    UsersManage "users:manage";
    /// Gives people roles and takes them away, as far as they are within the giver's own.
    RolesAssign "roles:assign";
    /// Makes, changes and removes custom roles, as far as they are within the maker's own.
    RolesManage "roles:manage";
    /// Sees and ends anybody's sessions.
    SessionsManage "sessions:manage";
    /// Registers, changes and removes OAuth clients.
    ClientsManage "clients:manage";
    /// Reads the audit.
    AuditRead "audit:read";
    /// Sees and revokes anybody's API keys.
    KeysManage "keys:manage";
    /// Reads every account, transfer, entry and statement, everybody's exchanges and standing orders, and the change feed of all.
    AccountsRead "accounts:read";
    /// Freezes, unfreezes and closes any account, sets floors from zero up, ceilings and velocity limits of anybody else's, and pauses and cancels standing orders.
    AccountsOperate "accounts:operate";
    /// Opens system accounts, funds from them, lets accounts go below zero, posts, voids and reverses any transfer, and sets exchange rates: whoever has this can make money.
    AccountsTreasury "accounts:treasury";
}

/// By its words: a derived schema would not see through the macro, and name the variants.
impl PartialSchema for Permission {
    fn schema() -> RefOr<Schema> {
        let words = Self::ALL.iter().map(|permission| permission.as_str());
        let said = "What somebody may do besides what everybody may do with what is their own.";
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).description(Some(said)).into()
    }
}

impl ToSchema for Permission {}

/// A word that names no permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such permission")]
pub struct UnknownPermission;

impl Permission {
    const fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(word: &str) -> Result<Self, UnknownPermission> {
        Self::ALL.iter().copied().find(|permission| permission.as_str() == word).ok_or(UnknownPermission)
    }
}

/// A set of permissions: two bytes, so that a request carries it without allocating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u16);

impl Permissions {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Whether `permission` is held.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether all of `others` are held.
    #[must_use]
    pub const fn has_all(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether nothing is held.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// The set with `permission` added.
    #[must_use]
    pub const fn with(self, permission: Permission) -> Self {
        Self(self.0 | permission.bit())
    }

    /// What either set holds.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both sets hold.
    #[must_use]
    pub const fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What this set holds and the other does not.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The permissions held, in the order of the list.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.has(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(Self::NONE, Self::with)
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

/// A word that only a newer release knows grants nothing here. Unlike a role's it does not spoil the rest, for custom roles
/// may be made of it while the old release still runs.
impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let words = Vec::<Cow<'_, str>>::deserialize(from)?;
        Ok(words.iter().filter_map(|word| word.parse().ok()).collect())
    }
}

impl Role {
    /// What the role stands for.
    #[must_use]
    pub const fn permissions(self) -> Permissions {
        use Permission as P;
        let none = Permissions::NONE;
        match self {
            Self::User => none,
            Self::Support => none.with(P::UsersRead).with(P::AccountsRead),
            Self::Treasurer => none.with(P::AccountsRead).with(P::AccountsOperate).with(P::AccountsTreasury),
            Self::Admin => {
                let users = none.with(P::UsersRead).with(P::UsersWrite).with(P::UsersManage);
                let access = users.with(P::RolesAssign).with(P::RolesManage).with(P::SessionsManage);
                let access = access.with(P::ClientsManage).with(P::AuditRead).with(P::KeysManage);
                access.with(P::AccountsRead).with(P::AccountsOperate)
            }
        }
    }
}

impl Roles {
    /// What these roles stand for together.
    #[must_use]
    pub fn permissions(self) -> Permissions {
        self.iter().fold(Permissions::NONE, |all, role| all.union(role.permissions()))
    }

    /// The roles that stand for `permission`.
    #[must_use]
    pub fn holding(permission: Permission) -> Self {
        Role::ALL.into_iter().filter(|role| role.permissions().has(permission)).collect()
    }

    /// What whoever has these roles may give to others. An administrator may make a treasurer without being one; everybody
    /// else gives no more than they hold.
    #[must_use]
    pub fn may_grant(self) -> Permissions {
        match self.has(Role::Admin) {
            true => Permission::ALL.iter().copied().collect(),
            false => self.permissions(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_set_reads_back_what_it_writes_and_passes_over_what_it_does_not_know() {
        let set = Permissions::NONE.with(Permission::AuditRead).with(Permission::UsersRead);
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"["users:read","audit:read"]"#);
        let newer = r#"["audit:read", "moon:visit", "users:read", "audit:read"]"#;
        assert_eq!(serde_json::from_str::<Permissions>(newer).unwrap(), set);
        assert_eq!(
            serde_json::from_value::<Permissions>(serde_json::json!(["\u{61}udit:read"])).unwrap().iter().count(),
            1
        );
        assert!(serde_json::from_str::<Permissions>(r#""audit:read""#).is_err());
        assert!(set.has_all(Permissions::NONE) && !Permissions::NONE.has_all(set) && !set.has(Permission::UsersWrite));
        assert_eq!(set.without(Permissions::NONE.with(Permission::AuditRead)).iter().count(), 1);
    }

    #[test]
    fn every_permission_has_a_word_a_sentence_and_a_role_that_holds_it() {
        let words: HashSet<_> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
        assert_eq!(words.len(), Permission::ALL.len());
        for permission in Permission::ALL.iter().copied() {
            assert_eq!(permission.as_str().parse(), Ok(permission));
            assert_eq!(serde_json::to_value(permission).unwrap(), permission.as_str());
            assert!(
                permission.description().ends_with('.') && !permission.description().contains("  "),
                "{permission}"
            );
            assert!(!Roles::holding(permission).is_empty(), "nobody could ever give {permission} to anybody");
        }
        assert!("root".parse::<Permission>().is_err());
    }

    #[test]
    fn only_an_administrator_gives_what_they_do_not_hold() {
        for role in Role::ALL {
            let roles = Roles::NONE.with(role);
            assert_eq!(roles.may_grant() == roles.permissions(), role != Role::Admin, "{role}");
            assert!(roles.may_grant().has_all(roles.permissions()), "{role}");
        }
        assert!(!Role::Admin.permissions().has(Permission::AccountsTreasury));
    }
}
