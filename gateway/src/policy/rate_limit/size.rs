//! What a body takes besides its request: by what the head says of its length, for nobody has read it yet.

use std::num::NonZeroU64;

use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};

use crate::config;

/// A unit more for each so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BySize {
    /// So many; what is left over takes nothing.
    pub bytes: NonZeroU64,
    /// The largest body, in bytes. One that does not say how long it is counts as that.
    pub most: u64,
}

impl BySize {
    /// As the row says, if it does.
    #[must_use]
    pub fn of(row: &config::Route) -> Option<Self> {
        Some(Self { bytes: row.cost_bytes?, most: row.body? })
    }

    /// Units of the body that a request with these headers has. Whatever listens has refused a length that is none, or
    /// that is not the body's (RFC 9112, section 6.3).
    #[must_use]
    pub fn units(self, headers: &HeaderMap) -> u32 {
        if headers.contains_key(TRANSFER_ENCODING) {
            return self.of_length(self.most);
        }
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        self.of_length(length.unwrap_or(0))
    }

    /// What is too large is refused, whatever it takes.
    fn of_length(self, length: u64) -> u32 {
        u32::try_from(length.min(self.most) / self.bytes).unwrap_or(u32::MAX)
    }
}
