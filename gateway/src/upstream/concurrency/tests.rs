//! The limit's way up and down, on time that is moved by hand.

use super::*;

const MILLI: Duration = Duration::from_millis(1);

fn settings() -> Settings {
    Settings {
        enabled: true,
        initial: 100,
        least: 10,
        most: 200,
        latency: 50 * MILLI,
        normal_percent: 80,
        low_percent: 50,
    }
}

/// Some calls at once, all answered after `took`; what was shed is not answered.
fn round(limit: &Arc<Concurrency>, calls: usize, took: Duration, now: &mut Instant) -> usize {
    let places: Vec<_> = (0..calls).filter_map(|_| limit.enter(Priority::High).ok()).collect();
    *now += took.max(INTERVAL);
    places.iter().for_each(|_| limit.learn(took, false, *now));
    places.len()
}

#[test]
fn it_falls_while_answers_are_late_and_rises_when_they_are_not() {
    let mut now = Instant::now();
    let limit = Concurrency::new(settings(), now);
    for _ in 0..100 {
        round(&limit, 300, 100 * MILLI, &mut now);
    }
    assert_eq!(limit.view().limit, 10, "it stops at the least");
    let before = limit.view().limit;
    round(&limit, 300, MILLI, &mut now);
    assert!(limit.view().limit > before);
    for _ in 0..500 {
        round(&limit, 300, MILLI, &mut now);
    }
    assert_eq!(limit.view().limit, 200, "and at the most");
}

#[test]
fn a_limit_that_nobody_reaches_does_not_rise() {
    let mut now = Instant::now();
    let limit = Concurrency::new(settings(), now);
    for _ in 0..100 {
        round(&limit, 20, MILLI, &mut now);
    }
    assert_eq!(limit.view().limit, 100);
}

#[test]
fn one_word_of_the_upstream_is_enough() {
    let now = Instant::now();
    let limit = Concurrency::new(settings(), now);
    let places: Vec<_> = (0..100).map(|_| limit.enter(Priority::High).unwrap()).collect();
    limit.learn(MILLI, true, now + INTERVAL);
    assert_eq!(limit.view().limit, 90);
    limit.learn(MILLI, true, now + INTERVAL);
    assert_eq!(limit.view().limit, 90, "once in an interval");
    drop(places);
}

#[test]
fn a_few_who_ask_for_what_takes_long_do_not_talk_it_down() {
    let mut now = Instant::now();
    let limit = Concurrency::new(settings(), now);
    let places: Vec<_> = (0..60).map(|_| limit.enter(Priority::High).unwrap()).collect();
    for _ in 0..100 {
        now += INTERVAL;
        (0..30).for_each(|_| limit.learn(2_000 * MILLI, false, now));
        limit.learn(MILLI, false, now);
        // One refusal among many answers is about one caller.
        limit.learn(MILLI, true, now);
    }
    assert!(limit.view().limit >= 100, "{:?}", limit.view());
    drop(places);
}

#[test]
fn the_least_important_are_shed_first() {
    let limit = Concurrency::new(settings(), Instant::now());
    let fill = |priority| std::iter::from_fn(|| limit.enter(priority).ok()).collect::<Vec<_>>();
    let low = fill(Priority::Low);
    let normal = fill(Priority::Normal);
    let high = fill(Priority::High);
    assert_eq!((low.len(), normal.len(), high.len()), (50, 30, 20));
    let refused = limit.enter(Priority::High).unwrap_err();
    assert_eq!((refused.code(), limit.view().shed), (Code::Overloaded, [2, 1, 1]));
    drop(normal);
    assert!(limit.enter(Priority::Low).is_err() && limit.enter(Priority::High).is_ok());
}

#[test]
fn switched_off_it_only_counts() {
    let limit = Concurrency::new(Settings { enabled: false, ..settings() }, Instant::now());
    let places: Vec<_> = (0..1_000).map(|_| limit.enter(Priority::Low).unwrap()).collect();
    assert_eq!(limit.view().pending, 1_000);
    drop(places);
    assert_eq!(limit.view().pending, 0);
}
