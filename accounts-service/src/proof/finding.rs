//! What was found: how much was looked at, what does not hold, and where that begins.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::invariant::Invariant;
use crate::db::Month;

/// Where something does not hold. Ids only: nobody's names or texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The commit batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_no: Option<i64>,
    /// The place in the order of commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// The instant of it, in microseconds since the epoch.
    #[serde(skip)]
    pub at: Option<i64>,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<Uuid>,
    /// The transfer, or the exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_id: Option<Uuid>,
}

impl Place {
    /// In the order of commit.
    #[must_use]
    pub fn at(position: i64) -> Self {
        Self { position: Some(position), ..Self::default() }
    }

    /// The same, of this account.
    #[must_use]
    pub fn of(self, account: Uuid) -> Self {
        Self { account_id: Some(account), ..self }
    }

    /// The same, of this transfer.
    #[must_use]
    pub fn with(self, transfer: Uuid) -> Self {
        Self { transfer_id: Some(transfer), ..self }
    }

    /// The month that its position names; that of its instant for positions of before months.
    #[must_use]
    pub fn month(&self) -> Option<Month> {
        let named = Month::of(self.position?);
        if named.number() > 0 { Some(named) } else { self.at.map(Month::at) }
    }
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What.
    pub invariant: Invariant,
    /// Where.
    pub place: Place,
    /// How it is instead.
    pub says: String,
}

/// Everything that was found: counts of all, and as many violations as are shown.
#[derive(Debug)]
pub struct Findings {
    most: usize,
    /// The violations, in the order in which they were found.
    pub kept: Vec<Violation>,
    /// The one that is first in the order of commit, kept or not.
    pub first: Option<Violation>,
    /// How many things were looked at.
    pub checked: BTreeMap<Invariant, u64>,
    /// How many of them do not hold.
    pub violated: BTreeMap<Invariant, u64>,
}

impl Findings {
    /// Keeps at most so many violations.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { most, kept: Vec::new(), first: None, checked: BTreeMap::new(), violated: BTreeMap::new() }
    }

    /// One more was looked at; `holds` or it is a violation, told by `says`.
    pub fn check(&mut self, invariant: Invariant, place: &Place, holds: bool, says: impl FnOnce() -> String) {
        *self.checked.entry(invariant).or_default() += 1;
        if !holds {
            self.add(invariant, place.clone(), says());
        }
    }

    /// A violation.
    pub fn add(&mut self, invariant: Invariant, place: Place, says: impl Into<String>) {
        *self.violated.entry(invariant).or_default() += 1;
        let violation = Violation { invariant, place, says: says.into() };
        // Of several at one place, one that names its batch.
        let rank = |of: &Violation| of.place.position.map(|position| (position, of.place.batch_no.is_none()));
        if rank(&violation)
            .is_some_and(|rank_of| self.first.as_ref().and_then(rank).is_none_or(|first| rank_of < first))
        {
            self.first = Some(violation.clone());
        }
        if self.kept.len() < self.most {
            self.kept.push(violation);
        }
    }

    /// How many violations there are.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.violated.values().sum()
    }
}
