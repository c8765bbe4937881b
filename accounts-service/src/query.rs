//! Query parameters that more than one list has.

use std::str::FromStr;

use shared::clock;
use shared::domain::Currency;
use shared::http::QueryPairs;
use shared::problem::{Code, Problem};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An instant in microseconds since the epoch, cut towards the past; 400 when it is none.
pub fn instant(query: &QueryPairs, name: &'static str) -> Result<Option<i64>, Problem> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| malformed(name, "instant", "an RFC 3339 instant"))?;
    Ok(Some(clock::to_micros(at)))
}

/// An id; 400 when it is none.
pub fn id<T: FromStr>(query: &QueryPairs, name: &'static str) -> Result<Option<T>, Problem> {
    query.get(name).map(|text| text.parse().map_err(|_| malformed(name, "uuid", "an id"))).transpose()
}

/// The code of a currency; 422 when it is none that there is.
pub fn currency(query: &QueryPairs, name: &'static str) -> Result<Option<String>, Problem> {
    let Some(code) = query.get(name) else { return Ok(None) };
    let currency = code.parse::<Currency>().map_err(|_| {
        Problem::new(Code::ValidationFailed).error(format!("?{name}"), "currency", "an ISO 4217 currency")
    })?;
    Ok(Some(currency.code().to_owned()))
}

fn malformed(name: &str, rule: &'static str, detail: &'static str) -> Problem {
    Problem::new(Code::MalformedQuery).error(format!("?{name}"), rule, detail)
}
