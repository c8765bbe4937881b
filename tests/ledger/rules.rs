//! The model's own rules, one by one: if the model is wrong, everything that is held against it is.

mod exchanges;
mod readings;
mod seen;

use tests::ledger::command::{Bounds, Caller, Command, Mode, Order, Request, Role};
use tests::ledger::history::Sketch;
use tests::ledger::model::{Account, Limit, MOST};
use tests::ledger::{Ledger, Verdict};

const NOW: i64 = 1_800_000_000_000_000;
const SECOND: i64 = 1_000_000;

fn ann() -> Caller {
    Caller { user: "ann".to_owned(), role: Role::Customer }
}

fn bob() -> Caller {
    Caller { user: "bob".to_owned(), ..ann() }
}

fn treasurer() -> Caller {
    Caller { user: "tess".to_owned(), role: Role::Treasurer }
}

/// Ann has 100, Bob nothing, and the bank whatever it takes.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.open("a", Account::of("ann", "USD"));
    ledger.open("b", Account::of("bob", "USD"));
    ledger.open("bank", Account::system("tess", "USD"));
    make(&mut ledger, &treasurer(), Order::usd("bank", "a", 100), "fund", NOW);
    ledger
}

fn request(who: &Caller, command: Command) -> Request {
    Request { who: who.clone(), key: Some("k".to_owned()), dry_run: false, seen: None, command }
}

fn say(ledger: &mut Ledger, who: &Caller, command: Command, now: i64) -> String {
    match ledger.judge(&request(who, command), now).swap_remove(0) {
        Verdict::Done => "done".to_owned(),
        Verdict::Refused(code) => code,
        other => format!("{other:?}"),
    }
}

fn order(ledger: &mut Ledger, who: &Caller, order: Order, now: i64) -> String {
    say(ledger, who, Command::Transfer(order), now)
}

fn make(ledger: &mut Ledger, who: &Caller, wish: Order, id: &str, now: i64) {
    assert_eq!(order(ledger, who, wish.clone(), now), "done");
    let made = ledger.made(&wish, id.to_owned(), now);
    ledger.enter(made);
}

fn settle(ledger: &mut Ledger, who: &Caller, command: Command, id: &str, now: i64) {
    assert_eq!(say(ledger, who, command.clone(), now), "done");
    let made = ledger.settling(who, &command, id.to_owned(), now).expect("there is what it settles");
    ledger.enter(made);
}

fn hold(amount: i64, expires_in: Option<u32>) -> Order {
    Order { pending: true, expires_in, ..Order::usd("a", "b", amount) }
}

fn post(of: &str, amount: Option<i64>, release: bool) -> Command {
    Command::Post { of: of.to_owned(), amount, release }
}

fn void(of: &str) -> Command {
    Command::Void { of: of.to_owned() }
}

fn reverse(of: &str, amount: Option<i64>) -> Command {
    Command::Reverse { of: of.to_owned(), amount, tag: String::new() }
}

#[test]
fn a_hold_is_spent_until_it_lapses_is_posted_or_is_let_go() {
    let mut it = ledger();
    make(&mut it, &ann(), hold(60, Some(10)), "h", NOW);
    assert_eq!((it.held("a", NOW), it.account("a").expect("there").balance), (60, 100));
    assert_eq!(order(&mut it, &ann(), Order::usd("a", "b", 41), NOW), "insufficient_funds");
    assert_eq!(order(&mut it, &ann(), hold(41, None), NOW), "insufficient_funds");
    assert_eq!(order(&mut it, &bob(), Order::usd("b", "a", 1), NOW), "insufficient_funds", "it is not Bob's yet");
    let end = NOW + 10 * SECOND;
    assert_eq!(order(&mut it, &ann(), Order::usd("a", "b", 41), end - 1), "insufficient_funds");
    assert_eq!(order(&mut it, &ann(), Order::usd("a", "b", 41), end), "done");
    assert_eq!(say(&mut it, &ann(), post("h", None, false), end - 1), "done");
    assert_eq!(say(&mut it, &ann(), post("h", None, false), end), "transfer_expired");
    assert_eq!(say(&mut it, &ann(), void("h"), end), "transfer_expired");
    settle(&mut it, &ann(), post("h", Some(20), false), "p", NOW);
    assert_eq!((it.held("a", NOW), it.account("b").expect("there").balance), (40, 20));
    assert_eq!(say(&mut it, &ann(), post("h", Some(41), false), NOW), "amount_exceeds_pending");
    settle(&mut it, &ann(), post("h", Some(10), true), "q", NOW);
    assert_eq!((it.held("a", NOW), it.account("a").expect("there").balance), (0, 70));
    assert_eq!(say(&mut it, &ann(), post("h", None, false), NOW), "transfer_not_pending");
    make(&mut it, &ann(), hold(70, None), "i", NOW);
    settle(&mut it, &bob(), void("i"), "v", NOW);
    assert_eq!(it.held("a", NOW), 0);
    assert_eq!(say(&mut it, &ann(), void("v"), NOW), "transfer_not_pending");
}

