//! Many OpenAPI documents into one: paths side by side, components under names of their own, and beside each operation
//! what the gateway adds to it.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use actix_web::http::Method;
use serde_json::{Map, Value, json};
use shared::problem::Code;

use crate::policy::version::below;
use crate::route::{Found, Route, Wanted};
use crate::tables::{Tables, auth_word};

/// What services answer to operators, not to clients.
const INTERNAL: [&str; 4] = ["/livez", "/readyz", "/metrics", "/openapi.json"];
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
/// The security scheme, by the name that the services give it too.
const SCHEME: &str = "access_token";
const REF: &str = "$ref";
const DESCRIPTION: &str = "Users and sign-in, accounts and transfers, behind one gateway.\n\n\
    Register, ask `POST /api/v1/auth/token` for an access token, and send it as `Authorization: Bearer …`. \
    Every error is a problem (RFC 9457) with a stable `code`: [all codes](/docs/problems).";

/// Merges the services' documents (name, document). `version`: only this prefix and version, and what has none.
#[must_use]
pub fn merge(parts: &[(String, Value)], version: Option<(&str, &str)>) -> Value {
    let mut paths = Map::new();
    let mut components: Map<String, Value> = Map::new();
    let mut tags: Vec<Value> = Vec::new();
    for (service, document) in parts {
        let mut document = document.clone();
        let renamed = renames(service, &document, &components);
        rewrite(&mut document, &renamed);
        for (section, members) in object(&document, "components") {
            let target = components.entry(section.clone()).or_insert_with(|| Value::Object(Map::new()));
            for (name, value) in members.as_object().into_iter().flatten() {
                let name = renamed.get(&reference(section, name)).map_or(name.as_str(), |new| last(new));
                target[name] = value.clone();
            }
        }
        for (path, item) in object(&document, "paths") {
            if is_wanted(path, version) {
                paths.insert(path.clone(), item.clone());
            }
        }
        for tag in document.get("tags").and_then(Value::as_array).into_iter().flatten() {
            if !tags.iter().any(|known| known["name"] == tag["name"]) {
                tags.push(tag.clone());
            }
        }
    }
    add_security(&mut components);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tollgate API",
            "version": version.map_or("all", |(_, name)| name),
            "description": DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": components,
    })
}

fn object<'a>(document: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    document.get(key).and_then(Value::as_object).into_iter().flatten()
}

fn is_wanted(path: &str, version: Option<(&str, &str)>) -> bool {
    let Some((prefix, name)) = version else { return !INTERNAL.contains(&path) };
    match below(path, prefix) {
        Some(rest) => rest.strip_prefix('/').is_some_and(|rest| rest.split('/').next() == Some(name)),
        None => !INTERNAL.contains(&path),
    }
}

/// Components that another service has under the same name with another meaning get their service's name in front.
fn renames(service: &str, document: &Value, components: &Map<String, Value>) -> HashMap<String, String> {
    let mut renamed = HashMap::new();
    for (section, members) in object(document, "components") {
        for (name, value) in members.as_object().into_iter().flatten() {
            let taken = components.get(section).and_then(|section| section.get(name));
            if taken.is_some_and(|other| other != value) {
                renamed.insert(reference(section, name), reference(section, &format!("{service}_{name}")));
            }
        }
    }
    renamed
}

fn reference(section: &str, name: &str) -> String {
    format!("#/components/{section}/{name}")
}

fn last(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

fn rewrite(value: &mut Value, renamed: &HashMap<String, String>) {
    if renamed.is_empty() {
        return;
    }
    match value {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get_mut(REF)
                && let Some(new) = renamed.get(target)
            {
                target.clone_from(new);
            }
            members.values_mut().for_each(|member| rewrite(member, renamed));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, renamed)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn add_security(components: &mut Map<String, Value>) {
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

/// Says which services' parts are not there, because they have not answered yet.
#[must_use]
pub fn without(mut document: Value, missing: &[String]) -> Value {
    if !missing.is_empty() {
        document["x-missing"] = json!(missing);
        document["info"]["description"] =
            format!("{DESCRIPTION}\n\n**Incomplete**: {} cannot be reached now.", missing.join(", ")).into();
    }
    document
}

/// Adds to each operation what the gateway asks and answers: roles, limits, and the errors of its policies.
#[must_use]
pub fn describe(mut document: Value, tables: &Tables) -> Value {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return document };
    for (path, item) in paths {
        for method in METHODS {
            let Some(operation) = item.get_mut(method).and_then(Value::as_object_mut) else { continue };
            if let Some(route) = route_of(tables, path, method) {
                describe_operation(operation, route, path);
            }
            if is_deprecated(tables, path) {
                operation.insert("deprecated".to_owned(), Value::Bool(true));
            }
        }
    }
    document
}

fn route_of<'a>(tables: &'a Tables, path: &str, method: &str) -> Option<&'a Route> {
    let asked = tables.versions.split(path);
    let versioned = asked.and_then(|asked| Some((tables.versions.by_name(asked.in_path?)?, asked.rest)));
    let method: Method = method.to_ascii_uppercase().parse().ok()?;
    match tables.routes.find(Wanted { host: None, path, versioned, method: &method }) {
        Found::Route(route) => Some(route),
        Found::OtherMethods(_) | Found::Nothing => None,
    }
}

fn is_deprecated(tables: &Tables, path: &str) -> bool {
    let version = tables.versions.split(path).and_then(|asked| tables.versions.by_name(asked.in_path?));
    version.is_some_and(|id| tables.versions.get(id).is_deprecated())
}

fn describe_operation(operation: &mut Map<String, Value>, route: &Route, path: &str) {
    let auth = auth_word(route.auth);
    if auth != "none" {
        let mut security = vec![json!({SCHEME: []})];
        security.extend((auth == "optional").then(|| json!({})));
        operation.insert("security".to_owned(), Value::Array(security));
    }
    if !route.roles.is_empty() {
        operation.insert("x-roles".to_owned(), json!(route.roles));
    }
    let limits = route.limits.of_roles(None).policies.iter().map(|policy| {
        let quota = policy.quota;
        json!({"policy": *policy.name, "quota": quota.limit, "window_seconds": quota.window.as_secs(), "burst": quota.burst})
    });
    operation.insert("x-rate-limits".to_owned(), limits.collect());
    operation.insert("x-max-body-bytes".to_owned(), json!(route.body_limit));
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let unauthorized = (auth != "none").then_some(Code::TokenRequired);
    let forbidden = (!route.roles.is_empty()).then_some(Code::Forbidden);
    let always = [Code::RateLimited, Code::BadGateway, Code::UpstreamUnavailable, Code::GatewayTimeout];
    for code in unauthorized.into_iter().chain(forbidden).chain(always) {
        let status = code.status().to_string();
        if responses.get(&status).is_none() {
            responses[status] = json!({
                "description": code.title(),
                "content": {"application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/GatewayProblem"},
                    "example": example(code, path),
                }},
            });
        }
    }
}

fn example(code: Code, path: &str) -> Value {
    json!({
        "type": format!("/docs/problems#{}", code.as_str()),
        "title": code.title(),
        "status": code.status(),
        "detail": code.title(),
        "instance": path.replace("{id}", "019a3b5e-7c00-7a10-8000-2f1e3d4c5b6a"),
        "code": code.as_str(),
        "request_id": "0d9f3c1e8a7b4c56a1e2f3d4c5b6a798",
        "timestamp": "2026-11-21T10:00:00Z",
    })
}
