//! Exchanges and rates: mostly sound ones, and every fault there is.

use super::{Generator, Place, Till};
use crate::ledger::command::{Caller, Command, Exchange, NewRate, Request, Spoil};
use crate::ledger::model::MOST;

/// What is paid at most, usually: small against what accounts have, and enough for most rates.
const USUAL: u64 = 400;

/// Rates that are set: rounding that takes nothing, a half, and what never ends; and in the end some at which hardly
/// anything can be paid.
const RATES: [&str; 12] = [
    "0.9234",
    "1.0831",
    "0.5",
    "2",
    "0.333333333333",
    "151.27",
    "0.0021",
    "3.14159265",
    "1",
    "0.10",
    "0.000000000001",
    "99999.5",
];

/// What is no rate.
const NO_RATES: [&str; 7] = ["0", "0.000", "01.5", "1.", ".5", "1e3", "0.1234567890123"];

impl Generator {
    /// An exchange with a key, or a quote.
    pub(super) fn exchange(&mut self) -> Request {
        let who = self.payer();
        let exchange = self.sound_exchange(&who);
        let exchange = if self.random.one_in(3) { self.with_other_fault(exchange) } else { exchange };
        self.asked(who, Command::Exchange(exchange))
    }

    /// An exchange of whoever asks; whether there is a rate and money is another question.
    pub(super) fn sound_exchange(&mut self, who: &Caller) -> Exchange {
        let dollars: Vec<String> =
            self.stage.places.iter().filter(|it| it.owner == *who).map(|it| it.id.clone()).collect();
        let foreign = self.stage.market.foreign.iter().filter(|(place, _)| place.owner == *who);
        let foreign: Vec<String> = foreign.map(|(place, _)| place.id.clone()).collect();
        let back = self.random.one_in(3);
        let own = self.random.pick(if back { &foreign } else { &dollars }).cloned();
        let debit = own.unwrap_or_else(|| self.stage.vault.clone());
        let credit = match (back, self.random.below(4)) {
            (true, 0..2) => self.random.pick(&self.stage.places).map(|place| place.id.clone()),
            _ => self.foreign().map(|place| place.id),
        };
        let amount = i64::try_from(1 + self.random.below(USUAL)).unwrap_or(1);
        let mut exchange = Exchange::of(&debit, &credit.unwrap_or_else(|| self.stage.changing.id.clone()), amount);
        if exchange.debit == exchange.credit {
            exchange.credit = self.stage.changing.id.clone();
        }
        if self.random.one_in(3) {
            exchange.rate = self.rates.get(&(exchange.debit.clone(), exchange.credit.clone())).cloned();
        }
        if let (Some(rate), true) = (&mut exchange.rate, self.random.one_in(4)) {
            // Another spelling of the same.
            let tail = rate.split_once('.').map_or(".0", |(_, digits)| if digits.len() < 12 { "0" } else { "" });
            rate.push_str(tail);
        }
        exchange
    }

    /// Spoils an exchange in one way.
    fn with_other_fault(&mut self, mut exchange: Exchange) -> Exchange {
        let stage = &self.stage;
        match self.random.below(21) {
            0 => exchange.amount = 0,
            1 => exchange.amount = i64::try_from(MOST + 1).unwrap_or(i64::MAX),
            2 => exchange.credit = exchange.debit.clone(),
            3 => exchange.debit = stage.nobodys.clone(),
            4 => exchange.debit = stage.full.id.clone(),
            5 => exchange.credit = stage.nobodys.clone(),
            6 => exchange.credit = stage.vault.clone(),
            7 | 17 | 18 => exchange.rate = Some("7.000000000007".to_owned()),
            8 => exchange.amount = 1,
            9 => exchange.amount = i64::try_from(MOST).unwrap_or(i64::MAX),
            10 => exchange.credit = stage.closed.id.clone(),
            11 => exchange.credit = stage.full.id.clone(),
            12 => exchange.credit = stage.capped.id.clone(),
            13 => exchange.debit = stage.changing.id.clone(),
            14 | 19 | 20 => {
                let till = stage.market.tills.get(1);
                exchange.credit = till.map_or_else(|| stage.vault.clone(), |till| till.drawer.clone());
            }
            15 => exchange.rate = self.random.pick(&NO_RATES).map(|rate| (*rate).to_owned()),
            _ => exchange.spoiled = self.random.pick(&[Spoil::AmountIsText, Spoil::UnknownMember]).copied(),
        }
        exchange
    }

    /// A new rate, with a key or without; now and then one that may not be.
    pub(super) fn set_rate(&mut self) -> Request {
        let mut rate = self.sound_rate();
        let mut who = self.stage.treasurer.clone();
        let other = |till: Option<&Till>| till.map(|till| till.drawer.clone()).unwrap_or_default();
        match self.random.below(24) {
            0 => who = self.stage.admin.clone(),
            1 => who = self.random.pick(&self.stage.customers).cloned().unwrap_or(who),
            2 => rate.quote = rate.base.clone(),
            3 => rate.rounding_account = rate.quote_account.clone(),
            4 => rate.valid_until = Some(self.stage.market.opened),
            5 => rate.base_account = self.stage.nobodys.clone(),
            6 => rate.quote_account = self.stage.places.first().map(|place| place.id.clone()).unwrap_or_default(),
            7 => rate.base_account = other(self.stage.market.tills.iter().find(|till| till.currency != rate.base)),
            8 => rate.rate = self.random.pick(&NO_RATES).map(|rate| (*rate).to_owned()).unwrap_or_default(),
            _ => {}
        }
        let key = self.random.one_in(2).then(|| self.key());
        self.keep(Request { who, key, dry_run: false, seen: None, command: Command::SetRate(rate) })
    }

    /// A rate between two currencies that are neighbours in a circle; between others there is never any.
    pub(super) fn sound_rate(&mut self) -> NewRate {
        let tills = self.stage.market.tills.clone();
        let count = tills.len();
        let at = usize::try_from(self.random.below(count as u64)).unwrap_or_default();
        let next = (at + if self.random.one_in(2) { 1 } else { count - 1 }) % count;
        let (base, quote) = (&tills[at], &tills[next]);
        let [one, other] = &quote.rounding;
        let rounding = if self.random.one_in(4) { other } else { one };
        // Those at the end are rare: at them nobody gets anything.
        let most = if self.random.one_in(8) { RATES.len() } else { RATES.len() - 2 };
        let rate = self.random.pick(RATES.get(..most).unwrap_or_default()).copied().unwrap_or("1");
        let until = self.random.one_in(4).then(|| 1 + self.random.below(30));
        let until = until.and_then(|seconds| i64::try_from(seconds * 1_000_000).ok());
        NewRate {
            base: base.currency.clone(),
            quote: quote.currency.clone(),
            rate: rate.to_owned(),
            base_account: base.drawer.clone(),
            quote_account: quote.drawer.clone(),
            rounding_account: rounding.clone(),
            valid_until: until.map(|until| self.stage.market.opened + until),
        }
    }

    /// A customer's account in another currency.
    pub(super) fn foreign(&mut self) -> Option<Place> {
        self.random.pick(&self.stage.market.foreign).map(|(place, _)| place.clone())
    }
}