#[test]
fn a_dry_run_says_what_would_be_made_and_what_forbids_it() {
    let mut it = ledger();
    make(&mut it, &ann(), hold(60, None), "h", NOW);
    make(&mut it, &ann(), Order::usd("a", "b", 30), "t", NOW);
    let mut dry = |who: &Caller, command: Command| {
        let request = Request { dry_run: true, key: None, ..request(who, command) };
        match it.judge(&request, NOW).swap_remove(0) {
            Verdict::Would(Sketch { debit, credit, amount, status, .. }) => {
                format!("{debit} {credit} {amount} {status}")
            }
            Verdict::Refused(code) => code,
            other => format!("{other:?}"),
        }
    };
    for (who, command, said) in [
        (ann(), Command::Transfer(Order::usd("a", "b", 10)), "a b 10 posted"),
        (ann(), Command::Transfer(Order { pending: true, ..Order::usd("a", "b", 10) }), "a b 10 pending"),
        (ann(), Command::Transfer(Order::usd("a", "b", 11)), "insufficient_funds"),
        (ann(), post("h", None, false), "a b 60 posted"),
        (ann(), post("h", Some(20), true), "a b 20 posted"),
        (ann(), post("h", Some(61), false), "amount_exceeds_pending"),
        (bob(), void("h"), "a b 60 voided"),
        (bob(), post("h", None, false), "forbidden"),
        (bob(), reverse("t", None), "b a 30 posted"),
        (bob(), reverse("t", Some(31)), "amount_exceeds_original"),
    ] {
        assert_eq!(dry(&who, command.clone()), said, "{command:?}");
    }
    assert_eq!(it.transfers().len(), 3, "nothing was done");
}

#[test]
fn who_settles_what() {
    let mut it = ledger();
    let stranger = Caller { user: "eve".to_owned(), role: Role::Customer };
    let admin = Caller { user: "adam".to_owned(), role: Role::Admin };
    make(&mut it, &ann(), hold(10, None), "h", NOW);
    make(&mut it, &ann(), Order::usd("a", "b", 10), "t", NOW);
    for (who, posts, voids, reverses) in [
        (ann(), "done", "done", "forbidden"),
        (bob(), "forbidden", "done", "done"),
        (treasurer(), "done", "done", "done"),
        (admin, "forbidden", "forbidden", "forbidden"),
        (stranger, "not_found", "not_found", "not_found"),
    ] {
        assert_eq!(say(&mut it, &who, post("h", None, false), NOW), posts, "{who:?}");
        assert_eq!(say(&mut it, &who, void("h"), NOW), voids, "{who:?}");
        assert_eq!(say(&mut it, &who, reverse("t", None), NOW), reverses, "{who:?}");
    }
}

#[test]
fn no_more_is_given_back_than_was_paid_and_nothing_twice() {
    let mut it = ledger();
    make(&mut it, &ann(), Order::usd("a", "b", 100), "t", NOW);
    settle(&mut it, &bob(), reverse("t", Some(30)), "r", NOW);
    assert_eq!(say(&mut it, &bob(), reverse("t", Some(71)), NOW), "amount_exceeds_original");
    assert_eq!(say(&mut it, &bob(), reverse("r", None), NOW), "forbidden");
    assert_eq!(say(&mut it, &ann(), reverse("r", None), NOW), "transfer_not_posted");
    make(&mut it, &bob(), Order::usd("b", "a", 1), "spent", NOW);
    assert_eq!(say(&mut it, &bob(), reverse("t", None), NOW), "insufficient_funds");
    settle(&mut it, &bob(), reverse("t", Some(69)), "s", NOW);
    assert_eq!(say(&mut it, &bob(), reverse("t", None), NOW), "insufficient_funds");
    make(&mut it, &ann(), Order::usd("a", "b", 1), "back", NOW);
    settle(&mut it, &bob(), reverse("t", None), "u", NOW);
    assert_eq!(say(&mut it, &bob(), reverse("t", None), NOW), "amount_exceeds_original");
}

#[test]
fn a_reference_is_one_among_those_of_whoever_pays() {
    let mut it = ledger();
    let named = |debit: &str, credit: &str| Order { reference: Some("r".to_owned()), ..Order::usd(debit, credit, 1) };
    make(&mut it, &ann(), named("a", "b"), "t", NOW);
    assert_eq!(order(&mut it, &ann(), named("a", "b"), NOW), "external_ref_taken");
    assert_eq!(order(&mut it, &ann(), Order { amount: 5_000, ..named("a", "b") }, NOW), "external_ref_taken");
    make(&mut it, &bob(), named("b", "a"), "u", NOW);
    it.take_back();
    assert_eq!(order(&mut it, &bob(), named("b", "a"), NOW), "done", "what is taken back has left nothing");
}

