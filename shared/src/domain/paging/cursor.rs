//! Cursors: an opaque position in an order that only grows, so that no row is skipped or repeated while rows are written.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{DEFAULT_LIMIT, MAX_LIMIT, bounded};
use crate::http::QueryPairs;
use crate::problem::{Code, Problem};

/// Longer than any cursor of ours.
const MAX_CURSOR: usize = 512;

/// Bytes of checksum in front of the position: enough to tell a cursor cut short or typed by hand from one of ours.
/// It is no signature: a cursor grants nothing that its list would not show anyway.
const CHECK: usize = 4;

/// What a client asked of a cursor list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorRequest {
    /// The position to go on from.
    pub cursor: Option<String>,
    /// At most so many rows.
    pub limit: u32,
}

impl CursorRequest {
    /// Reads `cursor` and `limit` (1 to 100, 20 when absent).
    pub fn parse(query: &QueryPairs) -> Result<Self, Problem> {
        let limit = bounded(query, "limit", 1, u64::from(MAX_LIMIT))?.unwrap_or(u64::from(DEFAULT_LIMIT));
        Ok(Self { cursor: query.get("cursor").map(str::to_owned), limit: u32::try_from(limit).unwrap_or(MAX_LIMIT) })
    }

    /// The position behind the cursor, if one was sent.
    pub fn position<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        self.cursor.as_deref().map(decode_cursor).transpose()
    }
}

/// One page of a cursor list.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CursorPage<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Where to go on.
    pub page: PageInfo,
}

/// Where a cursor list goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PageInfo {
    /// Send this as `cursor` for the next page; `null` on a list that has ended.
    pub next_cursor: Option<String>,
    /// Whether another page is known to follow.
    pub has_more: bool,
}

impl<T> CursorPage<T> {
    /// From up to `limit + 1` rows: the surplus row only shows that more follows. `position` tells a row's place.
    pub fn new<P: Serialize>(mut rows: Vec<T>, limit: u32, position: impl Fn(&T) -> P) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| has_more).map(|row| encode_cursor(&position(row)));
        Self { data: rows, page: PageInfo { next_cursor, has_more } }
    }

    /// The same page in another representation.
    pub fn map<U>(self, render: impl FnMut(T) -> U) -> CursorPage<U> {
        CursorPage { data: self.data.into_iter().map(render).collect(), page: self.page }
    }
}

/// A position as opaque text (hex of a checksum and its JSON).
#[must_use]
pub fn encode_cursor(position: &impl Serialize) -> String {
    let json = serde_json::to_vec(position).unwrap_or_default();
    let check = digest(&SHA256, &json);
    hex::encode(&check.as_ref()[..CHECK]) + &hex::encode(json)
}

/// The position behind a cursor, or 400 `invalid_cursor`.
pub fn decode_cursor<T: DeserializeOwned>(cursor: &str) -> Result<T, Problem> {
    let read = || {
        let bytes = hex::decode(cursor).ok().filter(|_| cursor.len() <= MAX_CURSOR)?;
        let (check, json) = bytes.split_at_checked(CHECK)?;
        let sound = digest(&SHA256, json).as_ref()[..CHECK] == *check;
        sound.then(|| serde_json::from_slice(json).ok())?
    };
    read().ok_or_else(|| Problem::new(Code::InvalidCursor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_others_are_refused() {
        let cursor = encode_cursor(&(7_i64, "x"));
        assert_eq!(decode_cursor::<(i64, String)>(&cursor).unwrap(), (7, "x".to_owned()));
        let other_shape = encode_cursor(&"text");
        for bad in ["", "zz", "00", &cursor[..cursor.len() - 2], &other_shape, &"0".repeat(4_000)] {
            assert_eq!(decode_cursor::<(i64, String)>(bad).unwrap_err().code(), Code::InvalidCursor, "{bad}");
        }
    }

    #[test]
    fn the_surplus_row_shows_that_more_follows() {
        let page = CursorPage::new(vec![1, 2, 3], 2, |row| *row);
        assert_eq!(page.data, [1, 2]);
        assert_eq!(decode_cursor::<i32>(page.page.next_cursor.as_deref().unwrap()).unwrap(), 2);
        let end = CursorPage::new(vec![1, 2], 2, |row| *row);
        assert_eq!(end.page, PageInfo { next_cursor: None, has_more: false });
    }
}
