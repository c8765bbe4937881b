//! The services behind the gateway: where they are, how healthy they seem, and how to talk to them.

pub mod body;
pub mod breaker;
pub mod client;
pub mod convert;
pub mod health;
pub mod send;

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use breaker::Breaker;

use crate::config::{self, Config};

/// One service, as routes refer to it.
#[derive(Debug)]
pub struct Upstream {
    /// What routes and metrics call it.
    pub name: String,
    /// Where it is.
    pub origin: Origin,
    /// Its breaker.
    pub breaker: Arc<Breaker>,
    /// An answer that takes longer counts as slow; `None` turns the rule off.
    pub slow_after: Option<Duration>,
    /// The audience of its identity assertion; `None`: it is told nothing about callers.
    pub audience: Option<String>,
    /// Whether its document is part of ours.
    pub has_document: bool,
    /// Whether it is one of our two services, whose readiness is part of ours.
    pub is_ours: bool,
}

impl Upstream {
    /// Our two services, then the configured ones. The configuration has been checked.
    ///
    /// # Errors
    /// A URL that is no origin.
    pub fn compile(config: &Config, now: Instant) -> Result<Vec<Arc<Self>>, InvalidOrigin> {
        let ours = [("users", &config.services.users.url), ("accounts", &config.services.accounts.url)];
        let ours = ours.map(|(name, url)| config::Upstream {
            name: name.to_owned(),
            url: url.clone(),
            assertion: true,
            openapi: true,
        });
        let ours = ours.iter().map(|upstream| (upstream, true));
        let all = ours.chain(config.upstreams.iter().map(|upstream| (upstream, false)));
        all.map(|(upstream, is_ours)| Self::new(upstream, is_ours, &config.breaker, now).map(Arc::new)).collect()
    }

    fn new(
        config: &config::Upstream,
        is_ours: bool,
        settings: &config::Breaker,
        now: Instant,
    ) -> Result<Self, InvalidOrigin> {
        Ok(Self {
            name: config.name.clone(),
            origin: config.url.parse()?,
            breaker: Breaker::new(breaker_settings(settings), now),
            slow_after: Some(settings.slow_after.get()).filter(|span| !span.is_zero()),
            audience: config.assertion.then(|| config.name.clone()),
            has_document: config.openapi,
            is_ours,
        })
    }
}

fn breaker_settings(config: &config::Breaker) -> breaker::Settings {
    breaker::Settings {
        consecutive_failures: config.consecutive_failures,
        window: config.window.get(),
        minimum_volume: config.minimum_volume,
        failure_percent: config.failure_percent,
        open_for: config.open_for.get(),
        open_at_most: config.open_at_most.get(),
        jitter_percent: config.jitter_percent,
        probes: config.probes,
    }
}

/// Scheme, host and port, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// Text that is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write http:// or https://, a host and perhaps a port, and nothing else")]
pub struct InvalidOrigin;

impl Origin {
    /// The text, to which a path is appended.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let url = reqwest::Url::parse(text).map_err(|_| InvalidOrigin)?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        if matches!(url.scheme(), "http" | "https") && url.has_host() && bare && anonymous {
            Ok(Self(url.origin().ascii_serialization()))
        } else {
            Err(InvalidOrigin)
        }
    }
}
