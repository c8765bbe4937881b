//! `gateway explain "GET /api/v2/users/me" --role user`: which route, checks and limits would apply, and why.

use std::fmt::Write;
use std::time::Instant;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use shared::clock::Clock;
use shared::domain::{Permissions, Roles};
use shared::problem::Problem;

use crate::config::{Auth, Config, CrossSite, LimiterDown, Part, Priority, ValidationMode};
use crate::docs;
use crate::policy::cache::tags::own_word;
use crate::policy::idempotency::needs_key;
use crate::policy::rate_limit::{Policy, describe_key};
use crate::policy::version::VersionRule;
use crate::route::{Found, Route, Wanted, path};
use crate::tables::{CompileError, Tables, auth_word};

/// Why there is nothing to explain.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The configuration does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The question is not `METHOD /path`.
    #[error("write the request as \"GET /api/v2/users/me\"")]
    Question,
    /// The path would be refused.
    #[error("400 malformed_path: {0}")]
    Path(#[from] path::AmbiguousPath),
    /// The version would be refused.
    #[error("{status} {0}", status = .0.code().status())]
    Version(Problem),
}

/// A request that nobody has sent.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Method and path.
    pub request: &'a str,
    /// The host that it names; `None`: one that has no rows of its own.
    pub host: Option<&'a str>,
    /// Its caller's roles; `None`: it has no token.
    pub roles: Option<Roles>,
    /// What custom roles add to these.
    pub permissions: Permissions,
}

/// What would happen to it.
///
/// # Errors
/// A question that cannot be read, or one that would be refused before any route.
pub fn explain(config: &Config, question: Question<'_>, clock: &Clock) -> Result<String, ExplainError> {
    let tables = Tables::compile(config, Instant::now())?;
    let (method, target) = question.request.split_once(' ').ok_or(ExplainError::Question)?;
    let method: Method = method.parse().map_err(|_| ExplainError::Question)?;
    let (raw, query) = target.trim().split_once('?').unwrap_or((target.trim(), ""));
    let path = path::canonical(raw)?;
    if config.documents.enabled && docs::is_own(&path) || matches!(&*path, "/livez" | "/readyz") {
        return Ok("the gateway answers this itself, to anybody, and counts it against no limit\n".to_owned());
    }
    let asked = tables.versions.split(&path);
    let versioned = match asked {
        Some(asked) => {
            let version = tables.versions.resolve(asked, &HeaderMap::new(), query).map_err(ExplainError::Version)?;
            Some((version, asked.rest))
        }
        None => None,
    };
    let found = tables.routes.find(Wanted { host: question.host, path: &path, versioned, method: &method });
    let versioned = versioned.filter(|_| !matches!(found, Found::Route(route) if route.version == VersionRule::None));
    if let Some((version, _)) = versioned {
        tables.versions.get(version).check_alive(clock).map_err(ExplainError::Version)?;
    }
    Ok(match found {
        Found::Nothing => "404 not_found: no route has this path\n".to_owned(),
        Found::OtherMethods(methods) => format!("405 method_not_allowed: this path has {methods:?}\n"),
        Found::Route(route) => {
            let upstream_path = match versioned {
                Some((id, rest)) => format!("{}/{}{rest}", tables.versions.prefix(), tables.versions.get(id).name),
                None => path.into_owned(),
            };
            describe(route, &method, &upstream_path, question, &tables)
        }
    })
}

/// What is said, line by line.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn say(&mut self, name: &str, value: String) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{name:<10} {value}");
    }
}

fn describe(route: &Route, method: &Method, upstream_path: &str, asked: Question<'_>, tables: &Tables) -> String {
    let (mut lines, roles) = (Lines::default(), asked.roles);
    let methods = route.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    lines.say(
        "route",
        format!("{} {} (row {})", if methods.is_empty() { "*" } else { &methods }, route.pattern, route.index),
    );
    if let Some(host) = &route.host {
        lines.say("host", host.clone());
    }
    match route.parts.as_slice() {
        [] => {
            let upstream = &route.upstream;
            lines.say("upstream", format!("{} {}{upstream_path}", upstream.name, upstream.origin().as_str()));
        }
        parts => lines.say("composed", composed(parts)),
    }
    who(&mut lines, route, method, tables);
    how_much(&mut lines, route, method, roles);
    by_which_way(&mut lines, route, method, tables);
    lines.say("document", validation(route));
    lines.say("verdict", verdict(route, roles, asked.permissions).to_owned());
    lines.0
}

/// What is put together.
fn composed(parts: &[Part]) -> String {
    let part = |part: &Part| format!("{} of {}", part.name, part.path);
    parts.iter().map(part).collect::<Vec<_>>().join(", ")
}

/// Who may.
fn who(lines: &mut Lines, route: &Route, method: &Method, tables: &Tables) {
    lines.say("token", auth_word(route.auth).to_owned());
    if !route.roles.is_empty() {
        lines.say("roles", route.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" or "));
    }
    if let Some(permission) = route.permission {
        lines.say("", format!("or the permission {permission}"));
    }
    if route.auth != Auth::None {
        let implied = || format!("{} for keys and clients", route.scopes.implied(method));
        lines.say("scope", if route.scopes.is_named() { route.scopes.to_string() } else { implied() });
        lines.say("issuers", tables.issuers.names(route.issuers).join(", "));
        let cookie = tables.issuers.cookie.as_deref();
        lines.say("cookie", cookie.map_or("none".to_owned(), |name| format!("{name}, from our own pages only")));
    }
    if route.forward_cookies {
        lines.say("cookies", "the upstream gets those of ours, too".to_owned());
    }
    match route.cross_site {
        CrossSite::Judge => {}
        CrossSite::Refuse => lines.say("page", "no page but our own may send what changes something".to_owned()),
    }
    if route.certificate.required {
        let names = route.certificate.names.join(" or ");
        lines.say("certificate", if names.is_empty() { "of any client of ours".to_owned() } else { names });
    }
    if route.certificate.forward {
        lines.say("certificate", "the upstream is told it".to_owned());
    }
}

