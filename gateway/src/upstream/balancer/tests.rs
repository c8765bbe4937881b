//! The choice among endpoints, on time that is moved by hand.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

fn settings() -> Settings {
    Settings {
        decay: 10 * SECOND,
        slow_start: 10 * SECOND,
        consecutive_failures: 3,
        eject_for: 5 * SECOND,
        eject_at_most: 20 * SECOND,
        keep_percent: 50,
    }
}

fn balancer(count: usize, now: Instant) -> (Balancer, Vec<Arc<Endpoint>>) {
    let origin = |n| format!("http://10.0.0.{n}:80").parse().unwrap();
    let endpoints: Vec<_> = (0..count).map(|n| Endpoint::new(origin(n), None, now)).collect();
    (Balancer::new(settings(), endpoints.clone()), endpoints)
}

fn call(balancer: &Balancer, now: Instant, outcome: Outcome, took: Duration) -> Arc<Endpoint> {
    let mut lease = balancer.lease(now, &[]).unwrap();
    balancer.ended(&mut lease, outcome, took, now);
    Arc::clone(lease.endpoint())
}

/// How many of `calls` each endpoint gets, when each answers in its own time.
fn shares(balancer: &Balancer, endpoints: &[Arc<Endpoint>], now: Instant, calls: u32, took: &[Duration]) -> Vec<u32> {
    let mut counts = vec![0; endpoints.len()];
    for n in 0..calls {
        let now = now + n * MILLI;
        let mut lease = balancer.lease(now, &[]).unwrap();
        let index = endpoints.iter().position(|endpoint| Arc::ptr_eq(endpoint, lease.endpoint())).unwrap();
        balancer.ended(&mut lease, Outcome::Success, took[index], now);
        counts[index] += 1;
    }
    counts
}

fn fail(balancer: &Balancer, endpoint: &Arc<Endpoint>, times: u32, now: Instant) {
    for _ in 0..times {
        balancer.ended(&mut endpoint.lease(now, SECOND), Outcome::Failure, MILLI, now);
    }
}

#[test]
fn the_faster_endpoints_get_more_and_the_slowest_nearly_nothing() {
    let now = Instant::now();
    let (balancer, endpoints) = balancer(3, now);
    let counts = shares(&balancer, &endpoints, now, 3_000, &[MILLI, MILLI, 50 * MILLI]);
    assert!(counts[2] < 100, "{counts:?}");
    assert!(counts[0] > 1_000 && counts[1] > 1_000, "{counts:?}");
}

#[test]
fn calls_that_are_out_weigh() {
    let now = Instant::now();
    let (balancer, endpoints) = balancer(2, now);
    shares(&balancer, &endpoints, now, 100, &[MILLI, MILLI]);
    let out: Vec<_> = (0..10).map(|_| balancer.lease(now, &[]).unwrap()).collect();
    for endpoint in &endpoints {
        let pending = out.iter().filter(|lease| Arc::ptr_eq(lease.endpoint(), endpoint)).count();
        assert_eq!(pending, 5, "two choices among two are the better of all");
    }
}

#[test]
fn failures_in_a_row_eject_for_longer_each_time_and_then_it_is_asked_again() {
    let now = Instant::now();
    let (balancer, endpoints) = balancer(3, now);
    fail(&balancer, &endpoints[0], 2, now);
    assert!(endpoints[0].is_available(now));
    fail(&balancer, &endpoints[0], 1, now);
    assert!(!endpoints[0].is_available(now));
    for _ in 0..200 {
        assert!(!Arc::ptr_eq(&call(&balancer, now, Outcome::Success, MILLI), &endpoints[0]));
    }
    let back = now + 5 * SECOND;
    assert!(endpoints[0].is_available(back), "the first ejection is five seconds");
    fail(&balancer, &endpoints[0], 3, back);
    assert!(!endpoints[0].is_available(back + 9 * SECOND), "the second is ten");
    assert!(endpoints[0].is_available(back + 10 * SECOND));
}

#[test]
fn the_last_ones_are_never_ejected() {
    let now = Instant::now();
    let (balancer, endpoints) = balancer(4, now);
    for endpoint in &endpoints {
        fail(&balancer, endpoint, 10, now);
    }
    let left = endpoints.iter().filter(|endpoint| endpoint.is_available(now)).count();
    assert_eq!(left, 2, "half of them stay");
    let (balancer, endpoints) = self::balancer(1, now);
    fail(&balancer, &endpoints[0], 10, now);
    assert!(endpoints[0].is_available(now));
}

#[test]
fn when_none_is_healthy_all_are_asked() {
    let now = Instant::now();
    let (balancer, endpoints) = balancer(2, now);
    for endpoint in &endpoints {
        assert_eq!(endpoint.probed(false, now, 2, 1), None, "one bad probe says little");
        assert_eq!(endpoint.probed(false, now, 2, 1), Some(false));
    }
    assert!(balancer.lease(now, &[]).is_some());
    assert_eq!(endpoints[0].probed(true, now, 2, 1), Some(true));
    for _ in 0..50 {
        assert!(Arc::ptr_eq(&call(&balancer, now, Outcome::Success, MILLI), &endpoints[0]));
    }
}

#[test]
fn who_has_failed_is_not_asked_again_while_there_is_another() {
    let now = Instant::now();
    let (balancer, endpoints) = balancer(2, now);
    let tried = [Arc::clone(&endpoints[0])];
    for _ in 0..50 {
        assert!(Arc::ptr_eq(balancer.lease(now, &tried).unwrap().endpoint(), &endpoints[1]));
    }
    assert!(balancer.has_other(now, &tried));
    assert!(!balancer.has_other(now, &endpoints));
    assert!(balancer.lease(now, &endpoints).is_some());
}

#[test]
fn who_returns_warms_up() {
    let now = Instant::now();
    let (balancer, endpoints) = balancer(2, now);
    shares(&balancer, &endpoints, now, 100, &[MILLI, MILLI]);
    let back = now + SECOND;
    endpoints[0].starts_slowly(back);
    // Two calls at a time, so that the second sees the first.
    let cold = (0..200)
        .filter(|n| {
            let now = back + *n * MILLI;
            let (first, second) = (balancer.lease(now, &[]).unwrap(), balancer.lease(now, &[]).unwrap());
            [first, second].iter().any(|lease| Arc::ptr_eq(lease.endpoint(), &endpoints[0]))
        })
        .count();
    assert_eq!(cold, 0, "at twenty times the price it gets none of two");
    let counts = shares(&balancer, &endpoints, back + 11 * SECOND, 1_000, &[MILLI, MILLI]);
    assert!(counts[0] > 300, "{counts:?}");
}
