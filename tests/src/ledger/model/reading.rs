//! How what may be read in more than one way is read: windows that are counted in slices, and versions that nobody is sure
//! of. Of each account by itself, for a batch may meet more than one.

use std::collections::BTreeMap;

use super::{Account, Ledger, Limit};
use crate::ledger::command::{Command, Order};

/// Slices of a window.
const SLICES: i64 = 60;

/// Since when debits count against an account's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// For as long as the window is, as the contract says.
    Window,
    /// Since the slice began that the window begins in, as a service may count. Slices are numbered from the epoch.
    Slice,
    /// For a whole slice longer, as it may be at another of the instants at which the answer may have been given.
    Longer,
}

/// One way to read everything; where it says nothing, as the contract does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    since: BTreeMap<String, Since>,
    /// By how much the version of an account is another than was counted; none: it is none of those that are asked for.
    drift: BTreeMap<String, Option<i128>>,
}

impl Reading {
    /// The instant after which debits of this account count.
    pub(super) fn since(&self, account: &str, limit: &Limit, now: i64) -> i64 {
        let slice = (limit.window + SLICES - 1) / SLICES;
        match self.since.get(account) {
            None | Some(Since::Window) => now - limit.window,
            Some(Since::Slice) => (now.div_euclid(slice) - SLICES) * slice - 1,
            Some(Since::Longer) => now - (SLICES + 1) * slice,
        }
    }

    /// Whether this is the account's version.
    pub(super) fn is_version(&self, id: &str, account: &Account, asked: i64) -> bool {
        let asked = i128::from(asked);
        match self.drift.get(id) {
            Some(drift) => drift.is_some_and(|drift| account.version + drift == asked),
            // The first of all is 1.
            None if account.unsure => asked >= 1,
            None => account.version == asked,
        }
    }
}

impl Ledger {
    /// Every way to read what may be read in more than one, as far as it is asked for; that of the contract first.
    #[must_use]
    pub fn readings(&self, command: &Command) -> Vec<Reading> {
        let (orders, payers): (&[Order], Vec<&String>) = match command {
            Command::Transfer(order) => (std::slice::from_ref(order), Vec::new()),
            Command::Batch { orders, .. } => (orders, Vec::new()),
            Command::Exchange(asked) => {
                (&[], self.rates.values().map(|rate| &rate.quote).chain([&asked.debit]).collect())
            }
            Command::SetRate(_)
            | Command::Post { .. }
            | Command::Void { .. }
            | Command::Reverse { .. }
            | Command::Step { .. }
            | Command::Look { .. }
            | Command::Balance { .. } => (&[], Vec::new()),
        };
        let mut payers: Vec<_> = payers.into_iter().chain(orders.iter().map(|order| &order.debit)).collect();
        payers.retain(|id| self.account(id).is_some_and(|account| !account.limits.is_empty()));
        payers.sort();
        payers.dedup();
        let mut ways = vec![Reading::default()];
        for account in payers {
            ways = each(&ways, &[Since::Window, Since::Slice, Since::Longer], |way, since| {
                way.since.insert(account.clone(), since);
            });
        }
        for (account, drifts) in self.drifts(orders) {
            ways = each(&ways, &drifts, |way, drift| {
                way.drift.insert(account.clone(), drift);
            });
        }
        ways
    }

    /// Of each account whose version is asked for and that nobody is sure of: what makes it one that is asked for when its
    /// turn comes, which items before may have moved on by one each, and that it is none.
    fn drifts<'a>(&self, orders: &'a [Order]) -> BTreeMap<&'a String, Vec<Option<i128>>> {
        let mut drifts: BTreeMap<&String, Vec<Option<i128>>> = BTreeMap::new();
        for (number, order) in orders.iter().enumerate() {
            let Some(asked) = order.conditions.debit_version else { continue };
            let Some(account) = self.account(&order.debit).filter(|account| account.unsure) else { continue };
            let before = orders.iter().take(number);
            let moving = before.filter(|before| [&before.debit, &before.credit].contains(&&order.debit));
            let moved: i128 = moving.map(|_| 1).sum();
            // The first of all is 1.
            let first = (0..=moved).map(|moved| i128::from(asked) - moved).take_while(|first| *first >= 1);
            drifts.entry(&order.debit).or_default().extend(first.map(|first| Some(first - account.version)));
        }
        for drifts in drifts.values_mut() {
            drifts.sort_by(|one, other| other.cmp(one));
            drifts.dedup();
            drifts.push(None);
        }
        drifts
    }
}

/// Each way with each choice.
fn each<T: Copy>(ways: &[Reading], choices: &[T], choose: impl Fn(&mut Reading, T)) -> Vec<Reading> {
    let with = |choice: &T| {
        let mut ways = ways.to_vec();
        ways.iter_mut().for_each(|way| choose(way, *choice));
        ways
    };
    choices.iter().flat_map(with).collect()
}
