//! The document says what is served, and how it goes wrong.

use serde_json::Value;

use super::document;

#[test]
fn every_operation_has_its_errors_and_whoever_needs_a_token_says_so() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["security"][0]["access_token"], serde_json::json!([]));
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(_, operation)| operation.is_object()) {
            seen += 1;
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("503"), "{method} {path}");
            let open = operation["security"] == serde_json::json!([{}]);
            assert!(open || responses.contains_key("401"), "{method} {path} is neither open nor 401");
        }
    }
    assert!(seen >= 26, "{seen}");
    let problem = &document["components"]["schemas"]["Problem"];
    assert_eq!(problem["properties"]["errors"]["type"], "array", "left out where there are none, never null");
    assert!(!problem["required"].as_array().unwrap().contains(&"errors".into()));
    let grant =
        &document["paths"]["/api/v1/auth/token"]["post"]["responses"]["400"]["content"]["application/problem+json"];
    assert_eq!(grant["examples"]["invalid_grant"]["value"]["error"], "invalid_grant");
    let taken = &document["paths"]["/api/v1/users"]["post"]["responses"]["409"]["content"]["application/problem+json"];
    assert_eq!(taken["examples"]["email_taken"]["value"]["code"], "email_taken");
    for reference in serde_json::to_string(&document).unwrap().split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(!document["components"]["schemas"][name].is_null(), "{name} is not described");
    }
}

/// Each operation with its path and method.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let items = document["paths"].as_object().unwrap().iter();
    let operations = items.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter().filter(|(_, operation)| operation.is_object());
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    operations.collect()
}

/// OAuth's endpoints ignore them (RFC 6749, section 3.2), and so may what stands under no version.
pub fn refuses_unknown_parameters(operation: &str) -> bool {
    let ignores = ["/token", "/revoke", "/introspect", "/userinfo"].map(|end| format!("/auth{end}"));
    operation.contains(" /api/") && !ignores.iter().any(|end| operation.ends_with(end))
}

#[test]
fn every_status_that_can_occur_is_listed_with_an_example() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    for (name, operation) in operations(&document) {
        let responses = operation["responses"].as_object().unwrap();
        let mut expected = vec!["429", "500", "503"];
        expected.extend(operation["requestBody"].is_object().then_some(["400", "413", "415"]).into_iter().flatten());
        expected.extend((name.contains("/api/") && !name.starts_with("delete")).then_some("406"));
        expected.extend(refuses_unknown_parameters(&name).then_some(["400", "422"]).into_iter().flatten());
        // Whatever can be asked about by its tag says so when it has not changed, and when it has.
        let takes = |header: &str| {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            parameters.into_iter().any(|parameter| parameter["name"] == header)
        };
        assert_eq!(takes("If-None-Match"), responses.contains_key("304"), "{name}");
        expected.extend((takes("If-Match") || name.contains("/.well-known/")).then_some("412"));
        let of_one = ["/users/{id}", "/roles", "/disable", "/enable", "/restore"].iter().any(|end| name.ends_with(end));
        expected.extend((of_one && name.contains("/users/{id}")).then_some("412"));
        for status in expected {
            assert!(responses.contains_key(status), "{name} lacks {status}");
        }
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
            let examples = response["content"]["application/problem+json"]["examples"].as_object().unwrap();
            for (code, example) in examples {
                assert_eq!(
                    (&example["value"]["code"], example["value"]["status"].to_string()),
                    (&code.as_str().into(), status.clone())
                );
            }
            assert!(!examples.is_empty(), "{name} {status}");
        }
    }
}

#[test]
fn headers_are_described_where_they_are_sent() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let described = document["components"]["headers"].as_object().unwrap();
    for (name, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let headers = response["headers"].as_object().unwrap();
            for (header, reference) in headers {
                assert_eq!(reference["$ref"], format!("#/components/headers/{header}"));
                assert!(described.contains_key(header), "{header}");
            }
            let carries = |header: &str| assert!(headers.contains_key(header), "{name} {status} lacks {header}");
            ["API-Version", "RateLimit", "RateLimit-Policy", "X-Request-Id"].into_iter().for_each(carries);
            match status.as_str() {
                "429" | "503" => carries("Retry-After"),
                "201" if name.contains("/mfa/") => {}
                "201" if name.ends_with("/api-keys") || name.ends_with("/mfa/totp") => carries("Location"),
                "201" => ["ETag", "Location", "Idempotent-Replayed"].into_iter().for_each(carries),
                "304" => carries("ETag"),
                "401" => carries("WWW-Authenticate"),
                _ => {}
            }
        }
    }
    let responses = |path: &str, method: &str| document["paths"][path][method]["responses"].clone();
    assert!(responses("/api/v1/users", "get")["200"]["headers"]["Link"].is_object());
    assert!(responses("/api/v2/users", "get")["200"]["headers"]["Link"].is_null(), "cursors have no links");
    assert!(responses("/api/v1/users/{id}/disable", "post")["200"]["headers"]["Idempotent-Replayed"].is_object());
    assert!(responses("/api/v1/users/{id}", "patch")["200"]["headers"]["ETag"].is_object());
    assert!(responses("/api/v1/users", "post")["202"]["content"].is_object());
}
