//! What was allowed, as it is shown to whoever has allowed it.

use serde::{Deserialize, Serialize};
use shared::clock::instant;
use shared::domain::ClientId;
use time::OffsetDateTime;

/// What one has allowed an OAuth client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Consent)]
pub struct ConsentView {
    /// The client.
    pub client_id: ClientId,
    /// What it is called.
    #[schema(example = "Bookkeeper")]
    pub name: String,
    /// What it may do and know: all that it was ever allowed, in the words of scopes.
    #[schema(example = json!(["accounts:read", "openid"]))]
    pub scopes: Vec<String>,
    /// When it was last allowed something.
    #[serde(with = "instant")]
    pub granted_at: OffsetDateTime,
    /// When a session that it has now was opened or last refreshed; `null`: it has none.
    #[serde(with = "instant::option")]
    pub last_used_at: Option<OffsetDateTime>,
}

/// What somebody has allowed OAuth clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Consents)]
pub struct ConsentsView {
    /// The one that was allowed something last comes first.
    pub data: Vec<ConsentView>,
}
