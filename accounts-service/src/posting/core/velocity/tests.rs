//! The slices against every debit ever made, counted over the true window.

use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60 * SECOND;

fn window(seconds: i32, amount: Option<i64>, count: Option<i64>) -> Window {
    Window { limit: Limit { seconds, amount, count }, slices: Vec::new() }
}

#[test]
fn a_debit_counts_for_the_window_and_at_most_a_slice_longer() {
    let mut hour = window(3_600, Some(100), None);
    let start = 1_000 * 3_600 * SECOND + 59 * SECOND;
    hour.put(hour.with(60, start));
    assert!(hour.admits(40, start) && !hour.admits(41, start));
    let until = |micros| hour.admits(41, start + micros);
    assert!(!until(60 * MINUTE - 1) && !until(60 * MINUTE), "the window is not over");
    assert!(!until(60 * MINUTE + SECOND - 1) && until(60 * MINUTE + SECOND), "the slice has a second left");
}

#[test]
fn amount_and_count_are_two_limits() {
    let mut day = window(86_400, Some(1_000), Some(2));
    for _ in 0..2 {
        assert!(day.admits(10, 0));
        day.put(day.with(10, 0));
    }
    assert!(!day.admits(1, 0));
    assert_eq!(day.used(0), Used { amount: 20, count: 2 });
}

#[test]
fn what_is_released_is_given_back_where_it_was_counted() {
    let mut hour = window(3_600, Some(100), Some(1));
    hour.put(hour.with(100, 0));
    let partly = hour.without(30, false, 0, MINUTE).unwrap();
    assert_eq!((partly.amount, partly.count), (70, 1));
    hour.put(partly);
    hour.put(hour.without(70, true, 0, MINUTE).unwrap());
    assert_eq!(hour.used(MINUTE), Used::default());
    // Never below nothing, and never in a slice that has passed.
    assert_eq!(hour.without(5, true, 0, MINUTE).unwrap(), Slice::default());
    assert_eq!(hour.without(5, true, 0, 62 * MINUTE), None);
}

#[test]
fn a_slower_clock_sees_what_a_faster_one_counted() {
    let mut minute = window(60, Some(10), None);
    minute.put(minute.with(10, 5 * SECOND));
    assert!(!minute.admits(1, 0));
}

#[test]
fn windows_that_do_not_divide_by_sixty_are_covered() {
    let limit = Limit { seconds: 61, amount: None, count: Some(1) };
    assert!(limit.slice_micros() * SLICES >= 61 * SECOND);
    assert_eq!(limit.slice_end(0), limit.slice_micros());
    assert_eq!(limit.slice_of(-1), -1);
}

/// A debit of the model: when, and how much.
type Debit = (i64, i64);

fn debits() -> impl Strategy<Value = Vec<(i64, i64)>> {
    let step = prop_oneof![4 => 0..3 * SECOND, 2 => 0..70 * SECOND, 1 => Just(0)];
    proptest::collection::vec((step, 1_i64..60), 1..120)
}

proptest! {
    /// In any true window there is never more than the limit; what is refused is refused by the model as well, or
    /// would be by one whose window is a slice longer.
    #[test]
    fn velocity_never_exceeds_in_any_window(steps in debits(), seconds in 60_i32..200, most in 20_i64..200, times in 1_i64..8) {
        let mut slices = window(seconds, Some(most), Some(times));
        let length = i64::from(seconds) * SECOND;
        let mut made: Vec<Debit> = Vec::new();
        let mut now = 0;
        for (step, amount) in steps {
            now += step;
            let within = |length: i64| {
                let recent = made.iter().filter(|(at, _)| *at > now - length);
                recent.fold((amount, 1), |(sum, count), (_, amount)| (sum + amount, count + 1))
            };
            let fits = |(sum, count): (i64, i64)| sum <= most && count <= times;
            if slices.admits(amount, now) {
                prop_assert!(fits(within(length)));
                slices.put(slices.with(amount, now));
                made.push((now, amount));
            } else {
                prop_assert!(!fits(within((SLICES + 1) * slices.limit.slice_micros())));
            }
        }
    }
}
