//! What must hold of issuers, API keys, the cookie, and of routes that ask for callers.

use std::collections::HashSet;

use actix_web::http::header::HeaderName;
use reqwest::Url;
use shared::config::Report;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::OUR_SERVICES;
use crate::config::{ApiKeys, Auth, Authentication, Config, Introspection, Issuer, Route};
use crate::policy::authenticate::keys::algorithm;
use crate::policy::authenticate::{MAX_ISSUERS, STATIC_KEYS, TAKEN, hash};

/// Shorter beginnings of keys would be found in tokens.
const MIN_PREFIX: usize = 3;

/// Begins a cookie's name that only this host may set, over TLS (RFC 6265bis, section 4.1.3.2).
const HOST_PREFIX: &str = "__Host-";

/// The default is where `make run` has this gateway, and no token of anywhere else has it.
const UNCHOSEN: &str =
    "name the public address, as users-service does: `server.listen` is for others than this machine";

/// The service that makes the cookies, and the only one that is shown them.
const SIGN_IN: &str = "users";

/// Headers that carry something else.
const NOT_FOR_KEYS: [&str; 3] = ["authorization", "cookie", "host"];

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    let ours = &config.authentication;
    report.ensure(!ours.issuer.is_empty(), "authentication.issuer", "may not be empty");
    let chosen = config.server.listen.ip().is_loopback() || report.is_given("authentication.issuer");
    report.ensure(chosen, "authentication.issuer", UNCHOSEN);
    report.ensure(!ours.audience.is_empty(), "authentication.audience", "may not be empty");
    report.ensure(ours.cache_capacity > 0, "authentication.cache_capacity", "at least 1");
    report.ensure(!ours.refresh.get().is_zero(), "authentication.refresh", "more than 0s");
    algorithms(&ours.algorithms, "authentication.algorithms", report);
    let jwks_url = &ours.jwks_url;
    report.ensure(jwks_url.is_empty() || is_web(jwks_url), "authentication.jwks_url", "an http:// or https:// URL");
    let full = &ours.full_scope;
    report.ensure(full.is_empty() || is_scope(full), "authentication.full_scope", "one word");
    let asking = &ours.introspection;
    report.ensure(!asking.timeout.get().is_zero(), "authentication.introspection.timeout", "more than 0s");
    // For as long users-service tells of a key that was revoked.
    let believed = asking.remember.get().as_secs() <= 300;
    report.ensure(believed, "authentication.introspection.remember", "at most 5m");
    report.ensure(asking.capacity > 0, "authentication.introspection.capacity", "at least 1");
    report.ensure(asking.max_in_flight > 0, "authentication.introspection.max_in_flight", "at least 1");
    issuers(ours, report);
    api_keys(&ours.api_keys, report);
    let cookie = &ours.cookie.name;
    report.ensure(cookie.is_empty() || is_cookie(cookie), "authentication.cookie.name", "`__Host-` and a word");
}

fn issuers(ours: &Authentication, report: &mut Report<'_>) {
    report.ensure(ours.issuers.len() <= MAX_ISSUERS, "authentication.issuers", "at most 61");
    let mut names: HashSet<&str> = TAKEN.into();
    let mut seen = HashSet::from([ours.issuer.as_str()]);
    let mut prefixes = HashSet::new();
    for (i, issuer) in ours.issuers.iter().enumerate() {
        let at = |key: &str| format!("authentication.issuers[{i}].{key}");
        report.ensure(is_word(&issuer.name), &at("name"), "letters, digits, `_` and `-`");
        report.ensure(names.insert(&issuer.name), &at("name"), "this name is taken");
        let fine = !issuer.issuer.is_empty() && !issuer.issuer.contains('#');
        report.ensure(fine, &at("issuer"), "the `iss` of its tokens; it has no `#`");
        report.ensure(seen.insert(&issuer.issuer), &at("issuer"), "there is an issuer of this `iss` already");
        algorithms(&issuer.algorithms, &at("algorithms"), report);
        report.ensure(!issuer.subject_claim.is_empty(), &at("subject_claim"), "may not be empty");
        report.ensure(issuer.full_scope.is_empty() || is_scope(&issuer.full_scope), &at("full_scope"), "one word");
        report.ensure(issuer.trusted || !issuer.watermarks, &at("watermarks"), "only for an issuer that is `trusted`");
        let mapped = issuer.role_map.is_empty() || !issuer.roles_claim.is_empty();
        report.ensure(mapped, &at("role_map"), "`roles_claim` says where the roles are");
        sources(issuer, &at, report);
        if let Some(asked) = &issuer.introspection {
            introspection(asked, &at, report);
            report.ensure(
                prefixes.insert(&asked.prefix),
                &at("introspection.prefix"),
                "another issuer has this prefix",
            );
        }
    }
}

