//! Reads a file line by line: none longer than memory allows, each with its place, all of them hashed.

use std::io::{BufRead, ErrorKind, Read};

use sha2::{Digest, Sha256};

use super::error::ArchiveError;
use super::place::Place;

/// Bytes of a line. The longest that are written are the answers of large batches that a release of before kept: some 8 MB.
const MOST: u64 = 32 * 1024 * 1024;

/// What a file has to say where it ends too early.
const CUT: &str = "the file ends here, before its last line: it was cut off, or never finished";

pub(super) struct Lines<R> {
    source: R,
    /// Over everything before the line.
    hash: Sha256,
    line: Vec<u8>,
    place: Place,
}

impl<R: BufRead> Lines<R> {
    pub fn of(source: R) -> Self {
        Self { source, hash: Sha256::new(), line: Vec::new(), place: Place { line: 0, byte: 0 } }
    }

    /// The next line, its end included. There has to be one.
    pub fn next(&mut self) -> Result<&str, ArchiveError> {
        self.step()?;
        if self.line.is_empty() {
            return Err(self.damaged(CUT));
        }
        if self.line.last() != Some(&b'\n') {
            let is_long = self.line.len() as u64 > MOST;
            let long = || format!("the line is longer than {MOST} bytes, and no export writes such");
            return Err(self.damaged(if is_long { long() } else { CUT.to_owned() }));
        }
        if std::str::from_utf8(&self.line).is_err() {
            return Err(self.damaged("the line is no UTF-8"));
        }
        Ok(self.text())
    }

    /// The line, its end included.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.line).unwrap_or_default()
    }

    /// That nothing comes any more.
    pub fn end(&mut self) -> Result<(), ArchiveError> {
        self.step()?;
        if self.line.is_empty() { Ok(()) } else { Err(self.damaged("there is more behind the last line")) }
    }

    fn step(&mut self) -> Result<(), ArchiveError> {
        self.hash.update(&self.line);
        self.place = Place { line: self.place.line + 1, byte: self.bytes() };
        self.line.clear();
        let read = self.source.by_ref().take(MOST + 1).read_until(b'\n', &mut self.line);
        match read {
            Ok(_) => Ok(()),
            // What gzip says of itself; a file that can be read has no such errors.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData) => {
                Err(self.damaged(format!("it cannot be decompressed from here on: {error}")))
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(self.damaged(CUT)),
            Err(error) => Err(error.into()),
        }
    }

    /// Bytes up to the end of the line.
    pub fn bytes(&self) -> u64 {
        self.place.byte + self.line.len() as u64
    }

    /// Where the line is.
    pub const fn place(&self) -> Place {
        self.place
    }

    /// Over everything before the line.
    pub fn sha256(&self) -> String {
        hex::encode(self.hash.clone().finalize())
    }

    /// That something is wrong with the line.
    pub fn damaged(&self, what: impl Into<String>) -> ArchiveError {
        ArchiveError::damaged(self.place, what)
    }
}
