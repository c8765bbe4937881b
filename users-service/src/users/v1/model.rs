//! Version 1's user, and its patch.

use serde::{Deserialize, Serialize};
use shared::domain::UserId;
use shared::http::patch::Field;
use shared::problem::Problem;
use time::Date;

use crate::users::fields::{Email, Name, Refused, Username};
use crate::users::model::{Changes, User};
use crate::users::profile::{ProfileChanges, ProfilePatch, TOP};
use crate::users::register::{invalid, noted};
use crate::users::representation::{Representation, Version};

/// Version 1.
#[derive(Clone, Copy, Debug)]
pub struct V1;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// Id.
    pub id: UserId,
    /// E-mail address.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// User name.
    #[schema(example = "ada")]
    pub username: String,
    /// Name.
    #[schema(example = "Ada Lovelace")]
    pub name: Option<String>,
}

/// A merge patch (RFC 7396): absent keeps, `null` clears.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    /// E-mail address; cannot be cleared.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "ada@example.org")]
    pub email: Field<String>,
    /// User name; cannot be cleared.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "countess")]
    pub username: Field<String>,
    /// Name.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "Ada King")]
    pub name: Field<String>,
    /// Telephone number (E.164).
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "+14155550123")]
    pub phone: Field<String>,
}

impl From<User> for UserView {
    fn from(User { id, email, username, name, .. }: User) -> Self {
        Self { id, email, username, name }
    }
}

/// The members that both versions have in the same place.
pub(in crate::users) struct Names {
    pub email: Field<String>,
    pub username: Field<String>,
    pub name: Field<String>,
}

impl Names {
    /// The patch, validated, together with what `profile` reads.
    pub fn parse(
        self,
        profile: impl FnOnce(&mut Vec<(&'static str, Refused)>) -> ProfileChanges,
    ) -> Result<Changes, Problem> {
        let mut faults = Vec::new();
        let email = self.email.required("/email")?.and_then(|text| noted(&mut faults, "/email", Email::parse(&text)));
        let username = self.username.required("/username")?;
        let username = username.and_then(|text| noted(&mut faults, "/username", Username::parse(&text)));
        let name = self.name.optional();
        let name = name.map(|name| name.and_then(|text| noted(&mut faults, "/name", Name::parse(&text))));
        let profile = profile(&mut faults);
        if faults.is_empty() { Ok(Changes { email, username, name, profile }) } else { Err(invalid(faults)) }
    }
}

impl Representation for V1 {
    const VERSION: Version = Version::V1;
    type View = UserView;
    type Patch = UserPatch;

    fn changes(UserPatch { email, username, name, phone }: UserPatch, today: Date) -> Result<Changes, Problem> {
        let profile = ProfilePatch { phone, ..ProfilePatch::default() };
        Names { email, username, name }.parse(|faults| profile.parse(&TOP, today, faults))
    }
}
