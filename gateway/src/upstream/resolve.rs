//! The addresses behind a host name, looked up again and again: each one becomes an endpoint (a headless service).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::Upstream;
use super::endpoint::Endpoint;

/// How often it is seen whose time has come; also how often a name is tried that has never had an address.
const TICK: Duration = Duration::from_millis(500);

/// How long a look-up may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Looks up for as long as it is polled, whatever is configured at the time.
pub async fn run(upstreams: impl Fn() -> Vec<Arc<Upstream>>) {
    loop {
        let now = Instant::now();
        join_all(upstreams().iter().filter(|upstream| upstream.is_due(now)).map(|upstream| refresh(upstream))).await;
        tokio::time::sleep(TICK).await;
    }
}

/// The addresses of one name; none when it cannot be looked up.
async fn addresses(upstream: &Upstream, host: &str, port: u16) -> Vec<Option<SocketAddr>> {
    let name = upstream.name.as_str();
    match tokio::time::timeout(TIMEOUT, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => return found.map(Some).collect(),
        Ok(Err(error)) => tracing::warn!(upstream = name, host, %error, "the name cannot be looked up"),
        Err(_) => tracing::warn!(upstream = name, host, "looking up the name takes too long"),
    }
    Vec::new()
}

/// Puts the addresses that are found in the place of those that were.
async fn refresh(upstream: &Upstream) {
    let before = upstream.balancer.endpoints();
    let now = Instant::now();
    let joins = before.iter().any(|endpoint| endpoint.pinned.is_some());
    let mut after: Vec<Arc<Endpoint>> = Vec::new();
    for origin in &upstream.origins {
        let pins = match origin.name_and_port() {
            None => vec![None],
            Some((host, port)) => {
                let mut found = addresses(upstream, &host, port).await;
                if found.is_empty() {
                    // This name's addresses worked, and still may; the other names are another matter.
                    after.extend(before.iter().filter(|endpoint| endpoint.origin == *origin).cloned());
                    continue;
                }
                found.sort_unstable();
                found.dedup();
                found
            }
        };
        after.extend(pins.into_iter().map(|pin| {
            let kept = before.iter().find(|endpoint| endpoint.is_at(origin, pin)).cloned();
            kept.unwrap_or_else(|| {
                let endpoint = Endpoint::new(origin.clone(), pin, now);
                // Beside warm ones only: the first addresses of all take the bare name's place together.
                if joins {
                    endpoint.starts_slowly(now);
                }
                endpoint
            })
        }));
    }
    upstream.balancer.replace(after);
    upstream.resolved(Instant::now());
}
