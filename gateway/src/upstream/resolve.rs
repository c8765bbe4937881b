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
    let mut all_known = true;
    let mut after: Vec<Arc<Endpoint>> = Vec::new();
    for origin in &upstream.origins {
        let pins = match origin.name_and_port() {
            None => vec![None],
            Some((host, port)) => {
                let mut found = addresses(upstream, &host, port).await;
                if found.is_empty() {
                    // This name's addresses worked, and still may; the other names are another matter.
                    let kept = before.iter().filter(|endpoint| endpoint.origin == *origin);
                    all_known &= kept.clone().any(|endpoint| endpoint.pinned.is_some());
                    after.extend(kept.cloned());
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
    if all_known {
        upstream.resolved(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// A label of more than 63 letters is no name that anybody would be asked about.
    fn nobody() -> String {
        format!("{}.example", "x".repeat(64))
    }

    fn upstream(url: &str, endpoint: &str) -> Arc<Upstream> {
        let row = format!("[{{ name = \"raw\", url = \"{url}\", endpoints = [\"{endpoint}\"], dns = \"30s\" }}]");
        let config = Config::load(None, &[("TOLLGATE_GATEWAY__UPSTREAMS".to_owned(), row)]).unwrap();
        let all = Upstream::compile(&config, Instant::now(), &[]).unwrap();
        Arc::clone(all.iter().find(|upstream| upstream.name == "raw").unwrap())
    }

    fn pinned(upstream: &Upstream, host: &str) -> Vec<bool> {
        let endpoints = upstream.balancer.endpoints();
        let here = endpoints.iter().filter(|endpoint| endpoint.origin.as_str().contains(host));
        here.map(|endpoint| endpoint.pinned.is_some()).collect()
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_looked_up_leaves_the_others_alone() {
        let nobody = format!("http://{}:80", nobody());
        for (url, endpoint) in [(nobody.as_str(), "http://localhost:80"), ("http://localhost:80", &nobody)] {
            let upstream = upstream(url, endpoint);
            refresh(&upstream).await;
            let found = pinned(&upstream, "localhost");
            assert!(!found.is_empty() && found.iter().all(|pinned| *pinned), "{found:?}");
            assert_eq!(pinned(&upstream, "example"), [false], "it stays as it was");
            assert!(upstream.is_due(Instant::now()), "and is looked up again soon");
        }
    }

    #[tokio::test]
    async fn addresses_of_a_name_that_fails_later_stay_in_use() {
        let upstream = upstream(&format!("http://{}:80", nobody()), "http://localhost:80");
        let origin = upstream.origins[0].clone();
        let known = Endpoint::new(origin.clone(), Some(SocketAddr::from(([192, 0, 2, 1], 80))), Instant::now());
        upstream.balancer.replace(vec![Arc::clone(&known)]);
        refresh(&upstream).await;
        assert!(upstream.balancer.endpoints().iter().any(|endpoint| Arc::ptr_eq(endpoint, &known)));
        assert!(!pinned(&upstream, "localhost").is_empty());
        assert!(!upstream.is_due(Instant::now()), "something is known of each");
    }
}
