//! Orders: mostly sound ones on accounts that are used much, and every fault there is.

use super::{Generator, Place};
use crate::ledger::command::{Bounds, Caller, Conditions, Order, Spoil};
use crate::ledger::model::MOST;

/// Amounts that move usually: small against what accounts have, so that most orders can be met.
const USUAL: u64 = 60;

impl Generator {
    /// A sound order, or in one of four cases one with a fault.
    pub(super) fn order(&mut self, who: &Caller, item: usize) -> Order {
        let order = self.sound_order(who, item);
        if self.random.one_in(4) { self.with_fault(order) } else { order }
    }

    /// An order of whoever asks; whether it can be met is another question.
    pub(super) fn sound_order(&mut self, who: &Caller, item: usize) -> Order {
        let own: Vec<Place> = self.stage.places.iter().filter(|place| place.owner == *who).cloned().collect();
        let debit = match self.random.pick(&own) {
            Some(_) if self.random.one_in(12) => self.stage.changing.id.clone(),
            Some(place) => place.id.clone(),
            None => self.stage.vault.clone(),
        };
        let credit = match self.random.below(20) {
            0 => self.stage.changing.id.clone(),
            1 => self.stage.vault.clone(),
            _ => self.place().id,
        };
        let usual = i64::try_from(1 + self.random.below(USUAL)).unwrap_or(1);
        let seen = self.balances.get(&debit).copied();
        let amount = match (seen, self.random.below(24)) {
            (Some((balance, _)), 0) => balance.max(1),
            (Some((balance, _)), 1) => balance.saturating_add(1).max(1),
            _ => usual,
        };
        let mut order = Order::usd(&debit, &credit, amount).tagged(self.tag(item));
        if debit == credit {
            order.credit = self.stage.vault.clone();
        }
        if order.debit == order.credit {
            order.credit = self.place().id;
        }
        self.embellish(order, seen)
    }

    /// What an order may carry besides.
    fn embellish(&mut self, mut order: Order, seen: Option<(i64, i64)>) -> Order {
        if self.features.holds && self.random.one_in(5) {
            order.pending = true;
            order.expires_in = self.random.one_in(2).then(|| 1 + u32::try_from(self.random.below(4)).unwrap_or(0));
        }
        if self.features.references && self.random.one_in(10) {
            // Few enough to be met again.
            order.reference = Some(format!("ref-{}", self.random.below(400)));
        }
        if let (Some((balance, version)), true) = (seen, self.random.one_in(10)) {
            order.conditions = self.conditions(balance.saturating_sub(order.amount), version);
        }
        order
    }

    /// Conditions around what is likely to result.
    fn conditions(&mut self, result: i64, version: i64) -> Conditions {
        let mut bounds = Bounds::default();
        match self.random.below(if self.features.strict_bounds { 5 } else { 2 }) {
            0 => bounds.gte = Some(result),
            1 => bounds.lte = Some(result),
            2 => bounds.gt = Some(result),
            3 => bounds.lt = Some(result),
            _ => bounds.eq = Some(result),
        }
        let debit_version = self.random.one_in(3).then_some(version);
        if self.random.one_in(4) {
            return Conditions { credit_balance: bounds, debit_version, ..Conditions::default() };
        }
        Conditions { debit_balance: bounds, debit_version, ..Conditions::default() }
    }

    fn place(&mut self) -> Place {
        // Two in five go to the first two accounts.
        let hot = if self.random.below(5) < 2 { 2 } else { self.stage.places.len() };
        let places = self.stage.places.get(..hot.min(self.stage.places.len())).unwrap_or_default();
        self.random.pick(places).cloned().unwrap_or_else(|| self.stage.changing.clone())
    }

    /// Spoils an order in one way.
    fn with_fault(&mut self, mut order: Order) -> Order {
        let stage = &self.stage;
        match self.random.below(16) {
            0 => order.amount = 0,
            1 => order.amount = i64::try_from(MOST + 1).unwrap_or(i64::MAX),
            2 => order.credit = order.debit.clone(),
            3 => order.debit = stage.nobodys.clone(),
            4 => {
                let others = stage.places.iter().find(|place| place.owner.user != stage.changing.owner.user);
                order.debit = others.map_or_else(|| stage.full.id.clone(), |place| place.id.clone());
            }
            5 => order.credit = stage.nobodys.clone(),
            6 => order.currency = "EUR".to_owned(),
            7 => order.credit = stage.euros.id.clone(),
            8 => order.debit = stage.closed.id.clone(),
            9 => order.credit = stage.closed.id.clone(),
            10 => order.credit = stage.capped.id.clone(),
            11 => order.credit = stage.full.id.clone(),
            12 => order.amount = 1_000_000_000_000,
            13 => order.conditions.debit_balance.gte = i64::try_from(MOST).ok(),
            14 => order.conditions.debit_version = Some(0),
            _ => {
                let spoils = [Spoil::AmountIsText, Spoil::UnknownMember, Spoil::EmptyReference];
                let last = self.features.holds.then_some(Spoil::ExpiryWithoutPending);
                order.spoiled = last.filter(|_| self.random.one_in(4)).or(self.random.pick(&spoils).copied());
            }
        }
        order
    }
}
