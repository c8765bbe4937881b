//! `gateway explain "GET /api/v2/users/me" --role user`: which route, checks and limits would apply, and why.

use std::fmt::Write;
use std::time::Instant;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use shared::domain::Roles;
use shared::problem::Problem;

use crate::config::{Auth, Config, KeysDown, LimiterDown, OnUnknown, ValidationMode};
use crate::docs;
use crate::policy::idempotency::{Rule, needs_key};
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
    #[error("{0}")]
    Version(Problem),
}

/// What would happen to `question`, asked by a caller with `roles` (`None`: without a token).
///
/// # Errors
/// A question that cannot be read, or one that would be refused before any route.
pub fn explain(config: &Config, question: &str, roles: Option<Roles>) -> Result<String, ExplainError> {
    let tables = Tables::compile(config, Instant::now())?;
    let (method, target) = question.split_once(' ').ok_or(ExplainError::Question)?;
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
    Ok(match tables.routes.find(Wanted { host: None, path: &path, versioned, method: &method }) {
        Found::Nothing => "404 not_found: no route has this path\n".to_owned(),
        Found::OtherMethods(methods) => format!("405 method_not_allowed: this path has {methods:?}\n"),
        Found::Route(route) => {
            let upstream_path = match versioned.filter(|_| route.version != VersionRule::None) {
                Some((id, rest)) => format!("{}/{}{rest}", tables.versions.prefix(), tables.versions.get(id).name),
                None => path.into_owned(),
            };
            describe(route, &method, &upstream_path, roles, &tables)
        }
    })
}

fn describe(route: &Route, method: &Method, upstream_path: &str, roles: Option<Roles>, tables: &Tables) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<10} {value}");
    };
    let methods = route.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    line(
        "route",
        format!("{} {} (row {})", if methods.is_empty() { "*" } else { &methods }, route.pattern, route.index),
    );
    line("upstream", format!("{} {}{upstream_path}", route.upstream.name, route.upstream.origin().as_str()));
    line("token", auth_word(route.auth).to_owned());
    if !route.roles.is_empty() {
        line("roles", route.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" or "));
    }
    if route.auth != Auth::None {
        let implied = || format!("{} for keys and clients", route.scopes.implied(method));
        line("scope", if route.scopes.is_named() { route.scopes.to_string() } else { implied() });
        line("issuers", tables.issuers.names(route.issuers).join(", "));
        let cookie = tables.issuers.cookie.as_deref();
        line("cookie", cookie.map_or("none".to_owned(), |name| format!("{name}, from our own pages only")));
    }
    if route.certificate.required {
        let names = route.certificate.names.join(" or ");
        line("certificate", if names.is_empty() { "of any client of ours".to_owned() } else { names });
    }
    let limits = route.limits.of_roles(roles);
    for policy in &limits.policies {
        line("limit", limit(policy));
    }
    if limits.cost != 1 {
        line("cost", format!("{} of each limit", limits.cost));
    }
    let down = match route.limiter_down {
        LimiterDown::Share => "this instance's share while counters cannot be reached",
        LimiterDown::Refuse => "503 while counters cannot be reached",
    };
    line("", down.to_owned());
    if let Some(rule) = route.idempotency.as_ref().filter(|_| needs_key(method)) {
        line("key", keys(rule));
    }
    line("timeout", route.timeout.map_or("none".to_owned(), |timeout| format!("{timeout:?}")));
    line("body", format!("at most {} bytes", route.body_limit));
    line("retries", format!("at most {}, of what is safe", route.attempts));
    if let Some(after) = route.hedge {
        line("hedge", format!("GETs after {after:?}"));
    }
    for branch in route.split.branches() {
        let header = branch.header.as_ref().map(|(name, _)| format!(", with the header {name}"));
        let cookie = branch.cookie.as_ref().map(|(name, _)| format!(", with the cookie {name}"));
        let (header, cookie) = (header.unwrap_or_default(), cookie.unwrap_or_default());
        line("split", format!("{} % to {}{header}{cookie}", branch.percent, branch.upstream.name));
    }
    if let Some(mirror) = &route.mirror {
        line("mirror", format!("{} % to {}", mirror.percent, mirror.upstream.name));
    }
    if let Some(fallback) = &route.fallback {
        line("fallback", format!("{} in place of 502, 503, 504", fallback.status));
    }
    if route.websocket {
        let most = tables.websocket.max_per_caller;
        line("websocket", format!("tunnelled, at most {most} of one caller"));
    }
    line("compress", if route.compress { tables.compression.offer() } else { "never".to_owned() });
    line("cache", route.cache.as_ref().map_or("never".to_owned(), |settings| settings.describe()));
    line("document", validation(route));
    line("verdict", verdict(route, roles).to_owned());
    text
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

