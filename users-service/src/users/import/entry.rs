//! One line as somebody to be registered, by the rules of registration.

use serde::Deserialize;
use shared::domain::{Role, Roles};
use shared::http::parse;
use shared::problem::FieldError;
use time::OffsetDateTime;
use time::macros::datetime;

use super::fault;
use crate::passwords::{Customs, Foreign};
use crate::users::fields::{Email, Name, Username};
use crate::users::model::NewUser;
use crate::users::register::{invalid, noted};

/// Nobody registered with any system before that.
const EARLIEST: OffsetDateTime = datetime!(1970-01-01 00:00 UTC);

/// As it is written. Roles are not: they are an administrator's to give.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    email: String,
    username: String,
    password_hash: String,
    #[serde(default)]
    email_verified: bool,
    #[serde(default)]
    name: Option<String>,
    #[serde(default, with = "shared::clock::instant::option")]
    created_at: Option<OffsetDateTime>,
}

/// Somebody to be registered.
pub(super) struct Entry {
    pub(super) user: NewUser,
    pub(super) hash: Foreign,
    pub(super) email_verified: bool,
    pub(super) created_at: Option<OffsetDateTime>,
}

impl Entry {
    /// Reads a line, at this moment: everything that is wrong with it, or with its form the first thing.
    pub(super) fn parse(text: &[u8], customs: &Customs, now: OffsetDateTime) -> Result<Self, Vec<FieldError>> {
        let sent: Sent = parse(text).map_err(|problem| match problem.faults() {
            [] => vec![fault("", "json", "no JSON object in UTF-8")],
            faults => faults.to_vec(),
        })?;
        let mut faults = Vec::new();
        let email = noted(&mut faults, "/email", Email::parse(&sent.email));
        let username = noted(&mut faults, "/username", Username::parse(&sent.username));
        let hash = noted(&mut faults, "/password_hash", customs.read(&sent.password_hash));
        let name = sent.name.as_deref().and_then(|name| noted(&mut faults, "/name", Name::parse(name)));
        let mut problems = invalid(faults).faults().to_vec();
        if sent.created_at.is_some_and(|at| at < EARLIEST || at > now) {
            problems.push(fault("/created_at", "range", "not before 1970, and not in the future"));
        }
        match (email, username, hash, problems.is_empty()) {
            (Some(email), Some(username), Some(hash), true) => {
                let roles = Roles::NONE.with(Role::User);
                let user = NewUser { email, username, name, phone: None, roles };
                Ok(Self { user, hash, email_verified: sent.email_verified, created_at: sent.created_at })
            }
            (_, _, _, _) => Err(problems),
        }
    }
}
