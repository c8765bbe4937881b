//! What is known when a command is decided: rows as the database holds them, with what this batch has decided on top.

use shared::domain::{AccountId, TransferId};

use super::account::Account;
use super::besides::{Reference, Reversal};
use super::draft::Decided;
use super::exchange::{Newest, Pair};
use super::holds::{Hold, Lapsed};
use super::table::{Known, Table};
use super::velocity::Window;
use crate::exchange::rate::Remainder;

/// Something that a decision rests on and that nobody has looked up yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// An account.
    Account(AccountId),
    /// The newest rate between two currencies.
    Rate(Pair),
    /// What rounding has gathered for an account.
    Carry(AccountId),
    /// A transfer that a command names.
    Original(TransferId),
    /// What has become of a pending transfer.
    Hold(TransferId),
    /// How much of a transfer was paid back.
    Reversal(TransferId),
    /// Whether a reference is taken.
    Reference(Reference),
    /// An account's limits, and what counts against them.
    Windows(AccountId),
    /// An account's holds that have lapsed by an instant.
    Lapsed(AccountId, i64),
}

/// A place in the journal, to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    accounts: usize,
    holds: usize,
    reversals: usize,
    references: usize,
    windows: usize,
    carries: usize,
}

/// One table per kind of row. Whoever adds one names it in [`State::mark`], [`State::undo_to`] and [`State::settle`],
/// and gets atomic batches, dry runs and failed commits for nothing.
///
/// Only accounts are remembered from one batch to the next. What else changes is guarded by the version of an account,
/// so it has to be looked up after that account, and never while another batch of ours is on its way.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Accounts.
    pub accounts: Table<AccountId, Account>,
    /// Transfers that commands name. They never change.
    pub originals: Table<TransferId, Decided>,
    /// What has become of pending ones; guarded by the debit account.
    pub holds: Table<TransferId, Hold>,
    /// What was paid back of posted ones; guarded by either account.
    pub reversals: Table<TransferId, Reversal>,
    /// References that are taken; guarded by their own uniqueness.
    pub references: Table<Reference, TransferId>,
    /// Limits of accounts; guarded by the account.
    pub windows: Table<AccountId, Vec<Window>>,
    /// Lapsed holds of accounts; guarded by the account.
    pub lapsed: Table<AccountId, Lapsed>,
    /// The newest rates; whoever sets one holds the chain's head.
    pub rates: Table<Pair, Newest>,
    /// What rounding has gathered and not booked, by the account that it is booked to; locked.
    pub carries: Table<AccountId, Remainder>,
}

impl State {
    /// An account, or its absence; what is missing when nobody has looked.
    pub fn account(&self, id: AccountId) -> Result<Option<&Account>, Need> {
        self.accounts.get(&id).or(Need::Account(id))
    }

    /// A transfer that a command names.
    pub fn original(&self, id: TransferId) -> Result<Option<&Decided>, Need> {
        self.originals.get(&id).or(Need::Original(id))
    }

    /// What has become of a pending transfer.
    pub fn hold(&self, id: TransferId) -> Result<Option<&Hold>, Need> {
        self.holds.get(&id).or(Need::Hold(id))
    }

    /// What was paid back of a transfer.
    pub fn reversal(&self, id: TransferId) -> Result<Option<&Reversal>, Need> {
        self.reversals.get(&id).or(Need::Reversal(id))
    }

    /// Whose a reference is.
    pub fn reference(&self, reference: &Reference) -> Result<Option<&TransferId>, Need> {
        let known = self.references.get(reference);
        known.or(()).map_err(|()| Need::Reference(reference.clone()))
    }

    /// An account's limits.
    pub fn windows(&self, id: AccountId) -> Result<&[Window], Need> {
        Ok(self.windows.get(&id).or(Need::Windows(id))?.map_or(&[], Vec::as_slice))
    }

    /// An account's holds that have lapsed by `now`.
    pub fn lapsed(&self, id: AccountId, now: i64) -> Result<&Lapsed, Need> {
        match self.lapsed.get(&id) {
            Known::Here(lapsed) if lapsed.at == now => Ok(lapsed),
            Known::Here(_) | Known::Absent | Known::Unknown => Err(Need::Lapsed(id, now)),
        }
    }

    /// The newest rate between two currencies, or its absence; what is missing when nobody has looked.
    pub fn rate(&self, pair: Pair) -> Result<Option<&Newest>, Need> {
        self.rates.get(&pair).or(Need::Rate(pair))
    }

    /// What rounding has gathered for an account.
    pub fn carry(&self, id: AccountId) -> Result<Option<&Remainder>, Need> {
        self.carries.get(&id).or(Need::Carry(id))
    }

    /// The accounts that a need is about: the sides of a transfer that is known.
    pub fn accounts_of(&self, need: &Need) -> impl Iterator<Item = AccountId> + use<> {
        let sides = match need {
            Need::Account(id) => [Some(*id), None],
            Need::Original(id) => {
                let record = self.originals.row(id).map(|original| original.record);
                [record.map(|record| record.debit), record.map(|record| record.credit)]
            }
            Need::Hold(_)
            | Need::Reversal(_)
            | Need::Reference(_)
            | Need::Windows(_)
            | Need::Lapsed(..)
            | Need::Rate(_)
            | Need::Carry(_) => [None, None],
        };
        sides.into_iter().flatten()
    }

    /// Whether this has been looked up.
    #[must_use]
    pub fn knows(&self, need: &Need) -> bool {
        match need {
            Need::Account(id) => self.accounts.get(id) != Known::Unknown,
            Need::Original(id) => !matches!(self.originals.get(id), Known::Unknown),
            Need::Hold(id) => self.holds.get(id) != Known::Unknown,
            Need::Reversal(id) => self.reversals.get(id) != Known::Unknown,
            Need::Reference(reference) => self.references.get(reference) != Known::Unknown,
            Need::Windows(id) => self.windows.get(id) != Known::Unknown,
            Need::Lapsed(id, now) => self.lapsed(*id, *now).is_ok(),
            Need::Rate(pair) => self.rates.get(pair) != Known::Unknown,
            Need::Carry(id) => self.carries.get(id) != Known::Unknown,
        }
    }

    /// Forgets an account, so that it is looked up before it is used.
    pub fn forget(&mut self, id: AccountId) {
        self.accounts.forget(&id);
    }

    /// Forgets everything that was decided and never committed, and whatever else is not for another attempt.
    pub fn forget_changed(&mut self) {
        self.accounts.forget_changed();
        self.forget_rare();
    }

    /// Where the journal is now.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            accounts: self.accounts.mark(),
            holds: self.holds.mark(),
            reversals: self.reversals.mark(),
            references: self.references.mark(),
            windows: self.windows.mark(),
            carries: self.carries.mark(),
        }
    }

    /// Takes back everything that was decided since.
    pub fn undo_to(&mut self, mark: Mark) {
        self.accounts.undo_to(mark.accounts);
        self.holds.undo_to(mark.holds);
        self.reversals.undo_to(mark.reversals);
        self.references.undo_to(mark.references);
        self.windows.undo_to(mark.windows);
        self.carries.undo_to(mark.carries);
    }

    /// What was decided is what the database holds now.
    pub fn settle(&mut self) {
        self.accounts.settle();
        self.forget_rare();
    }

    fn forget_rare(&mut self) {
        let Self { accounts: _, originals, holds, reversals, references, windows, lapsed, rates, carries } = self;
        originals.clear();
        holds.clear();
        reversals.clear();
        references.clear();
        windows.clear();
        lapsed.clear();
        rates.clear();
        carries.clear();
    }
}
