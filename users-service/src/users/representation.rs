//! What the versions of the API have in common: a way to show a user, and a way to patch one.

use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::http::{Conditions, entity_tag};
use shared::problem::Problem;
use time::Date;

use super::error::UserError;
use super::model::{Changes, User};

/// A version of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `{id, email, username, name}`, numbered pages.
    V1,
    /// With roles, status and times; cursors.
    V2,
}

impl Version {
    /// As in paths.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }

    /// The user's entity tag in this version: each shows something else, so each has its own.
    #[must_use]
    pub fn tag(self, user: &User) -> String {
        entity_tag(format_args!("{}-{}", user.revision, self.as_str()))
    }

    /// Checks `If-Match`. To be called with the row locked.
    ///
    /// # Errors
    /// 412 when it names another revision.
    pub fn require(self, conditions: &Conditions, user: &User) -> Result<(), UserError> {
        conditions.require(&self.tag(user)).map_err(|_| UserError::Stale)
    }

    /// Where a user is.
    #[must_use]
    pub fn location(self, user: &User) -> String {
        format!("/api/{}/users/{}", self.as_str(), user.id)
    }
}

/// One version's way with users.
pub trait Representation {
    /// Which version.
    const VERSION: Version;
    /// How it shows a user.
    type View: Serialize + From<User>;
    /// How it patches one.
    type Patch: DeserializeOwned + 'static;

    /// The patch, validated; `today` is the UTC date that somebody has to be of age on.
    ///
    /// # Errors
    /// 422 with every fault in it.
    fn changes(patch: Self::Patch, today: Date) -> Result<Changes, Problem>;
}
