//! An exchange: two transfers in two currencies, and a third when rounding has gathered a whole unit; all or none.

use std::sync::Arc;

use shared::domain::{AccountId, Amount, Currency, ExchangeId, ExchangeRateId, TransferId, UserId};

use super::command::Command;
use super::decide::{apply, decide};
use super::decline::{Decline, Stop};
use super::draft::{Decided, Draft, Memo};
use super::effect::Effect;
use super::order::Order;
use super::state::{Need, State};
use crate::exchange::rate::{Rate, Remainder, Unpayable, Worth};

/// A wish to pay in one currency and have its worth arrive in another.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// The id it gets if it is made.
    pub id: ExchangeId,
    /// Those of its transfers: what is paid, what is received, what rounding has gathered.
    pub transfers: [TransferId; 3],
    /// The account that pays.
    pub debit: AccountId,
    /// The account that receives.
    pub credit: AccountId,
    /// How much is paid, in minor units.
    pub amount: Amount,
    /// Who asks.
    pub by: UserId,
    /// Whether they may debit system accounts: treasurers may.
    pub treasurer: bool,
    /// The currencies of both accounts, which never change; none when there is no such account.
    pub pair: Option<Pair>,
    /// The rate that the client counts on.
    pub asked: Option<Rate>,
}

/// What is paid in, and what is received in.
pub type Pair = (Currency, Currency);

/// The newest rate of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Which.
    pub id: ExchangeRateId,
    /// Units of the second currency for one of the first.
    pub rate: Rate,
    /// Where the first is paid to.
    pub base: AccountId,
    /// Where the second comes from.
    pub quote: AccountId,
    /// Where what rounding takes is booked.
    pub rounding: AccountId,
    /// When it lapses, in microseconds since the epoch.
    pub valid_until: Option<i64>,
}

/// An exchange that is made, or in a dry run would be.
#[derive(Clone, Debug)]
pub struct Exchanged {
    /// The rate it was made at.
    pub newest: Newest,
    /// What is paid.
    pub paid: (Arc<Decided>, Effect),
    /// What is received.
    pub received: (Arc<Decided>, Effect),
    /// What rounding has gathered, when that is a whole unit.
    pub rounding: Option<(Arc<Decided>, Effect)>,
    /// What rounding took this time.
    pub remainder: Remainder,
    /// What it has gathered and not booked, after.
    pub carry: Remainder,
}

/// Why an exchange is not made: those of one transfer in the order of its checks, see [`super::checks::EXCHANGE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What is paid cannot be paid: all that a transfer can be declined for.
    Paid(Decline),
    /// Both accounts have one currency.
    OneCurrency,
    /// The account that pays or receives is the rate's own.
    OwnAccount,
    /// There is no rate in force.
    NoRate,
    /// Another rate is in force than the client counts on.
    OtherRate(Rate),
    /// What would arrive is no amount.
    Unpayable(Unpayable),
    /// What is received cannot be paid out.
    Received(Decline),
    /// What rounding has gathered cannot be booked.
    Rounding(Decline),
}

/// Why an exchange was not decided in its favour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// It was judged, and refused.
    Refused(Refusal),
    /// It was not judged: the state does not know this yet.
    Missing(Need),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Need> for Halt {
    fn from(need: Need) -> Self {
        Self::Missing(need)
    }
}

impl Exchange {
    /// What it is plain before judging that the decision rests on. Whose rate is known rests on that rate's accounts, too.
    pub fn needs(&self) -> impl Iterator<Item = Need> + use<> {
        let accounts = [Need::Account(self.debit), Need::Account(self.credit)];
        accounts.into_iter().chain(self.pair.map(Need::Rate))
    }
}

impl Newest {
    /// What an exchange at this rate rests on.
    pub fn needs(&self) -> impl Iterator<Item = Need> + use<> {
        let accounts = [self.base, self.quote, self.rounding].map(Need::Account);
        accounts.into_iter().chain([Need::Carry(self.rounding)])
    }
}

