//! What a database holds of a ledger: everything that was committed, in its order.

mod exchange;
mod read;

use std::collections::BTreeMap;

use super::model::{Account, Status};

pub use self::exchange::{Exchanged, SetRate};

/// A transfer's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its id.
    pub id: String,
    /// Who pays.
    pub debit: String,
    /// Who receives.
    pub credit: String,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// As it was recorded: posted, pending or voided.
    pub status: String,
    /// Its description, which names the order.
    pub tag: Option<String>,
    /// The client's own reference.
    pub reference: Option<String>,
    /// The hold that it settles.
    pub pending_of: Option<String>,
    /// The transfer that it reverses.
    pub reversal_of: Option<String>,
    /// When it lets go of its hold.
    pub expires_at: Option<i64>,
    /// Who asked.
    pub by: String,
}

/// Something that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// A transfer.
    Transfer(Made),
    /// A rate, in force from here on.
    Rate(SetRate),
    /// An exchange; its transfers stand before it, one after the other.
    Exchange(Exchanged),
    /// An account went somewhere else in its life.
    Status {
        /// Which.
        account: String,
        /// Where to.
        to: Status,
    },
    /// An account changed otherwise.
    Changed {
        /// Which.
        account: String,
    },
    /// A hold's time was over.
    Lapsed {
        /// The pending transfer.
        transfer: String,
    },
    /// Nothing that moves money or changes who may.
    Else,
}

/// One position of the order of commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its place.
    pub position: i64,
    /// When, in microseconds since the epoch.
    pub at: i64,
    /// What.
    pub what: Committed,
}

/// One side of a posted transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// On which account.
    pub account: String,
    /// Its number on that account.
    pub seq: i64,
    /// Of which transfer.
    pub transfer: String,
    /// Signed.
    pub amount: i64,
    /// What the account had after it.
    pub balance_after: i64,
    /// The transfer's place.
    pub position: i64,
    /// When, in microseconds since the epoch.
    pub at: i64,
}

/// An account's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The account, as the model has it.
    pub account: Account,
    /// What its row says is held.
    pub held: i64,
    /// When the first of the holds that this counts lapses, at the earliest; those that lapsed before are not in it.
    pub next_expiry: Option<i64>,
}

/// Everything that a database holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// In the order of commit.
    pub rows: Vec<Row>,
    /// By account and number.
    pub entries: Vec<Entry>,
    /// By id.
    pub accounts: BTreeMap<String, Stored>,
    /// What rounding has gathered and not booked, by account, in 10^-18ths of a minor unit.
    pub carries: BTreeMap<String, i64>,
    /// How many keys are taken of those that last for ever: of what moved money, or was declined.
    pub keys: i64,
}

impl Record {
    /// The last place of the order of commit; 0 when nothing was committed.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.rows.last().map_or(0, |row| row.position)
    }

    /// The transfer with this id.
    #[must_use]
    pub fn transfer(&self, id: &str) -> Option<&Made> {
        self.transfers().find(|made| made.id == id)
    }

    /// Every transfer, in the order of commit.
    pub fn transfers(&self) -> impl Iterator<Item = &Made> {
        self.rows.iter().filter_map(|row| match &row.what {
            Committed::Transfer(made) => Some(made),
            Committed::Rate(_)
            | Committed::Exchange(_)
            | Committed::Status { .. }
            | Committed::Changed { .. }
            | Committed::Lapsed { .. }
            | Committed::Else => None,
        })
    }

    /// Every rate, in the order of commit.
    pub fn rates(&self) -> impl Iterator<Item = &SetRate> {
        self.rows.iter().filter_map(|row| match &row.what {
            Committed::Rate(set) => Some(set),
            Committed::Transfer(_)
            | Committed::Exchange(_)
            | Committed::Status { .. }
            | Committed::Changed { .. }
            | Committed::Lapsed { .. }
            | Committed::Else => None,
        })
    }

    /// Every exchange, in the order of commit.
    pub fn exchanges(&self) -> impl Iterator<Item = &Exchanged> {
        self.rows.iter().filter_map(|row| match &row.what {
            Committed::Exchange(made) => Some(made),
            Committed::Transfer(_)
            | Committed::Rate(_)
            | Committed::Status { .. }
            | Committed::Changed { .. }
            | Committed::Lapsed { .. }
            | Committed::Else => None,
        })
    }
}
