//! The document says what is served, how it looks, and how it goes wrong.

use serde_json::{Value, json};

use super::document;

fn read() -> Value {
    serde_json::from_str(&document()).unwrap()
}

/// Each operation with its method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let items = document["paths"].as_object().unwrap().iter();
    let operations = items.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter().filter(|(_, operation)| operation.is_object());
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    operations.collect()
}

#[test]
fn every_status_that_can_occur_is_listed_with_an_example() {
    let document = read();
    let operations = operations(&document);
    assert_eq!(operations.len(), 69);
    for (name, operation) in operations {
        let responses = operation["responses"].as_object().unwrap();
        let mut expected = vec!["429", "500", "503"];
        let public = name.contains(" /.well-known/");
        expected.extend(if public { ["304"].as_slice() } else { &["401", "406"] });
        expected.extend(
            ["400", "413", "415", "422"].iter().filter(|_| !["get", "delete"].iter().any(|it| name.starts_with(it))),
        );
        expected.extend(
            (name.contains("{id}")
                && !["/entries", "/balance", "/runs"].iter().any(|list| name.ends_with(list))
                && (name.starts_with("post") || !name.contains("/transfers")))
            .then_some("412"),
        );
        expected.extend(name.contains("{id}").then_some("404"));
        expected.extend((name.starts_with("get") && name.ends_with("{id}")).then_some("304"));
        for status in expected {
            assert!(responses.contains_key(status), "{name} lacks {status}");
        }
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
            let examples = response["content"]["application/problem+json"]["examples"].as_object().unwrap();
            assert!(!examples.is_empty(), "{name} {status}");
            for (code, example) in examples {
                let example = &example["value"];
                assert_eq!((&example["code"], &example["status"].to_string()), (&json!(code), status), "{name}");
            }
        }
    }
}

#[test]
fn every_operation_schema_and_parameter_has_an_example() {
    let document = read();
    for (name, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(!parameter["example"].is_null(), "{name} {}", parameter["name"]);
        }
        let answers = operation["responses"].as_object().unwrap().values();
        for body in answers.chain([&operation["requestBody"]]) {
            for (kind, content) in body["content"].as_object().into_iter().flatten() {
                assert!(content["example"].is_object() || content["examples"].is_object(), "{name} {kind}");
            }
        }
    }
    let shared = ["FieldError", "Links", "Meta", "PageInfo", "Problem"];
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(shared.contains(&name.as_str()) || !schema["example"].is_null(), "{name}");
    }
    for reference in document.to_string().split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(!document["components"]["schemas"][name].is_null(), "{name} is not described");
    }
}

#[test]
fn headers_are_described_where_they_are_sent() {
    let document = read();
    let described = document["components"]["headers"].as_object().unwrap();
    for (name, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let headers = response["headers"].as_object().unwrap();
            assert!(headers.keys().all(|header| described.contains_key(header)), "{name} {status}");
            let carries = |header: &str| assert!(headers.contains_key(header), "{name} {status} lacks {header}");
            ["API-Version", "RateLimit", "RateLimit-Policy", "X-Request-Id"].into_iter().for_each(carries);
            match status.as_str() {
                "429" | "503" => carries("Retry-After"),
                "201" => ["ETag", "Location", "Idempotent-Replayed"].into_iter().for_each(carries),
                "304" => carries("ETag"),
                "401" => carries("WWW-Authenticate"),
                _ => {}
            }
        }
    }
}

#[test]
fn each_version_lists_accounts_in_its_own_way() {
    let document = read();
    for (version, own, page, link) in [
        ("v1", ["page", "per_page", "skip", "limit", "sort_by", "sort_order"].as_slice(), "AccountPage", true),
        ("v2", ["cursor", "limit"].as_slice(), "AccountCursorPage", false),
    ] {
        let list = &document["paths"][format!("/api/{version}/accounts")]["get"];
        let names: Vec<_> =
            list["parameters"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
        let filters = ["scope", "status", "kind", "currency", "label", "q"];
        assert_eq!(names, [filters.as_slice(), own].concat());
        let answer = &list["responses"]["200"];
        let schema = &answer["content"]["application/json"]["schema"]["$ref"];
        assert_eq!(schema, &json!(format!("#/components/schemas/{page}")));
        assert_eq!(answer["headers"]["Link"].is_object(), link);
        assert_eq!(list["operationId"], format!("list_accounts_{version}"));
        let other = if version == "v1" { "/api/v2/" } else { "/api/v1/" };
        for (path, item) in document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.contains(version)) {
            assert!(!item.to_string().contains(other), "{path} speaks of {other}");
        }
        let patch = &document["paths"][format!("/api/{version}/accounts/{{id}}")]["patch"]["requestBody"]["content"];
        assert!(patch["application/merge-patch+json"].is_object() && patch["application/json"].is_object());
        let post = &document["paths"][format!("/api/{version}/transfers")]["post"];
        assert_eq!(post["parameters"][0]["name"], "Idempotency-Key");
        assert_eq!(post["parameters"][0]["required"], false);
        assert_eq!(post["responses"]["200"]["content"]["application/json"]["example"]["id"], Value::Null);
    }
    assert_eq!(document["security"], json!([{"access_token": []}]));
    assert_eq!(document["components"]["securitySchemes"].as_object().unwrap().len(), 1);
    let problem = &document["components"]["schemas"]["Problem"];
    assert!(!problem["required"].as_array().unwrap().contains(&json!("errors")));
    assert_eq!(problem["properties"]["errors"]["type"], "array");
}

