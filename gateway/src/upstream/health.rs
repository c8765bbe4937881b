//! Whether the upstreams are ready, asked in the background, so that a probe of ours is answered from memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::Upstream;

const INTERVAL: Duration = Duration::from_secs(2);
/// Until all have been ready: whoever starts the stack waits for this.
const IMPATIENT: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_secs(1);

const UNKNOWN: u8 = 0;
const READY: u8 = 1;
const NOT_READY: u8 = 2;

/// What is known of each upstream that has a readiness of its own.
#[derive(Debug)]
pub struct Health {
    watched: Vec<(Arc<Upstream>, AtomicU8)>,
}

impl Health {
    /// Of our own services; what others call ready is their business.
    #[must_use]
    pub fn new(upstreams: &[Arc<Upstream>]) -> Arc<Self> {
        let watched = upstreams.iter().filter(|upstream| upstream.is_ours);
        Arc::new(Self { watched: watched.map(|upstream| (Arc::clone(upstream), AtomicU8::new(UNKNOWN))).collect() })
    }

    /// Each upstream's name and whether it said that it is ready.
    pub fn states(&self) -> impl Iterator<Item = (&str, bool)> {
        self.watched.iter().map(|(upstream, state)| (upstream.name.as_str(), state.load(Ordering::Relaxed) == READY))
    }

    /// Asks for as long as it is polled. `changed` is called when an upstream has become ready.
    pub async fn run(&self, client: &reqwest::Client, changed: impl Fn()) {
        let mut started = false;
        loop {
            let asked = self.watched.iter().map(|(upstream, state)| async {
                let ready = is_ready(client, upstream).await;
                let before = state.swap(if ready { READY } else { NOT_READY }, Ordering::Relaxed);
                if ready && before != READY {
                    changed();
                } else if !ready && before == READY {
                    tracing::warn!(upstream = upstream.name, "an upstream is not ready any more");
                }
            });
            futures_util::future::join_all(asked).await;
            started = started || self.states().all(|(_, ready)| ready);
            tokio::time::sleep(if started { INTERVAL } else { IMPATIENT }).await;
        }
    }
}

async fn is_ready(client: &reqwest::Client, upstream: &Upstream) -> bool {
    let url = format!("{}/readyz", upstream.origin.as_str());
    client.get(url).timeout(TIMEOUT).send().await.is_ok_and(|answer| answer.status().is_success())
}
