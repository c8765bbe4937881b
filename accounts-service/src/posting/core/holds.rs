//! Holds: what a pending transfer claims of its debit account. The transfer's row is written once; what became of the
//! claim stands here, and time counts without anybody writing it down.

use shared::domain::{AccountId, TransferId};

/// How a claim ended, or that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// Something is still claimed.
    Open,
    /// Something of it was booked.
    Posted,
    /// All of it was let go by somebody.
    Voided,
    /// All of it was let go by time.
    Expired,
}

/// A claim. Amounts are minor units, instants microseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The pending transfer.
    pub id: TransferId,
    /// Whose money it claims. Whatever changes a hold changes this account's `held`, so its version guards both.
    pub debit: AccountId,
    /// Who would get it.
    pub credit: AccountId,
    /// What was claimed at first.
    pub amount: i64,
    /// What of it was booked.
    pub posted: i64,
    /// What of it was let go.
    pub released: i64,
    /// When it lets go by itself.
    pub expires_at: Option<i64>,
    /// When it was counted against velocity limits.
    pub counted_at: i64,
    /// How it ended, as it is written.
    pub state: HoldState,
    /// When it ended.
    pub settled_at: Option<i64>,
}

/// How a hold stands at an instant, written down or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It claims so much.
    Open(i64),
    /// It ended by a post or a void.
    Settled,
    /// Time ended it, of whatever was left.
    Expired,
}

impl Hold {
    /// What it still claims, if it has not lapsed.
    #[must_use]
    pub const fn remaining(&self) -> i64 {
        self.amount - self.posted - self.released
    }

    /// Whether time has passed it by.
    #[must_use]
    pub fn lapsed(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    /// How it stands. One that time ended says so whether or not anybody has written it down yet.
    #[must_use]
    pub fn standing(&self, now: i64) -> Standing {
        let ended = self.settled_at.filter(|_| self.state != HoldState::Open);
        if self.lapsed(ended.unwrap_or(now)) {
            return Standing::Expired;
        }
        match self.state {
            HoldState::Open => Standing::Open(self.remaining()),
            HoldState::Posted | HoldState::Voided | HoldState::Expired => Standing::Settled,
        }
    }

    /// What is shown of it: what was booked of it makes it posted, however the rest ended.
    #[must_use]
    pub fn shown(&self, now: i64) -> HoldState {
        match self.state {
            HoldState::Open if self.lapsed(now) => self.lapse(now).state,
            HoldState::Open | HoldState::Posted | HoldState::Voided | HoldState::Expired => self.state,
        }
    }

    /// After `amount` of it was booked, and with `release` the rest let go.
    #[must_use]
    pub fn post(self, amount: i64, release: bool, now: i64) -> Self {
        let posted = Self { posted: self.posted + amount, ..self };
        let rest = if release { posted.remaining() } else { 0 };
        let after = Self { released: posted.released + rest, ..posted };
        if after.remaining() > 0 { after } else { Self { state: HoldState::Posted, settled_at: Some(now), ..after } }
    }

    /// After the rest was let go by somebody.
    #[must_use]
    pub fn void(self, now: i64) -> Self {
        self.end(HoldState::Voided, now)
    }

    /// After the rest was let go by time.
    #[must_use]
    pub fn lapse(self, now: i64) -> Self {
        self.end(HoldState::Expired, now)
    }

    fn end(self, how: HoldState, now: i64) -> Self {
        let state = if self.posted > 0 { HoldState::Posted } else { how };
        Self { released: self.amount - self.posted, state, settled_at: Some(now), ..self }
    }
}

/// What of an account's holds had lapsed when somebody looked.
///
/// They count no more at once, and all of them: that is a sum. Their rows are ended some at a time, for there may be any
/// number. Which rows `held` still counts is told by the account's `next_expiry`: no open hold that lapsed before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lapsed {
    /// When that was.
    pub at: i64,
    /// What those claim together that `held` still counts, in minor units.
    pub sum: i64,
    /// Lapsed holds whose rows are to be ended, of very many the oldest.
    pub holds: Vec<Hold>,
    /// When the next one lapses of those that have not.
    pub next: Option<i64>,
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn hold() -> Hold {
        Hold {
            id: Uuid::from_u128(1).into(),
            debit: Uuid::from_u128(2).into(),
            credit: Uuid::from_u128(3).into(),
            amount: 100,
            posted: 0,
            released: 0,
            expires_at: Some(1_000),
            counted_at: 0,
            state: HoldState::Open,
            settled_at: None,
        }
    }

    #[test]
    fn it_lapses_at_its_instant_and_not_before() {
        assert_eq!(hold().standing(999), Standing::Open(100));
        assert_eq!(hold().standing(1_000), Standing::Expired);
        assert_eq!((hold().shown(999), hold().shown(1_000)), (HoldState::Open, HoldState::Expired));
        let endless = Hold { expires_at: None, ..hold() };
        assert_eq!(endless.standing(i64::MAX), Standing::Open(100));
    }

    #[test]
    fn it_is_the_same_before_and_after_somebody_writes_it_down() {
        for posted in [0, 40] {
            let open = Hold { posted, ..hold() };
            let written = open.lapse(5_000);
            assert_eq!(open.standing(5_000), written.standing(5_000));
            assert_eq!(open.shown(5_000), written.shown(5_000));
            assert_eq!(written.remaining(), 0);
        }
    }

    #[test]
    fn parts_are_booked_until_nothing_is_left() {
        let part = hold().post(30, false, 1);
        assert_eq!((part.standing(2), part.shown(2)), (Standing::Open(70), HoldState::Open));
        let whole = part.post(70, false, 2);
        assert_eq!((whole.standing(3), whole.shown(3)), (Standing::Settled, HoldState::Posted));
        let released = part.post(30, true, 2);
        assert_eq!((released.posted, released.released, released.state), (60, 40, HoldState::Posted));
        // Settled before its time came: it has not expired since.
        assert_eq!(released.standing(2_000), Standing::Settled);
    }

    #[test]
    fn what_was_booked_makes_it_posted_however_the_rest_ends() {
        assert_eq!(hold().void(1).state, HoldState::Voided);
        assert_eq!(hold().post(1, false, 1).void(2).state, HoldState::Posted);
        assert_eq!(hold().post(1, false, 1).shown(1_000), HoldState::Posted);
        assert_eq!(hold().void(1).standing(2), Standing::Settled);
    }
}
