//! Every outcome at every stage of an order.

use jiff::civil::date;
use shared::clock::Clock;
use uuid::Uuid;

use super::super::rule::Rule;
use super::*;

const HOUR: i64 = 3_600_000_000;

/// On the first of each month at nine in Madrid, with two retries a day apart.
fn order() -> Model {
    let rule: Rule = serde_json::from_str(r#"{"every": "month", "day": 1, "at": "09:00"}"#).unwrap();
    let mut order = Model {
        id: Uuid::nil(),
        owner_id: Uuid::nil(),
        debit_account_id: Uuid::nil(),
        credit_account_id: Uuid::nil(),
        amount: 1,
        currency: "EUR".to_owned(),
        description: None,
        metadata: None,
        rule: serde_json::to_string(&rule).unwrap(),
        time_zone: "Europe/Madrid".to_owned(),
        starts_on: "2026-12-01".to_owned(),
        ends_on: None,
        most_runs: None,
        retry_times: 2,
        retry_after: 86_400,
        status: "active".to_owned(),
        ended_by: None,
        officers_pause: false,
        next_due_on: Some("2026-12-01".to_owned()),
        next_at: None,
        next_attempt: 1,
        runs: 0,
        leased_until: Some(1),
        version: 1,
        created_at: 0,
        updated_at: 0,
    };
    order.next_at = schedule(&order).unwrap().instant(date(2026, 12, 1));
    order
}

fn posted() -> Outcome {
    Outcome::Posted(TransferId::generate(&Clock::system()))
}

fn declined(code: &str) -> Outcome {
    Outcome::Declined(code.to_owned())
}

/// Where an order stands: status, reason, next date, attempt, runs.
fn stands(order: &Model) -> (&str, Option<&str>, Option<&str>, i32, i32) {
    (&order.status, order.ended_by.as_deref(), order.next_due_on.as_deref(), order.next_attempt, order.runs)
}

#[test]
fn a_date_is_followed_by_the_next_however_late_it_was_paid() {
    let mut order = order();
    let at = order.next_at.unwrap();
    advance(&mut order, &posted(), (0, at + 9 * 24 * HOUR)).unwrap();
    assert_eq!(stands(&order), ("active", None, Some("2027-01-01"), 1, 1));
    assert_eq!(order.next_at, Some(at + 31 * 24 * HOUR));
    for code in ["debit_account_frozen", "limit_exceeded", "balance_overflow", "something_new"] {
        let before = order.runs;
        advance(&mut order, &declined(code), (1, 0)).unwrap();
        assert_eq!((order.runs, order.status.as_str()), (before + 1, "active"), "{code}");
    }
}

#[test]
fn too_little_is_tried_again_as_often_as_was_asked_for() {
    let mut order = order();
    let at = order.next_at.unwrap();
    advance(&mut order, &declined("insufficient_funds"), (1, at)).unwrap();
    assert_eq!(stands(&order), ("active", None, Some("2026-12-01"), 2, 0));
    assert_eq!(order.next_at, Some(at + 24 * HOUR));
    advance(&mut order, &declined("insufficient_funds"), (2, at + 24 * HOUR)).unwrap();
    assert_eq!(stands(&order), ("active", None, Some("2026-12-01"), 3, 0));
    advance(&mut order, &declined("insufficient_funds"), (3, at + 48 * HOUR)).unwrap();
    assert_eq!(stands(&order), ("active", None, Some("2027-01-01"), 1, 1));
}

#[test]
fn no_retry_reaches_into_the_next_date() {
    let mut order = order();
    let late = order.next_at.unwrap() + 30 * 24 * HOUR;
    advance(&mut order, &declined("insufficient_funds"), (1, late)).unwrap();
    assert_eq!(stands(&order), ("active", None, Some("2027-01-01"), 1, 1));
}

#[test]
fn what_would_be_declined_for_ever_ends_the_order() {
    for code in FOR_EVER {
        let mut order = order();
        advance(&mut order, &declined(code), (1, 0)).unwrap();
        assert_eq!(stands(&order), ("ended", Some(code), None, 1, 1));
        assert_eq!((order.next_at, order.leased_until), (None, None));
    }
}

#[test]
fn it_ends_with_its_last_day_and_with_its_last_run() {
    let by_day = Model { ends_on: Some("2026-12-31".to_owned()), ..order() };
    let by_count = Model { most_runs: Some(1), ..order() };
    for mut order in [by_day, by_count] {
        advance(&mut order, &posted(), (0, 0)).unwrap();
        assert_eq!(stands(&order), ("ended", Some(FINISHED), None, 1, 1));
    }
    // A retry is no run.
    let mut order = Model { most_runs: Some(1), ..order() };
    let at = order.next_at.unwrap();
    advance(&mut order, &declined("insufficient_funds"), (1, at)).unwrap();
    assert_eq!(stands(&order), ("active", None, Some("2026-12-01"), 2, 0));
}
