//! What the fold knows: accounts as the database holds them, with what this batch has already decided on top.

use std::collections::HashMap;

use shared::domain::{AccountId, Currency, UserId};

/// What an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A customer's: never below its floor of zero.
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
}

/// Accounts by id. Absent means: not known to exist.
#[derive(Clone, Debug, Default)]
pub struct State {
    accounts: HashMap<AccountId, Account>,
}

impl State {
    /// The account, if known.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// Sets an account to what the database or the fold says it is.
    pub fn put(&mut self, account: Account) {
        self.accounts.insert(account.id, account);
    }

    /// Forgets an account, so that it is read again before it is used.
    pub fn forget(&mut self, id: AccountId) {
        self.accounts.remove(&id);
    }

    /// How many accounts are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.accounts.clear();
    }
}
