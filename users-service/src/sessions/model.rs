//! A session as its user sees it.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use shared::clock::{from_micros, instant};
use shared::domain::SessionId;
use shared::http::entity_tag;
use shared::problem::Problem;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::entity::session::Model;

/// Bytes of the digest in the tag.
const TAG: usize = 16;

/// A sign-in that goes on: one device of one user, or one OAuth client that they have let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// Its id, the `sid` of its tokens.
    pub id: SessionId,
    /// When it was opened.
    #[serde(with = "instant")]
    pub created_at: OffsetDateTime,
    /// When it was opened or last refreshed: every five minutes while it is in use.
    #[serde(with = "instant")]
    pub last_used_at: OffsetDateTime,
    /// When it ends whatever happens.
    #[serde(with = "instant")]
    pub expires_at: OffsetDateTime,
    /// From where it was last refreshed or opened, if that is known.
    #[schema(example = "192.0.2.7")]
    pub ip: Option<String>,
    /// What the program that opened it called itself: visible ASCII, at most 256 characters.
    #[schema(example = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", max_length = 256)]
    pub user_agent: Option<String>,
    /// What carries its tokens: `token` (the client, as it likes) or `cookie` (a browser's cookies).
    #[schema(example = "cookie")]
    pub carrier: String,
    /// The OAuth client that it was opened for; `null`: the user's own.
    pub client_id: Option<Uuid>,
    /// How its user has proved who they are, in RFC 8176's words.
    #[schema(example = json!(["pwd"]))]
    pub amr: Vec<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// The sessions that somebody has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Sessions)]
pub struct SessionsView {
    /// The one that was used last first; no more than one may have at once.
    pub data: Vec<SessionView>,
}

impl SessionView {
    /// Its entity tag: whatever it shows may change it.
    ///
    /// # Errors
    /// 500 when it cannot be written as JSON.
    pub(super) fn tag(&self) -> Result<String, Problem> {
        let shown = serde_json::to_vec(self).map_err(Problem::internal)?;
        Ok(entity_tag(hex::encode(&digest(&SHA256, &shown).as_ref()[..TAG])))
    }

    /// As whoever is in the session `current` sees it.
    #[must_use]
    pub(super) fn of(row: Model, current: Option<SessionId>) -> Self {
        let id = SessionId::from(row.id);
        Self {
            id,
            created_at: from_micros(row.created_at),
            last_used_at: from_micros(row.rotated_at),
            expires_at: from_micros(row.expires_at),
            ip: row.last_ip.or(row.client_ip),
            user_agent: row.user_agent,
            carrier: row.carrier,
            client_id: row.client_id,
            amr: row.amr.split_whitespace().map(str::to_owned).collect(),
            current: current == Some(id),
        }
    }
}
