//! The model's rules of looking at a transfer, and of doing something only if it still stands so.

use tests::ledger::command::{Caller, Command, Order, Request, Seen};
use tests::ledger::{Ledger, Verdict};

use super::{NOW, SECOND, ann, bob, hold, ledger, make, post, request, reverse, settle, void};

fn look(it: &mut Ledger, of: &str, now: i64) -> (String, Option<i64>) {
    let command = Command::Look { transfer: of.to_owned() };
    match it.judge(&request(&ann(), command), now).swap_remove(0) {
        Verdict::Looked(status, remaining) => (status, remaining),
        other => (format!("{other:?}"), None),
    }
}

/// What somebody is told who has seen a transfer so.
fn only_if(it: &mut Ledger, who: &Caller, command: Command, (status, remaining): (&str, Option<i64>)) -> String {
    let seen = Seen { tag: String::new(), status: status.to_owned(), remaining };
    let request = Request { seen: Some(seen), ..request(who, command) };
    match it.judge(&request, NOW).swap_remove(0) {
        Verdict::Done => "done".to_owned(),
        Verdict::Refused(code) => code,
        other => format!("{other:?}"),
    }
}

#[test]
fn a_transfer_is_shown_as_it_stands() {
    let mut it = ledger();
    let so = |status: &str, remaining| (status.to_owned(), remaining);
    for id in ["posted", "voided", "expired", "half"] {
        make(&mut it, &ann(), hold(20, Some(10)), id, NOW);
    }
    make(&mut it, &ann(), Order::usd("a", "b", 15), "paid", NOW);
    assert_eq!(look(&mut it, "half", NOW), so("pending", Some(20)));
    settle(&mut it, &ann(), post("posted", Some(5), true), "p", NOW);
    settle(&mut it, &bob(), void("voided"), "v", NOW);
    settle(&mut it, &ann(), post("half", Some(8), false), "q", NOW);
    settle(&mut it, &bob(), reverse("paid", Some(4)), "r", NOW);
    let end = NOW + 10 * SECOND;
    for (id, now, status, remaining) in [
        ("posted", NOW, "posted", Some(0)),
        ("p", NOW, "posted", Some(5)),
        ("voided", NOW, "voided", Some(0)),
        ("v", NOW, "voided", None),
        ("half", end - 1, "pending", Some(12)),
        ("half", end, "posted", Some(0)),
        ("expired", end - 1, "pending", Some(20)),
        ("expired", end, "expired", Some(0)),
        ("paid", NOW, "posted", Some(11)),
        ("r", NOW, "posted", None),
    ] {
        assert_eq!(look(&mut it, id, now), so(status, remaining), "{id}");
    }
    let stranger = Caller { user: "eve".to_owned(), ..ann() };
    let command = Command::Look { transfer: "paid".to_owned() };
    let told = it.judge(&request(&stranger, command), NOW);
    assert_eq!(told, [Verdict::Refused("not_found".to_owned())]);
}

#[test]
fn what_stands_otherwise_than_it_was_seen_is_stale_after_whose_it_is() {
    let mut it = ledger();
    make(&mut it, &ann(), hold(20, None), "h", NOW);
    make(&mut it, &ann(), Order::usd("a", "b", 15), "paid", NOW);
    let now = ("pending", Some(20));
    for (who, command, seen, said) in [
        (ann(), post("h", None, false), now, "done"),
        (bob(), void("h"), now, "done"),
        (ann(), void("h"), ("pending", Some(19)), "stale_precondition"),
        (ann(), post("h", Some(21), false), ("posted", Some(20)), "stale_precondition"),
        (ann(), post("h", Some(21), false), now, "amount_exceeds_pending"),
        (ann(), post("h", Some(0), false), ("posted", None), "amount_out_of_range"),
        (bob(), post("h", None, false), ("posted", None), "forbidden"),
        (bob(), reverse("paid", None), ("posted", Some(15)), "done"),
        (bob(), reverse("paid", Some(16)), ("posted", Some(14)), "stale_precondition"),
        (ann(), reverse("h", None), now, "forbidden"),
        (bob(), reverse("h", None), ("posted", Some(20)), "stale_precondition"),
        (bob(), reverse("h", None), now, "transfer_not_posted"),
        (ann(), void("nobodys"), now, "not_found"),
    ] {
        assert_eq!(only_if(&mut it, &who, command.clone(), seen), said, "{command:?} as {seen:?}");
    }
    settle(&mut it, &ann(), post("h", Some(5), false), "p", NOW);
    assert_eq!(only_if(&mut it, &ann(), void("h"), now), "stale_precondition");
    assert_eq!(only_if(&mut it, &ann(), void("h"), ("pending", Some(15))), "done");
}
