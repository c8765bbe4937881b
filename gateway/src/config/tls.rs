//! Settings of TLS: what is presented, and who must present something in turn.
#![expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shared::config::Dur;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificates: Vec<CertificateFiles>,
    pub unknown_name: UnknownName,
    pub min_version: TlsVersion,
    pub handshake_timeout: Dur,
    pub reload_interval: Dur,
    pub admin: bool,
    pub redirect_listen: String,
    pub redirect_port: u16,
    pub client_auth: ClientAuth,
    pub client_ca: String,
    pub client_crls: Vec<PathBuf>,
}

impl Tls {
    /// Whether there is anything to present.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.certificates.is_empty()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownName {
    Default,
    Refuse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum TlsVersion {
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    Off,
    Optional,
    Required,
}
