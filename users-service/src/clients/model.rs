//! A client, apart from how its row or the API writes one.

use serde::{Deserialize, Serialize};
use shared::domain::{ClientId, SessionId};
use time::OffsetDateTime;

use super::secret::Digest;
use crate::oauth::scope::Scope;

/// Whether a client can keep a secret (RFC 6749, section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ClientType)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It can: it runs on a server, and shows its secret.
    Confidential,
    /// It cannot: it runs in a browser or on somebody's device.
    Public,
}

/// A way in which a client may ask for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// On behalf of a user who has let it, with PKCE.
    AuthorizationCode,
    /// For itself.
    ClientCredentials,
    /// Again for a user, without asking them.
    RefreshToken,
}

impl Kind {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confidential => "confidential",
            Self::Public => "public",
        }
    }
}

impl GrantType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AuthorizationCode, Self::ClientCredentials, Self::RefreshToken];

    /// As it is stored, and asked for.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::RefreshToken => "refresh_token",
        }
    }
}

/// A client as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its id, which it calls itself by.
    pub id: ClientId,
    /// The place of its registration among all, in the order in which they became visible.
    pub seq: i64,
    /// The `sid` of its own tokens: another one ends them.
    pub session: SessionId,
    /// What users are told it is called.
    pub name: String,
    /// Whether it has a secret.
    pub kind: Kind,
    /// Its secret, if it has one.
    pub secret: Option<Digest>,
    /// The secret before, and until when it is good (microseconds).
    pub previous: Option<(Digest, i64)>,
    /// How it may ask for tokens.
    pub grants: Vec<GrantType>,
    /// What its tokens may be used for.
    pub scopes: Scope,
    /// Where users may be sent back to.
    pub redirect_uris: Vec<String>,
    /// Whether it is the operator's own: users are not asked.
    pub trusted: bool,
    /// Whether it gets no tokens.
    pub disabled: bool,
    /// Goes up with every change; the ETag.
    pub revision: i64,
    /// When it was registered.
    pub created_at: OffsetDateTime,
    /// When anything last changed.
    pub updated_at: OffsetDateTime,
}

impl Client {
    /// Whether it may ask for tokens in this way.
    #[must_use]
    pub fn may(&self, grant: GrantType) -> bool {
        !self.disabled && self.grants.contains(&grant)
    }

    /// Whether this is its secret, or the one before while that is good.
    #[must_use]
    pub fn knows(&self, secret: &str, now: i64) -> bool {
        let current = self.secret.as_ref().is_some_and(|digest| digest.is_of(secret));
        let previous = self.previous.as_ref().is_some_and(|(digest, until)| digest.is_of(secret) && now < *until);
        current | previous
    }
}
