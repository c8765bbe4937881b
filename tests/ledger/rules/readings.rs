//! What the model reads in more than one way: windows, and versions that nobody is sure of.

use tests::ledger::command::{Command, Mode, Order};
use tests::ledger::model::{Account, Limit};
use tests::ledger::{Ledger, Verdict};

use super::{NOW, SECOND, ann, ledger, make, request, treasurer};

const STALE: Option<&str> = Some("precondition_failed");
const FULL: Option<&str> = Some("limit_exceeded");
const WINDOW: i64 = 60 * SECOND;

fn known(from: &str, version: i64) -> Order {
    let mut order = Order::usd(from, "b", 1);
    order.conditions.debit_version = Some(version);
    order
}

fn each<const N: usize>(codes: [Option<&str>; N]) -> Verdict {
    Verdict::Each(codes.map(|code| code.map(str::to_owned)).to_vec())
}

fn judge(it: &mut Ledger, orders: Vec<Order>, now: i64) -> Vec<Verdict> {
    it.judge(&request(&ann(), Command::Batch { mode: Mode::Independent, orders }), now)
}

/// Bounded to `amount` a minute.
fn bounded(it: &mut Ledger, account: &str, amount: i64) {
    let limits = vec![Limit { window: WINDOW, amount: Some(amount.into()), count: None }];
    it.change(account, |account| account.limits = limits);
}

#[test]
fn each_doubt_is_read_both_ways_by_itself() {
    let mut it = ledger();
    bounded(&mut it, "a", 50);
    make(&mut it, &ann(), Order::usd("a", "b", 30), "t", NOW);
    it.change("a", |account| account.unsure = true);
    let said = judge(&mut it, vec![known("a", 7), Order::usd("a", "b", 30)], NOW + WINDOW);
    assert_eq!(said, [[None, None], [None, FULL], [STALE, None], [STALE, FULL]].map(each));
}

#[test]
fn each_account_is_read_by_itself() {
    let mut it = ledger();
    it.open("c", Account { unsure: true, ..Account::of("ann", "USD") });
    make(&mut it, &treasurer(), Order::usd("bank", "c", 100), "fund-c", NOW);
    it.change("a", |account| account.unsure = true);
    let said = judge(&mut it, vec![known("a", 7), known("c", 7), known("a", 0)], NOW);
    // No account was ever of version 0.
    let may_be = [[None, None, STALE], [STALE, None, STALE], [None, STALE, STALE], [STALE, STALE, STALE]];
    assert_eq!(said, may_be.map(each));
}

#[test]
fn whoever_is_bounded_is_read_by_itself() {
    let mut it = ledger();
    it.open("c", Account::of("ann", "USD"));
    make(&mut it, &treasurer(), Order::usd("bank", "c", 100), "fund-c", NOW);
    for account in ["a", "c"] {
        bounded(&mut it, account, 50);
        make(&mut it, &ann(), Order::usd(account, "b", 30), account, NOW);
    }
    let said = judge(&mut it, ["a", "c"].map(|from| Order::usd(from, "b", 30)).to_vec(), NOW + WINDOW);
    assert_eq!(said, [[None, None], [FULL, None], [None, FULL], [FULL, FULL]].map(each));
}

#[test]
fn an_account_has_one_version_at_a_time() {
    let mut it = ledger();
    it.change("a", |account| account.unsure = true);
    // The first moves it on if it is done.
    let twice = judge(&mut it, vec![known("a", 7), known("a", 7)], NOW);
    assert_eq!(twice, [[None, STALE], [STALE, STALE]].map(each));
    let on = judge(&mut it, vec![known("a", 7), known("a", 8)], NOW);
    assert_eq!(on, [[STALE, None], [None, None], [STALE, STALE]].map(each));
    let after = judge(&mut it, vec![Order::usd("a", "b", 1), known("a", 7)], NOW);
    assert_eq!(after, [[None, STALE], [None, None]].map(each));
}

#[test]
fn a_window_is_counted_exactly_or_in_slices_or_for_a_whole_slice_longer() {
    let mut it = ledger();
    let long_ago = NOW - 2 * WINDOW;
    make(&mut it, &treasurer(), Order::usd("bank", "a", 100), "more", long_ago);
    // Slices of a second begin with the seconds. Of a minute ago and a half second: in the slice before, in the same, after.
    for (id, at) in [("before", -200_000), ("within", 200_000), ("after", SECOND)] {
        make(&mut it, &ann(), Order::usd("a", "b", 30), id, NOW + at);
    }
    bounded(&mut it, "a", 100);
    let said = judge(&mut it, [50, 20].map(|amount| Order::usd("a", "b", amount)).to_vec(), NOW + WINDOW + SECOND / 2);
    assert_eq!(said, [[None, None], [FULL, None], [FULL, FULL]].map(each));
}
