//! What each setting of a row says in the document, and that the document stays sound.

use serde_json::json;

use super::super::examine::faults;
use super::super::merge::merge;
use super::*;
use crate::config::Config;

const PETS: &str = r#"
[[upstreams]]
name = "pets"
url = "http://10.0.0.1"
openapi = true

[tls]
certificates = [{ cert = "a.pem", key = "a.key" }]
client_auth = "optional"
client_ca = "ca.pem"

[[versions.served]]
name = "v1"
deprecation = "2026-01-01T00:00:00Z"
sunset = "2099-01-01T00:00:00Z"
successor = "v2"
[[versions.served]]
name = "v2"
"#;

fn pets() -> Value {
    let body = json!({"content": {"application/json": {"schema": {"type": "object"}, "example": {}}}});
    let id = json!({"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}});
    let page = json!({"name": "page", "in": "query", "schema": {"type": "integer"}});
    let done = json!({"200": {"description": "Done"}, "304": {"description": "The same"}});
    // Names that mean something else here than to the gateway.
    let components = json!({
        "schemas": {"Problem": {"type": "string"}}, "headers": {"Vary": {"schema": {"type": "integer"}}},
        "examples": {"not_found": {"value": 1}},
        "securitySchemes": {"api_key": {"type": "apiKey", "in": "query", "name": "k"}},
    });
    let odd = json!({"200": {"description": "Odd", "headers": {"X-Vary": {"$ref": "#/components/headers/Vary"}},
        "content": {"text/plain": {"schema": {"$ref": "#/components/schemas/Problem"},
            "examples": {"one": {"$ref": "#/components/examples/not_found"}}}}}});
    json!({
        "openapi": "3.1.0", "info": {"title": "Pets", "version": "1"},
        "paths": {
            "/pets/{id}": {"parameters": [id], "get": {"parameters": [page], "responses": done},
                "post": {"requestBody": body, "responses": done}},
            "/pets": {"get": {"responses": odd, "security": [{"api_key": []}]}},
            "/api/v1/pets": {"get": {"responses": done}},
        },
        "components": components,
    })
}

/// The document of the pets' upstream alone, with these rows.
fn described(rows: &str) -> Value {
    let file = std::env::temp_dir().join(format!("tollgate-describe-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&file, format!("{PETS}{rows}")).unwrap();
    let config = Config::load(Some(&file), &[]).unwrap();
    std::fs::remove_file(&file).unwrap();
    let tables = Tables::compile(&config, std::time::Instant::now()).unwrap();
    let document = merge(&[("pets".to_owned(), pets())], &tables);
    // Theirs has a misfit of its own: a number for an example of a text.
    let found: Vec<_> = faults(&document).into_iter().filter(|fault| !fault.contains("1 is not of type")).collect();
    assert!(found.is_empty(), "{found:#?}");
    document
}

fn row(path: &str, more: &str) -> String {
    format!("[[routes]]\npath = \"{path}\"\nupstream = \"pets\"\n{more}\n")
}

/// An answer of an operation, wherever it stands.
fn answer(document: &Value, path: &str, method: &str, status: &str) -> Value {
    let answer = &document["paths"][path][method]["responses"][status];
    let target = answer["$ref"].as_str().map(|target| document.pointer(&target[1..]).unwrap());
    target.unwrap_or(answer).clone()
}

fn codes(document: &Value, path: &str, method: &str, status: &str) -> String {
    answer(document, path, method, status)["description"].as_str().unwrap_or_default().replace('`', "")
}

#[test]
fn a_row_names_the_credentials_that_it_takes() {
    let security = |more: &str| described(&row("/pets/{id}", more))["paths"]["/pets/{id}"]["get"]["security"].clone();
    let ways = |names: &[&str]| -> Vec<Value> { names.iter().map(|name| json!({*name: []})).collect() };
    let all = ["access_token", "api_key", "api_key_as_bearer", "session_cookie"];
    assert_eq!(security(""), json!(ways(&all)));
    let mut optional = ways(&all);
    optional.push(json!({}));
    assert_eq!(security("auth = \"optional\""), json!(optional));
    assert_eq!(security("auth = \"none\""), Value::Null);
    assert_eq!(security("issuers = [\"api_keys\"]"), json!(ways(&["api_key", "api_key_as_bearer"])));
    assert_eq!(security("issuers = [\"default\"]"), json!(ways(&["access_token", "session_cookie"])));
    assert_eq!(security("issuers = [\"static_keys\"]"), json!([]), "there are none");
    assert_eq!(security("auth = \"none\"\nclient_certificate = true"), json!([{"client_certificate": []}]));
    let both = security("issuers = [\"default\"]\nclient_certificate = true\nscope = \"pets\"");
    let way = |name: &str| json!({name: ["pets"], "client_certificate": []});
    assert_eq!(both, json!([way("access_token"), way("session_cookie")]));
}

#[test]
fn schemes_are_there_when_something_needs_them_and_keep_their_names_apart() {
    let none = described(&row("/pets/{id}", "auth = \"none\""));
    assert_eq!(none["components"]["securitySchemes"], Value::Null);
    let theirs = described(&(row("/pets", "auth = \"none\"") + &row("/pets/{id}", "issuers = [\"api_keys\"]")));
    let schemes = &theirs["components"]["securitySchemes"];
    assert_eq!(theirs["paths"]["/pets"]["get"]["security"], json!([{"pets_api_key": []}]));
    assert_eq!((&schemes["pets_api_key"]["in"], &schemes["api_key"]["in"]), (&json!("query"), &json!("header")));
    let odd = &theirs["paths"]["/pets"]["get"]["responses"]["200"];
    assert_eq!(odd["content"]["text/plain"]["schema"]["$ref"], "#/components/schemas/pets_Problem");
    assert_eq!(odd["headers"]["X-Vary"]["$ref"], "#/components/headers/pets_Vary");
    assert_eq!(odd["headers"]["Vary"]["$ref"], "#/components/headers/Vary");
    let tls = described(&row("/pets/{id}", "auth = \"none\"\nclient_certificate = true"));
    assert_eq!(tls["components"]["securitySchemes"]["client_certificate"]["type"], "mutualTLS");
    assert_eq!(codes(&tls, "/pets/{id}", "get", "403"), "certificate_required");
}

#[test]
fn each_setting_brings_its_errors() {
    let path = "/pets/{id}";
    let open = described(&row(path, "auth = \"none\"\nlimited = false\ntimeout = \"0s\""));
    for absent in ["401", "403", "429", "504", "410"] {
        assert_eq!(answer(&open, path, "get", absent), Value::Null, "{absent}");
    }
    assert_eq!(codes(&open, path, "get", "404"), "not_found");
    assert_eq!(codes(&open, path, "get", "422"), "validation_failed");
    assert!(codes(&open, path, "get", "400").contains("malformed_query"));
    assert!(codes(&open, path, "post", "400").contains("malformed_body"));
    for (status, code) in [("408", "request_timeout"), ("413", "body_too_large"), ("415", "unsupported_media_type")] {
        assert_eq!(codes(&open, path, "post", status), code);
    }
    let off = described(&row(path, "validate = \"off\""));
    assert!(answer(&off, path, "get", "404").is_null() && answer(&off, path, "post", "415").is_null());
    let keyed = described(&row(path, "idempotency = \"edge\"\nkey_required = true"));
    assert!(codes(&keyed, path, "post", "400").contains("idempotency_key_required"));
    assert!(codes(&keyed, path, "post", "409").contains("idempotency_in_progress"));
    assert!(codes(&keyed, path, "post", "422").contains("idempotency_key_reused"));
    assert!(answer(&keyed, path, "post", "409")["headers"]["Retry-After"].is_object());
    let post = &keyed["paths"][path]["post"];
    assert!(post["responses"]["200"]["headers"]["Idempotent-Replayed"].is_object());
    assert_eq!((&post["parameters"][0]["name"], &post["parameters"][0]["required"]), (&json!(KEY), &json!(true)));
    assert!(answer(&keyed, path, "get", "409").is_null(), "a read needs no key");
    let required = described(&row(path, "limiter_down = \"refuse\""));
    assert!(codes(&required, path, "get", "503").contains("rate_limiter_unavailable"));
    assert!(codes(&required, path, "get", "503").contains("keys_unavailable"));
    assert!(!codes(&required, path, "get", "403").contains("csrf_refused"));
    assert!(codes(&required, path, "post", "403").contains("csrf_refused"), "a cookie may be behind it");
    let instead = described(&row(path, "fallback = { status = 203, body = \"{}\" }"));
    assert!(answer(&instead, path, "get", "203").is_object() && answer(&instead, path, "get", "502").is_null());
    let cached = described(&row(path, "cache = { mode = \"honour\" }\nauth = \"none\""));
    assert!(["200", "304"].iter().all(|status| answer(&cached, path, "get", status)["headers"]["Age"].is_object()));
}

#[test]
fn what_comes_with_credentials_brings_its_errors() {
    let path = "/pets/{id}";
    let has = |rows: &str, method: &str, status: &str, code: &str| {
        codes(&described(rows), path, method, status).split([' ', ',', '.']).any(|word| word == code)
    };
    // A certificate goes along with what a page makes a browser send, where it is all that is asked for.
    for (more, refused) in [
        ("auth = \"none\"", true),
        ("auth = \"optional\"\nissuers = [\"api_keys\"]", true),
        ("issuers = [\"api_keys\"]", false),
    ] {
        for use_of_it in ["client_certificate = true", "forward_client_certificate = true"] {
            let row = row(path, &format!("{more}\n{use_of_it}"));
            assert_eq!(has(&row, "post", "403", "csrf_refused"), refused, "{more}, {use_of_it}");
            assert!(!has(&row, "get", "403", "csrf_refused"), "{more}, {use_of_it}");
        }
    }
    let row_of_ours = row(path, "auth = \"none\"\ncross_site = \"refuse\"");
    assert!(has(&row_of_ours, "post", "403", "csrf_refused") && !has(&row_of_ours, "get", "403", "csrf_refused"));
    // Whoever fails is counted, also where nobody else is.
    for more in ["", "auth = \"optional\"", "auth = \"none\"\nclient_certificate = true"] {
        assert!(has(&row(path, &format!("{more}\nlimited = false")), "get", "429", "rate_limited"), "{more}");
    }
    let unlimited = row(path, "limited = false") + "[rate_limit]\nenabled = false\n";
    assert!(answer(&described(&unlimited), path, "get", "429").is_null());
    // Whoever is asked about a token may not answer.
    let asked = "[[authentication.issuers]]\nname = \"elsewhere\"\nissuer = \"https://elsewhere.example\"\n\
                 introspection = { url = \"https://elsewhere.example/introspect\" }\n";
    for (issuer, asks) in [("elsewhere", true), ("default", false)] {
        let row = row(path, &format!("issuers = [\"{issuer}\"]"));
        assert_eq!(has(&(row + asked), "get", "503", "issuer_unavailable"), asks, "{issuer}");
    }
}

#[test]
fn a_version_that_ends_says_so_on_every_answer() {
    let path = "/api/v1/pets";
    let document = described(&row("/api/pets", ""));
    for status in ["200", "400", "405", "410", "429"] {
        let headers = answer(&document, path, "get", status)["headers"].clone();
        assert!(["Deprecation", "Sunset", "Link"].iter().all(|name| headers[*name].is_object()), "{status}: {headers}");
    }
    assert_eq!(codes(&document, path, "get", "410"), "version_gone");
}

#[test]
fn what_many_operations_answer_alike_stands_once() {
    let document = described(&(row("/pets/{id}", "") + &row("/pets", "")));
    let reference = |path: &str| document["paths"][path]["get"]["responses"]["405"]["$ref"].clone();
    assert_eq!(reference("/pets"), reference("/pets/{id}"));
    assert!(reference("/pets").is_string());
}
