//! Version 2's user, and its patch.

use serde::{Deserialize, Serialize};
use shared::clock::instant;
use shared::domain::UserId;
use shared::http::patch::Field;
use shared::problem::Problem;
use time::{Date, OffsetDateTime};

use crate::roles::words;
use crate::users::model::{Changes, Status, User};
use crate::users::profile::{NESTED, Object, Profile, ProfileChanges, ProfilePatch};
use crate::users::representation::{Representation, Version};
use crate::users::v1::Names;

/// Version 2.
#[derive(Clone, Copy, Debug)]
pub struct V2;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = UserV2)]
pub struct UserViewV2 {
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
    /// When they registered.
    #[serde(with = "instant")]
    pub created_at: OffsetDateTime,
    /// When anything last changed.
    #[serde(with = "instant")]
    pub updated_at: OffsetDateTime,
    /// Roles, ours first, then custom ones by their names.
    #[schema(example = json!(["user"]))]
    pub roles: Vec<String>,
    /// Whether they may sign in.
    pub status: Status,
    /// Whether the address has been shown to be theirs.
    pub email_verified: bool,
    /// What else they told.
    pub profile: Profile,
}

/// A merge patch (RFC 7396): absent keeps, `null` clears.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatchV2 {
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
    /// What else they tell.
    #[serde(default)]
    #[schema(value_type = Option<ProfilePatch>)]
    pub profile: Field<Object<ProfilePatch>>,
}

impl From<User> for UserViewV2 {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            username: user.username,
            name: user.name,
            created_at: user.created_at,
            updated_at: user.updated_at,
            roles: words(user.roles, &user.custom_roles),
            status: user.status,
            email_verified: user.email_verified,
            profile: user.profile,
        }
    }
}

impl Representation for V2 {
    const VERSION: Version = Version::V2;
    type View = UserViewV2;
    type Patch = UserPatchV2;

    fn changes(patch: UserPatchV2, today: Date) -> Result<Changes, Problem> {
        let UserPatchV2 { email, username, name, profile } = patch;
        Names { email, username, name }.parse(|faults| match profile {
            Field::Absent => ProfileChanges::default(),
            Field::Null => ProfileChanges::nothing_left(),
            Field::Value(Object(profile)) => profile.parse(&NESTED, today, faults),
        })
    }
}
