//! Bringing users over from another system: a line each, with the hash of their password as that system made it.
//!
//! The good lines are imported and the bad ones named. Who is there already stays as they are, so that the same file can
//! be run again after anything that stopped it.

mod entry;
mod lines;
mod store;

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::BufRead;

use sha2::{Digest, Sha256};
use shared::clock::Clock;
use shared::domain::UserId;
use shared::problem::FieldError;

use self::entry::Entry;
use self::lines::{Line, Lines};
use self::store::Standing;
use super::store::{Inserted, insert};
use crate::audit::{By, Event, Kind};
use crate::config::Config;
use crate::db::{Database, Fault, Write};
use crate::passwords::{Customs, HashError};

pub use self::store::{Costliest, costliest as costliest_foreign};

/// Users in one transaction: whoever registers meanwhile waits no longer than that takes.
const BATCH: usize = 100;

/// Whether anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dry {
    /// No: only what would come of it is said.
    Run,
    /// Yes.
    No,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Users who are new.
    pub imported: u64,
    /// Users who were there, with this address and user name.
    pub present: u64,
    /// Lines that were refused.
    pub refused: u64,
    /// KiB that a sign-in of one of the new users takes at most.
    pub memory_kib: u64,
}

/// A line that was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its number in the file, from 1.
    pub line: u64,
    /// What is wrong with it: places and rules, never values.
    pub faults: Vec<FieldError>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}:", self.line)?;
        for (at, fault) in self.faults.iter().enumerate() {
            let joint = if at == 0 { "" } else { ";" };
            // Names of members are the file's own, and may be written to draw on a terminal.
            write!(f, "{joint} {} {} ({})", fault.pointer.escape_debug(), fault.detail.escape_debug(), fault.code)?;
        }
        Ok(())
    }
}

/// Why it stopped half-way. What was committed until then stays, and is there already the next time.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says what failed")]
pub enum ImportError {
    #[error("database: {0}")]
    Database(#[from] Fault),
    #[error("the file: {0}")]
    Io(#[from] std::io::Error),
    #[error("hashing: {0}")]
    Hashing(#[from] HashError),
}

/// Imports every line of `source`, and tells of each that is refused.
///
/// # Errors
/// When the file cannot be read or the database fails.
pub async fn import(
    config: &Config,
    clock: &Clock,
    source: &mut dyn BufRead,
    dry: Dry,
    tell: &mut dyn FnMut(&Refusal),
) -> Result<Summary, ImportError> {
    let database = match dry {
        Dry::Run => Database::connect_to_read(&config.database).await?,
        Dry::No => Database::connect(&config.database).await?,
    };
    database.prepare(dry == Dry::No && config.database.migrate_on_start).await?;
    let customs = Customs::new(&config.hashing)?;
    let mut run = Run { database, clock, customs, dry, tell, seen: HashSet::new(), summary: Summary::default() };
    let mut lines = Lines::of(source);
    loop {
        // Read to its end before anything is locked: a file may be a pipe, and its other end a person.
        let batch = run.read(&mut lines)?;
        if batch.is_empty() {
            break;
        }
        run.settle(batch).await?;
    }
    run.database.close().await;
    Ok(run.summary)
}

struct Run<'a> {
    database: Database,
    clock: &'a Clock,
    customs: Customs,
    dry: Dry,
    tell: &'a mut dyn FnMut(&Refusal),
    /// Addresses and user names of the file so far, as short hashes: a file may be as long as it likes.
    seen: HashSet<[u8; 16]>,
    summary: Summary,
}

/// What came of an entry.
enum Outcome {
    Imported,
    Present,
    Refused(FieldError),
}

impl Run<'_> {
    /// The next good lines; none at the end of the file.
    fn read(&mut self, lines: &mut Lines<'_>) -> Result<Vec<(u64, Entry)>, ImportError> {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some((line, text)) = lines.next()?
        {
            let read = match text {
                Line::Blank => continue,
                Line::TooLong => Err(vec![fault("", "length", "a line has at most 16384 bytes")]),
                Line::Text(text) => Entry::parse(&text, &self.customs, self.clock.now()),
            };
            match read.and_then(|entry| self.is_new(entry)) {
                Ok(entry) => batch.push((line, entry)),
                Err(faults) => self.refuse(line, faults),
            }
        }
        Ok(batch)
    }

    /// Refuses an address or a user name that the file has had before: which of the two is meant, nobody knows.
    fn is_new(&mut self, entry: Entry) -> Result<Entry, Vec<FieldError>> {
        let user = &entry.user;
        let mut faults = Vec::new();
        for (pointer, normal) in [("/email", user.email.normal()), ("/username", user.username.normal())] {
            let digest = Sha256::digest(format!("{pointer}\n{normal}"));
            let short = std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default());
            if !self.seen.insert(short) {
                faults.push(fault(pointer, "repeated", "stands in a line before this one"));
            }
        }
        if faults.is_empty() { Ok(entry) } else { Err(faults) }
    }

    fn refuse(&mut self, line: u64, faults: Vec<FieldError>) {
        self.summary.refused += 1;
        (self.tell)(&Refusal { line, faults });
    }

    async fn settle(&mut self, batch: Vec<(u64, Entry)>) -> Result<(), ImportError> {
        let mut outcomes = Vec::with_capacity(batch.len());
        match self.dry {
            Dry::Run => {
                for (_, entry) in &batch {
                    let standing = Standing::of(self.database.read(), &entry.user).await?;
                    outcomes.push(standing.outcome().unwrap_or(Outcome::Imported));
                }
            }
            Dry::No => {
                let write = self.database.write().await?;
                for (_, entry) in &batch {
                    outcomes.push(register(&write, entry, self.clock).await?);
                }
                write.commit().await?;
            }
        }
        for ((line, entry), outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Imported => {
                    self.summary.imported += 1;
                    self.summary.memory_kib = self.summary.memory_kib.max(entry.hash.memory_kib);
                }
                Outcome::Present => self.summary.present += 1,
                Outcome::Refused(fault) => self.refuse(line, vec![fault]),
            }
        }
        Ok(())
    }
}

async fn register(write: &Write, entry: &Entry, clock: &Clock) -> Result<Outcome, Fault> {
    if let Some(outcome) = Standing::of(write.transaction(), &entry.user).await?.outcome() {
        return Ok(outcome);
    }
    let inserted = insert(write, UserId::generate(clock), &entry.user, &entry.hash.hash, clock.now()).await?;
    let user = match inserted {
        Inserted::Created(user) => user,
        // Somebody has registered since this moment, or has a name that looks the same.
        Inserted::EmailTaken => return Ok(Outcome::Refused(Standing::email_taken())),
        Inserted::UsernameTaken => return Ok(Outcome::Refused(Standing::username_taken())),
    };
    store::complete(write, user.id, entry).await?;
    let event = Event::new(Kind::UserImported, By::system(), clock).about(user.id);
    write.audit(event.with("hash", entry.hash.name).with("email_verified", entry.email_verified));
    Ok(Outcome::Imported)
}

const fn fault(pointer: &'static str, code: &'static str, detail: &'static str) -> FieldError {
    FieldError { pointer: Cow::Borrowed(pointer), code: Cow::Borrowed(code), detail: Cow::Borrowed(detail) }
}

#[cfg(test)]
mod tests;
