//! Exchanges as the contract and DECISIONS 75 tell them: the newest rate of a pair, what an amount is worth at it rounded
//! down, and what that takes, gathered until it is a whole unit. Rates are counted in 10^-12ths, remainders in 10^-18ths.

use std::fmt;

use super::reading::Reading;
use super::rules::{Ordered, is_theirs, out_of_range};
use super::{Account, Ledger, MOST, Status};
use crate::ledger::command::{Caller, Exchange, NewRate, Order, Role};
use crate::ledger::history::Worth;

/// Digits after a rate's point, and before it.
const DIGITS: usize = 12;

/// One, as rates are counted.
const ONE: i128 = 1_000_000_000_000;

/// A minor unit, as remainders are counted.
pub const UNIT: i128 = 1_000_000_000_000_000_000;

/// A decimal above zero with at most twelve digits before the point and twelve after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal(i128);

impl Decimal {
    /// Reads one digit after the other; there is one spelling of what stands before the point.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mut value, mut before, mut after) = (0_i128, 0, None);
        for letter in text.chars() {
            match (letter.to_digit(10), &mut after) {
                (Some(digit), None) => {
                    if before == 1 && value == 0 {
                        return None;
                    }
                    (value, before) = (value * 10 + i128::from(digit), before + 1);
                }
                (Some(digit), Some(places)) => (value, *places) = (value * 10 + i128::from(digit), *places + 1),
                (None, None) if letter == '.' => after = Some(0),
                (None, _) => return None,
            }
            if before > DIGITS || after > Some(DIGITS) {
                return None;
            }
        }
        let places = u32::try_from(DIGITS - after.unwrap_or_default()).ok()?;
        let sound = before > 0 && after != Some(0) && value > 0;
        sound.then(|| Self(value * 10_i128.pow(places)))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal(self.0, ONE))
    }
}

/// So many of what `one` has, without zeros at the end.
fn decimal(count: i128, one: i128) -> String {
    let (whole, mut rest, mut text) = (count / one, count % one, String::new());
    while rest > 0 {
        rest *= 10;
        text.push(char::from(b'0' + u8::try_from(rest / one).unwrap_or_default()));
        rest %= one;
    }
    if text.is_empty() { whole.to_string() } else { format!("{whole}.{text}") }
}

/// How many decimals a currency has (ISO 4217), of those that are met here.
fn decimals(currency: &str) -> u32 {
    match currency {
        "JPY" => 0,
        "KWD" => 3,
        _ => 2,
    }
}

/// A rate that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// Its id.
    pub id: String,
    /// What is paid in, and what is received in.
    pub pair: (String, String),
    /// Major units of the second for one of the first.
    pub value: Decimal,
    /// Where the first is paid to.
    pub base: String,
    /// Where the second comes from.
    pub quote: String,
    /// Where what rounding takes is booked.
    pub rounding: String,
    /// When it lapses, in microseconds since the epoch.
    pub valid_until: Option<i64>,
}

impl Rate {
    /// What an amount is worth: whole minor units, and what rounding down takes. `None`: nothing that can be paid.
    fn worth(&self, amount: i128) -> Option<(i128, i128)> {
        // What does not fit into 128 bits is more than 10^38 / 10^16 minor units.
        let scale = ONE * 10_i128.pow(decimals(&self.pair.0));
        let worth = amount.checked_mul(self.value.0)?.checked_mul(10_i128.pow(decimals(&self.pair.1)))?;
        let (whole, rest) = (worth / scale, worth % scale);
        (1..=MOST).contains(&whole).then(|| (whole, rest * (UNIT / scale)))
    }
}

/// An exchange that the rules allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deal {
    /// What its client is told.
    pub worth: Worth,
    /// Its transfers in their order: what is paid, what is received, and a whole unit that rounding has gathered.
    pub legs: Vec<Order>,
    /// What rounding takes.
    pub remainder: i128,
    /// Where that is booked.
    pub rounding: String,
    /// What has gathered there and is not booked, after.
    pub carry: i128,
}

/// A code, and when it is the answer to an exchange.
type OnExchange = (&'static str, fn(&Traded<'_>) -> bool);

/// An exchange at an instant.
struct Traded<'a> {
    ledger: &'a Ledger,
    who: &'a Caller,
    exchange: &'a Exchange,
    now: i64,
}

/// Of an exchange, before its transfers are looked at.
const EXCHANGE: &[OnExchange] = &[
    ("amount_out_of_range", |case| out_of_range(case.exchange.amount)),
    ("accounts_must_be_different", |case| case.exchange.debit == case.exchange.credit),
    ("debit_account_not_found", |case| !case.debit().is_some_and(|account| is_theirs(case.who, account))),
    ("credit_account_not_found", |case| case.credit().is_none()),
    ("currencies_must_be_different", |case| {
        case.debit().map(|account| &account.currency) == case.credit().map(|account| &account.currency)
    }),
    ("no_exchange_rate", |case| case.rate().is_none()),
    ("exchange_rate_changed", |case| {
        let asked = case.exchange.rate.as_deref().map(Decimal::parse);
        asked.is_some_and(|asked| asked != case.rate().map(|rate| rate.value))
    }),
    ("exchange_amount_unpayable", |case| case.rate().is_some_and(|rate| rate.worth(case.amount()).is_none())),
    ("exchange_with_rate_account", |case| {
        case.rate().is_some_and(|rate| case.exchange.debit == rate.base || case.exchange.credit == rate.quote)
    }),
];

