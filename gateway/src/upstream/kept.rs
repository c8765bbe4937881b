//! What is known of an upstream and outlives its definition: a reload that changes one thing forgets nothing about the
//! others.

use std::sync::Arc;
use std::time::Instant;

use super::breaker::Breaker;
use super::budget::Budget;
use super::concurrency::Concurrency;
use super::counts::Counts;
use super::endpoint::Endpoint;
use super::health::Readiness;
use super::{Definition, Origin, Upstream};

/// What an upstream goes on with, or begins with.
pub(super) struct Kept {
    pub endpoints: Vec<Arc<Endpoint>>,
    pub breaker: Arc<Breaker>,
    pub concurrency: Arc<Concurrency>,
    pub budget: Arc<Budget>,
    pub counts: Arc<Counts>,
    pub readiness: Arc<Readiness>,
}

impl Kept {
    /// Of the upstream that had the name `before`, as far as it holds for this definition at these origins.
    pub fn of(definition: &Definition, origins: &[Origin], before: Option<&Arc<Upstream>>, now: Instant) -> Self {
        let fresh = || Self {
            endpoints: origins.iter().map(|origin| Endpoint::new(origin.clone(), None, now)).collect(),
            breaker: Breaker::new(definition.breaker, now),
            concurrency: Concurrency::new(definition.concurrency, now),
            budget: Arc::new(Budget::new(definition.retry.budget_percent, definition.retry.reserve)),
            counts: Arc::default(),
            readiness: Arc::default(),
        };
        let Some(before) = before else { return fresh() };
        let stays = origins.iter().any(|origin| before.origins.contains(origin));
        let new_place = origins.iter().any(|origin| !before.origins.contains(origin));
        let old = &before.definition;
        let same_budget = (old.retry.budget_percent, old.retry.reserve)
            == (definition.retry.budget_percent, definition.retry.reserve);
        let fresh = fresh();
        Self {
            endpoints: endpoints(definition, origins, before, now),
            breaker: match old.breaker == definition.breaker && !new_place {
                true => Arc::clone(&before.breaker),
                false => before.breaker.successor(definition.breaker, !new_place, now),
            },
            concurrency: match old.concurrency == definition.concurrency && stays {
                true => Arc::clone(&before.concurrency),
                false => fresh.concurrency,
            },
            budget: if same_budget { Arc::clone(&before.budget) } else { fresh.budget },
            counts: Arc::clone(&before.counts),
            readiness: if stays { Arc::clone(&before.readiness) } else { fresh.readiness },
        }
    }
}