#[test]
fn a_fault_in_an_example_is_one_that_the_operation_can_have() {
    let document = read();
    let mut seen = 0;
    for (name, operation) in operations(&document) {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let query: Vec<_> =
            parameters.filter(|it| it["in"] == "query").map(|it| it["name"].as_str().unwrap()).collect();
        let contents = operation["requestBody"]["content"].as_object().into_iter().flatten();
        let schema = contents.filter_map(|(_, content)| content["schema"]["$ref"].as_str()).next();
        let members = schema.map(|it| &document.pointer(&it[1..]).unwrap()["properties"]);
        for (status, response) in operation["responses"].as_object().unwrap() {
            let examples =
                response["content"]["application/problem+json"]["examples"].as_object().into_iter().flatten();
            for (code, example) in examples {
                let faults = example["value"]["errors"].as_array();
                let told = ["validation_failed", "malformed_query"].contains(&code.as_str());
                assert!(faults.is_some() || !told, "{name} {status} {code} tells no fault");
                for fault in faults.into_iter().flatten() {
                    let pointer = fault["pointer"].as_str().unwrap();
                    let of_none = ["unknown_parameter", "repeated"].contains(&fault["code"].as_str().unwrap());
                    let known = match pointer.split_at(1) {
                        ("?", parameter) => query.contains(&parameter) || of_none,
                        (_, member) => members.is_some_and(|it| it[member.split('/').next().unwrap()].is_object()),
                    };
                    assert!(known, "{name} {status} {code}: {pointer}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 64, "{seen}");
}

/// Every transfer that is shown in `value`, which looks as `schema` says.
fn transfers<'v>(document: &'v Value, schema: &'v Value, value: &'v Value, found: &mut Vec<&'v Value>) {
    if let Some(reference) = schema["$ref"].as_str() {
        if reference.ends_with("/Transfer") {
            return found.push(value);
        }
        return transfers(document, document.pointer(&reference[1..]).unwrap(), value, found);
    }
    for choice in schema["oneOf"].as_array().into_iter().flatten() {
        transfers(document, choice, value, found);
    }
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        value.get(name).into_iter().for_each(|value| transfers(document, member, value, found));
    }
    for item in value.as_array().into_iter().flatten() {
        transfers(document, &schema["items"], item, found);
    }
}

#[test]
fn a_transfer_in_an_example_has_every_member_and_adds_up() {
    let document = read();
    let members = document["components"]["schemas"]["Transfer"]["properties"].as_object().unwrap().keys();
    // A receipt is there where it was asked for.
    let members: Vec<_> = members.filter(|name| *name != "receipt").collect();
    let mut shown = Vec::new();
    for (name, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let content = &response["content"]["application/json"];
            let mut found = Vec::new();
            transfers(&document, &content["schema"], &content["example"], &mut found);
            shown.extend(found.into_iter().map(|transfer| (format!("{name} {status}"), transfer)));
        }
    }
    assert!(shown.len() > 20, "{}", shown.len());
    for (name, transfer) in shown {
        assert_eq!(transfer.as_object().unwrap().keys().collect::<Vec<_>>(), members, "{name}");
        let (amount, remaining) = (&transfer["amount"], &transfer["remaining"]);
        let ended = transfer["status"] == "voided" || !transfer["reversal_of"].is_null();
        assert_eq!(remaining, if ended { &Value::Null } else { amount }, "{name}");
        let tried = name.ends_with("200") && name.starts_with("post") && !name.contains("/batch");
        assert_eq!(tried, transfer["id"].is_null(), "{name}");
        assert!(!tried || transfer["created_at"].is_null(), "{name}");
    }
}
