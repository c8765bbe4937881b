//! What rows that put answers together must hold.

use std::collections::HashSet;

use super::super::{Config, Route};
use crate::config::{Auth, Keys};

use shared::config::Report;

/// Members that a composed answer has of its own.
const OWN: [&str; 2] = ["complete", "problems"];

/// The most answers that one is made of: each of them is a request of its own.
const MOST_PARTS: usize = 8;

/// A row is answered by an upstream or made of what other rows answer, and never both.
pub(super) fn check(route: &Route, at: &str, config: &Config, report: &mut Report<'_>) {
    if route.compose.is_empty() {
        return;
    }
    let key = format!("{at}.compose");
    report.ensure(route.upstream.is_empty(), &key, "a row has an `upstream`, or is composed of what other rows answer");
    report.ensure(route.methods == ["GET"], &key, "only GET: `methods = [\"GET\"]`");
    report.ensure(route.auth == Auth::Required, &key, "parts are judged by who asks: `auth = \"required\"`");
    report.ensure(route.compose.len() <= MOST_PARTS, &key, "at most 8 parts");
    let plain = route.split.is_empty()
        && route.mirror.is_none()
        && route.cache.is_none()
        && route.hedge.is_none()
        && route.retries.is_none()
        && route.fallback.is_none()
        && route.idempotency == Keys::default()
        && !route.websocket
        && !route.path.contains(['{', '*']);
    report.ensure(
        plain,
        &key,
        "how parts are asked, kept and stood in for is said by their own rows; and its path has no parameters",
    );
    let mut names = HashSet::new();
    for part in &route.compose {
        let is_name = part.name.starts_with(|first: char| first.is_ascii_lowercase())
            && part.name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
        report.ensure(is_name && !OWN.contains(&part.name.as_str()), &key, "a part's name is a member's: `snake_case`");
        report.ensure(names.insert(&part.name), &key, "a part's name stands twice");
        let mut rows = config.routes.iter().filter(|row| row.answers_a_part(&part.path)).peekable();
        if rows.peek().is_none() {
            report.error(&key, format!("no row of an upstream's answers GET of `{}`", part.path));
        }
        report.ensure(rows.all(|row| row.issuers == route.issuers), &key, "its parts take other issuers");
    }
}