fn keys(rule: &Rule) -> String {
    let need = if rule.key_required { "required" } else { "accepted" };
    let unknown = match rule.on_unknown {
        OnUnknown::Refuse => "refused",
        OnUnknown::Retry => "carried out anew",
    };
    let down = match rule.down {
        KeysDown::Refuse => "503",
        KeysDown::Pass => "no protection",
    };
    let keep = rule.keep;
    format!("{need}, kept {keep:?}; a retry of an unknown outcome is {unknown}; {down} while keys cannot be kept")
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

fn verdict(route: &Route, roles: Option<Roles>) -> &'static str {
    match roles {
        None if route.auth == Auth::Required => "401 token_required",
        Some(roles) if !route.roles.is_empty() && !roles.has_any(route.roles) => "403 forbidden",
        None | Some(_) => "passes, if its token and its limits hold",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::domain::Role;

    use super::*;
    use crate::config::Window;

    fn ask(question: &str, roles: Option<Roles>) -> String {
        explain(&Config::load(None, &[]).unwrap(), question, roles).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn it_says_what_becomes_of_a_key() {
        let mut config = Config::load(None, &[]).unwrap();
        let transfers = config.routes.iter_mut().find(|route| route.path == "/api/transfers").unwrap();
        transfers.idempotency = crate::config::Keys::Edge;
        let post = explain(&config, "POST /api/v1/transfers", None).unwrap();
        assert!(post.contains("accepted, kept 86400s; a retry of an unknown outcome is refused; 503 while"), "{post}");
        assert!(!explain(&config, "GET /api/v1/transfers", None).unwrap().contains("kept 86400s"));
    }

    #[test]
    fn it_says_what_would_happen() {
        let user = Some(Roles::NONE.with(Role::User));
        for (question, roles, parts) in [
            ("GET /api/v2/users/me", user, &["/api/users/{id}", "/api/v2/users/me", "user: 600 per 60s", "passes"][..]),
            ("GET /api/users/me", None, &["/api/v1/users/me", "address: 100 per 60s", "401 token_required"]),
            ("GET /api/users", user, &["support or admin", "403 forbidden", "users:read for keys and clients"]),
            ("GET /api/accounts", user, &["default, api_keys", "__Host-tollgate, from our own pages only"]),
            ("POST /api/auth/token", None, &["sign_in: 10 per 60s", "at most 65536 bytes", "passes"]),
            ("PUT /api/auth/token", None, &["405 method_not_allowed"]),
            ("GET /livez", None, &["the gateway answers this itself"]),
            ("GET /nothing", None, &["404 not_found"]),
            ("GET /api/v7/users", None, &["unsupported_version"]),
            ("GET /a/../b", None, &["malformed_path"]),
            ("nonsense", None, &["write the request as"]),
        ] {
            let answer = ask(question, roles);
            for part in parts {
                assert!(answer.contains(part), "{question}: {part} is missing in\n{answer}");
            }
        }
    }

    #[test]
    fn it_says_what_limits_would_apply() {
        let mut config = Config::load(None, &[]).unwrap();
        let limits = &mut config.rate_limit;
        let sign_in = limits.policies.iter_mut().find(|policy| policy.name == "sign_in").unwrap();
        (sign_in.shadow, sign_in.per_route) = (true, true);
        sign_in.windows.push(Window { quota: 50, window: Duration::from_secs(3_600).into(), burst: None });
        let token = config.routes.iter_mut().find(|route| route.path == "/api/auth/token").unwrap();
        token.cost = 3;
        let answer = explain(&config, "POST /api/auth/token", None).unwrap();
        for part in [
            "address: 100 per 60s and burst 200, by address\n",
            "sign_in: 10 per 60s and burst 10, by address, on this route alone; in shadow mode: only reported",
            "sign_in-1h: 50 per 3600s and burst 50",
            "3 of each limit",
        ] {
            assert!(answer.contains(part), "{part} is missing in\n{answer}");
        }
    }
}
