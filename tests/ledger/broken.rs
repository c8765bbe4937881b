//! The checker believes what is right, and sees each thing that can be wrong.

mod dry_runs;
mod exchanges;

use tests::ledger::command::{Caller, Command, Mode, Order, Request, Seen, Step};
use tests::ledger::history::{Answer, History, What};
use tests::ledger::record::Committed;
use tests::ledger::{Features, Report};

use super::mirror::{Mirror, alone, batch, fund, stage};

/// A quiet morning: everybody is paid, somebody is refused, a batch, a hold, a refund, a freeze and a read.
struct Morning {
    mirror: Mirror,
    ann: Caller,
    /// A paid transfer, a refused one.
    paid: Request,
    refused: Request,
}

fn morning() -> Morning {
    let stage = stage();
    let (ann, admin) = (stage.customers[0].clone(), stage.admin.clone());
    let mut mirror = Mirror::new(&stage);
    fund(&mut mirror, &stage);
    let paid = alone(&ann, "paid", Order::usd("usd-0", "usd-1", 100).tagged("paid"));
    let refused = alone(&ann, "refused", Order::usd("usd-0", "usd-1", 100_000).tagged("refused"));
    let ask = |command| Request { who: admin.clone(), key: None, dry_run: false, seen: None, command };
    mirror.ask(&paid);
    mirror.ask(&ask(Command::Balance { account: "usd-1".to_owned() }));
    mirror.ask(&refused);
    let orders = (1..4).map(|n| Order::usd("usd-0", "usd-2", n * 100).tagged(format!("batch/{n}"))).collect();
    mirror.ask(&batch(&ann, "batch", Mode::Independent, orders));
    mirror.ask(&ask(Command::Step { account: "usd-0".to_owned(), step: Step::Freeze }));
    mirror.ask(&alone(&ann, "frozen", Order::usd("usd-0", "usd-1", 1).tagged("frozen")));
    mirror.ask(&ask(Command::Step { account: "usd-0".to_owned(), step: Step::Unfreeze }));
    mirror.ask(&paid);
    Morning { mirror, ann, paid, refused }
}

fn names(report: &Report) -> Vec<&'static str> {
    let mut names: Vec<_> = report.violations.iter().map(|violation| violation.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl Morning {
    /// What is found after `how` was done to it.
    fn after(how: impl FnOnce(&mut Self)) -> Vec<&'static str> {
        let mut morning = morning();
        let untouched = morning.mirror.judged();
        assert!(untouched.violations.is_empty(), "{untouched}");
        how(&mut morning);
        names(&morning.mirror.judged())
    }

    fn row(&self, tag: &str) -> usize {
        let of = |what: &Committed| matches!(what, Committed::Transfer(made) if made.tag.as_deref() == Some(tag));
        self.mirror.record.rows.iter().position(|row| of(&row.what)).expect("it was made")
    }

    /// The answers to a request.
    fn ends(&mut self, request: &Request) -> Vec<&mut What> {
        let History { events, .. } = &mut self.mirror.history;
        let asked = |what: &What| matches!(what, What::Invoke { request: asked } if asked == request);
        let attempts: Vec<_> = events.iter().filter(|event| asked(&event.what)).map(|event| event.attempt).collect();
        let ends = events.iter_mut().filter(|event| attempts.contains(&event.attempt));
        ends.map(|event| &mut event.what).filter(|what| !matches!(what, What::Invoke { .. })).collect()
    }
}

#[test]
fn the_checker_believes_whatever_a_right_ledger_does_to_eight_clients() {
    for seed in 1..=12 {
        let stage = stage();
        let mut mirror = Mirror::new(&stage);
        fund(&mut mirror, &stage);
        let features = if seed % 3 == 0 { Features::PLAIN } else { Features::ALL };
        mirror.busy(seed, &stage, features, 2_000);
        let report = mirror.judged();
        assert!(report.violations.is_empty(), "seed {seed}\n{report}");
        assert!(report.ended("ok") > 200 && report.ended("unknown") > 20, "seed {seed}\n{report}");
    }
}

