//! The breaker's rules, on time that is moved by hand.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> Settings {
    Settings {
        consecutive_failures: 5,
        window: 10 * SECOND,
        minimum_volume: 20,
        failure_percent: 50,
        slow_percent: 60,
        open_for: 2 * SECOND,
        open_at_most: 16 * SECOND,
        jitter_percent: 0,
        probes: 3,
    }
}

fn call(breaker: &Arc<Breaker>, outcome: Outcome, now: Instant) {
    breaker.admit(now).unwrap().settle(outcome, now);
}

fn tripped() -> (Arc<Breaker>, Instant) {
    let now = Instant::now();
    let breaker = Breaker::new(settings(), now);
    for _ in 0..5 {
        call(&breaker, Outcome::Failure, now);
    }
    assert_eq!(breaker.snapshot(now).state, "open");
    (breaker, now)
}

#[test]
fn failures_in_a_row_trip_and_a_success_between_them_does_not_count_on() {
    let now = Instant::now();
    let breaker = Breaker::new(settings(), now);
    for outcome in [Outcome::Failure; 4].into_iter().chain([Outcome::Success]).chain([Outcome::Failure; 4]) {
        call(&breaker, outcome, now);
    }
    assert_eq!(breaker.snapshot(now).state, "closed");
    call(&breaker, Outcome::Failure, now);
    assert_eq!(breaker.admit(now).unwrap_err(), Refused::by_calls(2 * SECOND));
    assert_eq!(breaker.admit(now + SECOND).unwrap_err(), Refused::by_calls(SECOND));
}

#[test]
fn the_ratio_trips_only_above_the_minimum_volume() {
    let now = Instant::now();
    let breaker = Breaker::new(settings(), now);
    for _ in 0..9 {
        call(&breaker, Outcome::Success, now);
        call(&breaker, Outcome::Failure, now);
    }
    assert_eq!(breaker.snapshot(now).state, "closed", "18 calls are too few to judge by");
    call(&breaker, Outcome::Success, now);
    call(&breaker, Outcome::Failure, now);
    assert_eq!(breaker.snapshot(now).state, "open");
}

#[test]
fn slow_calls_have_a_ratio_of_their_own() {
    let now = Instant::now();
    let breaker = Breaker::new(settings(), now);
    for outcome in [[Outcome::Slow; 11], [Outcome::Success; 11]].concat() {
        call(&breaker, outcome, now);
    }
    assert_eq!(breaker.snapshot(now).state, "closed", "half of them are slow, and half would do if they had failed");
    for _ in 0..6 {
        call(&breaker, Outcome::Slow, now);
    }
    assert_eq!(breaker.snapshot(now).state, "open", "17 of 28");
}

#[test]
fn a_slow_probe_has_failed_where_slowness_trips_and_succeeded_where_it_does_not() {
    for (slow_percent, state) in [(60, "open"), (0, "closed")] {
        let mut now = Instant::now();
        let breaker = Breaker::new(Settings { slow_percent, probes: 1, ..settings() }, now);
        (0..5).for_each(|_| call(&breaker, Outcome::Failure, now));
        now += 2 * SECOND;
        call(&breaker, Outcome::Slow, now);
        assert_eq!(breaker.snapshot(now).state, state, "{slow_percent}");
    }
}

#[test]
fn who_was_given_up_for_slowness_stays_so_for_longer_until_probes_are_fast() {
    let mut now = Instant::now();
    let breaker = Breaker::new(settings(), now);
    (0..20).for_each(|_| call(&breaker, Outcome::Slow, now));
    for expected in [2, 4, 8, 16, 16] {
        let wait = breaker.admit(now).unwrap_err().retry_after;
        assert_eq!(wait, expected * SECOND);
        now += wait;
        // The fast ones before it do not help.
        call(&breaker, Outcome::Success, now);
        call(&breaker, Outcome::Slow, now);
    }
    now += 16 * SECOND;
    (0..3).for_each(|_| call(&breaker, Outcome::Success, now));
    assert_eq!(breaker.snapshot(now).state, "closed");
}

#[test]
fn an_operator_holds_it_open_or_closed_whatever_calls_say() {
    let now = Instant::now();
    let breaker = Breaker::new(settings(), now);
    let mut under_way = breaker.admit(now).unwrap();
    breaker.force(Some(Forced::Open), now);
    assert!(breaker.admit(now + 600 * SECOND).is_err() && breaker.peek(now).is_err());
    let held = breaker.snapshot(now);
    assert_eq!((held.state, held.forced), ("open", Some(Forced::Open)));
    breaker.force(Some(Forced::Closed), now);
    for _ in 0..100 {
        call(&breaker, Outcome::Failure, now);
    }
    assert_eq!(breaker.snapshot(now).state, "closed");
    breaker.force(None, now);
    under_way.settle(Outcome::Failure, now);
    for _ in 0..4 {
        call(&breaker, Outcome::Failure, now);
    }
    assert_eq!(breaker.snapshot(now).state, "closed", "what was under way before decides nothing");
    call(&breaker, Outcome::Failure, now);
    assert_eq!(breaker.snapshot(now).state, "open");
}