#[test]
fn what_leaves_in_a_while_is_bounded() {
    let mut it = ledger();
    let window = 60 * SECOND;
    it.change("a", |account| account.limits = vec![Limit { window, amount: Some(50), count: Some(3) }]);
    make(&mut it, &ann(), Order::usd("a", "b", 30), "t", NOW);
    make(&mut it, &ann(), hold(20, None), "h", NOW + SECOND);
    assert_eq!(order(&mut it, &ann(), Order::usd("a", "b", 1), NOW + 2 * SECOND), "limit_exceeded");
    let free = NOW + window;
    assert_eq!(order(&mut it, &ann(), Order::usd("a", "b", 30), free), "done");
    let both = it.judge(&request(&ann(), Command::Transfer(Order::usd("a", "b", 30))), free);
    assert_eq!(both.len(), 2, "who counts in slices may refuse for one slice more: {both:?}");
    settle(&mut it, &bob(), void("h"), "v", NOW + 2 * SECOND);
    assert_eq!(
        order(&mut it, &ann(), Order::usd("a", "b", 20), NOW + 3 * SECOND),
        "done",
        "what is let go is not spent"
    );
    settle(&mut it, &bob(), reverse("t", None), "r", NOW + 3 * SECOND);
    assert_eq!(
        order(&mut it, &ann(), Order::usd("a", "b", 21), NOW + 4 * SECOND),
        "limit_exceeded",
        "what is given back is"
    );
}

#[test]
fn conditions_look_at_what_would_result() {
    let mut it = ledger();
    let on_debit = |bounds: Bounds, pending: bool| {
        let mut wish = Order { pending, ..Order::usd("a", "b", 40) };
        wish.conditions.debit_balance = bounds;
        wish
    };
    let is = |value| Bounds { eq: Some(value), ..Bounds::default() };
    assert_eq!(order(&mut it, &ann(), on_debit(is(60), false), NOW), "done");
    assert_eq!(order(&mut it, &ann(), on_debit(is(60), true), NOW), "precondition_failed");
    assert_eq!(order(&mut it, &ann(), on_debit(is(100), true), NOW), "done");
    for (bounds, holds) in [
        (Bounds { gt: Some(60), ..Bounds::default() }, false),
        (Bounds { gte: Some(60), ..Bounds::default() }, true),
        (Bounds { lte: Some(60), ..Bounds::default() }, true),
        (Bounds { lt: Some(60), ..Bounds::default() }, false),
    ] {
        let said = order(&mut it, &ann(), on_debit(bounds, false), NOW);
        assert_eq!(said == "done", holds, "{bounds:?}");
    }
}

#[test]
fn bounds_of_balances_come_in_their_order() {
    let mut it = ledger();
    it.open("full", Account { balance: MOST, ..Account::of("bob", "USD") });
    it.open("capped", Account { ceiling: Some(5), ..Account::of("bob", "USD") });
    assert_eq!(order(&mut it, &ann(), Order::usd("a", "full", 1_000), NOW), "balance_overflow");
    assert_eq!(order(&mut it, &ann(), Order::usd("a", "capped", 1_000), NOW), "limit_exceeded");
    assert_eq!(order(&mut it, &ann(), Order::usd("a", "capped", 5), NOW), "done");
    it.open("depth", Account { balance: -MOST, ..Account::system("tess", "USD") });
    assert_eq!(order(&mut it, &treasurer(), Order::usd("depth", "b", 1), NOW), "balance_overflow");
    assert_eq!(order(&mut it, &ann(), Order::usd("bank", "b", 1), NOW), "debit_account_not_found");
}

#[test]
fn items_of_a_batch_see_those_before_them() {
    let mut it = ledger();
    let orders = vec![Order::usd("a", "b", 100), Order::usd("a", "b", 1), Order::usd("b", "a", 1)];
    let batch = |mode| request(&ann(), Command::Batch { mode, orders: orders.clone() });
    let code = |code: &str| code.to_owned();
    let each = Verdict::Each(vec![None, Some(code("insufficient_funds")), Some(code("debit_account_not_found"))]);
    assert_eq!(it.judge(&batch(Mode::Independent), NOW), [each]);
    let linked = ["linked_item_declined", "insufficient_funds", "debit_account_not_found"].map(code).to_vec();
    assert_eq!(it.judge(&batch(Mode::Atomic), NOW), [Verdict::Linked(linked)]);
    assert_eq!(it.account("a").expect("there").balance, 100, "nothing was done");
}
