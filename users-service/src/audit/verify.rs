//! Checking the chain: row by row from the first, or from one whose hash was kept elsewhere.

use std::fmt;
use std::str::FromStr;

use super::taken::Taken;
use super::{chain, store};
use crate::db::entity::audit_event::Model;
use crate::db::{Database, Fault};

/// What a purge or time takes is missing, and neither took it.
const NO_REASON: &str = "what is personal was taken from it, and nobody's purge nor time did that";

/// Rows read at once.
const PAGE: u64 = 1_000;

/// A place in the chain: a row's number and its hash. Whoever keeps one elsewhere can tell later whether the chain was
/// cut or written anew, which no look at the chain alone can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The row's number.
    pub seq: i64,
    /// Its hash.
    pub hash: [u8; 32],
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, hex::encode(self.hash))
    }
}

/// A text that names no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a place in the chain is SEQ:HASH, as verify-audit prints it")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (seq, digits) = text.split_once(':').ok_or(NoPlace)?;
        let mut hash = [0; 32];
        hex::decode_to_slice(digits, &mut hash).map_err(|_| NoPlace)?;
        Ok(Self { seq: seq.parse().ok().filter(|seq| *seq >= 0).ok_or(NoPlace)?, hash })
    }
}

/// What came of checking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every row is as it was written, and none is missing.
    Whole {
        /// Rows looked at.
        rows: u64,
        /// Of these, those from which a purge or time has taken what was personal.
        taken: u64,
        /// Where the chain ends.
        head: Place,
    },
    /// The first row that is not.
    Broken {
        /// Its number.
        seq: i64,
        /// In which way.
        how: &'static str,
    },
}

/// Checks the chain from its beginning or, trusting what is before it, from a place on. Rows that are written meanwhile
/// are left for the next time. `before` (microseconds) is how far time has taken what nobody in particular did.
///
/// # Errors
/// When the database cannot be read.
pub async fn verify(database: &Database, from: Option<Place>, before: i64) -> Result<Verdict, Fault> {
    let db = database.read();
    let mut last = Place { seq: 0, hash: chain::GENESIS };
    if let Some(place) = from.filter(|place| place.seq > 0) {
        let row = store::find(db, place.seq).await?;
        let Some(row) = row else { return Ok(broken(place.seq, "it is not there")) };
        if row.hash != place.hash {
            return Ok(broken(place.seq, "its hash is not the one that was kept"));
        }
        last = place;
    }
    let Some((end, hash)) = store::head(db).await? else {
        return Ok(broken(last.seq, "the head of the chain is not there"));
    };
    let (mut rows, mut taken, mut reasons) = (0, 0, Taken::new(before));
    while last.seq < end {
        let page = store::between(db, last.seq, end, PAGE).await?;
        if page.is_empty() {
            return Ok(broken(last.seq + 1, "it is not there"));
        }
        for row in &page {
            match check(&last, row) {
                Ok(hash) => last = Place { seq: row.seq, hash },
                Err(verdict) => return Ok(verdict),
            }
            if !reasons.note(row) {
                return Ok(broken(row.seq, NO_REASON));
            }
            rows += 1;
            taken += u64::from(row.detail_salt.is_none() || row.origin_salt.is_none());
        }
    }
    if last != (Place { seq: end, hash }) {
        return Ok(broken(last.seq, "the head of the chain names another row or hash"));
    }
    if let Some(seq) = store::beyond(db).await? {
        return Ok(broken(seq, "it lies beyond the head of the chain"));
    }
    if from.is_none()
        && let Some(seq) = store::odd(db, end).await?
    {
        return Ok(broken(seq, "it is there twice, or before the first"));
    }
    if let Some(seq) = reasons.unfounded(db).await? {
        return Ok(broken(seq, NO_REASON));
    }
    Ok(Verdict::Whole { rows, taken, head: last })
}

/// The row's hash, if it is the next one and as it was written.
fn check(last: &Place, row: &Model) -> Result<[u8; 32], Verdict> {
    if row.seq != last.seq + 1 {
        return Err(broken(last.seq + 1, "it is not there"));
    }
    if !chain::holds(row.origin_salt.as_deref(), row.origin.as_deref(), &row.origin_digest) {
        return Err(broken(row.seq, "its origin is not what was written"));
    }
    if !chain::holds(row.detail_salt.as_deref(), row.detail.as_deref(), &row.detail_digest) {
        return Err(broken(row.seq, "its detail is not what was written"));
    }
    let hash = chain::link(&last.hash, row);
    if row.hash == hash { Ok(hash) } else { Err(broken(row.seq, "it is not what was written")) }
}

const fn broken(seq: i64, how: &'static str) -> Verdict {
    Verdict::Broken { seq, how }
}
