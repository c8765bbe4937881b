//! What a dry run may leave behind, and that the checker sees each trace.

use tests::ledger::command::{Caller, Command, Order, Request};
use tests::ledger::history::{Answer, What};

use super::{Morning, names};
use crate::mirror::{Mirror, alone, fund, stage};

/// Somebody tries a transfer out, and then asks for it under the same key.
fn tried() -> (Mirror, Caller, [Request; 2]) {
    let stage = stage();
    let ann = stage.customers[0].clone();
    let mut mirror = Mirror::new(&stage);
    fund(&mut mirror, &stage);
    let real = alone(&ann, "tried", Order::usd("usd-0", "usd-1", 100).tagged("tried"));
    let dry = Request { dry_run: true, ..real.clone() };
    mirror.ask(&dry);
    mirror.ask(&real);
    let untouched = mirror.judged();
    assert!(untouched.violations.is_empty() && untouched.count("transfers-dry", "ok") == 1, "{untouched}");
    (mirror, ann, [dry, real])
}

/// The last answer to a request, to be changed.
fn told<'a>(mirror: &'a mut Mirror, asked: &Request) -> &'a mut What {
    let events = &mut mirror.history.events;
    let is = |what: &What| matches!(what, What::Invoke { request } if request == asked);
    let attempt = events.iter().rfind(|event| is(&event.what)).expect("it was asked").attempt;
    &mut events.iter_mut().rfind(|event| event.attempt == attempt).expect("it was answered").what
}

#[test]
fn the_checker_sees_a_key_that_a_dry_run_took() {
    // The real one hears what the dry one was told.
    let (mut mirror, _, [_, real]) = tried();
    let What::Ok { replayed, .. } = told(&mut mirror, &real) else { panic!("it was done") };
    *replayed = true;
    assert_eq!(names(&mirror.judged()), ["replay_of_nothing"]);
    // Another one is refused.
    let (mut mirror, ann, _) = tried();
    let quiet = alone(&ann, "quiet", Order::usd("usd-0", "usd-1", 1).tagged("quiet"));
    mirror.ask(&Request { dry_run: true, ..quiet });
    let other = alone(&ann, "quiet", Order::usd("usd-0", "usd-1", 2).tagged("other"));
    let attempt = mirror.invoke(&other);
    mirror.tell(attempt, &Answer::Refused { code: "idempotency_key_reused".to_owned() }, false);
    assert_eq!(names(&mirror.judged()), ["reused_by_nobody"]);
    // Nobody asks again, and it stands there all the same.
    let (mut mirror, ..) = tried();
    mirror.stray_keys = 1;
    assert_eq!(names(&mirror.judged()), ["key_of_nothing"]);
    mirror.stray_keys = -1;
    assert_eq!(names(&mirror.judged()), ["key_lost"]);
}

#[test]
fn the_checker_sees_a_dry_run_that_is_not_asked_for_its_key() {
    let (mut mirror, ann, _) = tried();
    let other = Command::Transfer(Order::usd("usd-0", "usd-1", 7));
    let dry = Request { who: ann, key: Some("tried".to_owned()), dry_run: true, seen: None, command: other };
    assert_eq!(mirror.ask(&dry), Answer::Refused { code: "idempotency_key_reused".to_owned() });
    assert_eq!(names(&mirror.judged()), <[&str; 0]>::default());
    let attempt = mirror.invoke(&dry);
    let (answer, _) = mirror.commit(&Request { key: None, ..dry });
    mirror.tell(attempt, &answer, false);
    assert_eq!(names(&mirror.judged()), ["key_not_asked"]);
}

#[test]
fn the_checker_sees_a_dry_run_that_posts_and_one_that_says_something_else() {
    let found = Morning::after(|morning| {
        let real = alone(&morning.ann, "dry", Order::usd("usd-0", "usd-1", 1).tagged("dry"));
        let attempt = morning.mirror.invoke(&Request { dry_run: true, ..real.clone() });
        let (answer, _) = morning.mirror.commit(&Request { dry_run: true, ..real.clone() });
        morning.mirror.tell(attempt, &answer, false);
        morning.mirror.commit(&real);
    });
    assert!(found.contains(&"dry_run_posted"), "{found:?}");
    let (mut mirror, _, [dry, _]) = tried();
    let What::Ok { answer: Answer::Would(sketch), .. } = told(&mut mirror, &dry) else { panic!("it would be done") };
    sketch.amount += 1;
    assert_eq!(names(&mirror.judged()), ["unexplained"]);
}
