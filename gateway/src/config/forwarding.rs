//! Settings of what proxies tell us of a request's way, and what we tell upstreams.
#![expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Forwarding {
    pub trust: Told,
    pub send: Tells,
    pub via: String,
}

/// The headers that trusted proxies write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    XForwarded,
    Forwarded,
}

/// The headers that upstreams get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tells {
    XForwarded,
    Forwarded,
    Both,
    #[serde(rename = "none")]
    Nothing,
}
