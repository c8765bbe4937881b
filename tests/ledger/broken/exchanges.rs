//! What can be wrong with exchanges, and that the checker sees each.

use tests::ledger::command::{Command, Exchange, NewRate, Request};
use tests::ledger::history::{Answer, What};
use tests::ledger::record::{Committed, Exchanged};

use super::names;
use crate::mirror::{Mirror, fund, stage};

/// A rate, three exchanges whose rounding gathers more than a unit, and a quote.
fn afternoon() -> (Mirror, Request) {
    let stage = stage();
    let mut mirror = Mirror::new(&stage);
    fund(&mut mirror, &stage);
    let rate = NewRate {
        base: "USD".to_owned(),
        quote: "EUR".to_owned(),
        rate: "0.9".to_owned(),
        base_account: "drawer-USD".to_owned(),
        quote_account: "drawer-EUR".to_owned(),
        rounding_account: "rounding-EUR-one".to_owned(),
        valid_until: None,
    };
    let ask = |who, key: &str, command| Request { who, key: Some(key.to_owned()), dry_run: false, seen: None, command };
    mirror.ask(&ask(stage.treasurer.clone(), "rate", Command::SetRate(rate)));
    let wish = |amount| Command::Exchange(Exchange::of("usd-0", "EUR-ann", amount));
    for (key, amount) in [("one", 14), ("two", 24), ("three", 34)] {
        mirror.ask(&ask(stage.customers[0].clone(), key, wish(amount)));
    }
    let quote = Request { dry_run: true, ..ask(stage.customers[0].clone(), "quote", wish(44)) };
    mirror.ask(&quote);
    (mirror, quote)
}

/// What is found after `how` was done to it.
fn after(how: impl FnOnce(&mut Mirror)) -> Vec<&'static str> {
    let (mut mirror, _) = afternoon();
    let untouched = mirror.judged();
    assert!(untouched.violations.is_empty() && untouched.count("exchanges", "ok") == 3, "{untouched}");
    how(&mut mirror);
    names(&mirror.judged())
}

/// The exchange of this number.
fn made(mirror: &mut Mirror, number: usize) -> &mut Exchanged {
    let mut made = mirror.record.rows.iter_mut().filter_map(|row| match &mut row.what {
        Committed::Exchange(made) => Some(made),
        Committed::Transfer(_)
        | Committed::Rate(_)
        | Committed::Status { .. }
        | Committed::Changed { .. }
        | Committed::Lapsed { .. }
        | Committed::Else => None,
    });
    made.nth(number).expect("so many were made")
}

#[test]
fn the_checker_sees_a_remainder_that_is_not_kept() {
    let found = after(|mirror| made(mirror, 0).remainder = 0);
    assert_eq!(found, ["not_as_the_model", "remainder_is_kept"]);
    let found = after(|mirror| *mirror.record.carries.get_mut("rounding-EUR-one").expect("it gathers") += 1);
    assert_eq!(found, ["not_as_the_model", "remainder_is_kept"]);
}

#[test]
fn the_checker_sees_half_an_exchange() {
    let found = after(|mirror| {
        let received = made(mirror, 1).legs[1].clone();
        mirror.record.rows.retain(|row| !matches!(&row.what, Committed::Transfer(made) if made.id == received));
    });
    assert!(found.contains(&"lost") && found.contains(&"torn"), "{found:?}");
}

#[test]
fn the_checker_sees_an_exchange_that_was_answered_and_is_not_there() {
    let found = after(|mirror| {
        let legs = std::mem::take(&mut made(mirror, 2).legs);
        mirror.record.rows.retain(|row| match &row.what {
            Committed::Transfer(made) => !legs.contains(&made.id),
            Committed::Exchange(made) => !made.legs.is_empty(),
            Committed::Rate(_)
            | Committed::Status { .. }
            | Committed::Changed { .. }
            | Committed::Lapsed { .. }
            | Committed::Else => true,
        });
    });
    assert!(found.contains(&"lost"), "{found:?}");
}

#[test]
fn the_checker_sees_an_exchange_at_another_rate() {
    let found = after(|mirror| {
        for row in &mut mirror.record.rows {
            if let Committed::Rate(set) = &mut row.what {
                set.rate = "0.8".to_owned();
            }
        }
    });
    assert!(found.contains(&"altered") && found.contains(&"not_as_the_model"), "{found:?}");
}

#[test]
fn the_checker_sees_a_quote_that_nobody_would_get() {
    let (mut mirror, quote) = afternoon();
    let attempts = mirror.history.events.iter().filter_map(|event| match &event.what {
        What::Invoke { request } if *request == quote => Some(event.attempt),
        What::Invoke { .. } | What::Ok { .. } | What::Fail { .. } | What::Unknown { .. } => None,
    });
    let attempts: Vec<_> = attempts.collect();
    for event in mirror.history.events.iter_mut().filter(|event| attempts.contains(&event.attempt)) {
        if let What::Ok { answer: Answer::Exchanged { worth, .. }, .. } = &mut event.what {
            worth.received += 1;
        }
    }
    assert_eq!(names(&mirror.judged()), ["unexplained"]);
}