impl<'a> Traded<'a> {
    fn amount(&self) -> i128 {
        self.exchange.amount.into()
    }

    fn debit(&self) -> Option<&'a Account> {
        self.ledger.account(&self.exchange.debit)
    }

    fn credit(&self) -> Option<&'a Account> {
        self.ledger.account(&self.exchange.credit)
    }

    /// The newest of its pair, until it lapses, and never an older one.
    fn rate(&self) -> Option<&'a Rate> {
        let pair = (self.debit()?.currency.clone(), self.credit()?.currency.clone());
        self.ledger.rates.get(&pair).filter(|rate| rate.valid_until.is_none_or(|end| end > self.now))
    }
}

impl Ledger {
    /// A rate is in force from now on.
    pub fn set_rate(&mut self, rate: Rate) {
        self.rates.insert(rate.pair.clone(), rate);
    }

    /// What rounding has gathered for an account and not booked.
    #[must_use]
    pub fn carry(&self, account: &str) -> i128 {
        self.carries.get(account).copied().unwrap_or_default()
    }

    /// That is what rounding has gathered for an account.
    pub fn set_carry(&mut self, account: &str, carry: i128) {
        self.carries.insert(account.to_owned(), carry);
    }

    /// What an exchange comes to at `now`; the code of what is wrong with one whose body is sound. Nothing has changed
    /// afterwards.
    ///
    /// # Errors
    /// The first rule that forbids it: of the exchange, then of each of its transfers on what those before it left.
    pub fn deal(
        &mut self,
        who: &Caller,
        exchange: &Exchange,
        now: i64,
        reading: &Reading,
    ) -> Result<Deal, &'static str> {
        let case = Traded { ledger: self, who, exchange, now };
        if let Some((code, _)) = EXCHANGE.iter().find(|(_, holds)| holds(&case)) {
            return Err(code);
        }
        let deal = case.rate().and_then(|rate| self.drawn_up(exchange, rate)).ok_or("no_exchange_rate")?;
        let before = self.transfers().len();
        // What is paid is the client's; what is paid out is the bank's, by its treasurer's rate.
        let bank = Caller { role: Role::Treasurer, ..who.clone() };
        let mut wrong = None;
        for (number, leg) in deal.legs.iter().enumerate() {
            let by = if number == 0 { who } else { &bank };
            wrong = Ordered { ledger: self, who: by, order: leg, now, reading }.refusal();
            if wrong.is_some() {
                break;
            }
            self.enter(self.made(leg, format!("leg {number}"), now));
        }
        while self.transfers().len() > before {
            self.take_back();
        }
        wrong.map_or(Ok(deal), Err)
    }

    /// Its transfers, whether or not they can be made.
    fn drawn_up(&self, exchange: &Exchange, rate: &Rate) -> Option<Deal> {
        let (received, remainder) = rate.worth(exchange.amount.into())?;
        let gathered = self.carry(&rate.rounding) + remainder;
        let (booked, carry) = (i64::try_from(gathered / UNIT).ok()?, gathered % UNIT);
        let received = i64::try_from(received).ok()?;
        let leg = |debit: &str, credit: &str, amount, currency: &String| Order {
            currency: currency.clone(),
            ..Order::usd(debit, credit, amount)
        };
        let (base, quote) = &rate.pair;
        let mut legs = vec![
            leg(&exchange.debit, &rate.base, exchange.amount, base),
            leg(&rate.quote, &exchange.credit, received, quote),
        ];
        legs.extend((booked > 0).then(|| leg(&rate.quote, &rate.rounding, booked, quote)));
        let worth = Worth {
            rate_id: rate.id.clone(),
            rate: rate.value.to_string(),
            paid: exchange.amount,
            received,
            remainder: decimal(remainder, UNIT),
        };
        Some(Deal { worth, legs, remainder, rounding: rate.rounding.clone(), carry })
    }

    /// The code of what is wrong with a rate whose body is sound.
    #[must_use]
    pub fn rate_refusal(&self, who: &Caller, new: &NewRate, now: i64) -> Option<&'static str> {
        if !who.role.treasury() {
            return Some("forbidden");
        }
        let wrong = new.base == new.quote
            || new.quote_account == new.rounding_account
            || new.valid_until.is_some_and(|end| end <= now)
            || new.accounts().iter().any(|(id, currency)| {
                !self.account(id).is_some_and(|account| account.system && account.currency == **currency)
            })
            || self.not_open(new).next().is_some();
        wrong.then_some("validation_failed")
    }

    /// Those of a rate's accounts that are there and do not take part in anything.
    pub fn not_open<'a>(&self, new: &'a NewRate) -> impl Iterator<Item = &'a str> {
        let ids = new.accounts().map(|(id, _)| id.as_str()).into_iter();
        ids.filter(|id| self.account(id).is_some_and(|account| account.status != Status::Open))
    }
}

impl NewRate {
    /// Each of its accounts with the currency that it has to have.
    fn accounts(&self) -> [(&String, &String); 3] {
        let Self { base, quote, base_account, quote_account, rounding_account, .. } = self;
        [(base_account, base), (quote_account, quote), (rounding_account, quote)]
    }
}
