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
    let taken = &document["paths"]["/api/v1/users"]["post"]["responses"]["409"]["content"]["application/problem+json"];
    assert_eq!(taken["examples"]["email_taken"]["value"]["code"], "email_taken");
    for reference in serde_json::to_string(&document).unwrap().split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(!document["components"]["schemas"][name].is_null(), "{name} is not described");
    }
}
