//! The kinds of events that there are.

use shared::http::QueryPairs;
use shared::problem::{Code, Problem};

/// Every kind. Those of transfers are found through the transfer they tell of, by their names here; all others by their
/// subject, which has to be an account, or nobody but who may read everything is told of them.
pub const KINDS: [&str; 18] = [
    POSTED,
    "transfer.pending",
    "transfer.voided",
    EXPIRED,
    "account.opened",
    "account.renamed",
    "account.changed",
    "account.limits_changed",
    "account.frozen",
    "account.unfrozen",
    "account.closed",
    "exchange.made",
    "exchange_rate.set",
    "standing_order.created",
    "standing_order.changed",
    "standing_order.cancelled",
    "standing_order.run",
    "standing_order.ended",
];

/// A transfer that moved money.
pub const POSTED: &str = "transfer.posted";

/// What was held was let go by time: no transfer tells of it, and its data names both accounts.
pub const EXPIRED: &str = "transfer.expired";

/// The kinds of the list in `types`; none named: every kind.
pub fn wanted(query: &QueryPairs) -> Result<Option<Vec<&'static str>>, Problem> {
    let Some(text) = query.get("types") else { return Ok(None) };
    let known = |word: &str| KINDS.into_iter().find(|kind| *kind == word);
    let kinds: Option<Vec<_>> = text.split(',').map(known).collect();
    kinds.map(Some).ok_or_else(|| {
        let rule = format!("a list, with commas, of {}", KINDS.join(", "));
        Problem::new(Code::ValidationFailed).error("?types", "one_of", rule)
    })
}
