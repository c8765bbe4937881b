//! A role as it is asked for and shown, ours and custom ones alike.

use serde::{Deserialize, Serialize};
use shared::domain::{Permission, Permissions, Role};
use shared::http::patch::Field;
use shared::problem::{Code, FieldError, Problem};

use super::parse_permissions;
use crate::db::entity::custom_role::Model;

/// The longest name, in characters.
const LONGEST_NAME: usize = 50;
/// The longest description, in characters.
const LONGEST_DESCRIPTION: usize = 200;

/// A custom role to be made.
#[derive(Clone, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleRequest {
    /// Its word: small letters, digits, `-` and `_`, beginning with a letter. It cannot be changed.
    #[schema(example = "auditor", min_length = 2, max_length = 50)]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(example = "Reads what happened.", max_length = 200)]
    pub description: String,
    /// What it lets people do, none of which its maker may not do.
    #[schema(example = json!(["audit:read", "users:read"]))]
    pub permissions: Vec<Permission>,
}

/// A merge patch (RFC 7396): absent keeps.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolePatch {
    /// What it is for; null: nothing is said.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Reads what happened.", max_length = 200)]
    pub description: Field<String>,
    /// All that it lets people do; cannot be cleared by null.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Permission>>, example = json!(["audit:read"]))]
    pub permissions: Field<Vec<Permission>>,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = RoleDefinition)]
pub struct RoleView {
    /// Its word.
    #[schema(example = "auditor")]
    pub name: String,
    /// What it is for.
    #[schema(example = "Reads what happened.")]
    pub description: String,
    /// What it lets people do.
    #[schema(value_type = Vec<Permission>)]
    pub permissions: Permissions,
    /// Whether it is always there and never changes.
    pub built_in: bool,
}

/// Every role.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RoleDefinitions)]
pub struct RolesView {
    /// Ours, then custom ones by name.
    pub data: Vec<RoleView>,
}

/// A permission.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PermissionDefinition)]
pub struct PermissionView {
    /// Its word.
    pub name: Permission,
    /// What it lets somebody do.
    #[schema(example = "Reads the audit.")]
    pub description: &'static str,
    /// Those of our own roles that stand for it.
    pub roles: Vec<Role>,
}

/// Every permission.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PermissionDefinitions)]
pub struct PermissionsView {
    /// All there are.
    pub data: Vec<PermissionView>,
}

/// A custom role, fit to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewRole {
    pub name: String,
    pub description: String,
    pub permissions: Permissions,
}

impl RoleRequest {
    /// The request, validated.
    ///
    /// # Errors
    /// 422 with every fault in it.
    pub(super) fn parse(self) -> Result<NewRole, Problem> {
        let mut faults = Vec::new();
        if !is_name(&self.name) {
            faults.push(fault("/name", "format", "2 to 50 of a-z, 0-9, - and _, beginning with a letter"));
        } else if self.name.parse::<Role>().is_ok() {
            faults.push(fault("/name", "reserved", "a word of ours"));
        }
        faults.extend(of_description(&self.description));
        if !faults.is_empty() {
            return Err(Problem::new(Code::ValidationFailed).errors(faults));
        }
        let permissions = self.permissions.into_iter().collect();
        Ok(NewRole { name: self.name, description: self.description, permissions })
    }
}

impl RolePatch {
    /// The role as it would be.
    ///
    /// # Errors
    /// 422 with every fault in it.
    pub(super) fn apply(self, role: &Model) -> Result<NewRole, Problem> {
        let permissions = self.permissions.required("/permissions")?;
        let description = match self.description {
            Field::Absent => role.description.clone(),
            Field::Null => String::new(),
            Field::Value(text) => text,
        };
        if let Some(fault) = of_description(&description) {
            return Err(Problem::new(Code::ValidationFailed).errors([fault]));
        }
        let permissions = match permissions {
            Some(permissions) => permissions.into_iter().collect(),
            None => parse_permissions(&role.permissions),
        };
        Ok(NewRole { name: role.name.clone(), description, permissions })
    }
}

/// Whether this can be a custom role's name: one word of a column, of a URL, and of nothing that looks like another.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (2..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(inside)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
}

fn of_description(text: &str) -> Option<FieldError> {
    let short = text.chars().count() <= LONGEST_DESCRIPTION && !text.chars().any(char::is_control);
    (!short).then(|| fault("/description", "length", "at most 200 characters, none of them a control character"))
}

fn fault(pointer: &'static str, code: &'static str, detail: &'static str) -> FieldError {
    FieldError { pointer: pointer.into(), code: code.into(), detail: detail.into() }
}

impl From<Model> for RoleView {
    fn from(row: Model) -> Self {
        let permissions = parse_permissions(&row.permissions);
        Self { name: row.name, description: row.description, permissions, built_in: false }
    }
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        let description = match role {
            Role::User => "Everybody who registers: owns accounts and moves their own money.",
            Role::Support => "Reads everything, changes nothing.",
            Role::Treasurer => "Opens system accounts and funds from them.",
            Role::Admin => "Administers users, and gives any role to anybody.",
        };
        let (name, permissions) = (role.as_str().to_owned(), role.permissions());
        Self { name, description: description.to_owned(), permissions, built_in: true }
    }
}

impl PermissionsView {
    /// Every permission there is.
    pub(super) fn all() -> Self {
        let view = |name: Permission| {
            let roles = shared::domain::Roles::holding(name).iter().collect();
            PermissionView { name, description: name.description(), roles }
        };
        Self { data: Permission::ALL.iter().copied().map(view).collect() }
    }
}
