//! Settings of tunnels.
#![expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]

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

impl WebSocket {
    /// How long a tunnel may last.
    #[must_use]
    pub fn span(&self) -> Span {
        let some = |span: Dur| Some(span.get()).filter(|span| !span.is_zero());
        Span { idle: some(self.idle_timeout), life: some(self.max_lifetime) }
    }
}