/// Judges an exchange at an instant in microseconds since the epoch, and puts what was decided into the state. What is not
/// made changes nothing.
pub fn exchange(state: &mut State, wish: &Exchange, now: i64) -> Result<Exchanged, Halt> {
    let before = state.mark();
    let exchanged = attempt(state, wish, now);
    if exchanged.is_err() {
        state.undo_to(before);
    }
    exchanged
}

fn attempt(state: &mut State, wish: &Exchange, now: i64) -> Result<Exchanged, Halt> {
    let (pair, newest) = rate(state, wish, now)?;
    let worth = newest.rate.worth(wish.amount, pair).map_err(Refusal::Unpayable)?;
    if wish.debit == newest.base || wish.credit == newest.quote {
        return Err(Refusal::OwnAccount.into());
    }
    let Worth { received, remainder } = worth;
    let carried = state.carry(newest.rounding)?.copied().unwrap_or_default();
    let (gathered, carry) = carried.and(remainder);

    let [paid_id, received_id, rounding_id] = wish.transfers;
    let order = Leg { sides: (wish.debit, newest.base), amount: wish.amount, currency: pair.0, by: wish.by };
    let paid = order.post(state, paid_id, wish.treasurer, now, Refusal::Paid)?;
    // The house pays what its treasurer has set the rate for.
    let order = Leg { sides: (newest.quote, wish.credit), amount: received, currency: pair.1, by: wish.by };
    let received = order.post(state, received_id, true, now, Refusal::Received)?;
    let rounding = match Amount::try_from(gathered) {
        Ok(amount) => {
            let order = Leg { sides: (newest.quote, newest.rounding), amount, currency: pair.1, by: wish.by };
            Some(order.post(state, rounding_id, true, now, Refusal::Rounding)?)
        }
        Err(_less_than_a_unit) => None,
    };
    state.carries.set(newest.rounding, carry);
    Ok(Exchanged { newest, paid, received, rounding, remainder, carry })
}

/// The accounts' currencies and the rate in force between them. Whose account it is comes first: nobody learns anything
/// of another's.
fn rate(state: &State, wish: &Exchange, now: i64) -> Result<(Pair, Newest), Halt> {
    let debit = state.account(wish.debit)?.filter(|account| account.may_be_debited(wish.by, wish.treasurer));
    let debit = debit.ok_or(Refusal::Paid(Decline::DebitAccountNotFound))?;
    let credit = state.account(wish.credit)?.ok_or(Refusal::Paid(Decline::CreditAccountNotFound))?;
    // Nobody could look its rate up: when the currencies were asked for, one of the accounts was not to be seen yet.
    if wish.pair.is_none() {
        return Err(Refusal::Paid(Decline::DebitAccountNotFound).into());
    }
    let pair = (debit.currency, credit.currency);
    if pair.0 == pair.1 {
        return Err(Refusal::OneCurrency.into());
    }
    let newest = *state.rate(pair)?.ok_or(Refusal::NoRate)?;
    if newest.valid_until.is_some_and(|until| until <= now) {
        return Err(Refusal::NoRate.into());
    }
    if wish.asked.is_some_and(|asked| asked != newest.rate) {
        return Err(Refusal::OtherRate(newest.rate).into());
    }
    Ok((pair, newest))
}

/// One of an exchange's transfers.
struct Leg {
    sides: (AccountId, AccountId),
    amount: Amount,
    currency: Currency,
    by: UserId,
}

impl Leg {
    fn post(
        self,
        state: &mut State,
        id: TransferId,
        treasurer: bool,
        now: i64,
        refused: fn(Decline) -> Refusal,
    ) -> Result<(Arc<Decided>, Effect), Halt> {
        let order = Order::new(self.sides, self.amount, self.currency, self.by);
        let mut order = order.map_err(|_| Refusal::OwnAccount)?;
        order.treasurer = treasurer;
        let draft = Draft { id, command: Command::Transfer(order), memo: Memo::default() };
        let effect = decide(state, &draft, now).map_err(|stop| match stop {
            Stop::Declined(decline) => Halt::Refused(refused(decline)),
            Stop::Missing(need) => Halt::Missing(need),
        })?;
        apply(state, &effect);
        Ok((Arc::new(Decided { record: effect.record, memo: Memo::default() }), effect))
    }
}

#[cfg(test)]
mod tests;
