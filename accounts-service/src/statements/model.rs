//! A statement before it has a form: whose it is, of what time, its two balances, and its lines.

use sha2::{Digest, Sha256};
use shared::domain::{AccountId, Currency, TransferId};
use shared::problem::Problem;
use uuid::Uuid;

use crate::accounts::one_of;
use crate::idempotency::cut;

/// The forms a statement comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For programs.
    Json,
    /// For spreadsheets (RFC 4180).
    Csv,
    /// For bookkeeping (ISO 20022, camt.053.001.08).
    Camt053,
    /// For people.
    Pdf,
}

impl Format {
    /// Every form, by the word that asks for it.
    const ALL: [(&'static str, Self); 4] =
        [("json", Self::Json), ("csv", Self::Csv), ("camt053", Self::Camt053), ("pdf", Self::Pdf)];

    /// From `?format=`; JSON when absent.
    pub fn parse(word: Option<&str>) -> Result<Self, Problem> {
        let word = one_of("format", word, &Self::ALL.map(|(word, _)| word))?;
        Ok(Self::ALL.into_iter().find(|(name, _)| word.as_deref() == Some(name)).map_or(Self::Json, |(_, form)| form))
    }

    /// The word that asks for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Camt053 => "camt053",
            Self::Pdf => "pdf",
        }
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Camt053 => "application/xml",
            Self::Pdf => "application/pdf",
        }
    }

    /// What a file of it is called at its end.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Camt053 => "xml",
            Self::Pdf => "pdf",
        }
    }
}

/// What is known before the first line is read. Instants are microseconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The account.
    pub account: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// What its amounts count.
    pub currency: Currency,
    /// From then on.
    pub from: i64,
    /// Until before then. Nothing can be posted into the time between any more.
    pub to: i64,
    /// The last entry before; 0 when there was none.
    pub after: i64,
    /// The last entry within, or `after` when there is none.
    pub last: i64,
    /// The balance with the entry `after`.
    pub opening: i64,
    /// The balance with the entry `last`.
    pub closing: i64,
}

impl Statement {
    /// How many lines it has.
    #[must_use]
    pub const fn lines(&self) -> i64 {
        self.last - self.after
    }

    /// The same for the same statement in the same form, whoever asks and when, so that the file can be told apart by it:
    /// a window that has passed never changes, and no form shows the time at which it was made.
    #[must_use]
    pub fn digest(&self, format: Format) -> Uuid {
        let mut hash = Sha256::new();
        hash.update(format.word());
        hash.update(self.account.as_uuid());
        hash.update(self.name.len().to_be_bytes());
        hash.update(&self.name);
        for number in [self.from, self.to, self.after, self.last] {
            hash.update(number.to_be_bytes());
        }
        cut(hash)
    }
}

/// One entry, with what its transfer says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Counts from 1 without gaps, over the account's whole life.
    pub seq: i64,
    /// The transfer.
    pub transfer: TransferId,
    /// Minor units: negative when the account paid.
    pub amount: i64,
    /// The balance with this entry.
    pub balance_after: i64,
    /// When it posted, in microseconds since the Unix epoch.
    pub posted_at: i64,
    /// The transfer's other account.
    pub counterparty: AccountId,
    /// For people.
    pub description: Option<String>,
    /// The reference of whoever ordered it.
    pub external_ref: Option<String>,
    /// The transfer that this one takes back.
    pub reversal_of: Option<TransferId>,
}