#[test]
fn the_checker_sees_a_lost_transfer() {
    let found = Morning::after(|morning| {
        let at = morning.row("paid");
        morning.mirror.record.rows.remove(at);
    });
    assert!(found.contains(&"lost"), "{found:?}");
}

#[test]
fn the_checker_sees_a_double() {
    let found = Morning::after(|morning| {
        let mut again = morning.mirror.record.rows[morning.row("paid")].clone();
        again.position = morning.mirror.record.end() + 1;
        let Committed::Transfer(made) = &mut again.what else { panic!("a transfer") };
        made.id = "again".to_owned();
        morning.mirror.record.rows.push(again);
    });
    assert!(found.contains(&"doubled"), "{found:?}");
}

#[test]
fn the_checker_sees_a_refusal_that_posted() {
    let found = Morning::after(|morning| {
        let mut row = morning.mirror.record.rows[morning.row("paid")].clone();
        row.position = morning.mirror.record.end() + 1;
        let Committed::Transfer(made) = &mut row.what else { panic!("a transfer") };
        (made.id, made.tag) = ("late".to_owned(), Some("refused".to_owned()));
        (made.amount, made.by) = (100_000, morning.ann.user.clone());
        morning.mirror.record.rows.push(row);
    });
    assert!(found.contains(&"refused_yet_posted") && found.contains(&"not_allowed"), "{found:?}");
}

#[test]
fn the_checker_sees_a_replay_with_another_answer() {
    let paid = morning().paid;
    let found = Morning::after(|morning| {
        let Some(What::Ok { body, .. }) = morning.ends(&paid).pop() else { panic!("it was answered") };
        body.push('!');
    });
    assert_eq!(found, ["replay_differs"]);
    let found = Morning::after(|morning| {
        let Some(What::Ok { replayed, .. }) = morning.ends(&paid).pop() else { panic!("it was answered") };
        *replayed = false;
    });
    assert_eq!(found, ["two_first_answers"]);
}

#[test]
fn the_checker_sees_an_order_that_nobody_could_have_seen() {
    let found = Morning::after(|morning| {
        let (one, other) = (morning.row("paid"), morning.row("batch/1"));
        morning.mirror.record.rows.swap(one, other);
    });
    assert!(found.contains(&"out_of_order"), "{found:?}");
}

#[test]
fn the_checker_sees_entries_that_do_not_fold() {
    let found = Morning::after(|morning| {
        let entry = morning.mirror.record.entries.iter_mut().find(|entry| entry.account == "usd-1");
        entry.expect("it was paid").balance_after += 1;
    });
    assert!(found.contains(&"balance_is_no_fold") && found.contains(&"not_as_the_model"), "{found:?}");
    let found = Morning::after(|morning| {
        let at = morning.mirror.record.entries.iter().position(|entry| entry.account == "usd-1");
        morning.mirror.record.entries.remove(at.expect("it was paid"));
    });
    assert!(found.contains(&"seq_gap") && found.contains(&"two_entries_each"), "{found:?}");
}

#[test]
fn the_checker_sees_a_refusal_for_no_reason() {
    let refused = morning().refused;
    let found = Morning::after(|morning| {
        let Some(What::Fail { answer, .. }) = morning.ends(&refused).pop() else { panic!("it was refused") };
        *answer = Answer::Refused { code: "debit_account_frozen".to_owned() };
    });
    assert_eq!(found, ["unexplained"]);
}

#[test]
fn the_checker_sees_a_balance_of_long_ago() {
    let read = Command::Balance { account: "usd-1".to_owned() };
    let found = Morning::after(|morning| {
        let mut morning_reads = morning.mirror.history.events.iter().filter_map(|event| match &event.what {
            What::Invoke { request } if request.command == read => Some(request.clone()),
            _ => None,
        });
        let request = morning_reads.next().expect("it was read");
        drop(morning_reads);
        let Some(What::Ok { answer, .. }) = morning.ends(&request).pop() else { panic!("it was answered") };
        *answer = Answer::Balance { balance: 600, version: 1 };
    });
    assert_eq!(found, ["unexplained"]);
}

