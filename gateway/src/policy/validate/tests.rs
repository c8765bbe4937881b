//! The gateway's words against the services': random bodies read by both, and what is left to the service.

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::test::TestRequest;
use actix_web::{FromRequest, HttpRequest};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::domain::{AccountId, Currency, Role};
use shared::http::Body;
use shared::problem::Context;
use utoipa::{OpenApi, ToSchema};

use super::operation::{Operation, Verdict};
use super::*;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its parsing is tested")]
struct Order {
    id: AccountId,
    #[schema(value_type = String, format = "iso-4217")]
    currency: Currency,
    role: Role,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    count: Option<i64>,
    #[serde(default)]
    sure: bool,
    #[serde(default)]
    #[schema(value_type = Vec<Role>)]
    roles: Vec<Role>,
    #[serde(default)]
    home: Option<Home>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its parsing is tested")]
struct Home {
    street: String,
    #[serde(default)]
    number: Option<i64>,
}

#[derive(OpenApi)]
#[openapi(components(schemas(Order, Home, Role)))]
struct Components;

/// A document in which `POST /orders/{id}?page=…` takes an [`Order`].
fn document() -> Value {
    let mut document = serde_json::to_value(Components::openapi()).unwrap();
    let body = json!({"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}});
    document["paths"] = json!({"/orders/{id}": {
        "parameters": [{"name": "id", "in": "path", "schema": {"$ref": "#/components/schemas/AccountId"}}],
        "post": {"requestBody": body, "parameters": [{"name": "page", "in": "query", "schema": {"type": "integer"}}]},
        "get": {},
    }});
    document
}

fn orders() -> Operation {
    Operation::compile(&document(), "/orders/{id}", "post", None).unwrap()
}

fn request(kind: &str) -> HttpRequest {
    TestRequest::post().uri("/orders").insert_header(("content-type", kind)).to_http_request()
}

/// Status and body of a problem, without what names the request.
fn told(problem: &Problem) -> (u16, Value) {
    let mut value = problem.to_value(&Context::current());
    value["timestamp"] = Value::Null;
    (problem.code().status(), value)
}

async fn service(body: &[u8]) -> Option<(u16, Value)> {
    let mut payload = Payload::from(stream::iter([Ok(Bytes::copy_from_slice(body))]).boxed_local());
    Body::<Order>::from_request(&request("application/json"), &mut payload).await.err().map(|problem| told(&problem))
}

/// What the gateway says; `None` when it leaves the word to the service.
fn gateway(operation: &Operation, body: &[u8]) -> Option<Option<(u16, Value)>> {
    match operation.whole(&request("application/json"), "", Some(body)) {
        Verdict::Valid => Some(None),
        Verdict::Unjudged => None,
        Verdict::Wrong(problem) => Some(Some(told(&problem))),
    }
}

/// Whether a body has values that only the service can judge.
fn is_unsure(operation: &Operation, body: &[u8]) -> bool {
    match operation {
        Operation::Ours(ours) => ours.is_unsure(body),
        Operation::Foreign(_) => false,
    }
}

const ID: &str = "\"01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11\"";

const VALUES: [&str; 30] = [
    ID,
    "\"USD\"",
    "\"user\"",
    "\"admin\"",
    "\"x\"",
    "\"usd\"",
    "\"\"",
    "null",
    "true",
    "false",
    "0",
    "-0",
    "7",
    "-3",
    "1.0",
    "1e2",
    "1e999",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999",
    "[]",
    "[\"user\"]",
    "[\"user\", 5, \"x\"]",
    "[\"root\"]",
    "{}",
    "{\"street\": \"a\"}",
    "{\"street\": 5}",
    "{\"x\": 1, \"street\": \"a\"}",
    "{\"number\": 1.5, \"street\": \"a\"}",
    "\"\\ud800\"",
];

const NAMES: [&str; 14] = [
    "id",
    "currency",
    "role",
    "note",
    "count",
    "sure",
    "roles",
    "home",
    "extra",
    "a/b",
    "~",
    "a`b",
    "x`, expected `y",
    "note\\u0000",
];

fn body(members: &[(&str, &str)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", members.join(", "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is sent: unless the gateway leaves it to the service, both say the very same.
    #[test]
    fn the_gateway_says_what_the_service_says(
        good in proptest::sample::subsequence(vec![("id", ID), ("currency", "\"USD\""), ("role", "\"user\"")], 0..=3),
        more in proptest::collection::vec((proptest::sample::select(&NAMES[..]), proptest::sample::select(&VALUES[..])), 0..6),
        at in 0_usize..4,
        cut in proptest::option::of(0_usize..200),
    ) {
        let mut members = good;
        for (index, member) in more.into_iter().enumerate() {
            members.insert((at * (index + 1)) % (members.len() + 1), member);
        }
        let mut text = body(&members);
        if let Some(cut) = cut.filter(|cut| *cut < text.len()) {
            text.truncate(cut);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let said = runtime.block_on(service(text.as_bytes()));
        let operation = orders();
        if !is_unsure(&operation, text.as_bytes()) {
            prop_assert_eq!(gateway(&operation, text.as_bytes()), Some(said), "{}", text);
        }
    }
}

#[test]
fn most_faults_are_told_here() {
    let operation = orders();
    let judged = |text: &str| {
        gateway(&operation, text.as_bytes()).flatten().map(|(status, body)| {
            let faults = body["errors"].as_array().cloned().unwrap_or_default();
            let fault = |fault: &Value| format!("{} {}", fault["pointer"], fault["code"]).replace('"', "");
            (status, faults.iter().map(fault).collect::<Vec<_>>().join(", "))
        })
    };
    for (text, status, faults) in [
        ("", 400, ""),
        ("[]", 400, ""),
        ("{\"id\": 5", 400, ""),
        ("{} x", 400, ""),
        ("{}", 422, "/id required, /currency required, /role required"),
        (
            "{\"x\": 1, \"id\": 5, \"y\": 1}",
            422,
            "/x unknown_field, /y unknown_field, /id type, /currency required, /role required",
        ),
        (
            "{\"id\": \"7\", \"currency\": \"usd\", \"role\": \"root\"}",
            422,
            "/id invalid, /currency invalid, /role one_of",
        ),
        (
            "{\"sure\": 1, \"sure\": true, \"home\": {}}",
            400,
            "/sure type, /home/street required, /id required, /currency required, /role required",
        ),
        ("{\"sure\": true, \"sure\": true}", 400, "/sure repeated, /id required, /currency required, /role required"),
        ("{\"roles\": [\"user\", 5]}", 400, "/roles/1 type, /id required, /currency required, /role required"),
    ] {
        assert_eq!(judged(text), Some((status, faults.to_owned())), "{text}");
    }
    let latin1 = gateway(&operation, b"{\"note\": \"\xe9\"}").flatten().unwrap();
    assert_eq!((latin1.0, latin1.1["detail"].as_str()), (400, Some("The body is not UTF-8.")));
}

#[tokio::test]
async fn hostile_bodies_cost_little_and_say_little() {
    let operation = orders();
    let deep = format!("{{\"home\": {}}}", "[".repeat(30_000));
    assert_eq!(gateway(&operation, deep.as_bytes()).flatten(), service(deep.as_bytes()).await);
    let nested = format!("{{\"extra\": {}{}}}", "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(gateway(&operation, nested.as_bytes()).flatten(), service(nested.as_bytes()).await);
    let many: Vec<_> = (0..500).map(|n| format!("\"x{n}\": 1")).collect();
    let many = format!("{{{}}}", many.join(", "));
    let (_, told) = gateway(&operation, many.as_bytes()).flatten().unwrap();
    assert_eq!(told["errors"].as_array().unwrap().len(), 32);
    let large = format!("{{\"x\": 1, \"y\": 2, \"z\": \"{}\"}}", "z".repeat(20_000));
    assert_eq!(gateway(&operation, large.as_bytes()).flatten(), service(large.as_bytes()).await);
}

fn before(operation: &Operation, request: TestRequest, path: &str, query: &str) -> String {
    match operation.before_body(&request.to_http_request(), path, query) {
        Verdict::Valid => "valid".to_owned(),
        Verdict::Unjudged => "unjudged".to_owned(),
        Verdict::Wrong(problem) => problem.code().as_str().to_owned(),
    }
}

#[test]
fn path_query_and_media_type_come_before_the_body() {
    let operation = orders();
    let id = format!("/orders/{}", ID.trim_matches('"'));
    let post = || TestRequest::post().uri("/api/v1/orders").insert_header(("content-length", "2"));
    let json = || post().insert_header(("content-type", "application/json; charset=utf-8"));
    for (request, path, query, expected) in [
        (json(), id.as_str(), "page=1", "valid"),
        (json(), "/orders/7", "page=1&page=2", "not_found"),
        (json(), &id, "page=1&page=2", "malformed_query"),
        (json(), &id, "page=%00", "malformed_query"),
        (json(), &id, "other=1", "valid"),
        (post(), &id, "", "unsupported_media_type"),
        (post().insert_header(("content-type", "text/plain")), &id, "", "unsupported_media_type"),
        (post().insert_header(("content-type", "application/json; charset=latin1")), &id, "", "unsupported_media_type"),
        (json().insert_header(("content-encoding", "gzip")), &id, "", "unjudged"),
        (json().insert_header(("idempotency-key", "a b")), "/orders/7", "", "unjudged"),
        (json().insert_header(("accept", "text/html")), &id, "", "valid"),
    ] {
        assert_eq!(before(&operation, request, path, query), expected, "{path} {query}");
    }
    let under_api = "/api/v1/orders";
    assert_eq!(before(&operation, json().insert_header(("accept", "text/html")), under_api, ""), "unjudged");
    let unknown = operation.whole(&request("application/json"), "other=1", Some(valid().as_bytes()));
    assert!(matches!(unknown, Verdict::Wrong(problem) if problem.code() == Code::ValidationFailed));
}

fn valid() -> String {
    body(&[("id", ID), ("currency", "\"USD\""), ("role", "\"user\"")])
}

#[test]
fn an_operation_is_found_by_upstream_path_and_method() {
    let mut document = document();
    document["paths"]["/orders/last"] = json!({"get": {}});
    document["paths"]["/orders/{id}/items/{item}"] = json!({"get": {}, "put": 5});
    let owner = |path: &str, _: &Method| (!path.ends_with("last")).then_some(Owner { upstream: "u", ours: true });
    let operations = Operations::compile(&document, owner);
    assert_eq!(operations.count(), 3);
    let found = |path: &str, method| operations.find("u", path, &method).is_some();
    assert!(found("/orders/7", Method::POST) && found("/orders/7", Method::HEAD));
    assert!(found("/orders/last", Method::GET), "what is not described by name may be meant by a parameter");
    assert!(found("/orders/7/items/8", Method::GET) && !found("/orders/7/items", Method::GET));
    assert!(!found("/orders/7", Method::DELETE) && !found("/orders", Method::GET) && !found("/", Method::GET));
    assert!(operations.find("other", "/orders/7", &Method::POST).is_none());
}

#[test]
fn what_cannot_be_told_as_a_shape_is_left_to_the_service() {
    let schemas = json!({
        "Node": {"type": "object", "properties": {"next": {"oneOf": [{"$ref": "#/components/schemas/Node"}, {"type": "null"}]}},
            "additionalProperties": false},
        "Loop": {"$ref": "#/components/schemas/Loop"},
        "Any": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    });
    let operation = |schema: &str| {
        let body = json!({"content": {"application/json": {"schema": {"$ref": schema}}}});
        let document = json!({"paths": {"/x": {"post": {"requestBody": body}}}, "components": {"schemas": schemas}});
        Operation::compile(&document, "/x", "post", None).unwrap()
    };
    let said = |schema: &str, text: &str| gateway(&operation(schema), text.as_bytes()).map(|told| told.map(|(s, _)| s));
    let node = "#/components/schemas/Node";
    assert_eq!(said(node, "{\"next\": {\"next\": {\"next\": null}}}"), Some(None));
    assert_eq!(said(node, "{\"next\": {\"next\": {\"prev\": null}}}"), Some(Some(422)));
    let deep = |levels: usize| format!("{}null{}", "{\"next\":".repeat(levels), "}".repeat(levels));
    assert_eq!(said(node, &deep(64)), Some(None));
    assert_eq!(said(node, &deep(66)), None, "nobody here says that it is valid");
    assert_eq!(said(node, &deep(100_000).replace('}', "")), Some(Some(400)));
    for unknown in ["Loop", "Any", "Nowhere"] {
        assert_eq!(said(&format!("#/components/schemas/{unknown}"), "{\"a\": 1}"), None, "{unknown}");
    }
    assert_eq!(said("#/components/schemas/Any", "{\"a\": "), Some(Some(400)));
}
