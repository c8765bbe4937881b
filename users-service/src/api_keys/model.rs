//! A key that is asked for, and one as it is shown.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use shared::clock::{from_micros, instant, to_micros};
use shared::domain::ApiKeyId;
use shared::http::entity_tag;
use shared::problem::{Code, FieldError, Problem};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::scope;
use crate::config::ApiKeys;
use crate::db::entity::api_key::Model;

/// In characters.
const LONGEST_NAME: usize = 50;
/// More words than there can be are read no further.
const MOST_SCOPES: usize = 64;
/// Bytes of the digest in the tag.
const TAG: usize = 16;

/// A key to be made.
#[derive(Clone, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyRequest {
    /// What it is for, in words of your own; no other key of yours has the same.
    #[schema(example = "nightly report", min_length = 1, max_length = 50)]
    pub name: String,
    /// What it may be used for, and never more than you may do yourself: `users:read`, `users:write`, `accounts:read`,
    /// `accounts:write`, and what the operator adds.
    #[schema(example = json!(["accounts:read"]), min_items = 1)]
    pub scopes: Vec<String>,
    /// When it ends (RFC 3339); absent or null: when it is revoked.
    #[serde(default)]
    #[schema(example = "2027-05-21T08:00:00Z")]
    pub expires_at: Option<String>,
}

/// The same, fit to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewKey {
    pub name: String,
    pub scopes: Vec<String>,
    pub expires_at: Option<i64>,
}

/// A key, without what opens anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyView {
    /// Id.
    pub id: ApiKeyId,
    /// What it is for.
    #[schema(example = "nightly report")]
    pub name: String,
    /// What it begins with.
    #[schema(example = "tgk_7Qd0xPz4")]
    pub prefix: String,
    /// What it may be used for.
    #[schema(example = json!(["accounts:read"]))]
    pub scopes: Vec<String>,
    /// When it was made.
    #[serde(with = "instant")]
    pub created_at: OffsetDateTime,
    /// When it ends; null: when it is revoked.
    #[serde(with = "instant::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// When it was last used, to about a minute; null: never.
    #[serde(with = "instant::option")]
    pub last_used_at: Option<OffsetDateTime>,
}

/// A key that has just been made, for the one time that it is shown.
#[derive(Clone, Serialize, utoipa::ToSchema)]
#[schema(as = NewApiKey)]
pub struct NewApiKeyView {
    /// The key. Keep it: nobody can show it again.
    #[schema(example = "tgk_7Qd0xPz4_…")]
    pub key: String,
    /// All that is shown of it ever after.
    #[serde(flatten)]
    pub shown: ApiKeyView,
}

/// Somebody's keys.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ApiKeys)]
pub struct ApiKeysView {
    /// Those that are not revoked, the newest first.
    pub data: Vec<ApiKeyView>,
}

impl ApiKeyRequest {
    /// The request, validated.
    ///
    /// # Errors
    /// 422 with every fault in it.
    pub(super) fn parse(self, settings: &ApiKeys, now: OffsetDateTime) -> Result<NewKey, Problem> {
        let mut faults = Vec::new();
        let mut fault = |pointer: String, code: &'static str, detail: String| {
            faults.push(FieldError { pointer: pointer.into(), code: code.into(), detail: detail.into() });
        };
        let name = self.name.trim();
        if !(1..=LONGEST_NAME).contains(&name.chars().count()) {
            fault("/name".to_owned(), "length", "1 to 50 characters".to_owned());
        } else if name.chars().any(char::is_control) {
            fault("/name".to_owned(), "format", "no control characters".to_owned());
        }
        if !(1..=MOST_SCOPES).contains(&self.scopes.len()) {
            fault("/scopes".to_owned(), "min_items", "at least one word, each once".to_owned());
        }
        for (at, word) in self.scopes.iter().enumerate().take(MOST_SCOPES) {
            if !scope::is_known(settings, word) {
                fault(format!("/scopes/{at}"), "unknown_scope", format!("one of {}", scope::known(settings)));
            }
        }
        let expires_at = self.expires_at.as_deref().and_then(|text| {
            let read = expiry(text, settings, now);
            read.map_err(|(code, detail)| fault("/expires_at".to_owned(), code, detail)).ok()
        });
        if !faults.is_empty() {
            return Err(Problem::new(Code::ValidationFailed).errors(faults));
        }
        let mut scopes = self.scopes;
        scopes.sort_unstable();
        scopes.dedup();
        Ok(NewKey { name: name.to_owned(), scopes, expires_at })
    }
}

fn expiry(text: &str, settings: &ApiKeys, now: OffsetDateTime) -> Result<i64, (&'static str, String)> {
    let at = OffsetDateTime::parse(text, &Rfc3339);
    let at = at.map_err(|_| ("format", "an instant such as 2027-05-21T08:00:00Z (RFC 3339)".to_owned()))?;
    let longest = settings.longest.get();
    if at <= now {
        return Err(("future", "an instant that is still to come".to_owned()));
    }
    if at > now + longest {
        return Err(("too_late", format!("at most {} days from now", longest.as_secs() / 86_400)));
    }
    Ok(to_micros(at))
}

impl ApiKeyView {
    /// Its entity tag: whatever it shows may change it.
    ///
    /// # Errors
    /// 500 when it cannot be written as JSON.
    pub(super) fn tag(&self) -> Result<String, Problem> {
        let shown = serde_json::to_vec(self).map_err(Problem::internal)?;
        Ok(entity_tag(hex::encode(&digest(&SHA256, &shown).as_ref()[..TAG])))
    }
}

impl From<Model> for ApiKeyView {
    fn from(row: Model) -> Self {
        Self {
            id: row.id.into(),
            name: row.name,
            prefix: row.prefix,
            scopes: row.scopes.split_whitespace().map(str::to_owned).collect(),
            created_at: from_micros(row.created_at),
            expires_at: row.expires_at.map(from_micros),
            last_used_at: row.last_used_at.map(from_micros),
        }
    }
}
