//! Settings of authentication: our issuer, others, API keys and the browsers' cookie.
#![expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shared::config::{Dur, Secret};
use shared::domain::{Role, Roles};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    pub issuer: String,
    pub audience: String,
    pub jwks_url: String,
    pub algorithms: Vec<String>,
    pub full_scope: String,
    pub leeway: Dur,
    pub refresh: Dur,
    pub cool_down: Dur,
    pub refetch_timeout: Dur,
    pub cache_capacity: usize,
    pub max_token_bytes: usize,
    pub issuers: Vec<Issuer>,
    pub introspection: Introspecting,
    pub api_keys: ApiKeys,
    pub cookie: Cookie,
}

/// An issuer beside our own users-service.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    pub name: String,
    pub issuer: String,
    #[serde(default)]
    pub audiences: Vec<String>,
    #[serde(default)]
    pub jwks_url: String,
    #[serde(default)]
    pub discovery: bool,
    #[serde(default)]
    pub introspection: Option<Introspection>,
    #[serde(default = "asymmetric")]
    pub algorithms: Vec<String>,
    #[serde(default)]
    pub leeway: Option<Dur>,
    #[serde(default = "access_token")]
    pub types: Vec<String>,
    #[serde(default = "sub")]
    pub subject_claim: String,
    #[serde(default)]
    pub roles_claim: String,
    #[serde(default)]
    pub role_map: BTreeMap<String, Role>,
    #[serde(default = "scope")]
    pub scope_claim: String,
    #[serde(default)]
    pub full_scope: String,
    #[serde(default)]
    pub trusted: bool,
    #[serde(default)]
    pub watermarks: bool,
}

/// Where an issuer is asked about a token, and as whom.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    pub url: String,
    #[serde(default)]
    pub prefix: String,
    #[serde(default)]
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<Secret>,
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
}

/// What holds whenever somebody is asked about a token or a key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Introspecting {
    pub timeout: Dur,
    pub remember: Dur,
    pub remember_unknown: Dur,
    pub capacity: u64,
    pub max_in_flight: usize,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeys {
    pub header: String,
    pub prefix: String,
    pub introspection: String,
    pub keys: Vec<StaticKey>,
}

/// A key that stands in the configuration, by its hash.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StaticKey {
    pub name: String,
    pub sha256: String,
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub roles: Roles,
    #[serde(default)]
    pub expires_at: Option<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cookie {
    pub name: String,
}

impl Introspection {
    /// The client's secret, from wherever it is.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn secret(&self) -> std::io::Result<Option<Secret>> {
        match (&self.client_secret, &self.client_secret_file) {
            (Some(secret), _) => Ok(Some(secret.clone())),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file)?;
                Ok(Some(Secret::from(text.trim_end_matches(['\r', '\n']).to_owned())))
            }
            (None, None) => Ok(None),
        }
    }
}

fn asymmetric() -> Vec<String> {
    ["EdDSA", "ES256", "RS256"].map(str::to_owned).into()
}

fn access_token() -> Vec<String> {
    vec!["at+jwt".to_owned()]
}

fn sub() -> String {
    "sub".to_owned()
}

fn scope() -> String {
    "scope".to_owned()
}
