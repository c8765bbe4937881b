//! The headers of a request to an upstream while they are being written.
//!
//! All values stand in one buffer. The HTTP client clones headers several times a call: so each of them is copied once, and
//! every clone is a count and no allocation.

use std::fmt::{Display, Write};
use std::ops::Range;

use bytes::BytesMut;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Bytes of values: an identity assertion takes four hundred, and a browser says about as much.
const USUAL: usize = 1024;

/// Headers of the gateway's own.
const OWN: usize = 12;

/// Headers that have been written so far.
#[derive(Debug)]
pub struct Draft {
    lines: Vec<(HeaderName, Range<usize>)>,
    values: BytesMut,
}

impl Draft {
    /// Empty, with room for so many headers beside the gateway's own.
    #[must_use]
    pub fn new(headers: usize) -> Self {
        Self { lines: Vec::with_capacity(headers + OWN), values: BytesMut::with_capacity(USUAL) }
    }

    /// One more header.
    pub fn add(&mut self, name: HeaderName, value: &[u8]) {
        let start = self.values.len();
        self.values.extend_from_slice(value);
        self.lines.push((name, start..self.values.len()));
    }

    /// One more header, whose value is written as text.
    pub fn write(&mut self, name: HeaderName, value: impl Display) {
        let start = self.values.len();
        // A buffer that grows takes everything.
        let _ = write!(self.values, "{value}");
        self.lines.push((name, start..self.values.len()));
    }

    /// All of them. What cannot stand in a header is left out.
    #[must_use]
    pub fn finish(self) -> HeaderMap {
        let (mut headers, values) = (HeaderMap::with_capacity(self.lines.len()), self.values.freeze());
        for (name, place) in self.lines {
            if let Ok(value) = HeaderValue::from_maybe_shared(values.slice(place)) {
                headers.append(name, value);
            }
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{ACCEPT, CONTENT_LENGTH, COOKIE};

    use super::*;

    #[test]
    fn values_come_out_as_they_were_written_and_what_is_none_is_left_out() {
        let mut draft = Draft::new(0);
        draft.add(ACCEPT, b"a");
        draft.add(COOKIE, b"no\nline");
        draft.add(ACCEPT, b"");
        draft.write(CONTENT_LENGTH, 17);
        draft.add(ACCEPT, &vec![0xE4; 2 * USUAL]);
        let headers = draft.finish();
        assert_eq!(headers.get_all(ACCEPT).iter().map(HeaderValue::len).collect::<Vec<_>>(), [1, 0, 2 * USUAL]);
        assert!(headers[CONTENT_LENGTH] == "17" && !headers.contains_key(COOKIE), "{headers:?}");
    }
}
