//! Lines of a file that nobody vouches for: one at a time, and never more of one than is looked at.

use std::io::{BufRead, Error};

/// Longest line, in bytes.
const LONGEST: usize = 16_384;

/// One line.
pub(super) enum Line {
    /// Nothing but blanks.
    Blank,
    /// Without its end.
    Text(Vec<u8>),
    /// Passed over.
    TooLong,
}

/// The lines that are left, numbered from 1.
pub(super) struct Lines<'a> {
    source: &'a mut dyn BufRead,
    number: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn of(source: &'a mut dyn BufRead) -> Self {
        Self { source, number: 0 }
    }

    /// The next line with its number; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Line)>, Error> {
        let (mut text, mut long, mut any) = (Vec::new(), false, false);
        loop {
            let chunk = self.source.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            any = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            long |= text.len() + part.len() > LONGEST;
            if long {
                text = Vec::new();
            } else {
                text.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.source.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        self.number += 1;
        let line = match (long, text.trim_ascii().is_empty()) {
            (true, _) => Line::TooLong,
            (false, true) => Line::Blank,
            (false, false) => Line::Text(text),
        };
        Ok(Some((self.number, line)))
    }
}
