//! A walk along the order of commit: whatever stands at one position is held against each other, each batch against its
//! transfers and the one before, each entry against the account's one before. What it keeps is a fold per account.

mod batch;
mod position;

use std::collections::HashMap;

use uuid::Uuid;

pub use self::batch::Chain;
use self::position::Standing;
use super::finding::{Findings, Place};
use super::invariant::Invariant;
use super::line::Line;
use super::rows::Row;
use crate::db::Month;

/// An account, as its entries have made it so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The number of its last entry.
    pub seq: i64,
    /// The balance after it.
    pub balance: i64,
    /// Its currency, if a transfer has told it.
    pub currency: Option<[u8; 3]>,
}

/// Where a walk begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// The batch before the first one, its link, position and instant.
    pub chain: Chain,
    /// Whether nothing was before: else what an account's first entry begins from is taken from itself.
    pub whole: bool,
}

impl Start {
    /// From the very beginning.
    #[must_use]
    pub fn beginning() -> Self {
        Self { chain: Chain { batch_no: 0, hash: vec![0; 32], last: 0, at: 0 }, whole: true }
    }
}

/// The walk, so far.
#[derive(Debug)]
pub struct Walk {
    /// What was found.
    pub findings: Findings,
    /// What accounts hold by now.
    pub accounts: HashMap<Uuid, Fold>,
    /// The end of the chain, by now.
    pub chain: Chain,
    /// Where the format of batches changes: from this position on it is that.
    pub formats: Vec<(i64, i64)>,
    /// The last position that anything stands at.
    pub position: i64,
    /// Transfers that went by.
    pub transfers: u64,
    /// Entries that went by.
    pub entries: u64,
    open: Option<batch::Open>,
    standing: Standing,
    whole: bool,
    bounds: (i64, i64),
}

impl Walk {
    /// One that begins there, and keeps at most so many violations.
    #[must_use]
    pub fn new(start: Start, most: usize) -> Self {
        Self {
            findings: Findings::new(most),
            accounts: HashMap::new(),
            position: start.chain.last,
            chain: start.chain,
            formats: Vec::new(),
            transfers: 0,
            entries: 0,
            open: None,
            standing: Standing::default(),
            whole: start.whole,
            bounds: (i64::MIN, i64::MAX),
        }
    }

    /// What comes now lies in tables of these positions.
    pub fn enter(&mut self, from: i64, below: i64) {
        self.finish_position();
        self.bounds = (from, below);
    }

    /// The next line, by position.
    pub fn step(&mut self, line: Line) {
        let position = line.position;
        if self.standing.position != Some(position) {
            self.finish_position();
            self.begin_position(position);
        }
        match Row::of(line) {
            Some(row) => self.standing.add(row),
            None => self.findings.add(Invariant::Positions, Place::at(position), "a row there cannot be read"),
        }
    }

    /// Nothing comes any more.
    pub fn finish(&mut self) {
        self.finish_position();
        self.close_batch();
    }

    fn begin_position(&mut self, position: i64) {
        let place = Place::at(position);
        let (from, below) = self.bounds;
        let later = position > self.position;
        self.findings.check(Invariant::Positions, &place, later && (from..below).contains(&position), || {
            if later {
                format!("it lies in a table of the positions from {from} and below {below}")
            } else {
                "it comes after a greater one".to_owned()
            }
        });
        self.position = self.position.max(position);
        self.standing = Standing::at(position);
    }

    /// Positions name the month of their instant, or one before it, when nobody had opened that.
    fn check_month(&mut self, place: &Place, at: i64) {
        let named = Month::of(place.position.unwrap_or_default());
        self.findings.check(Invariant::Positions, place, named <= Month::at(at), || {
            format!("it names the month {named}, and its instant is in {}", Month::at(at))
        });
    }
}

#[cfg(test)]
mod tests;
