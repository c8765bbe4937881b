//! What the gateway adds to each operation: who may call it, how often, how large and how long, and the errors that it
//! answers by itself.

use std::fmt::Write;

use actix_web::http::Method;
use serde_json::{Map, Value, json};
use shared::domain::{Role, Roles};
use shared::problem::Code;

use super::merge::route_of;
use crate::config::{Auth, LimiterDown, ValidationMode};
use crate::policy::version::VersionRule;
use crate::route::Route;
use crate::tables::Tables;

/// The security scheme, by the name that the services give it too.
const SCHEME: &str = "access_token";
const PROBLEM: &str = "application/problem+json";

pub(super) const DESCRIPTION: &str = "Users and sign-in, accounts and transfers, behind one gateway.\n\n\
    Register, ask `POST /api/v1/auth/token` for an access token, and send it as `Authorization: Bearer …`. \
    Every error is a problem (RFC 9457) with a stable `code`: [all codes](/docs/problems). Beside what each operation \
    lists, any path may answer 404 `not_found`, 405 `method_not_allowed` (with `Allow`) for a method that it does not \
    have, and 406 `not_acceptable` when `Accept` covers nothing that it answers with.";

/// The scheme and the schema that the gateway's own additions refer to.
pub(super) fn add_components(components: &mut Map<String, Value>) {
    let bearer = json!({"type": "http", "scheme": "bearer", "bearerFormat": "JWT"});
    components.entry("securitySchemes").or_insert_with(|| json!({}))[SCHEME] = bearer;
    let problem = json!({
        "type": "object",
        "description": "An error (RFC 9457).",
        "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "timestamp"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference", "example": "/docs/problems#rate_limited"},
            "title": {"type": "string"},
            "status": {"type": "integer", "example": 429},
            "detail": {"type": "string"},
            "instance": {"type": "string", "example": "/api/v1/users/me"},
            "code": {"type": "string", "example": "rate_limited"},
            "request_id": {"type": "string"},
            "timestamp": {"type": "string", "format": "date-time"},
            "errors": {"type": "array", "items": {"type": "object", "properties": {
                "pointer": {"type": "string"}, "code": {"type": "string"}, "detail": {"type": "string"}}}},
        },
    });
    components.entry("schemas").or_insert_with(|| json!({}))["GatewayProblem"] = problem;
}

/// Adds to each operation what the gateway asks and answers.
#[must_use]
pub fn describe(mut document: Value, tables: &Tables) -> Value {
    let headers: Vec<String> =
        document["components"]["headers"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return document };
    for (path, item) in paths {
        for (key, operation) in item.as_object_mut().into_iter().flatten() {
            let method = super::is_method(key).then(|| key.to_ascii_uppercase().parse::<Method>().ok()).flatten();
            let (Some(method), Some(operation)) = (method, operation.as_object_mut()) else { continue };
            if let Some(route) = route_of(tables, path, &method) {
                let served = Served { route, path, tables, has_body: operation.contains_key("requestBody") };
                served.describe(operation, &headers);
            }
        }
    }
    document
}

/// An operation as the gateway serves it.
struct Served<'a> {
    route: &'a Route,
    path: &'a str,
    tables: &'a Tables,
    has_body: bool,
}

