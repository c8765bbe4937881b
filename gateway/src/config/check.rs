//! What a configuration must hold beyond the types of its values; every mistake under the path of its key.

mod authentication;
mod cache;
mod compose;
mod compression;
mod forwarding;
mod idempotency;
mod rate_limit;
mod tls;
mod upstreams;
mod websocket;

use std::collections::HashSet;

use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use shared::config::{Check, Report};
use shared::store::check_address;

use super::{Config, Route};
use crate::policy::client::Network;
use crate::policy::version::{is_version, parse_instant};
use crate::route::Pattern;

/// RFC 7518, section 3.2: an HS256 key has at least as many bits as the hash.
const MIN_SECRET: usize = 32;

/// What is said of a secret that is too short.
pub const NO_SECRET: &str = "needs at least 32 bytes; the services have the same";

/// Names that our own services have.
const OUR_SERVICES: [&str; 2] = ["users", "accounts"];

impl Check for Config {
    fn check(&self, report: &mut Report<'_>) {
        server(self, report);
        upstreams::check(self, report);
        authentication::check(self, report);
        versions(self, report);
        headers(self, report);
        compression::check(&self.compression, report);
        forwarding::check(&self.forwarding, report);
        websocket::check(self, report);
        tls::check(self, report);
        let names = Names::of(self);
        rate_limit::check(self, &names, report);
        for (i, route) in self.routes.iter().enumerate() {
            check_route(route, &format!("routes[{i}]"), &names, report);
            tls::route(route, &format!("routes[{i}]"), self, report);
            compose::check(route, &format!("routes[{i}]"), self, report);
        }
        duplicates(&self.routes, report);
        idempotency::check(self, report);
        cache::check(self, report);
    }
}

/// What routes may refer to.
struct Names<'a> {
    upstreams: HashSet<&'a str>,
    policies: HashSet<&'a str>,
    issuers: Vec<(&'a str, bool)>,
    versions: HashSet<&'a str>,
    prefix: &'a str,
}

impl<'a> Names<'a> {
    fn of(config: &'a Config) -> Self {
        let upstreams = config.upstreams.iter().map(|upstream| upstream.name.as_str());
        Self {
            upstreams: OUR_SERVICES.into_iter().chain(upstreams).collect(),
            policies: config.rate_limit.policies.iter().map(|policy| policy.name.as_str()).collect(),
            issuers: authentication::names(config),
            versions: config.versions.served.iter().map(|version| version.name.as_str()).collect(),
            prefix: &config.versions.prefix,
        }
    }
}

/// The HTTP parser takes targets up to 64 KiB.
const MAX_URL_BYTES: usize = 60_000;

fn server(config: &Config, report: &mut Report<'_>) {
    let server = &config.server;
    // None at all is for questions about the routes; `serve` and `check-config` want one.
    let secret = config.identity.secret.expose().len();
    report.ensure(secret == 0 || secret >= MIN_SECRET, "identity.secret", NO_SECRET);
    let admin = config.admin.listen;
    report.ensure(admin.port() == 0 || admin != server.listen, "admin.listen", "`server.listen` is there already");
    let redis = config.redis.url.expose();
    report.ensure(redis.is_empty() || check_address(redis).is_ok(), "redis.url", "no address of a Redis server");
    report.ensure(server.max_connections > 0, "server.max_connections", "at least 1");
    report.ensure(
        server.body_rate == 0 || !server.body_timeout.get().is_zero(),
        "server.body_rate",
        "only with server.body_timeout",
    );
    report.ensure(server.max_in_flight > 0, "server.max_in_flight", "at least 1");
    let url_bytes = 1..=MAX_URL_BYTES;
    report.ensure(url_bytes.contains(&server.limits.url_bytes), "server.limits.url_bytes", "1 to 60000");
    report.ensure(server.limits.header_count > 0, "server.limits.header_count", "at least 1");
    report.ensure(server.limits.header_bytes > 0, "server.limits.header_bytes", "at least 1");
    for network in &server.trusted_proxies {
        if network.parse::<Network>().is_err() {
            report.error("server.trusted_proxies", format!("`{network}` is no address and no CIDR block"));
        }
    }
    report.ensure(!config.documents.refresh.get().is_zero(), "documents.refresh", "more than 0s");
    report.ensure(config.validation.body_bytes > 0, "validation.body_bytes", "at least 1");
}

