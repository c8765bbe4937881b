//! Roles in the database, and the rule that there is always an administrator.

mod guard;

pub use guard::{keep_an_administrator, lock};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_read_back_and_no_word_is_part_of_another() {
        for bits in 0..16_u8 {
            let roles: Roles =
                Role::ALL.into_iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, r)| r).collect();
            assert_eq!(parse_roles(&write_roles(roles)), roles);
        }
        assert_eq!(parse_roles("user emperor"), Roles::NONE.with(Role::User));
        let all: Permissions = Permission::ALL.iter().copied().collect();
        assert_eq!(parse_permissions(&write_permissions(all)), all);
        assert_eq!(parse_permissions("moon:visit audit:read"), Permissions::NONE.with(Permission::AuditRead));
        assert!(parse_permissions(&write_permissions(Permissions::NONE)).is_empty());
        // The list's role filter looks for the word anywhere in the column.
        for a in Role::ALL {
            for b in Role::ALL {
                assert!(a == b || !a.as_str().contains(b.as_str()), "{a} {b}");
            }
        }
    }
}
