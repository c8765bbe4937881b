//! What was found: how much was looked at, what does not hold, and where that begins.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};
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
    /// What is no row of its own: a currency, or a key by its digest.
    #[serde(skip)]
    pub name: Option<String>,
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

    /// The same, of what has no place.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
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
    /// What tells this fault from another one of the same place: what it says, unless that goes on by itself.
    pub fault: String,
}

impl Violation {
    /// The same one has the same id, whoever finds it (RFC 9562, section 5.8). What it says is no part of that: an account
    /// that is wrong goes on, and is one violation, not one for each of its balances.
    #[must_use]
    pub fn id(&self) -> Uuid {
        id_of(self.invariant, &self.place)
    }
}

fn id_of(invariant: Invariant, place: &Place) -> Uuid {
    let Place { batch_no, position, account_id, transfer_id, name, at: _ } = place;
    // A position lies in one batch, which is named afterwards.
    let batch_no = batch_no.filter(|_| position.is_none());
    let mut hash = Sha256::new();
    hash.update(format!("{}|{batch_no:?}|{position:?}|{account_id:?}|{transfer_id:?}|{name:?}", invariant.word()));
    let mut id = [0; 16];
    id.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    uuid::Builder::from_custom_bytes(id).into_uuid()
}

/// Violations that were found before, by invariant.
pub type Known = Arc<HashMap<Invariant, HashSet<Uuid>>>;

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
    known: Known,
    held: BTreeSet<Uuid>,
    again: BTreeSet<Uuid>,
}

impl Findings {
    /// Keeps at most so many violations.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            kept: Vec::new(),
            first: None,
            checked: BTreeMap::new(),
            violated: BTreeMap::new(),
            known: Known::default(),
            held: BTreeSet::new(),
            again: BTreeSet::new(),
        }
    }

    /// The same, and of these it notes when they hold by now.
    #[must_use]
    pub fn knowing(self, known: Known) -> Self {
        Self { known, ..self }
    }

    /// Those of the known ones that hold by now.
    pub fn clean(&self) -> impl Iterator<Item = Uuid> {
        self.held.difference(&self.again).copied()
    }

    /// One more was looked at; `holds` or it is a violation, told by `says`.
    pub fn check(&mut self, invariant: Invariant, place: &Place, holds: bool, says: impl FnOnce() -> String) {
        self.check_part(invariant, place, (holds, true), says);
    }

    /// The same, where only a part of what is there may have been looked at: that it holds says nothing then.
    pub fn check_part(
        &mut self,
        invariant: Invariant,
        place: &Place,
        (holds, whole): (bool, bool),
        says: impl FnOnce() -> String,
    ) {
        *self.checked.entry(invariant).or_default() += 1;
        if !holds {
            self.add(invariant, place.clone(), says());
        } else if whole {
            self.held.extend(self.known_of(invariant, place));
        }
    }

    /// The same of what goes on: it is another fault when it is off by something else.
    pub fn check_by(
        &mut self,
        invariant: Invariant,
        place: &Place,
        holds: bool,
        off: i128,
        says: impl FnOnce() -> String,
    ) {
        *self.checked.entry(invariant).or_default() += 1;
        if holds {
            self.held.extend(self.known_of(invariant, place));
        } else {
            let fault = format!("off by {off}");
            self.put(Violation { invariant, place: place.clone(), says: says(), fault });
        }
    }

    fn known_of(&self, invariant: Invariant, place: &Place) -> Option<Uuid> {
        let known = self.known.get(&invariant)?;
        Some(id_of(invariant, place)).filter(|id| known.contains(id))
    }

    /// A violation.
    pub fn add(&mut self, invariant: Invariant, place: Place, says: impl Into<String>) {
        let says = says.into();
        // What is written once says one thing; the others go on.
        let once = place.position.is_some() && !matches!(invariant, Invariant::Holds | Invariant::Reversals);
        let fault = if once { says.clone() } else { String::new() };
        self.put(Violation { invariant, place, says, fault });
    }

    fn put(&mut self, violation: Violation) {
        *self.violated.entry(violation.invariant).or_default() += 1;
        self.again.extend(self.known_of(violation.invariant, &violation.place));
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
