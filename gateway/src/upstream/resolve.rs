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

/// The addresses of a name, as they are being looked up.
trait Found: Future<Output = std::io::Result<Vec<SocketAddr>>> {}

impl<F: Future<Output = std::io::Result<Vec<SocketAddr>>>> Found for F {}

/// Looks up for as long as it is polled, whatever is configured at the time.
pub async fn run(upstreams: impl Fn() -> Vec<Arc<Upstream>>) {
    loop {
        let now = Instant::now();
        let upstreams = upstreams();
        let due = upstreams.iter().filter(|upstream| upstream.is_due(now));
        join_all(due.map(|upstream| refresh(upstream, system))).await;
        tokio::time::sleep(TICK).await;
    }
}

/// What the system says of a name.
async fn system(host: String, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// The addresses of one name; none when it cannot be looked up.
async fn addresses(upstream: &Upstream, host: &str, found: impl Found) -> Vec<Option<SocketAddr>> {
    let name = upstream.name.as_str();
    match tokio::time::timeout(TIMEOUT, found).await {
        Ok(Ok(found)) => return found.into_iter().map(Some).collect(),
        Ok(Err(error)) => tracing::warn!(upstream = name, host, %error, "the name cannot be looked up"),
        Err(_) => tracing::warn!(upstream = name, host, "looking up the name takes too long"),
    }
    Vec::new()
}

/// Puts the addresses that `look_up` finds in the place of those that were.
async fn refresh<F: Found>(upstream: &Upstream, look_up: impl Fn(String, u16) -> F) {
    let before = upstream.balancer.endpoints();
    let now = Instant::now();
    let joins = before.iter().any(|endpoint| endpoint.pinned.is_some());
    let mut all_known = true;
    let mut after: Vec<Arc<Endpoint>> = Vec::new();
    for origin in &upstream.origins {
        let pins = match origin.name_and_port() {
            None => vec![None],
            Some((host, port)) => {
                let mut found = addresses(upstream, &host, look_up(host.clone(), port)).await;
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
    use super::super::breaker::Outcome;
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
            refresh(&upstream, system).await;
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
        refresh(&upstream, system).await;
        assert!(upstream.balancer.endpoints().iter().any(|endpoint| Arc::ptr_eq(endpoint, &known)));
        assert!(!pinned(&upstream, "localhost").is_empty());
        assert!(!upstream.is_due(Instant::now()), "something is known of each");
    }

    #[tokio::test]
    async fn who_stays_keeps_what_is_known_of_it_and_who_joins_starts_slowly() {
        let upstream = upstream("http://svc.example:80", "http://svc.example:80");
        let at = |hosts: &[u8]| {
            let found: Vec<_> = hosts.iter().map(|host| SocketAddr::from(([192, 0, 2, *host], 80))).collect();
            move |host: String, port| {
                assert_eq!((host.as_str(), port), ("svc.example", 80));
                std::future::ready(Ok(found.clone()))
            }
        };
        let of = |host: u8| {
            let pinned = Some(SocketAddr::from(([192, 0, 2, host], 80)));
            upstream.balancer.endpoints().iter().find(|endpoint| endpoint.pinned == pinned).cloned()
        };
        refresh(&upstream, at(&[2, 1, 2])).await;
        assert_eq!(upstream.balancer.endpoints().len(), 2, "each once, and the bare name is gone");
        let (one, two) = (of(1).unwrap(), of(2).unwrap());
        let settings = upstream.balancer.settings();
        let load = |endpoint: &Endpoint, now| endpoint.load(now, settings.decay, settings.slow_start);
        let now = Instant::now();
        for _ in 0..settings.consecutive_failures {
            upstream.balancer.ended(&mut one.lease(now, settings.decay), Outcome::Failure, TICK, now);
        }
        assert!(
            one.is_ejected(now)
                && upstream.balancer.lease(now, &[]).is_some_and(|lease| Arc::ptr_eq(lease.endpoint(), &two))
        );

        refresh(&upstream, at(&[3, 1])).await;
        let now = Instant::now();
        assert!(of(2).is_none() && Arc::ptr_eq(&of(1).unwrap(), &one), "one has left, one stays as it is");
        assert!(of(1).unwrap().is_ejected(now) && of(1).unwrap().view(now, settings.decay).failed > 0);
        let three = of(3).unwrap();
        assert!(load(&three, now) > 1, "as if it were dear, although nothing is known of it");
        assert_eq!(load(&three, now + settings.slow_start), 1);
        refresh(&upstream, at(&[1, 2, 3])).await;
        assert!(!Arc::ptr_eq(&of(2).unwrap(), &two), "who comes back is new");
        assert!(Arc::ptr_eq(&of(3).unwrap(), &three));
        refresh(&upstream, |_, _| std::future::ready(Err(std::io::ErrorKind::NotFound.into()))).await;
        assert_eq!(upstream.balancer.endpoints().len(), 3, "a look-up that fails takes nobody away");
    }
}
