//! The document against the service: whatever any test is answered must be described, and look as described.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::client::Answer;

pub static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&accounts_service::openapi::document()).unwrap());

/// Headers that an answer may only have where the document says so.
const TOLD: [&str; 8] = [
    "Cache-Control",
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
];

/// Panics when `answer` is not what the document says of `method` on `path`.
pub fn describes(method: &str, path: &str, answer: &Answer) {
    let Some(operation) = operation(if method == "HEAD" { "GET" } else { method }, path) else {
        assert!(!path.starts_with("/api/") || matches!(answer.status, 404 | 405), "{method} {path} is not described");
        return;
    };
    let what = format!("{method} {path} {}: {}", answer.status, String::from_utf8_lossy(&answer.bytes));
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "not listed: {what}");
    for name in TOLD.into_iter().filter(|name| answer.header(name).is_some()) {
        assert!(response["headers"][name].is_object(), "{name} is not described: {what}");
    }
    let Some(content) = response["content"].as_object() else {
        return assert!(answer.bytes.is_empty(), "a body that is not described: {what}");
    };
    let kind = answer.header("content-type").unwrap();
    let content = content.get(kind).unwrap_or_else(|| panic!("{kind} is not described: {what}"));
    if method == "HEAD" {
        return;
    }
    if answer.status >= 400 {
        assert!(content["examples"][answer.code()].is_object(), "the code is not listed: {what}");
    }
    if !kind.contains("json") {
        return assert_eq!(content["schema"]["type"], "string", "{what}");
    }
    if let Err(fault) = conforms(&answer.json(), &content["schema"], "") {
        panic!("{fault}: {what}");
    }
}

fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let is = |template: &str| {
        let (asked, known) = (path.split('/'), template.split('/'));
        asked.clone().count() == known.clone().count()
            && asked.zip(known).all(|(asked, known)| asked == known || known == "{id}")
    };
    let item = |template: &String| DOCUMENT["paths"][template].get(method.to_ascii_lowercase());
    let paths = || DOCUMENT["paths"].as_object().unwrap().keys();
    // What is there by its own name is no id.
    let exact = paths().find(|template| *template == path);
    exact.or_else(|| paths().find(|template| is(template))).and_then(item)
}

/// As much of JSON Schema as the document uses; members that it does not name are no fault of an answer.
fn conforms(value: &Value, schema: &Value, at: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let named = DOCUMENT.pointer(&reference[1..]).ok_or_else(|| format!("{reference} is nowhere"))?;
        return conforms(value, named, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fits = choices.iter().filter(|choice| conforms(value, choice, at).is_ok()).count();
        return if fits == 1 { Ok(()) } else { Err(format!("{at} fits {fits} choices")) };
    }
    let kinds: Vec<_> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    if !kinds.is_empty() && !kinds.contains(&kind_of(value)) {
        return Err(format!("{at} is {value}, not {kinds:?}"));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return Err(format!("{at} is {value}, none of {}", schema["enum"]));
    }
    if let (Some(number), Some(least)) = (value.as_i64(), schema["minimum"].as_i64())
        && number < least
    {
        return Err(format!("{at} is {number}, less than {least}"));
    }
    match value {
        Value::Object(members) => members_conform(members, schema, at),
        Value::Array(items) => {
            let mut each = items.iter().enumerate();
            each.try_for_each(|(n, item)| conforms(item, &schema["items"], &format!("{at}/{n}")))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn members_conform(members: &Map<String, Value>, schema: &Value, at: &str) -> Result<(), String> {
    let mut required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.find(|name| !members.contains_key(*name)) {
        return Err(format!("{at}/{missing} is missing"));
    }
    let known = &schema["properties"];
    if let Some(unknown) = members.keys().find(|name| schema["additionalProperties"] == false && known[name].is_null())
    {
        return Err(format!("{at}/{unknown} is unknown"));
    }
    members.iter().try_for_each(|(name, member)| conforms(member, &known[name], &format!("{at}/{name}")))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[test]
fn examples_look_as_their_schemas_say() {
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        if let Some(example) = schema.get("example") {
            conforms(example, schema, name).unwrap();
        }
    }
    for item in DOCUMENT["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values().filter(|operation| operation.is_object()) {
            let answers = operation["responses"].as_object().unwrap().values();
            for content in answers.chain([&operation["requestBody"]]).filter_map(|body| body["content"].as_object()) {
                for content in content.values() {
                    let many =
                        content["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
                    many.chain(content.get("example")).for_each(|it| conforms(it, &content["schema"], "").unwrap());
                }
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                conforms(&parameter["example"], &parameter["schema"], parameter["name"].as_str().unwrap()).unwrap();
            }
        }
    }
}

#[test]
fn what_is_not_described_is_found() {
    let answer = |status, kind: &str, body: &str| {
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        Answer { status, headers, bytes: body.as_bytes().to_vec() }
    };
    let path = "/api/v2/accounts";
    describes("GET", path, &answer(200, "application/json", r#"{"data": [], "page": {"has_more": false}}"#));
    for wrong in [
        answer(200, "application/json", r#"{"data": [], "meta": {}, "links": {}}"#),
        answer(200, "application/json", r#"{"data": [{"id": 1}], "page": {"has_more": false}}"#),
        answer(200, "text/html", "<p>"),
        answer(418, "application/json", "{}"),
        answer(400, "application/problem+json", r#"{"code": "invalid_cursor"}"#),
    ] {
        let found = std::panic::catch_unwind(|| describes("GET", path, &wrong));
        assert!(found.is_err(), "{wrong:?}");
    }
}
