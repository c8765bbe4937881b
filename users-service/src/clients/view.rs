//! A client as administrators see it.

use serde::{Deserialize, Serialize};
use shared::clock::{from_micros, instant};
use shared::domain::ClientId;
use shared::http::entity_tag;
use time::OffsetDateTime;

use super::model::{Client, GrantType, Kind};
use super::secret::Secret;

/// A client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Client)]
pub struct ClientView {
    /// Its id, which is its `client_id`.
    pub id: ClientId,
    /// What users are told it is called.
    #[schema(example = "Bookkeeper")]
    pub name: String,
    /// Whether it can keep a secret.
    pub r#type: Kind,
    /// How it may ask for tokens.
    pub grant_types: Vec<GrantType>,
    /// What its tokens may be used for.
    #[schema(example = json!(["openid", "profile", "accounts:read"]))]
    pub scopes: Vec<String>,
    /// Where users may be sent back to.
    #[schema(example = json!(["https://books.example.com/callback"]))]
    pub redirect_uris: Vec<String>,
    /// Whether it is your own: users are not asked whether they allow it.
    pub trusted: bool,
    /// Whether it gets no tokens.
    pub disabled: bool,
    /// Its secret, in the one answer that tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "tgc_2n8Qd0b8lJq0m4r3gW1k7v5x9z6y2c1a0u8t4s7p3o0")]
    pub secret: Option<String>,
    /// Until when the secret before is good as well.
    #[serde(with = "instant::option")]
    pub previous_secret_until: Option<OffsetDateTime>,
    /// When it was registered.
    #[serde(with = "instant")]
    pub created_at: OffsetDateTime,
    /// When anything last changed.
    #[serde(with = "instant")]
    pub updated_at: OffsetDateTime,
}

impl ClientView {
    /// Of a client, at `now` (microseconds).
    #[must_use]
    pub fn of(client: Client, now: i64) -> Self {
        let until = client.previous.map(|(_, until)| until).filter(|until| now < *until);
        Self {
            id: client.id,
            name: client.name,
            r#type: client.kind,
            grant_types: client.grants,
            scopes: client.scopes.words().map(str::to_owned).collect(),
            redirect_uris: client.redirect_uris,
            trusted: client.trusted,
            disabled: client.disabled,
            secret: None,
            previous_secret_until: until.map(from_micros),
            created_at: client.created_at,
            updated_at: client.updated_at,
        }
    }

    /// With its secret.
    #[must_use]
    pub fn telling(self, secret: Option<&Secret>) -> Self {
        Self { secret: secret.map(|secret| secret.expose().to_owned()), ..self }
    }
}

/// Its entity tag.
#[must_use]
pub fn tag(client: &Client) -> String {
    entity_tag(client.revision)
}
