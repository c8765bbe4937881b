//! The query of GET /transfers, parsed.

use shared::auth::SignedIn;
use shared::clock;
use shared::domain::AccountId;
use shared::http::QueryPairs;
use shared::problem::{Code, Problem};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::store::Filter;
use crate::accounts::{may_see_all, one_of};

/// Every parameter of the list.
pub const PARAMETERS: [&str; 9] =
    ["cursor", "limit", "sort_order", "scope", "account_id", "status", "external_ref", "from", "to"];

/// What the caller may and wants to see.
pub fn filter(who: &SignedIn, query: &QueryPairs) -> Result<Filter, Problem> {
    let all = one_of("scope", query.get("scope"), &["own", "all"])?.is_some_and(|scope| scope == "all");
    if all && !may_see_all(who) {
        return Err(Problem::new(Code::Forbidden).detail("Only support, treasurer and admin list all transfers."));
    }
    Ok(Filter {
        owner: (!all).then_some(who.user.id),
        account: query.get("account_id").map(account).transpose()?,
        external_ref: query.get("external_ref").map(str::to_owned),
        status: one_of("status", query.get("status"), &["posted", "pending", "voided", "expired"])?,
        from: instant(query, "from")?,
        to: instant(query, "to")?,
    })
}

/// Newest first unless asked otherwise.
pub fn descending(query: &QueryPairs, by_default: bool) -> Result<bool, Problem> {
    let word = one_of("sort_order", query.get("sort_order"), &["asc", "desc"])?;
    Ok(word.map_or(by_default, |word| word == "desc"))
}

fn account(text: &str) -> Result<AccountId, Problem> {
    text.parse().map_err(|_| Problem::new(Code::MalformedQuery).error("?account_id", "uuid", "an account's id"))
}

fn instant(query: &QueryPairs, name: &'static str) -> Result<Option<i64>, Problem> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let at = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| Problem::new(Code::MalformedQuery).error(format!("?{name}"), "instant", "an RFC 3339 instant"))?;
    Ok(Some(clock::to_micros(at)))
}
