//! What the gateway adds to each operation: who may call it, how often, how large and how long, and the errors that it
//! answers by itself.

mod errors;
mod responses;
mod security;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use actix_web::http::Method;
use serde_json::{Map, Value, json};
use shared::domain::{Role, Roles};

use self::responses::Responses;
use self::security::Credentials;
use super::merge::route_of;
use crate::config::{Auth, ValidationMode};
use crate::policy::idempotency::needs_key;
use crate::policy::version::VersionRule;
use crate::route::Route;
use crate::tables::Tables;

pub(super) use self::security::add_schemes;

pub(super) const DESCRIPTION: &str = "Users and sign-in, accounts and transfers, behind one gateway.\n\n\
    Register, ask `POST /api/v1/auth/token` for an access token, and send it as `Authorization: Bearer …`. \
    Every error is a problem (RFC 9457) with a stable `code`: [all codes](/docs/problems). A path that is not listed \
    answers 404 `not_found`.";

/// The header of idempotency keys.
const KEY: &str = "Idempotency-Key";

/// Adds to each operation what the gateway asks and answers.
#[must_use]
pub fn describe(mut document: Value, tables: &Tables) -> Value {
    let mut common = Responses::default();
    let shared = document["components"]["parameters"].clone();
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return document };
    for (path, item) in paths {
        let of_path = placed(item.get("parameters"), &shared);
        for (key, operation) in item.as_object_mut().into_iter().flatten() {
            let method = super::is_method(key).then(|| key.to_ascii_uppercase().parse::<Method>().ok()).flatten();
            let (Some(method), Some(operation)) = (method, operation.as_object_mut()) else { continue };
            if let Some(route) = route_of(tables, path, &method) {
                let places = [of_path.clone(), placed(operation.get("parameters"), &shared)].concat();
                let has_body = operation.contains_key("requestBody");
                let credentials = Credentials::of(route, tables);
                Served { route, path, method, tables, has_body, places, credentials }.describe(operation, &mut common);
            }
        }
    }
    if !common.0.is_empty() {
        let components = document.get_mut("components").and_then(Value::as_object_mut);
        let there = components.map(|components| components.entry("responses").or_insert_with(|| json!({})));
        there.and_then(Value::as_object_mut).into_iter().for_each(|there| there.extend(std::mem::take(&mut common.0)));
    }
    document
}

/// Where parameters stand; some of them are among the `shared` ones.
fn placed(parameters: Option<&Value>, shared: &Value) -> Vec<String> {
    let all = parameters.and_then(Value::as_array).into_iter().flatten();
    let resolved = all.map(|parameter| match parameter.get("$ref").and_then(Value::as_str) {
        Some(target) => &shared[target.rsplit('/').next().unwrap_or_default()],
        None => parameter,
    });
    resolved.filter_map(|parameter| Some(parameter.get("in")?.as_str()?.to_owned())).collect()
}

/// An operation as the gateway serves it.
struct Served<'a> {
    route: &'a Route,
    path: &'a str,
    method: Method,
    tables: &'a Tables,
    has_body: bool,
    /// Where its parameters stand.
    places: Vec<String>,
    credentials: Credentials,
}

impl Served<'_> {
    fn describe(&self, operation: &mut Map<String, Value>, common: &mut Responses) {
        let route = self.route;
        let security = self.credentials.requirements(route, operation.get("security"));
        let mut set = |key: &str, value: Value| drop(operation.insert(key.to_owned(), value));
        security.into_iter().for_each(|security| set("security", security));
        if !route.roles.is_empty() {
            set("x-roles", json!(route.roles));
        }
        if let Some(permission) = route.permission {
            set("x-permission", json!(permission));
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
        if self.keeps_keys() {
            add_key(operation, route.idempotency.as_ref().is_some_and(|rule| rule.key_required));
        }
        responses::add(self, operation, common);
    }

    /// Whether the gateway keeps idempotency keys for it.
    fn keeps_keys(&self) -> bool {
        self.route.idempotency.is_some() && needs_key(&self.method)
    }

    /// Whether it has a parameter in this place.
    fn has(&self, place: &str) -> bool {
        self.places.iter().any(|known| known == place)
    }

    /// Whether any limit holds that clients see.
    fn is_limited(&self) -> bool {
        self.sets().iter().any(|(_, set)| set.policies.iter().any(|policy| !policy.shadow))
    }

    /// Whether failures are, whatever holds for the row.
    fn is_guessing_limited(&self) -> bool {
        self.tables.unrouted.of_roles(None).policies.iter().any(|policy| !policy.shadow)
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
            if let Some(permission) = route.permission {
                let _ = write!(text, " or the permission `{permission}`");
            }
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
                let mut said = json!({"for": who, "policy": policy, "quota": quota.limit, "window_seconds": seconds,
                    "burst": quota.burst, "cost": set.cost});
                if let Some(size) = set.by_size {
                    said["cost_bytes"] = json!(size.bytes);
                }
                said
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
        let keys = route.limits.of_keys().filter(|_| self.credentials.keys).map(|set| ("api_key", &**set));
        anonymous.into_iter().chain(roles).chain(keys).collect()
    }

    fn is_deprecated(&self) -> bool {
        self.version().is_some_and(crate::policy::version::Version::is_deprecated)
    }

    fn version(&self) -> Option<&crate::policy::version::Version> {
        let versions = &self.tables.versions;
        let named = versions.split(self.path).and_then(|asked| versions.by_name(asked.in_path?));
        named.filter(|_| self.route.version != VersionRule::None).map(|id| versions.get(id))
    }
}

/// Says that a key is taken, unless the upstream says so itself.
fn add_key(operation: &mut Map<String, Value>, required: bool) {
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    let is_it = |parameter: &Value| parameter["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(KEY));
    if let Some(parameters) = parameters.as_array_mut().filter(|all| !all.iter().any(is_it)) {
        parameters.push(json!({
            "name": KEY, "in": "header", "required": required,
            "description": "Makes a retry the same request: 1 to 255 visible ASCII characters.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 257}, "example": "9f2b6c1e-rent-november",
        }));
    }
}

const fn validation(mode: ValidationMode) -> &'static str {
    match mode {
        ValidationMode::Off => "off",
        ValidationMode::Report => "report",
        ValidationMode::Refuse => "refuse",
    }
}