/// Keys at an address, keys that are discovered, or somebody to ask: one of them.
fn sources(issuer: &Issuer, at: &dyn Fn(&str) -> String, report: &mut Report<'_>) {
    let url = &issuer.jwks_url;
    let given = [!url.is_empty(), issuer.discovery, issuer.introspection.is_some()];
    let one = given.into_iter().filter(|given| *given).count() == 1;
    report.ensure(one, &at("jwks_url"), "exactly one of `jwks_url`, `discovery` and `introspection`");
    report.ensure(url.is_empty() || is_web(url), &at("jwks_url"), "an http:// or https:// URL");
    report.ensure(!issuer.discovery || is_web(&issuer.issuer), &at("issuer"), "a URL, where `discovery` is on");
    let asked = issuer.introspection.is_some();
    report.ensure(asked || !issuer.audiences.is_empty(), &at("audiences"), "at least one");
}

fn introspection(asked: &Introspection, at: &dyn Fn(&str) -> String, report: &mut Report<'_>) {
    report.ensure(is_web(&asked.url), &at("introspection.url"), "an http:// or https:// URL");
    let twice = asked.client_secret.is_some() && asked.client_secret_file.is_some();
    report.ensure(!twice, &at("introspection.client_secret"), "given twice, as itself and as a file");
    if let Err(error) = asked.secret() {
        report.error(&at("introspection.client_secret_file"), format!("cannot be read: {error}"));
    }
}

fn api_keys(keys: &ApiKeys, report: &mut Report<'_>) {
    let header = keys.header.as_str();
    let fine = header.parse::<HeaderName>().is_ok_and(|name| !NOT_FOR_KEYS.contains(&name.as_str()));
    report.ensure(header.is_empty() || fine, "authentication.api_keys.header", "a header of its own");
    let prefix = keys.prefix.as_str();
    let fine = prefix.len() >= MIN_PREFIX && is_word(prefix);
    report.ensure(
        prefix.is_empty() || fine,
        "authentication.api_keys.prefix",
        "3 or more letters, digits, `_` and `-`",
    );
    let path = keys.introspection.as_str();
    let fine = path.starts_with('/') && !path.contains(['?', '#', ' ']);
    report.ensure(
        path.is_empty() || fine,
        "authentication.api_keys.introspection",
        "a path of users-service, or empty",
    );
    let (mut names, mut hashes) = (HashSet::new(), HashSet::new());
    for (i, key) in keys.keys.iter().enumerate() {
        let at = |name: &str| format!("authentication.api_keys.keys[{i}].{name}");
        report.ensure(is_word(&key.name), &at("name"), "letters, digits, `_` and `-`");
        report.ensure(names.insert(&key.name), &at("name"), "this name stands twice");
        report.ensure(hash(&key.sha256).is_some(), &at("sha256"), "the key's SHA-256 in 64 hexadecimal digits");
        report.ensure(hashes.insert(key.sha256.to_ascii_lowercase()), &at("sha256"), "this key stands twice");
        report.ensure(key.scopes.iter().all(|scope| is_scope(scope)), &at("scopes"), "each is one word");
        let fine = key.expires_at.as_deref().is_none_or(|text| OffsetDateTime::parse(text, &Rfc3339).is_ok());
        report.ensure(fine, &at("expires_at"), "an RFC 3339 date and time, such as 2027-01-01T00:00:00Z");
    }
}

/// The issuers that routes may name, and whether they may vouch for our users.
pub(super) fn names(config: &Config) -> Vec<(&str, bool)> {
    let further = config.authentication.issuers.iter().map(|issuer| (issuer.name.as_str(), issuer.trusted));
    TAKEN.into_iter().map(|name| (name, name != STATIC_KEYS)).chain(further).collect()
}

pub(super) fn check_route(route: &Route, at: &str, issuers: &[(&str, bool)], report: &mut Report<'_>) {
    let key = |key: &str| format!("{at}.{key}");
    let scopes = || route.scope.iter().chain(&route.scopes).chain(&route.scope_any);
    let needs_caller = !route.roles.is_empty() || route.permission.is_some() || scopes().next().is_some();
    let said = "roles, a permission and scopes need `required`";
    report.ensure(!needs_caller || route.auth == Auth::Required, &key("auth"), said);
    report.ensure(scopes().all(|scope| is_scope(scope)), &key("scopes"), "each is one word");
    let home = route.upstreams().all(|name| name == SIGN_IN);
    report.ensure(!route.forward_cookies || home, &key("forward_cookies"), "only `users` may see cookies of ours");
    let ours = route.upstreams().any(|name| OUR_SERVICES.contains(&name));
    for name in &route.issuers {
        match issuers.iter().find(|(known, _)| known == name) {
            None => report.error(&key("issuers"), format!("there is no issuer `{name}`")),
            Some((_, false)) if ours => {
                report.error(&key("issuers"), format!("`{name}` is not trusted to name our users"));
            }
            Some(_) => {}
        }
    }
}

fn algorithms(names: &[String], at: &str, report: &mut Report<'_>) {
    report.ensure(!names.is_empty(), at, "at least one");
    for name in names.iter().filter(|name| algorithm(name).is_none()) {
        report.error(at, format!("`{name}` is none of EdDSA, ES256, RS256"));
    }
}

/// What can be fetched from, without a password in it.
fn is_web(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    })
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// A scope-token (RFC 6749, section 3.3): it can stand in a challenge's quotes as it is.
fn is_scope(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

fn is_cookie(name: &str) -> bool {
    name.strip_prefix(HOST_PREFIX).is_some_and(is_word)
}
