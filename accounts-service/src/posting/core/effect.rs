//! What a command does, once it is decided.

use shared::domain::{AccountId, Amount, Currency, TransferId, UserId};

use super::account::Account;
use super::besides::Besides;
use super::draft::Memo;

/// What a transfer is recorded as. Its row is written once; what becomes of a pending one stands elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recorded {
    /// Money moved.
    Posted,
    /// Money is held.
    Pending,
    /// What was held is let go.
    Voided,
}

impl Recorded {
    /// The word in JSON and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Posted => "posted",
            Self::Pending => "pending",
            Self::Voided => "voided",
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Posted, Self::Pending, Self::Voided].into_iter().find(|status| status.as_str() == word)
    }
}

/// A transfer as it is recorded: what a command that names another transfer learns only when it is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: TransferId,
    /// The account that pays.
    pub debit: AccountId,
    /// The account that receives.
    pub credit: AccountId,
    /// How much, in minor units.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// Who asked.
    pub by: UserId,
    /// What it is recorded as.
    pub status: Recorded,
    /// The pending transfer that it posts or voids.
    pub pending_of: Option<TransferId>,
    /// The posted transfer that it pays back.
    pub reversal_of: Option<TransferId>,
    /// When a pending one lets go, in microseconds since the epoch.
    pub expires_at: Option<i64>,
}

/// Both sides as they are after money moved; the entries' `seq` and `balance_after` are theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The account that paid.
    pub debit: Account,
    /// The account that received.
    pub credit: Account,
}

/// What a command records and what it leaves behind.
#[derive(Clone, Debug)]
pub struct Effect {
    /// The transfer.
    pub record: Record,
    /// The debit side as it is after.
    pub debit: Account,
    /// The credit side as it is after, when money moved.
    pub credit: Option<Account>,
    /// What else changes: nothing with a plain transfer.
    pub besides: Option<Box<Besides>>,
}

impl Effect {
    pub(super) fn new(record: Record, debit: Account, credit: Option<Account>, besides: Besides) -> Self {
        let besides = (!besides.is_empty()).then(|| Box::new(besides));
        Self { record, debit, credit, besides }
    }

    /// Both sides, when money moved.
    #[must_use]
    pub fn posting(&self) -> Option<Posting> {
        self.credit.map(|credit| Posting { debit: self.debit, credit })
    }

    /// What is carried along: what the wish carries, but for a command that carries on what another began.
    #[must_use]
    pub fn memo(&self, of_wish: &Memo) -> Memo {
        let inherited = self.besides.as_ref().and_then(|besides| besides.memo.as_ref());
        inherited.unwrap_or(of_wish).clone()
    }

    /// The instant from which it would have been decided otherwise.
    #[must_use]
    pub fn not_after(&self) -> Option<i64> {
        self.besides.as_ref().and_then(|besides| besides.not_after)
    }
}
