//! RFC 8414 and OpenID Connect Discovery metadata: what works, and nothing else.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::oauth::scope;

/// The authorization server's description of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Metadata {
    #[schema(example = "https://api.example.com")]
    pub issuer: String,
    pub authorization_endpoint: String,
    #[schema(example = "https://api.example.com/api/v1/auth/token")]
    pub token_endpoint: String,
    pub revocation_endpoint: String,
    pub introspection_endpoint: String,
    pub userinfo_endpoint: String,
    pub jwks_uri: String,
    pub scopes_supported: Vec<String>,
    pub response_types_supported: Vec<String>,
    pub response_modes_supported: Vec<String>,
    pub grant_types_supported: Vec<String>,
    pub token_endpoint_auth_methods_supported: Vec<String>,
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    pub code_challenge_methods_supported: Vec<String>,
    /// RFC 9207: every answer says who gives it.
    pub authorization_response_iss_parameter_supported: bool,
    pub subject_types_supported: Vec<String>,
    pub id_token_signing_alg_values_supported: Vec<String>,
    pub claims_supported: Vec<String>,
    pub prompt_values_supported: Vec<String>,
    pub request_parameter_supported: bool,
    pub request_uri_parameter_supported: bool,
    pub claims_parameter_supported: bool,
    pub service_documentation: String,
}

impl Metadata {
    /// For the issuer of this configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let at = |path: &str| [config.tokens.issuer.as_str(), path].concat();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let secret = ["client_secret_basic", "client_secret_post"];
        let any = ["client_secret_basic", "client_secret_post", "none"];
        Self {
            issuer: config.tokens.issuer.clone(),
            authorization_endpoint: at("/oauth/authorize"),
            token_endpoint: at("/api/v1/auth/token"),
            revocation_endpoint: at("/api/v1/auth/revoke"),
            introspection_endpoint: at("/api/v1/auth/introspect"),
            userinfo_endpoint: at("/api/v1/auth/userinfo"),
            jwks_uri: at("/.well-known/jwks.json"),
            scopes_supported: scope::all(config).map(str::to_owned).collect(),
            response_types_supported: words(&["code"]),
            response_modes_supported: words(&["query"]),
            grant_types_supported: words(&GRANTS),
            token_endpoint_auth_methods_supported: words(&any),
            revocation_endpoint_auth_methods_supported: words(&any),
            introspection_endpoint_auth_methods_supported: words(&secret),
            code_challenge_methods_supported: words(&["S256"]),
            authorization_response_iss_parameter_supported: true,
            subject_types_supported: words(&["public"]),
            id_token_signing_alg_values_supported: words(&[config.oauth.id_token_algorithm.as_str()]),
            claims_supported: words(&CLAIMS),
            prompt_values_supported: words(&["none", "login", "consent"]),
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
            claims_parameter_supported: false,
            service_documentation: at("/docs"),
        }
    }
}

#[cfg(feature = "passkeys")]
const GRANTS: [&str; 5] =
    ["authorization_code", "client_credentials", "password", "refresh_token", super::grant::PASSKEY];
#[cfg(not(feature = "passkeys"))]
const GRANTS: [&str; 4] = ["authorization_code", "client_credentials", "password", "refresh_token"];

/// Those of ID tokens, then those of the user-info endpoint.
const CLAIMS: [&str; 15] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "amr",
    "at_hash",
    "sid",
    "name",
    "preferred_username",
    "updated_at",
    "email",
    "email_verified",
];
