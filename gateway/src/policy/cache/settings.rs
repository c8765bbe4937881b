//! What a route says about its answers, compiled.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderName;

use super::tags::own_tag;
use crate::config::{Cache, CacheMode, RouteCache};

/// One route's rules. A route without any is not cached.
#[derive(Debug)]
pub struct Settings {
    /// How long an answer is fresh whose upstream says nothing about that; `None`: it is not kept.
    pub ttl: Option<Duration>,
    /// Whether what an upstream calls `public` may be given to everybody, whoever asked for it.
    pub shared: bool,
    /// How long after its time an answer may still be given while a newer one is fetched.
    pub while_revalidating: Duration,
    /// How long after its time an answer may still be given when no newer one can be had.
    pub if_error: Duration,
    /// Request headers that tell answers apart, whatever the upstream says in `Vary`.
    pub vary: Vec<HeaderName>,
    /// What all its answers can be purged by.
    pub tags: Vec<String>,
    /// The largest body that is kept, in bytes.
    pub limit: u64,
    /// What all answers on their way into the cache may take together, in bytes.
    pub ahead: u64,
}

impl Settings {
    /// From the configuration, which has been checked. `None`: nothing is kept.
    #[must_use]
    pub fn compile(common: &Cache, route: Option<&RouteCache>) -> Option<Arc<Self>> {
        let config = route.filter(|_| common.enabled)?;
        let ttl = match config.mode {
            CacheMode::Off => return None,
            CacheMode::Honour => None,
            CacheMode::Ttl => config.ttl.map(|ttl| ttl.get()),
        };
        let mut vary: Vec<HeaderName> = config.vary.iter().filter_map(|name| name.parse().ok()).collect();
        vary.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Some(Arc::new(Self {
            ttl,
            shared: config.shared,
            while_revalidating: config.stale_while_revalidate.map_or(Duration::ZERO, |span| span.get()),
            if_error: config.stale_if_error.map_or(Duration::ZERO, |span| span.get()),
            vary,
            tags: config.tags.iter().map(|tag| own_tag(tag)).collect(),
            limit: common.entry_bytes,
            ahead: common.ahead_bytes,
        }))
    }

    /// The rules in one line, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut words = vec![match self.ttl {
            Some(ttl) => format!("as the upstream says, else {ttl:?}"),
            None => "as the upstream says".to_owned(),
        }];
        words.push(if self.shared { "public answers shared" } else { "by caller" }.to_owned());
        if !self.while_revalidating.is_zero() {
            words.push(format!("stale for {:?} while revalidating", self.while_revalidating));
        }
        if !self.if_error.is_zero() {
            words.push(format!("stale for {:?} on errors", self.if_error));
        }
        words.join(", ")
    }
}