/// How often, how large, how long.
fn how_much(lines: &mut Lines, route: &Route, method: &Method, roles: Option<Roles>) {
    let limits = route.limits.of_roles(roles);
    for policy in &limits.policies {
        lines.say("limit", limit(policy));
    }
    for policy in route.limits.of_keys().into_iter().flat_map(|set| &set.policies).filter(|_| roles.is_some()) {
        lines.say("", format!("with an API key {}", limit(policy)));
    }
    if let Some(set) = route.limits.of_clients().filter(|_| roles.is_none()) {
        let names: Vec<_> = set.policies.iter().map(|policy| policy.name.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        lines.say("", format!("with an OAuth client by HTTP Basic only {names}"));
    }
    match limits.by_size {
        Some(size) => {
            lines.say("cost", format!("{} of each limit, and one for each {} bytes", limits.cost, size.bytes))
        }
        None if limits.cost != 1 => lines.say("cost", format!("{} of each limit", limits.cost)),
        None => {}
    }
    let down = match route.limiter_down {
        LimiterDown::Share => "this instance's share while counters cannot be reached",
        LimiterDown::Refuse => "503 while counters cannot be reached",
    };
    lines.say("", down.to_owned());
    if let Some(rule) = route.idempotency.as_ref().filter(|_| needs_key(method)) {
        lines.say("key", rule.describe());
    }
    lines.say("priority", priority(route, method, roles));
    lines.say("timeout", route.timeout.map_or("none".to_owned(), |timeout| format!("{timeout:?}")));
    lines.say("body", format!("at most {} bytes", route.body_limit));
    lines.say("retries", format!("at most {}, of what is safe", route.attempts));
    if let Some(after) = route.hedge {
        lines.say("hedge", format!("GETs after {after:?}"));
    }
}

/// Who else is asked, and what becomes of the answer.
fn by_which_way(lines: &mut Lines, route: &Route, method: &Method, tables: &Tables) {
    for branch in route.split.branches() {
        let header = branch.header.as_ref().map(|(name, _)| format!(", with the header {name}"));
        let cookie = branch.cookie.as_ref().map(|(name, _)| format!(", with the cookie {name}"));
        let (header, cookie) = (header.unwrap_or_default(), cookie.unwrap_or_default());
        lines.say("split", format!("{} % to {}{header}{cookie}", branch.percent, branch.upstream.name));
    }
    if let Some(mirror) = &route.mirror {
        lines.say("mirror", format!("{} % to {}", mirror.percent, mirror.upstream.name));
    }
    if let Some(fallback) = &route.fallback {
        lines.say("fallback", format!("{} in place of 502, 503, 504", fallback.status));
    }
    if route.websocket {
        let most = tables.websocket.max_per_caller;
        lines.say("websocket", format!("tunnelled, at most {most} of one caller"));
    }
    lines.say("compress", if route.compress { tables.compression.offer() } else { "never".to_owned() });
    lines.say("cache", route.cache.as_ref().map_or("never".to_owned(), |settings| settings.describe()));
    if !route.invalidates.is_empty() && !method.is_safe() {
        let words: Vec<_> = route.invalidates.iter().map(|tag| own_word(tag)).collect();
        lines.say("", format!("forgets what is tagged {}", words.join(", ")));
    }
}

fn limit(policy: &Policy) -> String {
    let (quota, key) = (policy.quota, describe_key(&policy.key));
    let scope = if policy.per_route { ", on this route alone" } else { "" };
    let shadow = if policy.shadow { "; in shadow mode: only reported" } else { "" };
    format!(
        "{}: {} per {:?} and burst {}, by {key}{scope}{shadow}",
        policy.name, quota.limit, quota.window, quota.burst
    )
}

fn priority(route: &Route, method: &Method, roles: Option<Roles>) -> String {
    let word = match route.priority(method, roles.is_none()) {
        Priority::High => "high",
        Priority::Normal => "normal, after what is high",
        Priority::Low => "low, shed first",
    };
    word.to_owned()
}

fn validation(route: &Route) -> String {
    let what = if route.upstream.is_ours { "the shape" } else { "everything" };
    match route.validation.mode {
        ValidationMode::Off => "not held against the document".to_owned(),
        ValidationMode::Report => {
            format!("{what} is held against the document; what it does not allow is counted and passes")
        }
        ValidationMode::Refuse => format!("{what} is held against the document; what it does not allow is refused"),
    }
}

fn verdict(route: &Route, roles: Option<Roles>, permissions: Permissions) -> &'static str {
    match roles {
        None if route.auth == Auth::Required => "401 token_required",
        Some(roles) if !route.opens_to(roles, permissions) => "403 forbidden",
        None | Some(_) => "passes, if its token and its limits hold",
    }
}

#[cfg(test)]
mod tests;
