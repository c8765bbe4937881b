//! Roles in the database, ours and custom ones: who may give and make them, and that there is always an administrator.

mod authority;
mod grant;
mod guard;
pub mod http;
mod model;
mod ops;
mod store;

pub use authority::{lock_with, outranks};
pub use grant::{RolesRequest, words};
pub use guard::{keep_an_administrator, lock};
pub use model::is_name;
pub use store::having;

use shared::domain::{Permission, Permissions, Role, Roles};

/// As one column holds them: the words, least powerful first, with a blank between.
#[must_use]
pub fn write_roles(roles: Roles) -> String {
    roles.iter().map(Role::as_str).collect::<Vec<_>>().join(" ")
}

/// The same read back. A word that a later release wrote grants nothing here.
#[must_use]
pub fn parse_roles(text: &str) -> Roles {
    text.split(' ').filter_map(|word| word.parse().ok()).collect()
}

/// The same for permissions.
#[must_use]
pub fn write_permissions(permissions: Permissions) -> String {
    permissions.iter().map(Permission::as_str).collect::<Vec<_>>().join(" ")
}

/// The same for permissions.
#[must_use]
pub fn parse_permissions(text: &str) -> Permissions {
    text.split(' ').filter_map(|word| word.parse().ok()).collect()
}

/// What is stored of `after` in place of `stored`: with the words in it that a newer release knows and this one does not, as
/// they are. An instance of the release before, in a roll-out, takes nothing away that it cannot show.
#[must_use]
pub fn rewrite_permissions(stored: &str, after: Permissions) -> String {
    let unknown = stored.split(' ').filter(|word| !word.is_empty() && word.parse::<Permission>().is_err());
    let mut words: Vec<&str> = after.iter().map(Permission::as_str).collect();
    words.extend(unknown);
    words.join(" ")
}

#[cfg(test)]
mod tests;
