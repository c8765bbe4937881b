//! Errors and headers on an operation's answers. What many operations answer alike stands once, among the components.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shared::problem::Code;

use super::super::own::{PROBLEM, is_plain, refer};
use super::Served;
use crate::config::Auth;

/// On every answer.
const ALWAYS: [&str; 4] = ["API-Version", "Server-Timing", "Vary", "X-Request-Id"];
const LIMITS: [&str; 2] = ["RateLimit", "RateLimit-Policy"];

/// The answers that are the same for many operations, by name.
#[derive(Debug, Default)]
pub(super) struct Responses(pub(super) Map<String, Value>);

impl Responses {
    /// A reference to this answer.
    fn refer(&mut self, name: &str, response: Value) -> Value {
        let mut free = name.to_owned();
        let mut number = 1;
        while self.0.get(&free).is_some_and(|known| *known != response) {
            number += 1;
            free = format!("{name}_{number}");
        }
        let reference = refer("responses", &free);
        self.0.insert(free, response);
        reference
    }
}

/// Adds the gateway's errors and headers to an operation.
pub(super) fn add(served: &Served<'_>, operation: &mut Map<String, Value>, common: &mut Responses) {
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let Some(responses) = responses.as_object_mut() else { return };
    if let Some(fallback) = &served.route.fallback {
        let text = "What is answered when the service cannot; `X-Tollgate-Fallback` names the problem.";
        responses.entry(fallback.status.as_u16().to_string()).or_insert_with(|| json!({"description": text}));
    }
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in super::errors::codes(served) {
        let codes = by_status.entry(code.status()).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    for (status, mut codes) in by_status {
        codes.sort_unstable();
        match responses.get_mut(&status.to_string()) {
            Some(Value::Object(listed)) if !listed.contains_key("$ref") => list(listed, &codes),
            Some(_) => {}
            None => {
                let mut response = Map::new();
                list(&mut response, &codes);
                responses.insert(status.to_string(), Value::Object(response));
            }
        }
    }
    for (status, response) in responses {
        let Some(inline) = response.as_object_mut().filter(|response| !response.contains_key("$ref")) else { continue };
        put_headers(served, status, inline);
        if status.as_str() >= "400" {
            plain(inline);
            *response = common.refer(&format!("error_{status}"), response.take());
        }
    }
}

/// Examples that say no more than their code's own make way for that, so that answers of many paths become the same.
fn plain(response: &mut Map<String, Value>) {
    let problem = response.get_mut("content").and_then(|content| content.get_mut(PROBLEM));
    let examples = problem.and_then(|problem| problem.get_mut("examples")).and_then(Value::as_object_mut);
    for (code, example) in examples.into_iter().flatten().filter(|(code, example)| is_plain(code, example)) {
        *example = refer("examples", code);
    }
}

/// Adds errors to those of their status, as far as the service does not list them itself.
fn list(response: &mut Map<String, Value>, codes: &[Code]) {
    for code in codes {
        let word = format!("`{}`", code.as_str());
        let said = response.get("description").and_then(Value::as_str).unwrap_or_default();
        if said.contains(&word) {
            continue;
        }
        let text = if said.is_empty() { word } else { format!("{said}, {word}") };
        response.insert("description".to_owned(), text.into());
        let content = &mut response.entry("content").or_insert_with(|| json!({}))[PROBLEM];
        if content.get("schema").is_none() {
            content["schema"] = refer("schemas", "Problem");
        }
        // One example and several exclude each other (OpenAPI 3.1, section 4.8.14).
        if content.get("example").is_none() {
            content["examples"][code.as_str()] = refer("examples", code.as_str());
        }
    }
}

fn put_headers(served: &Served<'_>, status: &str, response: &mut Map<String, Value>) {
    let route = served.route;
    let version = served.version();
    let deprecated = version.filter(|version| version.is_deprecated());
    let done = status.starts_with('2');
    let kept = route.cache.is_some() && served.method.is_safe() && (done || status == "304");
    let waits = matches!(status, "429" | "503") || status == "409" && said(response, Code::IdempotencyInProgress);
    let headers = response.entry("headers").or_insert_with(|| json!({}));
    let Some(headers) = headers.as_object_mut() else { return };
    if !served.is_limited() {
        LIMITS.iter().for_each(|name| drop(headers.remove(*name)));
    }
    let mut put = |holds: bool, names: &[&str]| {
        for name in names.iter().filter(|_| holds) {
            headers.entry(*name).or_insert_with(|| refer("headers", name));
        }
    };
    put(true, &ALWAYS);
    put(served.is_limited(), &LIMITS);
    put(status == "401" && route.auth != Auth::None, &["WWW-Authenticate"]);
    put(status == "405", &["Allow"]);
    put(waits, &["Retry-After"]);
    put(kept, &["Age", "Cache-Status"]);
    put(done && served.keeps_keys(), &["Idempotent-Replayed"]);
    put(version.is_some_and(|version| version.deprecation.is_some()), &["Deprecation"]);
    put(version.is_some_and(|version| version.sunset.is_some()), &["Sunset"]);
    put(deprecated.is_some_and(|version| version.successor.is_some()), &["Link"]);
}

fn said(response: &Map<String, Value>, code: Code) -> bool {
    response.get("description").and_then(Value::as_str).is_some_and(|text| text.contains(code.as_str()))
}