fn versions(config: &Config, report: &mut Report<'_>) {
    let versions = &config.versions;
    let known = |name: &str| versions.served.iter().any(|version| version.name == name);
    let prefix = &versions.prefix;
    report.ensure(
        prefix.starts_with('/') && !prefix.ends_with('/'),
        "versions.prefix",
        "begins and does not end with a slash",
    );
    report.ensure(known(&versions.default), "versions.default", "this version is not served");
    let mut seen = HashSet::new();
    for (i, version) in versions.served.iter().enumerate() {
        let at = |key: &str| format!("versions.served[{i}].{key}");
        report.ensure(is_version(&version.name), &at("name"), "a version is `v` and a number");
        report.ensure(seen.insert(&version.name), &at("name"), "this version stands twice");
        for (key, instant) in [("deprecation", &version.deprecation), ("sunset", &version.sunset)] {
            let readable = instant.as_deref().is_none_or(|text| parse_instant(text).is_some());
            report.ensure(readable, &at(key), "an RFC 3339 date and time, such as 2027-01-01T00:00:00Z");
        }
        let successor = version.successor.as_deref();
        report.ensure(successor.is_none_or(known), &at("successor"), "this version is not served");
        report.ensure(successor != Some(&version.name), &at("successor"), "a version cannot follow itself");
    }
}

fn policies_exist(wanted: &[String], path: &str, names: &Names<'_>, report: &mut Report<'_>) {
    for name in wanted.iter().filter(|name| !names.policies.contains(name.as_str())) {
        report.error(path, format!("there is no policy `{name}`"));
    }
}

fn headers(config: &Config, report: &mut Report<'_>) {
    let headers = &config.security_headers;
    for (key, value) in [
        ("strict_transport_security", &headers.strict_transport_security),
        ("content_security_policy", &headers.content_security_policy),
        ("referrer_policy", &headers.referrer_policy),
        ("cross_origin_opener_policy", &headers.cross_origin_opener_policy),
        ("cross_origin_resource_policy", &headers.cross_origin_resource_policy),
    ] {
        report.ensure(HeaderValue::from_str(value).is_ok(), &format!("security_headers.{key}"), "not a header's value");
    }
    let cors = &config.cors;
    let any = cors.origins.iter().any(|origin| origin == "*");
    report.ensure(!(any && cors.credentials), "cors.credentials", "cannot go with the origin \"*\"");
    for origin in cors.origins.iter().filter(|origin| *origin != "*" && !is_origin(origin)) {
        report.error("cors.origins", format!("`{origin}` is no origin: scheme, host and port, without a path"));
    }
    for (key, values) in [("methods", &cors.methods), ("headers", &cors.headers)] {
        let fine = values.iter().all(|value| !value.is_empty() && HeaderValue::from_str(value).is_ok());
        report.ensure(fine, &format!("cors.{key}"), "each is one word");
    }
}

fn is_origin(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
}

fn check_route(route: &Route, at: &str, names: &Names<'_>, report: &mut Report<'_>) {
    let key = |key: &str| format!("{at}.{key}");
    if let Err(error) = route.path.parse::<Pattern>() {
        report.error(&key("path"), format!("`{}`: {error}", route.path));
    }
    upstreams::of_route(route, at, &names.upstreams, report);
    for method in &route.methods {
        let known =
            method.parse::<Method>().is_ok_and(|method| method.as_str() == method.as_str().to_ascii_uppercase());
        report.ensure(known, &key("methods"), "methods are written in capitals");
    }
    let below = crate::policy::version::below(&route.path, names.prefix);
    let first = below.and_then(|rest| rest.strip_prefix('/')?.split('/').next());
    let names_one =
        first.is_some_and(|first| names.versions.contains(first)) && route.version.as_deref() != Some("none");
    report.ensure(!names_one, &key("path"), "written without the version; `version` says which it has");
    policies_exist(&route.limits, &key("limits"), names, report);
    if let Some(limits) = &route.client_limits {
        policies_exist(limits, &key("client_limits"), names, report);
        let judged = route.forward_authorization;
        report.ensure(judged, &key("client_limits"), "only with `forward_authorization`: the upstream judges clients");
    }
    authentication::check_route(route, at, &names.issuers, report);
    match route.version.as_deref() {
        None | Some("none") => {}
        Some(name) => {
            report.ensure(name == "all" || names.versions.contains(name), &key("version"), "no such version");
            report.ensure(below.is_some(), &key("version"), "only paths below versions.prefix have a version");
        }
    }
}

fn duplicates(routes: &[Route], report: &mut Report<'_>) {
    let mut seen = HashSet::new();
    for (i, route) in routes.iter().enumerate() {
        let any = [String::from("*")];
        let methods = if route.methods.is_empty() { &any[..] } else { &route.methods };
        for method in methods {
            let version = route.version.as_deref().unwrap_or_default();
            let fresh = seen.insert((route.host.as_deref(), &route.path, method.clone(), version));
            report.ensure(fresh, &format!("routes[{i}]"), "an earlier route has this host, path, method and version");
        }
    }
}
