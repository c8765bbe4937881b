//! The query of GET /transfers, parsed.

use shared::auth::SignedIn;
use shared::http::QueryPairs;
use shared::problem::{Code, Problem};

use super::reading::Filter;
use super::shown::Status;
use crate::accounts::{may_see_all, one_of};
use crate::query;

/// Every parameter of the list.
pub const PARAMETERS: [&str; 11] = [
    "cursor",
    "limit",
    "sort_order",
    "scope",
    "account_id",
    "status",
    "external_ref",
    "pending_of",
    "reversal_of",
    "from",
    "to",
];

/// What the caller may and wants to see.
pub fn filter(who: &SignedIn, query: &QueryPairs) -> Result<Filter, Problem> {
    let all = one_of("scope", query.get("scope"), &["own", "all"])?.is_some_and(|scope| scope == "all");
    if all && !may_see_all(who) {
        return Err(Problem::new(Code::Forbidden).detail("Only support, treasurer and admin list all transfers."));
    }
    let statuses = Status::ALL.map(Status::as_str);
    Ok(Filter {
        owner: (!all).then_some(who.user.id),
        account: query::id(query, "account_id")?,
        external_ref: query.get("external_ref").map(str::to_owned),
        pending_of: query::id(query, "pending_of")?,
        reversal_of: query::id(query, "reversal_of")?,
        status: one_of("status", query.get("status"), &statuses)?.and_then(|word| Status::parse(&word)),
        from: query::instant(query, "from")?,
        to: query::instant(query, "to")?,
    })
}

/// Newest first unless asked otherwise.
pub fn descending(query: &QueryPairs) -> Result<bool, Problem> {
    let word = one_of("sort_order", query.get("sort_order"), &["asc", "desc"])?;
    Ok(word.is_none_or(|word| word == "desc"))
}