#[test]
fn the_checker_sees_a_precondition_that_nobody_looked_at() {
    let found = Morning::after(|morning| {
        let paid = morning.mirror.record.rows[morning.row("paid")].clone();
        let Committed::Transfer(paid) = paid.what else { panic!("a transfer") };
        let seen = Seen { tag: "old".to_owned(), status: "posted".to_owned(), remaining: Some(1) };
        let command = Command::Reverse { of: paid.id, amount: None, tag: "back".to_owned() };
        let who = Caller { user: "bob".to_owned(), ..morning.ann.clone() };
        let request = Request { who, key: Some("back".to_owned()), dry_run: false, seen: Some(seen), command };
        let attempt = morning.mirror.invoke(&request);
        let (answer, replayed) = morning.mirror.commit(&Request { seen: None, ..request });
        morning.mirror.tell(attempt, &answer, replayed);
    });
    assert_eq!(found, ["not_allowed"]);
}

#[test]
fn the_checker_sees_half_an_atomic_batch() {
    let found = Morning::after(|morning| {
        let order = |n: i64| Order::usd("usd-3", "usd-4", n).tagged(format!("half/{n}"));
        let request = batch(&morning.ann, "half", Mode::Atomic, vec![order(1), order(2)]);
        let attempt = morning.mirror.invoke(&request);
        morning.mirror.commit(&request);
        // Nobody was told, and one of the two is gone.
        morning.mirror.history.events.retain(|event| event.attempt <= attempt);
        let at = morning.row("half/2");
        morning.mirror.record.rows.remove(at);
    });
    assert!(found.contains(&"torn"), "{found:?}");
}

/// Before both holds end no item could be paid, after both each could: only in between the first and not the second.
#[test]
fn the_checker_believes_a_batch_that_was_judged_between_the_ends_of_two_holds() {
    let stage = stage();
    let (ann, admin) = (stage.customers[0].clone(), stage.admin.clone());
    let mut mirror = Mirror::new(&stage);
    fund(&mut mirror, &stage);
    let look = Request {
        who: admin,
        key: None,
        dry_run: false,
        seen: None,
        command: Command::Balance { account: "usd-0".to_owned() },
    };
    let Answer::Balance { balance, .. } = mirror.ask(&look) else { panic!("it was looked at") };
    let order = |tag: &str, amount: i64| Order::usd("usd-0", "usd-1", amount).tagged(tag);
    for (tag, amount) in [("small", 30), ("large", balance - 30)] {
        mirror.ask(&alone(&ann, tag, Order { pending: true, expires_in: Some(2), ..order(tag, amount) }));
    }
    let request = batch(&ann, "between", Mode::Atomic, vec![order("between/1", 20), order("between/2", 20)]);
    let attempt = mirror.invoke(&request);
    mirror.ask(&look);
    mirror.ask(&look);
    let (answer, _) = mirror.commit(&request);
    let codes = ["linked_item_declined", "insufficient_funds"].map(str::to_owned).into();
    assert_eq!(answer, Answer::Linked { codes });
    mirror.ask(&look);
    mirror.tell(attempt, &answer, false);
    let report = mirror.judged();
    assert!(report.violations.is_empty(), "{report}");
}

#[test]
fn the_checker_sees_two_requests_under_one_key() {
    let found = Morning::after(|morning| {
        let other = alone(&morning.ann, "paid", Order::usd("usd-3", "usd-4", 1).tagged("other"));
        let attempt = morning.mirror.invoke(&other);
        let (answer, replayed) = morning.mirror.commit(&Request { key: Some("free".to_owned()), ..other });
        morning.mirror.tell(attempt, &answer, replayed);
    });
    assert!(found.contains(&"two_under_one_key") && found.contains(&"key_not_asked"), "{found:?}");
}

#[test]
fn the_checker_sees_what_nobody_asked_for() {
    let found = Morning::after(|morning| {
        let stray = alone(&morning.ann, "stray", Order::usd("usd-3", "usd-4", 1).tagged("stray"));
        morning.mirror.commit(&stray);
    });
    assert_eq!(found, ["key_of_nothing", "phantom"]);
}

#[test]
fn a_history_is_read_as_it_was_written() {
    let history = morning().mirror.history;
    let mut lines = Vec::new();
    history.write(&mut lines).expect("a buffer takes it");
    assert_eq!(History::read(lines.as_slice()).expect("it is one"), history);
}
