//! Merging documents: what comes together, what stays apart, what is left out.

use super::*;
use crate::config::{Config, DEFAULTS};

fn part(path: &str, schema: Value) -> Value {
    let answer = json!({"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}}});
    json!({
        "paths": {path: {"get": {"responses": {"200": answer}}}, "/livez": {"get": {}}, "/.well-known/jwks.json": {"get": {}}},
        "components": {"schemas": {"Page": schema, "Shared": {"type": "string"}}},
        "tags": [{"name": "t"}],
    })
}

fn parts() -> Vec<(String, Value)> {
    vec![
        ("users".to_owned(), part("/api/v1/users", json!({"type": "object"}))),
        ("accounts".to_owned(), part("/api/v2/accounts", json!({"type": "array"}))),
    ]
}

#[test]
fn equal_components_are_one_and_different_ones_keep_apart() {
    let merged = merge(&parts(), None);
    let schemas = merged["components"]["schemas"].as_object().unwrap();
    assert_eq!(schemas["Page"], json!({"type": "object"}));
    assert_eq!(schemas["accounts_Page"], json!({"type": "array"}));
    assert!(schemas.contains_key("Shared") && !schemas.contains_key("accounts_Shared"));
    let pointer = "/paths/~1api~1v2~1accounts/get/responses/200/content/application~1json/schema/$ref";
    assert_eq!(merged.pointer(pointer).unwrap(), "#/components/schemas/accounts_Page");
    assert_eq!(merged["tags"].as_array().unwrap().len(), 1);
    assert_eq!(merged["openapi"], "3.1.0");
}

#[test]
fn a_versions_document_has_its_paths_and_the_unversioned_ones() {
    let paths = |version| {
        let merged = merge(&parts(), version);
        merged["paths"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(paths(Some(("/api", "v1"))), ["/.well-known/jwks.json", "/api/v1/users"]);
    assert_eq!(paths(Some(("/api", "v2"))), ["/.well-known/jwks.json", "/api/v2/accounts"]);
    assert_eq!(paths(None).len(), 3, "probes are nobody's business");
}

#[test]
fn operations_say_what_the_gateway_asks() {
    let env = [("TOLLGATE_GATEWAY__IDENTITY__SECRET".to_owned(), "x".repeat(32))];
    assert!(DEFAULTS.contains("[[routes]]"));
    let tables = Tables::compile(&Config::load(None, &env).unwrap(), std::time::Instant::now()).unwrap();
    let described = describe(merge(&parts(), None), &tables);
    let users = &described["paths"]["/api/v1/users"]["get"];
    assert_eq!(users["x-roles"], json!(["support", "admin"]));
    assert_eq!(users["x-rate-limits"][0]["policy"], "address");
    assert!(users["responses"]["429"].is_object() && users["responses"]["403"].is_object());
    assert_eq!(users["security"], json!([{"access_token": []}]));
}
