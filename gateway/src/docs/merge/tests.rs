//! Merging documents: what comes together, what stays apart, what is left out.

use super::*;
use crate::config::Config;

fn part(path: &str, schema: Value) -> Value {
    let answer = json!({"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}}});
    json!({
        "openapi": "3.1.0",
        "paths": {path: {"get": {"operationId": "list", "responses": {"200": answer}}}, "/livez": {"get": {}},
            "/.well-known/jwks.json": {"get": {}}, "/api/v1/nowhere": {"get": {}}},
        "components": {"schemas": {"Page": schema, "Shared": {"type": "string"}}},
        "tags": [{"name": "t"}],
    })
}

fn tables(more: &str) -> Tables {
    let file = std::env::temp_dir().join(format!("tollgate-merge-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&file, more).unwrap();
    let config = Config::load(Some(&file), &[]).unwrap();
    std::fs::remove_file(&file).unwrap();
    Tables::compile(&config, std::time::Instant::now()).unwrap()
}

fn parts() -> Vec<(String, Value)> {
    vec![
        ("users".to_owned(), part("/api/v1/users", json!({"type": "object"}))),
        ("accounts".to_owned(), part("/api/v2/accounts", json!({"type": "array"}))),
    ]
}

#[test]
fn equal_components_are_one_and_different_ones_keep_apart() {
    let merged = merge(&parts(), &tables(""));
    let schemas = merged["components"]["schemas"].as_object().unwrap();
    assert_eq!(schemas["Page"], json!({"type": "object"}));
    assert_eq!(schemas["accounts_Page"], json!({"type": "array"}));
    let pointer = "/paths/~1api~1v2~1accounts/get/responses/200/content/application~1json/schema/$ref";
    assert_eq!(merged.pointer(pointer).unwrap(), "#/components/schemas/accounts_Page");
    assert_eq!(merged["tags"].as_array().unwrap().len(), 1);
    assert_eq!(merged["openapi"], "3.1.0");
    let ids = ["/api/v1/users", "/api/v2/accounts"].map(|path| &merged["paths"][path]["get"]["operationId"]);
    assert_eq!(ids, ["list", "accounts_list"], "an operation's id is its own");
    assert!(!schemas.contains_key("Shared"), "nothing refers to it");
}

#[test]
fn every_operation_gets_an_id_of_its_own_however_many_want_the_same() {
    let path = |n: usize| (format!("/api/v1/users/{n}"), json!({"get": {"operationId": "list"}}));
    let paths: Map<_, _> = (0..4).map(path).collect();
    let merged = merge(&[("users".to_owned(), json!({"paths": paths}))], &tables(""));
    let ids = merged["paths"].as_object().unwrap().values().map(|item| item["get"]["operationId"].as_str().unwrap());
    assert_eq!(ids.collect::<Vec<_>>(), ["list", "users_list", "users_list_2", "users_list_3"]);
}

#[test]
fn what_refers_to_something_renamed_is_something_else() {
    let part = |path: &str, item: Value| {
        let list = json!({"items": {"$ref": "#/components/schemas/Item"}, "type": "array"});
        let body = json!({"content": {"application/json": {"schema": {"$ref": "#/components/schemas/List"}}}});
        json!({
            "paths": {path: {"post": {"requestBody": body, "security": [{"key": []}]}}},
            "components": {"schemas": {"List": list, "Item": item}, "securitySchemes": {"key": {"x": path}}},
        })
    };
    let parts = [
        ("users".to_owned(), part("/api/v1/users", json!({"type": "string"}))),
        ("accounts".to_owned(), part("/api/v1/accounts", json!({"type": "integer"}))),
    ];
    let merged = joined(&parts, &tables(""));
    let schemas = &merged["components"]["schemas"];
    assert_eq!(schemas["List"]["items"]["$ref"], "#/components/schemas/Item");
    assert_eq!(schemas["accounts_List"]["items"]["$ref"], "#/components/schemas/accounts_Item");
    assert_eq!(schemas["Item"]["type"], "string");
    assert_eq!(merged["paths"]["/api/v1/accounts"]["post"]["security"], json!([{"accounts_key": []}]));
}

/// The schemas of a document that shows this one, beside those that errors need.
fn names(own: &str) -> Vec<String> {
    let mut names = ["FieldError", "Problem", own].map(str::to_owned);
    names.sort_unstable();
    names.into()
}

#[test]
fn only_what_the_route_table_serves_is_shown_and_each_version_has_its_part() {
    let whole = merge(&parts(), &tables(""));
    let paths = |document: &Value| document["paths"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        paths(&whole),
        ["/.well-known/jwks.json", "/api/v1/users", "/api/v2/accounts"],
        "no probes, no dead ends"
    );
    let of = |name| of_version(&whole, "/api", name);
    assert_eq!(paths(&of("v1")), ["/.well-known/jwks.json", "/api/v1/users"]);
    assert_eq!(paths(&of("v2")), ["/.well-known/jwks.json", "/api/v2/accounts"]);
    let schemas = |name| of(name)["components"]["schemas"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((schemas("v1"), schemas("v2")), (names("Page"), names("accounts_Page")));
    assert_eq!(of("v2")["info"]["version"], "v2");
}

#[test]
fn a_foreign_document_joins_where_its_routes_are() {
    let more = r#"
[[upstreams]]
name = "pets"
url = "http://10.0.0.1"
openapi = true
[[routes]]
path = "/pets/{id}"
host = "pets.example"
upstream = "pets"
methods = ["GET"]
"#;
    let get = json!({"responses": {"200": {"description": "A pet"}}});
    let pets = json!({"paths": {"/pets/{id}": {"get": get, "delete": get}, "/admin": {"get": get}}});
    let users = ("users".to_owned(), part("/pets/{id}", json!({})));
    let merged = joined(&[("pets".to_owned(), pets), users], &tables(more));
    assert_eq!(merged["paths"], json!({"/pets/{id}": {"get": get}}));
}

#[test]
fn operations_say_what_the_gateway_asks() {
    let more = "[[versions.served]]\nname = \"v1\"\ndeprecation = \"2026-01-01T00:00:00Z\"\n[[versions.served]]\nname = \"v2\"\n";
    let tables = tables(more);
    let described = merge(&parts(), &tables);
    let users = &described["paths"]["/api/v1/users"]["get"];
    assert_eq!(users["x-roles"], json!(["support", "admin"]));
    let limits: Vec<_> = users["x-rate-limits"].as_array().unwrap().iter().map(|limit| &limit["for"]).collect();
    assert_eq!(limits, ["support", "admin", "api_key"], "of those who may call");
    assert_eq!(users["x-permission"], "users:read");
    for status in ["400", "401", "403", "405", "414", "417", "429", "431", "500", "502", "503", "504"] {
        let reference = users["responses"][status]["$ref"].as_str().unwrap().to_owned();
        let answer = described.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        let content = &answer["content"]["application/problem+json"];
        assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem", "{status}");
        let examples = content["examples"].as_object().unwrap().values();
        let targets = examples.map(|example| example["$ref"].as_str().unwrap().strip_prefix('#').unwrap().to_owned());
        let values: Vec<_> = targets.map(|target| described.pointer(&target).unwrap()["value"].clone()).collect();
        assert!(
            !values.is_empty() && values.iter().all(|value| value["status"] == status.parse::<u16>().unwrap()),
            "{status}"
        );
        assert_eq!(answer["headers"]["Retry-After"].is_object(), matches!(status, "429" | "503"), "{status}");
        assert_eq!(answer["headers"]["Allow"].is_object(), status == "405", "{status}");
        assert!(answer["headers"]["RateLimit"].is_object() && answer["headers"]["Deprecation"].is_object(), "{status}");
    }
    let ways: Vec<_> =
        ["access_token", "api_key", "api_key_as_bearer", "session_cookie"].map(|way| json!({way: []})).into();
    assert_eq!(users["security"], json!(ways));
    let schemes = described["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["access_token", "api_key", "api_key_as_bearer", "session_cookie"]);
    assert_eq!(
        (&schemes["api_key"]["name"], &schemes["session_cookie"]["in"]),
        (&json!("x-api-key"), &json!("cookie"))
    );
    assert_eq!(users["deprecated"], true);
    assert!(described["paths"]["/api/v2/accounts"]["get"]["deprecated"].is_null());
    assert!(
        users["description"]
            .as_str()
            .unwrap()
            .contains("with the role `support` or `admin` or the permission `users:read`")
    );
    let keys = &described["paths"]["/.well-known/jwks.json"]["get"];
    assert!(keys["security"].is_null() && keys["responses"]["401"].is_null());
}
