//! What exchanges read and write besides transfers, in the same transaction: the newest rates, what rounding has gathered,
//! and the exchange itself with its event.
//!
//! Only on the careful way. Rates are found before the accounts are locked, because they name some of them; what rounding has
//! gathered is locked after the accounts and before the chain's head; and the rates are looked at once more under the
//! head's lock, which whoever sets a rate takes too: after a new rate is answered, nothing is exchanged at the old one.

pub(super) mod postgres;
pub(super) mod sqlite;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use shared::domain::{AccountId, ExchangeId};
use uuid::Uuid;

use super::core::{Decided, Effect, Exchange, Exchanged, Need, Newest, Pair, State};
use super::rows::TransferRow;
use crate::exchange::rate::Remainder;

/// What the stored outcome of an exchange begins with; its id follows. No body of an answer begins so.
const MADE: u8 = 0x02;

/// What was looked up for exchanges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rates {
    /// The newest rate of each pair that has any.
    pub newest: Vec<(Pair, Newest)>,
    /// What rounding has gathered, by account.
    pub carries: Vec<(AccountId, Remainder)>,
}

/// An exchange that was decided.
#[derive(Clone, Debug)]
pub(super) struct ExchangeRow {
    pub wish: Arc<Exchange>,
    pub exchanged: Exchanged,
}

impl ExchangeRow {
    /// Its transfers, in their order.
    pub fn transfers(&self) -> impl Iterator<Item = TransferRow> {
        let Exchanged { paid, received, rounding, .. } = &self.exchanged;
        let row = |(decided, effect): &(Arc<Decided>, Effect)| TransferRow {
            decided: Arc::clone(decided),
            posting: effect.posting(),
        };
        [Some(paid), Some(received), rounding.as_ref()].into_iter().flatten().map(row)
    }

    /// It may only commit before this instant.
    pub fn not_after(&self) -> Option<i64> {
        let Exchanged { newest, paid, received, rounding, .. } = &self.exchanged;
        let effects = [Some(paid), Some(received), rounding.as_ref()].into_iter().flatten();
        let lapse = effects.map(|(_, effect)| effect.not_after()).chain([newest.valid_until]);
        lapse.flatten().min()
    }

    /// What the event tells.
    fn event(&self) -> String {
        let Exchanged { newest, paid, received, rounding, remainder, .. } = &self.exchanged;
        let id = |(decided, _): &(Arc<Decided>, Effect)| decided.record.id;
        let event = json!({
            "id": self.wish.id, "rate_id": newest.id, "rate": newest.rate, "paid_transfer_id": id(paid),
            "received_transfer_id": id(received), "rounding_transfer_id": rounding.as_ref().map(id),
            "remainder": remainder.to_string(),
        });
        event.to_string()
    }

    fn rounding(&self) -> Option<Uuid> {
        self.exchanged.rounding.as_ref().map(|(decided, _)| decided.record.id.as_uuid())
    }
}

/// The outcome of an exchange that was made, as its key keeps it: it is rendered again from its rows.
pub(super) fn made(id: ExchangeId) -> Bytes {
    let mut body = vec![MADE];
    body.extend(id.as_uuid().as_bytes());
    body.into()
}

/// The exchange that a stored outcome names.
#[must_use]
pub fn made_exchange(body: &[u8]) -> Option<ExchangeId> {
    let (first, id) = body.split_first()?;
    let id = Uuid::from_slice(id).ok()?;
    (*first == MADE).then(|| id.into())
}

/// The pairs among `needs`, each once.
pub(super) fn pairs(needs: &[Need]) -> Vec<Pair> {
    let pairs = needs.iter().filter_map(|need| match need {
        Need::Rate(pair) => Some(*pair),
        Need::Account(_)
        | Need::Original(_)
        | Need::Hold(_)
        | Need::Reversal(_)
        | Need::Reference(_)
        | Need::Windows(_)
        | Need::Lapsed(..)
        | Need::Carry(_) => None,
    });
    pairs.collect::<BTreeSet<_>>().into_iter().collect()
}

impl Rates {
    /// What was asked for, with the accounts that these rates name and what is gathered for them.
    pub fn and(&self, needs: &[Need]) -> Vec<Need> {
        needs.iter().cloned().chain(self.newest.iter().flat_map(|(_, newest)| newest.needs())).collect()
    }

    /// The accounts that rounding is booked to, in the order in which they are locked everywhere.
    pub fn rounding(&self) -> Vec<Uuid> {
        let accounts = self.newest.iter().map(|(_, newest)| newest.rounding.as_uuid());
        accounts.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Tells `state`.
    pub fn teach(self, state: &mut State) {
        self.newest.into_iter().for_each(|(pair, newest)| state.rates.learn(pair, Some(newest)));
        self.carries.into_iter().for_each(|(id, carry)| state.carries.learn(id, Some(carry)));
    }
}

/// Reads a rate from a row of either back-end: the columns that `RATES` names, in that order.
macro_rules! read_rate {
    ($row:expr) => {{
        let row = $row;
        let text = |column: usize| row.try_get::<String, _>(column);
        let id = |column: usize| row.try_get::<Uuid, _>(column);
        let currency = |text: String| text.parse().map_err(|_| CommitError::Corrupt("exchange_rates.base"));
        let newest = Newest {
            id: id(2)?.into(),
            rate: text(3)?.parse().map_err(|_| CommitError::Corrupt("exchange_rates.rate"))?,
            base: id(4)?.into(),
            quote: id(5)?.into(),
            rounding: id(6)?.into(),
            valid_until: row.try_get(7)?,
        };
        ((currency(text(0)?)?, currency(text(1)?)?), newest)
    }};
}
use read_rate;

/// Reads what rounding has gathered: an account and its grains.
macro_rules! read_carry {
    ($row:expr) => {{
        let row = $row;
        let grains = Remainder::of(row.try_get::<i64, _>(1)?.into());
        let id: Uuid = row.try_get(0)?;
        (AccountId::from(id), grains.ok_or(CommitError::Corrupt("exchange_carries.grains"))?)
    }};
}
use read_carry;
