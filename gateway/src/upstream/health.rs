//! Whether the upstreams are ready: every endpoint is asked in the background, so that a call need not find out, and a
//! probe of ours is answered from memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::Upstream;
use super::client::Pool;
use super::endpoint::Endpoint;
use crate::config;

/// Until all have been ready: whoever starts the stack waits for this.
const IMPATIENT: Duration = Duration::from_millis(100);

const UNKNOWN: u8 = 0;
const READY: u8 = 1;
const NOT_READY: u8 = 2;

/// Whether any endpoint of an upstream has said that it is ready.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    /// Whether one has.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed) == READY
    }

    /// Notes what was found. `Some`: it has changed, to this.
    pub(super) fn note(&self, ready: bool) -> Option<bool> {
        let now = if ready { READY } else { NOT_READY };
        let before = self.0.swap(now, Ordering::Relaxed);
        let changed = before != now && (ready || before != UNKNOWN);
        changed.then_some(ready)
    }
}

/// Each of our services' name, and whether it said that it is ready. What others call ready is their business.
pub fn states(upstreams: &[Arc<Upstream>]) -> impl Iterator<Item = (&str, bool)> {
    let ours = upstreams.iter().filter(|upstream| upstream.is_ours);
    ours.map(|upstream| (upstream.name.as_str(), upstream.readiness.is_ready()))
}

/// What is asked, and how often.
pub struct Round {
    /// Everything that has endpoints.
    pub upstreams: Vec<Arc<Upstream>>,
    /// The rules.
    pub settings: config::Health,
}

/// Asks for as long as it is polled, whatever is configured at the time. `changed` is called when an upstream has become
/// ready.
pub async fn run(pool: &Pool, round: impl Fn() -> Round, changed: impl Fn()) {
    let mut started = false;
    loop {
        let Round { upstreams, settings } = round();
        let asked = upstreams.iter().filter_map(|upstream| {
            let path = upstream.health_path.as_deref()?;
            Some(ask(pool, upstream, path, &settings, &changed))
        });
        join_all(asked).await;
        started = started || states(&upstreams).all(|(_, ready)| ready);
        tokio::time::sleep(if started { settings.interval.get() } else { IMPATIENT }).await;
    }
}

async fn ask(pool: &Pool, upstream: &Upstream, path: &str, settings: &config::Health, changed: impl Fn()) {
    let endpoints = upstream.balancer.endpoints();
    let found = join_all(endpoints.iter().map(|endpoint| async {
        let good = is_good(pool, endpoint, path, settings.timeout.get()).await;
        let turned = endpoint.probed(good, Instant::now(), settings.unhealthy_after, settings.healthy_after);
        if let Some(healthy) = turned {
            let address = endpoint.origin.as_str();
            tracing::warn!(upstream = upstream.name, address, pinned = ?endpoint.pinned, healthy, "an endpoint's health has changed");
        }
        good
    }))
    .await;
    match upstream.readiness.note(found.contains(&true)) {
        Some(true) => changed(),
        Some(false) => tracing::warn!(upstream = upstream.name, "an upstream is not ready any more"),
        None => {}
    }
}

async fn is_good(pool: &Pool, endpoint: &Endpoint, path: &str, timeout: Duration) -> bool {
    let Ok(client) = pool.of(endpoint) else { return false };
    let url = [endpoint.origin.as_str(), path].concat();
    client.get(url).timeout(timeout).send().await.is_ok_and(|answer| answer.status().is_success())
}
