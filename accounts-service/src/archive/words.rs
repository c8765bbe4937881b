//! The lines of a file that are no rows: the first, the last, and the marks between.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::table::Table;
use crate::db::Month;

/// The form that this release writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// Rows of a table after which a mark stands at the latest: damage is between two of them.
pub(super) const MARK_EVERY: u64 = 65_536;

/// Instants of a ledger are before this one, 2500-01-01, and places in the order of commit before its month: what follows
/// them, and numbers that are exact everywhere (2^53), have room.
const END_OF_TIME: i64 = 16_725_225_600_000_000;

/// How many rows there are of each table.
pub(super) type Rows = BTreeMap<String, u64>;

/// A line that is no row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// The first line.
    TollgateLedger(Header),
    /// The end of a table's rows, or of so many of them.
    Mark(Mark),
    /// The last line: without it, a file is half a file.
    End(End),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub format: u32,
    /// In microseconds since the Unix epoch.
    pub made_at: i64,
    /// The newest migration of the ledger that it was made of.
    pub schema: String,
    pub head: Head,
    pub rows: Rows,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    pub table: String,
    /// Of the table, so far.
    pub rows: u64,
    /// Over all bytes of the file before this line.
    pub sha256: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub rows: Rows,
    /// Over all bytes of the file before this line.
    pub sha256: String,
}

/// The end of the chain and of the order of commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Its commit batches.
    pub batch_no: i64,
    /// Its last place in the order of commit.
    pub position: i64,
    /// The instant it ends at, in microseconds since the Unix epoch.
    pub committed_at: i64,
    /// The chain's last link, in hexadecimal.
    pub hash: String,
}

/// What was written or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Rows of all tables.
    pub rows: u64,
    /// Transfers among them.
    pub transfers: u64,
    /// Bytes of the file, uncompressed.
    pub bytes: u64,
    /// The end of the chain.
    pub head: Head,
}

impl Summary {
    pub(super) fn of(rows: &Rows, bytes: u64, head: Head) -> Self {
        Self { rows: rows.values().sum(), transfers: rows.get("transfers").copied().unwrap_or_default(), bytes, head }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, transfers, bytes, head } = self;
        write!(f, "{transfers} transfers, {rows} rows, {bytes} bytes; chain head {} {}", head.batch_no, head.hash)
    }
}

impl Word {
    /// Its line.
    pub fn line(&self) -> String {
        // Maps of numbers and texts always have a form.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Reads a line that is written in the one way it can be.
    pub fn read(line: &str) -> Option<Self> {
        let word: Self = serde_json::from_str(line).ok()?;
        (word.line() == line).then_some(word)
    }
}

impl Header {
    /// Reads the first line, and says what is wrong with it.
    pub fn read(line: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct First {
            tollgate_ledger: Format,
        }
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let first: First = serde_json::from_str(line).map_err(|_| "this is no exported ledger".to_owned())?;
        let format = first.tollgate_ledger.format;
        if format != FORMAT {
            return Err(format!("a ledger of format {format}; this release reads format {FORMAT}"));
        }
        let Some(Word::TollgateLedger(header)) = Word::read(line) else {
            return Err("the first line is not as an export writes it".to_owned());
        };
        let Head { batch_no, position, committed_at, .. } = header.head;
        let ends = |at: i64| (0..END_OF_TIME).contains(&at);
        let is_placed = batch_no >= 0 && (0..Month::at(END_OF_TIME).base()).contains(&position);
        if !(is_placed && ends(committed_at) && ends(header.made_at)) {
            return Err("its head or its instant lies where no ledger goes".to_owned());
        }
        let known: Vec<_> = super::TABLES.iter().map(|table| table.name).collect();
        let unknown = header.rows.keys().find(|name| !known.contains(&name.as_str()));
        let missing = known.iter().find(|name| !header.rows.contains_key(**name));
        match (unknown, missing) {
            (Some(name), _) => Err(format!("it has a table `{name}` that this release does not know")),
            (None, Some(name)) => Err(format!("it does not say how many rows of `{name}` it has")),
            (None, None) => Ok(header),
        }
    }

    pub fn rows_of(&self, table: &Table) -> u64 {
        self.rows.get(table.name).copied().unwrap_or_default()
    }
}

/// Whether a mark stands after so many rows of a table's `total`.
pub(super) const fn is_marked(rows: u64, total: u64) -> bool {
    rows == total || (rows > 0 && rows.is_multiple_of(MARK_EVERY))
}
