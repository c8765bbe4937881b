//! What a command changes besides two accounts. Plain transfers change nothing here, and cost nothing for it.

use std::sync::Arc;

use shared::domain::{AccountId, TransferId, UserId};

use super::account::Account;
use super::draft::Memo;
use super::holds::Hold;
use super::state::{Need, State};
use super::velocity::Window;

/// A client's own reference, taken by whoever owns the debit account. It is never free again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The debit account's owner.
    pub owner: UserId,
    /// As the client wrote it.
    pub text: Arc<str>,
}

/// How much of a posted transfer was paid back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reversal {
    /// The transfer.
    pub id: TransferId,
    /// What it moved, in minor units.
    pub amount: i64,
    /// What of it came back.
    pub reversed: i64,
}

/// Everything else that an effect leaves behind, and until when it may be decided so.
#[derive(Clone, Debug, Default)]
pub struct Besides {
    /// Holds that are made, changed or ended.
    pub holds: Vec<Hold>,
    /// What was paid back of the transfer that is reversed.
    pub reversal: Option<Reversal>,
    /// The reference that is taken.
    pub reference: Option<Reference>,
    /// The debit account's windows as they are after.
    pub windows: Option<Vec<Window>>,
    /// What is carried along instead of what the wish carries.
    pub memo: Option<Memo>,
    /// The instant from which all this would have been decided otherwise, in microseconds since the epoch.
    pub not_after: Option<i64>,
}

impl Besides {
    /// Whether it is nothing.
    pub(super) fn is_empty(&self) -> bool {
        let Self { holds, reversal, reference, windows, memo, not_after } = self;
        holds.is_empty()
            && reversal.is_none()
            && reference.is_none()
            && windows.is_none()
            && memo.is_none()
            && not_after.is_none()
    }

    /// The account without any of the claims that time has ended. Their rows are ended here as far as they were looked up;
    /// the others' is whoever's comes by next.
    pub(super) fn freed(&mut self, state: &State, account: Account, now: i64) -> Result<Account, Need> {
        if account.next_expiry.is_none_or(|next| next > now) {
            return Ok(account);
        }
        self.write_down(state, &account, now)?;
        let lapsed = state.lapsed(account.id, now)?;
        Ok(Account { held: account.held - lapsed.sum, next_expiry: lapsed.next, ..account })
    }

    /// Ends the rows of lapsed holds that were looked up.
    pub(super) fn write_down(&mut self, state: &State, account: &Account, now: i64) -> Result<(), Need> {
        for hold in &state.lapsed(account.id, now)?.holds {
            self.end(state, account, (*hold, hold.lapse(now)), now)?;
        }
        Ok(())
    }

    /// Replaces a hold of `account`, and gives back to its windows what is let go.
    pub(super) fn end(
        &mut self,
        state: &State,
        account: &Account,
        (before, after): (Hold, Hold),
        now: i64,
    ) -> Result<(), Need> {
        let released = after.released - before.released;
        if released > 0 && account.limited {
            let whole = after.released == after.amount;
            for window in self.windows(state, account)? {
                let slice = window.without(released, whole, before.counted_at, now);
                slice.into_iter().for_each(|slice| window.put(slice));
            }
        }
        self.holds.push(after);
        Ok(())
    }

    /// Counts a debit of `amount`. `false` when a limit does not admit it.
    pub(super) fn count(&mut self, state: &State, account: &Account, amount: i64, now: i64) -> Result<bool, Need> {
        if !account.limited {
            return Ok(true);
        }
        let windows = self.windows(state, account)?;
        if !windows.iter().all(|window| window.admits(amount, now)) {
            return Ok(false);
        }
        let mut end = i64::MAX;
        for window in windows {
            window.put(window.with(amount, now));
            end = end.min(window.limit.slice_end(now));
        }
        self.only_before(end);
        Ok(true)
    }

    /// A new hold. It may not have lapsed before it is written.
    pub(super) fn hold(&mut self, hold: Hold) {
        hold.expires_at.into_iter().for_each(|end| self.only_before(end));
        self.holds.push(hold);
    }

    /// Puts all this into the state of `account`, but for the reference, which is the transfer's.
    pub(super) fn apply(&self, state: &mut State, account: AccountId) {
        self.holds.iter().for_each(|hold| state.holds.set(hold.id, *hold));
        self.reversal.into_iter().for_each(|reversal| state.reversals.set(reversal.id, reversal));
        if let Some(windows) = &self.windows {
            state.windows.set(account, windows.clone());
        }
    }

    /// What is decided here holds only before `end`.
    pub(super) fn only_before(&mut self, end: i64) {
        self.not_after = Some(self.not_after.map_or(end, |earlier| earlier.min(end)));
    }

    fn windows(&mut self, state: &State, account: &Account) -> Result<&mut Vec<Window>, Need> {
        let known = match self.windows.take() {
            Some(windows) => windows,
            None => state.windows(account.id)?.to_vec(),
        };
        Ok(self.windows.insert(known))
    }
}
