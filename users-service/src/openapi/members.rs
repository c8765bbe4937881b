//! Mass assignment: whatever a body has besides what it is asked for is refused, at every depth, by every operation, and
//! changes nothing.

use reqwest::Method;
use serde_json::{Value, json};

use super::document;
use crate::testing::{Backend, Running, Setup, on_both};

on_both! { extra_members_change_nothing, }

/// What a client would like to set.
const WISHES: [&str; 8] =
    ["roles", "id", "user_id", "email_verified", "password_hash", "status", "revision", "__proto__"];

/// The JSON bodies of the document: method, path, an example.
fn bodies() -> Vec<(Method, String, Value)> {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let mut bodies = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let content = &operation["requestBody"]["content"]["application/json"];
            if content.is_object() {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                assert!(content["example"].is_object(), "{method} {path} has no example");
                bodies.push((method, path.clone(), content["example"].clone()));
            }
        }
    }
    bodies
}

/// Every object in a body, by pointer.
fn objects(at: &str, value: &Value, found: &mut Vec<String>) {
    let Some(members) = value.as_object() else { return };
    found.push(at.to_owned());
    for (name, member) in members {
        objects(&format!("{at}/{name}"), member, found);
    }
}

async fn users(service: &Running) -> i64 {
    service.ground.count("SELECT CAST(sum(revision + ver) + 1000 * count(*) AS bigint) FROM users").await
}

async fn extra_members_change_nothing(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let somebody = service.person("adalovelace").await;
    let before = users(&service).await;
    let bodies = bodies();
    assert!(bodies.len() >= 16, "{}", bodies.len());
    for (method, path, example) in bodies {
        let mut places = Vec::new();
        objects("", &example, &mut places);
        let path = path.replace("{id}", &somebody.id.to_string()).replace("{name}", "auditor");
        for place in places {
            for wish in WISHES {
                let mut body = example.clone();
                let members = body.pointer_mut(&place).unwrap().as_object_mut().unwrap();
                // One of those that it is asked for.
                if members.contains_key(wish) {
                    continue;
                }
                members.insert(wish.to_owned(), json!(["admin"]));
                let answer = service.call(method.clone(), &path).by(&admin).json(&body).send().await;
                let said = format!("{method} {path} {place}/{wish}: {}", String::from_utf8_lossy(&answer.bytes));
                assert!([400, 422].contains(&answer.status), "{said}");
                let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
                assert!(errors.iter().any(|error| error["pointer"] == json!(format!("{place}/{wish}"))), "{said}");
            }
        }
    }
    assert_eq!(users(&service).await, before);
    service.stop().await;
}
