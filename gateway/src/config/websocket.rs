//! Settings of what lasts: tunnels and event streams.
#![expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::config::Dur;

use crate::policy::lasting::Span;

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WebSocket {
    pub max_tunnels: usize,
    pub max_per_caller: usize,
    pub idle_timeout: Dur,
    pub max_lifetime: Dur,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EventStreams {
    pub max_lifetime: Dur,
}

impl WebSocket {
    /// How long a tunnel may last.
    #[must_use]
    pub fn span(&self) -> Span {
        Span { idle: some(self.idle_timeout), life: some(self.max_lifetime) }
    }
}

impl EventStreams {
    /// How long a stream may last.
    #[must_use]
    pub fn span(&self) -> Span {
        Span { idle: None, life: some(self.max_lifetime) }
    }
}

fn some(span: Dur) -> Option<Duration> {
    Some(span.get()).filter(|span| !span.is_zero())
}
