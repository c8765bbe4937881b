//! Lists: numbered pages (v1) and cursors (v2, and every list that grows without bound).

mod cursor;
mod page;

pub use cursor::{CursorPage, CursorRequest, PageInfo, decode_cursor, encode_cursor};
pub use page::{Links, Meta, Order, PageRequest, Paged};

/// Rows in a page when the client does not say.
pub const DEFAULT_LIMIT: u32 = 20;

/// The most rows a page may have.
pub const MAX_LIMIT: u32 = 100;

use crate::http::QueryPairs;
use crate::problem::{Code, Problem};

/// Reads an integer parameter within bounds: 400 when it is no integer, 422 when it is out of range.
fn bounded(query: &QueryPairs, name: &'static str, min: u64, max: u64) -> Result<Option<u64>, Problem> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Problem::new(Code::MalformedQuery).error(format!("?{name}"), "integer", "an integer"));
    }
    match text.parse::<u64>() {
        Ok(value) if (min..=max).contains(&value) => Ok(Some(value)),
        Ok(_) | Err(_) => Err(Problem::new(Code::ValidationFailed).error(
            format!("?{name}"),
            "range",
            format!("an integer from {min} to {max}"),
        )),
    }
}
