//! RFC 8414 metadata: what works, and nothing else.

use serde::{Deserialize, Serialize};

use super::grant::SCOPE;

/// The authorization server's description of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Metadata {
    #[schema(example = "https://api.example.com")]
    pub issuer: String,
    #[schema(example = "https://api.example.com/api/v1/auth/token")]
    pub token_endpoint: String,
    pub revocation_endpoint: String,
    pub jwks_uri: String,
    pub scopes_supported: Vec<String>,
    /// Required by RFC 8414, and empty: there is no authorization endpoint.
    pub response_types_supported: Vec<String>,
    pub grant_types_supported: Vec<String>,
    pub token_endpoint_auth_methods_supported: Vec<String>,
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    pub service_documentation: String,
}

impl Metadata {
    /// For the issuer at this public address.
    #[must_use]
    pub fn of(issuer: &str) -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            issuer: issuer.to_owned(),
            token_endpoint: format!("{issuer}/api/v1/auth/token"),
            revocation_endpoint: format!("{issuer}/api/v1/auth/revoke"),
            jwks_uri: format!("{issuer}/.well-known/jwks.json"),
            scopes_supported: words(&[SCOPE]),
            response_types_supported: Vec::new(),
            grant_types_supported: words(&["password", "refresh_token"]),
            token_endpoint_auth_methods_supported: words(&["none"]),
            revocation_endpoint_auth_methods_supported: words(&["none"]),
            service_documentation: format!("{issuer}/docs"),
        }
    }
}
