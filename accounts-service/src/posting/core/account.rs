//! Accounts as far as deciding is concerned.

use shared::domain::{AccountId, Currency, UserId};

/// What an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A customer's: what is available never goes below its floor, which is zero unless an officer has set another.
    User,
    /// The bank's own side of the books: has no floor, so that money can enter.
    System,
}

impl Kind {
    /// The word in JSON and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::User, Self::System].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Whether an account moves money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Debits and credits.
    Open,
    /// Credits only.
    Frozen,
    /// Neither, for ever.
    Closed,
}

impl Status {
    /// The word in JSON and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Frozen => "frozen",
            Self::Closed => "closed",
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Open, Self::Frozen, Self::Closed].into_iter().find(|status| status.as_str() == word)
    }
}

/// An account as far as posting is concerned. Amounts are minor units of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Which.
    pub id: AccountId,
    /// Who may debit it.
    pub owner: UserId,
    /// What it is for.
    pub kind: Kind,
    /// What it counts.
    pub currency: Currency,
    /// Whether it moves.
    pub status: Status,
    /// Everything posted.
    pub balance: i64,
    /// What pending debits claim of the balance.
    pub held: i64,
    /// The least that may be available; none: no bound but the range of exact integers.
    pub floor: Option<i64>,
    /// The most the balance may be.
    pub ceiling: Option<i64>,
    /// The number of its last entry; entries count from 1 without gaps.
    pub seq: i64,
    /// Counts every change of the row; what the commit checks the fold against.
    pub version: i64,
    /// When the first of the holds that `held` counts lapses, at the earliest, in microseconds since the epoch; none: none
    /// ever does. An open hold that lapsed before it has been counted off, though its row may not say so yet.
    pub next_expiry: Option<i64>,
    /// Whether it has velocity limits.
    pub limited: bool,
}

impl Account {
    /// After an entry of `by`. No overflow: balances and amounts are within 2^53, so sums are within 2^54.
    #[must_use]
    pub const fn moved(self, by: i64) -> Self {
        Self { balance: self.balance + by, seq: self.seq + 1, version: self.version + 1, ..self }
    }

    /// With `by` more claimed, or less.
    #[must_use]
    pub const fn claimed(self, by: i64) -> Self {
        Self { held: self.held + by, version: self.version + 1, ..self }
    }

    /// What can be spent.
    #[must_use]
    pub const fn available(&self) -> i64 {
        self.balance - self.held
    }
}

impl Account {
    /// Whether `who` may debit it. Having opened a system account is not enough: it has no floor, so a demoted treasurer
    /// could go on making money.
    #[must_use]
    pub fn may_be_debited(&self, who: UserId, treasurer: bool) -> bool {
        match self.kind {
            Kind::User => self.owner == who,
            Kind::System => treasurer,
        }
    }
}