#[test]
fn the_window_forgets() {
    let start = Instant::now();
    let breaker = Breaker::new(settings(), start);
    for _ in 0..19 {
        call(&breaker, Outcome::Slow, start);
    }
    let later = start + 11 * SECOND;
    call(&breaker, Outcome::Slow, later);
    assert_eq!(breaker.snapshot(later).state, "closed");
}

#[test]
fn five_hundred_callers_at_the_half_open_instant_are_exactly_n_probes() {
    let (breaker, start) = tripped();
    let now = start + 2 * SECOND;
    let barrier = std::sync::Barrier::new(500);
    let admitted: Vec<_> = std::thread::scope(|scope| {
        let ask = || {
            barrier.wait();
            breaker.admit(now).ok()
        };
        let callers: Vec<_> = (0..500).map(|_| scope.spawn(ask)).collect();
        callers.into_iter().filter_map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!(admitted.len(), 3);
    for mut probe in admitted {
        assert_eq!(breaker.snapshot(now).state, "half_open");
        probe.settle(Outcome::Success, now);
    }
    assert_eq!(breaker.snapshot(now).state, "closed");
}

#[test]
fn a_failed_probe_opens_for_twice_as_long_up_to_the_cap_and_closing_forgets() {
    let (breaker, mut now) = tripped();
    for expected in [4, 8, 16, 16, 16] {
        now += breaker.admit(now).unwrap_err().retry_after;
        call(&breaker, Outcome::Failure, now);
        assert_eq!(breaker.admit(now).unwrap_err().retry_after, expected * SECOND);
    }
    now += 16 * SECOND;
    (0..3).for_each(|_| call(&breaker, Outcome::Success, now));
    (0..5).for_each(|_| call(&breaker, Outcome::Failure, now));
    assert_eq!(breaker.admit(now).unwrap_err().retry_after, 2 * SECOND);
}

#[test]
fn a_late_answer_from_before_the_trip_decides_nothing() {
    let start = Instant::now();
    let breaker = Breaker::new(settings(), start);
    let mut late_success = breaker.admit(start).unwrap();
    let mut late_failure = breaker.admit(start).unwrap();
    (0..5).for_each(|_| call(&breaker, Outcome::Failure, start));
    let now = start + 2 * SECOND;
    let mut probe = breaker.admit(now).unwrap();
    let before = breaker.snapshot(now);
    late_success.settle(Outcome::Success, now);
    late_failure.settle(Outcome::Failure, now);
    assert_eq!(breaker.snapshot(now), before);
    probe.settle(Outcome::Success, now);
    assert_eq!(breaker.snapshot(now).state, "half_open", "one probe of three has succeeded");
}

#[test]
fn a_probe_whose_client_went_away_gives_its_place_back_and_counts_for_nothing() {
    let (breaker, start) = tripped();
    let now = start + 2 * SECOND;
    let probes: Vec<_> = (0..3).map(|_| breaker.admit(now).unwrap()).collect();
    assert_eq!(breaker.admit(now).unwrap_err().retry_after, PROBING_RETRY);
    drop(probes);
    assert_eq!(breaker.snapshot(now).state, "half_open");
    (0..3).for_each(|_| call(&breaker, Outcome::Success, now));
    assert_eq!(breaker.snapshot(now).state, "closed");
}

#[test]
fn jitter_only_lengthens_and_stays_within_its_percentage() {
    let settings = Settings { jitter_percent: 20, ..settings() };
    for _ in 0..200 {
        let wait = wait(&settings, 0);
        assert!(wait >= 2 * SECOND && wait <= Duration::from_millis(2_400), "{wait:?}");
    }
}

#[test]
fn an_upstream_that_breaks_off_every_answer_trips_by_its_ratio() {
    let now = Instant::now();
    let breaker = Breaker::new(settings(), now);
    for _ in 0..10 {
        let mut admission = breaker.admit(now).unwrap();
        admission.settle(Outcome::Success, now);
        admission.relapse(now);
    }
    assert_eq!(breaker.snapshot(now).state, "open");
    let late = breaker.admit(now + 3 * SECOND).unwrap();
    late.relapse(now + 3 * SECOND);
    assert_eq!(breaker.snapshot(now).state, "open");
}

#[test]
fn a_peek_takes_no_probes_place() {
    let (breaker, now) = tripped();
    assert!(breaker.peek(now).is_err());
    let later = now + 3 * SECOND;
    for _ in 0..10 {
        breaker.peek(later).unwrap();
    }
    let probes: Vec<_> = (0..3).map(|_| breaker.admit(later).unwrap()).collect();
    assert!(breaker.peek(later).is_err());
    drop(probes);
    breaker.peek(later).unwrap();
}