/// The endpoints that are known at these origins; all addresses of a name that is looked up. Who is new beside them starts
/// slowly.
fn endpoints(definition: &Definition, origins: &[Origin], before: &Upstream, now: Instant) -> Vec<Arc<Endpoint>> {
    let known = before.balancer.endpoints();
    let looks_up = !definition.upstream.dns.get().is_zero();
    let at = |origin: &Origin| {
        let here =
            known.iter().filter(|endpoint| endpoint.origin == *origin && (looks_up || endpoint.pinned.is_none()));
        here.cloned().collect::<Vec<_>>()
    };
    let joins = origins.iter().any(|origin| !at(origin).is_empty());
    let mut endpoints = Vec::new();
    for origin in origins {
        let mut here = at(origin);
        if here.is_empty() {
            let endpoint = Endpoint::new(origin.clone(), None, now);
            if joins {
                endpoint.starts_slowly(now);
            }
            here.push(endpoint);
        }
        endpoints.append(&mut here);
    }
    endpoints
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;
    use crate::config::Config;
    use crate::upstream::breaker::{Forced, Outcome};

    const A: &str = "http://a.example:80";
    const B: &str = "http://b.example:80";

    /// An upstream of this definition, which follows `before`.
    fn upstream(before: Option<&Arc<Upstream>>, upstream: &str, more: &[(&str, &str)]) -> Arc<Upstream> {
        let mut env = vec![("TOLLGATE_GATEWAY__UPSTREAMS".to_owned(), format!("[{{ name = \"raw\", {upstream} }}]"))];
        env.extend(more.iter().map(|(key, value)| (format!("TOLLGATE_GATEWAY__{key}"), (*value).to_owned())));
        let config = Config::load(None, &env).unwrap();
        let before: Vec<_> = before.into_iter().cloned().collect();
        let all = Upstream::compile(&config, Instant::now(), &before).unwrap();
        Arc::clone(all.iter().find(|upstream| upstream.name == "raw").unwrap())
    }

    fn at(url: &str) -> String {
        format!("url = \"{url}\"")
    }

    fn open(upstream: &Upstream) -> bool {
        upstream.breaker.peek(Instant::now()).is_err()
    }

    fn trip(upstream: &Upstream) {
        while let Ok(mut admission) = upstream.breaker.admit(Instant::now()) {
            admission.settle(Outcome::Failure, Instant::now());
        }
        assert!(open(upstream));
    }

    #[test]
    fn addresses_of_a_name_outlive_a_change_of_anything_else() {
        let named = format!("{}, dns = \"30s\"", at(A));
        let before = upstream(None, &named, &[]);
        let pin = |port: u16| Some(SocketAddr::from(([192, 0, 2, 1], port)));
        let origin: Origin = A.parse().unwrap();
        let pinned = [1, 2].map(|port| Endpoint::new(origin.clone(), pin(port), Instant::now()));
        before.balancer.replace(pinned.to_vec());
        let after = upstream(Some(&before), &named, &[("BREAKER__PROBES", "7")]);
        let endpoints = after.balancer.endpoints();
        assert_eq!(endpoints.len(), 2);
        assert!(pinned.iter().all(|kept| endpoints.iter().any(|endpoint| Arc::ptr_eq(kept, endpoint))));
        let fixed = upstream(Some(&after), &at(A), &[]);
        let endpoints = fixed.balancer.endpoints();
        assert_eq!((endpoints.len(), endpoints[0].pinned), (1, None), "nobody looks it up any more");
    }

    #[test]
    fn what_the_limit_and_the_budget_have_learnt_outlives_other_changes_but_no_move() {
        let before = upstream(None, &at(A), &[]);
        before.readiness.note(true);
        let after = upstream(Some(&before), &format!("{}, honours_keys = true", at(A)), &[("BREAKER__PROBES", "7")]);
        assert!(!Arc::ptr_eq(&before, &after));
        assert!(Arc::ptr_eq(&before.concurrency, &after.concurrency) && Arc::ptr_eq(&before.budget, &after.budget));
        assert!(
            after.readiness.is_ready() && Arc::ptr_eq(&before.balancer.endpoints()[0], &after.balancer.endpoints()[0])
        );
        let limit = upstream(Some(&after), &at(A), &[("UPSTREAM__CONCURRENCY__INITIAL", "65")]);
        assert_eq!(limit.concurrency.view().limit, 65);
        let moved = upstream(Some(&after), &at(B), &[]);
        assert!(!Arc::ptr_eq(&moved.concurrency, &after.concurrency) && !moved.readiness.is_ready());
    }

    #[test]
    fn an_open_breaker_stays_open_in_the_same_place_and_is_closed_before_another() {
        let before = upstream(None, &at(A), &[]);
        trip(&before);
        let wait = before.breaker.snapshot(Instant::now()).probes_in.unwrap();
        for (upstream_text, more) in
            [(at(A), vec![("BREAKER__PROBES", "7")]), (format!("{}, openapi = false", at(A)), vec![])]
        {
            let after = upstream(Some(&before), &upstream_text, &more);
            let seen = after.breaker.snapshot(Instant::now());
            assert!(open(&after) && seen.probes_in.unwrap() <= wait, "{seen:?}");
            assert_eq!(seen.trips, 1);
        }
        let impatient = [("BREAKER__OPEN_FOR", "1ms"), ("BREAKER__OPEN_AT_MOST", "1ms")];
        let after = upstream(Some(&before), &at(A), &impatient);
        assert!(
            after.breaker.snapshot(Instant::now()).probes_in.unwrap() <= Duration::from_millis(2),
            "the new bound holds"
        );
        let moved = upstream(Some(&before), &at(B), &[]);
        assert!(!open(&moved) && open(&before));
        assert_eq!(moved.breaker.snapshot(Instant::now()).trips, 1, "what is counted is counted on");
        let both = upstream(Some(&before), &format!("{}, endpoints = [\"{B}\"]", at(A)), &[]);
        assert!(!open(&both), "of one of its places nothing is known");
        trip(&both);
        assert!(open(&upstream(Some(&both), &at(B), &[])), "fewer places are no new one");
    }

    #[test]
    fn what_an_operator_has_forced_outlives_every_change() {
        let before = upstream(None, &at(A), &[]);
        for forced in [Forced::Open, Forced::Closed] {
            before.breaker.force(Some(forced), Instant::now());
            for (definition, more) in [(at(A), [("BREAKER__PROBES", "7")]), (at(B), [("BREAKER__PROBES", "3")])] {
                let after = upstream(Some(&before), &definition, &more);
                assert_eq!(after.breaker.snapshot(Instant::now()).forced, Some(forced), "{definition}");
            }
        }
    }

    #[test]
    fn what_probes_have_said_ends_with_the_probes() {
        let before = upstream(None, &format!("{}, health_path = \"/wrong\"", at(A)), &[]);
        let endpoint = Arc::clone(&before.balancer.endpoints()[0]);
        assert_eq!(endpoint.probed(false, Instant::now(), 1, 1), Some(false));
        let other = format!("{}, health_path = \"/wrong\"", at(A));
        let same = upstream(Some(&before), &other, &[("BREAKER__PROBES", "7")]);
        assert!(!same.balancer.endpoints()[0].is_healthy());
        let none = upstream(Some(&same), &at(A), &[]);
        assert!(!none.balancer.endpoints()[0].is_healthy(), "these settings may yet be refused");
        none.enters_service();
        assert!(none.balancer.endpoints()[0].is_healthy());
        assert_eq!(endpoint.probed(false, Instant::now(), 1, 1), Some(false));
        none.enters_service();
        assert!(!none.balancer.endpoints()[0].is_healthy(), "once");
    }

    #[test]
    fn who_joins_warm_endpoints_starts_slowly() {
        let before = upstream(None, &at(A), &[]);
        let after = upstream(Some(&before), &format!("{}, endpoints = [\"{B}\"]", at(A)), &[]);
        let endpoints = after.balancer.endpoints();
        let load =
            |nth: usize| endpoints[nth].load(Instant::now(), Duration::from_secs(10), Duration::from_secs(3_600));
        assert!(load(1) > load(0), "{} {}", load(1), load(0));
    }
}
