//! The addresses behind a host name, looked up again and again: each one becomes an endpoint (a headless service).

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

/// A look-up that fails changes nothing: addresses that worked still may.
async fn refresh(upstream: &Upstream) {
    match tokio::time::timeout(TIMEOUT, look_up(upstream)).await {
        Ok(Ok(0)) => tracing::warn!(upstream = upstream.name, "the name has no address"),
        Ok(Ok(_)) => upstream.resolved(Instant::now()),
        Ok(Err(error)) => tracing::warn!(upstream = upstream.name, %error, "the name cannot be looked up"),
        Err(_) => tracing::warn!(upstream = upstream.name, "looking up the name takes too long"),
    }
}

/// How many endpoints there are now.
async fn look_up(upstream: &Upstream) -> std::io::Result<usize> {
    let before = upstream.balancer.endpoints();
    let now = Instant::now();
    let joins = before.iter().any(|endpoint| endpoint.pinned.is_some());
    let mut after: Vec<Arc<Endpoint>> = Vec::new();
    for origin in &upstream.origins {
        let pins = match origin.name_and_port() {
            None => vec![None],
            Some((host, port)) => {
                let mut found: Vec<_> = tokio::net::lookup_host((host.as_str(), port)).await?.map(Some).collect();
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
    let count = after.len();
    upstream.balancer.replace(after);
    Ok(count)
}