impl Served<'_> {
    fn describe(&self, operation: &mut Map<String, Value>, headers: &[String]) {
        let route = self.route;
        let mut set = |key: &str, value: Value| drop(operation.insert(key.to_owned(), value));
        match route.auth {
            Auth::Required => set("security", json!([{SCHEME: scopes(route)}])),
            Auth::Optional => set("security", json!([{SCHEME: scopes(route)}, {}])),
            // What the upstream asks for by itself stays as it says it.
            Auth::None => {}
        }
        if !route.roles.is_empty() {
            set("x-roles", json!(route.roles));
        }
        let (all, any) = route.scopes.named();
        if !all.is_empty() {
            set("x-scopes", json!(all));
        }
        if !any.is_empty() {
            set("x-any-scope", json!(any));
        }
        set("x-rate-limits", self.limits());
        set("x-max-body-bytes", json!(route.body_limit));
        if let Some(timeout) = route.timeout {
            set("x-timeout-seconds", json!(timeout.as_secs().max(1)));
        }
        set("x-validation", validation(route.validation.mode).into());
        if self.is_deprecated() {
            set("deprecated", Value::Bool(true));
        }
        let said = operation.get("description").and_then(Value::as_str).unwrap_or_default();
        let text = if said.is_empty() { self.words() } else { format!("{said}\n\n{}", self.words()) };
        operation.insert("description".to_owned(), text.into());
        let responses = operation.entry("responses").or_insert_with(|| json!({}));
        for code in self.codes() {
            add(responses, code, self.path, headers);
        }
    }

    /// Who may and how much, for people.
    fn words(&self) -> String {
        let route = self.route;
        let mut text = String::from("*At the gateway:* ");
        text.push_str(match route.auth {
            Auth::Required => "a signed-in user",
            Auth::Optional => "anybody, signed in or not",
            Auth::None => "anybody",
        });
        // Writing to a String cannot fail.
        if !route.roles.is_empty() {
            let roles: Vec<_> = route.roles.iter().map(|role| format!("`{}`", role.as_str())).collect();
            let _ = write!(text, " with the role {}", roles.join(" or "));
        }
        let (all, any) = route.scopes.named();
        if !all.is_empty() {
            let _ = write!(text, " whose credential has the scope `{}`", all.join("` and `"));
        }
        if !any.is_empty() {
            let _ = write!(text, " whose credential has the scope `{}`", any.join("` or `"));
        }
        for (who, set) in self.sets() {
            for policy in set.policies.iter().filter(|policy| !policy.shadow) {
                let quota = policy.quota;
                let seconds = quota.window.as_secs();
                let _ = write!(text, "; {who} at most {} in {seconds} s (burst {})", quota.limit, quota.burst);
            }
        }
        if self.has_body {
            let _ = write!(text, "; a body of at most {} bytes", route.body_limit);
        }
        text.push('.');
        text
    }

    fn limits(&self) -> Value {
        let of = |(who, set): (&'static str, &crate::policy::rate_limit::PolicySet)| {
            let one = move |policy: &crate::policy::rate_limit::Policy| {
                let (policy, quota) = (policy.name.as_str(), policy.quota);
                let seconds = quota.window.as_secs();
                json!({"for": who, "policy": policy, "quota": quota.limit, "window_seconds": seconds,
                    "burst": quota.burst, "cost": set.cost})
            };
            set.policies.iter().filter(|policy| !policy.shadow).map(one).collect::<Vec<_>>()
        };
        self.sets().into_iter().flat_map(of).collect()
    }

    /// The limits of each kind of caller that may call.
    fn sets(&self) -> Vec<(&'static str, &crate::policy::rate_limit::PolicySet)> {
        let route = self.route;
        let anonymous = (route.auth != Auth::Required).then(|| ("anonymous", &**route.limits.of_roles(None)));
        let roles = Role::ALL
            .into_iter()
            .filter(|role| route.auth != Auth::None && (route.roles.is_empty() || route.roles.has(*role)));
        let roles = roles.map(|role| (role.as_str(), &**route.limits.of_roles(Some(Roles::NONE.with(role)))));
        anonymous.into_iter().chain(roles).collect()
    }

    fn is_deprecated(&self) -> bool {
        self.version().is_some_and(crate::policy::version::Version::is_deprecated)
    }

    fn version(&self) -> Option<&crate::policy::version::Version> {
        let versions = &self.tables.versions;
        let named = versions.split(self.path).and_then(|asked| versions.by_name(asked.in_path?));
        named.filter(|_| self.route.version != VersionRule::None).map(|id| versions.get(id))
    }

    /// The errors that the gateway answers by itself.
    fn codes(&self) -> Vec<Code> {
        let route = self.route;
        let mut codes = vec![Code::MalformedRequest];
        let mut when = |holds: bool, of: &[Code]| codes.extend(of.iter().filter(|_| holds));
        when(self.version().is_some(), &[Code::VersionConflict, Code::UnsupportedVersion]);
        when(route.auth != Auth::None, &[Code::TokenRequired, Code::TokenInvalid, Code::KeysUnavailable]);
        when(!route.roles.is_empty() || route.scopes.is_named(), &[Code::Forbidden]);
        when(self.version().is_some_and(|version| version.sunset.is_some()), &[Code::VersionGone]);
        when(self.has_body, &[Code::RequestTimeout, Code::BodyTooLarge]);
        when(self.has_body && route.validation.mode == ValidationMode::Refuse, &[Code::UnsupportedMediaType]);
        when(route.limiter_down == LimiterDown::Refuse, &[Code::RateLimiterUnavailable]);
        when(route.timeout.is_some(), &[Code::GatewayTimeout]);
        let always = [Code::UriTooLong, Code::RateLimited, Code::HeadersTooLarge, Code::BadGateway];
        codes.extend(always.into_iter().chain([Code::UpstreamUnavailable, Code::Overloaded]));
        codes
    }
}

fn scopes(route: &Route) -> Vec<&str> {
    let (all, any) = route.scopes.named();
    all.iter().chain(any).map(String::as_str).collect()
}

const fn validation(mode: ValidationMode) -> &'static str {
    match mode {
        ValidationMode::Off => "off",
        ValidationMode::Report => "report",
        ValidationMode::Refuse => "refuse",
    }
}

/// Adds an error to those of its status, as far as the service does not list it.
fn add(responses: &mut Value, code: Code, path: &str, headers: &[String]) {
    let status = code.status().to_string();
    let response = &mut responses[&status];
    if response.get("$ref").is_some() {
        return;
    }
    let word = format!("`{}`", code.as_str());
    let description = response.get("description").and_then(Value::as_str).unwrap_or_default();
    if description.contains(&word) {
        return;
    }
    let description = if description.is_empty() { word } else { format!("{description}, {word}") };
    response["description"] = description.into();
    let content = &mut response["content"][PROBLEM];
    if content.get("schema").is_none() {
        content["schema"] = json!({"$ref": "#/components/schemas/GatewayProblem"});
    }
    // One example and several exclude each other (OpenAPI 3.1, 4.8.14).
    if content.get("example").is_none() {
        content["examples"][code.as_str()] = json!({"summary": code.title(), "value": example(code, path)});
    }
    let own: &[&str] = match code.status() {
        401 => &["WWW-Authenticate"],
        429 | 503 => &["Retry-After"],
        _ => &[],
    };
    let always = ["API-Version", "RateLimit", "RateLimit-Policy", "Server-Timing", "Vary", "X-Request-Id"];
    for name in always.iter().chain(own).filter(|name| headers.iter().any(|known| known == **name)) {
        response["headers"][*name] = json!({"$ref": format!("#/components/headers/{name}")});
    }
}

fn example(code: Code, path: &str) -> Value {
    json!({
        "type": code.type_uri(),
        "title": code.title(),
        "status": code.status(),
        "detail": code.title(),
        "instance": path.replace("{id}", "019a3b5e-7c00-7a10-8000-2f1e3d4c5b6a"),
        "code": code.as_str(),
        "request_id": "0d9f3c1e8a7b4c56a1e2f3d4c5b6a798",
        "timestamp": "2026-11-21T10:00:00Z",
    })
}
