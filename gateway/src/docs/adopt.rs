//! A document as it comes, made fit to be part of ours: OpenAPI 3.0 is lifted to 3.1, what leads past the gateway is
//! left out, and what is said once for the whole document is said at each operation.

use serde_json::{Map, Value, json};

/// Keys whose value is data, not description.
const DATA: [&str; 5] = ["example", "examples", "default", "enum", "const"];

/// Whether a member is data: unless it is a list of references to examples, or what a member of this very name looks like.
pub(super) fn is_data(name: &str, member: &Value) -> bool {
    DATA.contains(&name) && !member.as_object().is_some_and(|all| all.values().any(|one| one.get("$ref").is_some()))
}

/// The document, or nothing when it is none of OpenAPI 3.
pub(super) fn adopt(mut document: Value) -> Option<Value> {
    let edition = document.get("openapi").and_then(Value::as_str)?.to_owned();
    if edition.starts_with("3.0") {
        lift(&mut document);
    } else if !edition.starts_with("3.") {
        return None;
    }
    let security = document.get("security").cloned();
    let whole = document.clone();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for item in paths.into_iter().flat_map(|paths| paths.values_mut()).filter_map(Value::as_object_mut) {
        // Whose address it is, is the gateway's to say.
        item.remove("servers");
        for (_, operation) in item.iter_mut().filter(|(key, _)| super::is_method(key)) {
            let Some(operation) = operation.as_object_mut() else { continue };
            operation.remove("servers");
            if let Some(security) = &security {
                operation.entry("security").or_insert_with(|| security.clone());
            }
        }
    }
    close(&mut document, &whole);
    Some(document)
}

/// OpenAPI 3.0 wrote two things in a way of its own: <https://spec.openapis.org/oas/v3.1.0#schema-object> has them as JSON
/// Schema does.
fn lift(value: &mut Value) {
    match value {
        Value::Object(members) => {
            nullable(members);
            for (bound, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
                match members.get(exclusive).and_then(Value::as_bool) {
                    Some(true) => {
                        let limit = members.remove(bound);
                        members.remove(exclusive);
                        members.extend(limit.map(|limit| (exclusive.to_owned(), limit)));
                    }
                    Some(false) => drop(members.remove(exclusive)),
                    None => {}
                }
            }
            members.iter_mut().filter(|(key, _)| !DATA.contains(&key.as_str())).for_each(|(_, member)| lift(member));
        }
        Value::Array(items) => items.iter_mut().for_each(lift),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn nullable(schema: &mut Map<String, Value>) {
    let Some(nullable) = schema.get("nullable").and_then(Value::as_bool) else { return };
    schema.remove("nullable");
    if !nullable {
        return;
    }
    if let Some(Value::String(kind)) = schema.get("type") {
        let kinds = json!([kind, "null"]);
        schema.insert("type".to_owned(), kinds);
        if let Some(Value::Array(words)) = schema.get_mut("enum")
            && !words.contains(&Value::Null)
        {
            words.push(Value::Null);
        }
    }
}

/// Takes out references to what is not in the document: nothing here fetches from anywhere, and a document that is served
/// names no host inside.
fn close(value: &mut Value, whole: &Value) {
    match value {
        Value::Object(members) => {
            let target = members.get("$ref").and_then(Value::as_str);
            let dangling = target
                .is_some_and(|target| target.strip_prefix('#').is_none_or(|pointer| whole.pointer(pointer).is_none()));
            if dangling {
                members.clear();
                members.insert("description".to_owned(), "It is not described here.".into());
                return;
            }
            // Where a schema says that it is, references in it would be read from there; ours are all read from the top.
            if members.get("$id").is_some_and(Value::is_string) {
                members.remove("$id");
            }
            if let Some(Value::Array(parameters)) = members.get_mut("parameters") {
                parameters.iter_mut().for_each(|parameter| close(parameter, whole));
                parameters.retain(|parameter| ["$ref", "name"].iter().any(|key| parameter.get(*key).is_some()));
            }
            members.iter_mut().filter(|(key, _)| !DATA.contains(&key.as_str())).for_each(|(_, v)| close(v, whole));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| close(item, whole)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_edition_is_lifted_and_others_are_refused() {
        let schema = json!({"type": "string", "nullable": true, "enum": ["a"], "example": {"nullable": true}});
        let bounds =
            json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true, "maximum": 9, "exclusiveMaximum": false});
        let old = json!({"openapi": "3.0.3", "components": {"schemas": {"A": schema, "B": bounds}}});
        let lifted = adopt(old).unwrap();
        let a = json!({"type": ["string", "null"], "enum": ["a", null], "example": {"nullable": true}});
        assert_eq!(lifted["components"]["schemas"]["A"], a);
        let b = json!({"type": "integer", "exclusiveMinimum": 1, "maximum": 9});
        assert_eq!(lifted["components"]["schemas"]["B"], b);
        assert_eq!(adopt(json!({"swagger": "2.0"})), None);
        assert_eq!(adopt(json!([])), None);
    }

    #[test]
    fn nothing_leads_past_the_gateway() {
        let operation = json!({
            "servers": [{"url": "http://10.0.0.7"}],
            "parameters": [{"$ref": "http://10.0.0.7/x.json#/p"}, {"name": "q", "in": "query"}],
            "requestBody": {"content": {"application/json": {"schema": {"$ref": "other.yaml#/A"}}}},
        });
        let document = json!({
            "openapi": "3.1.0", "security": [{"key": []}],
            "paths": {"/a": {"servers": [{"url": "/x"}], "post": operation}},
        });
        let adopted = adopt(document).unwrap();
        let text = adopted["paths"].to_string();
        assert!(!text.contains("10.0.0.7") && !text.contains("other.yaml") && !text.contains("servers"), "{text}");
        let post = &adopted["paths"]["/a"]["post"];
        assert_eq!(post["parameters"].as_array().unwrap().len(), 1);
        assert_eq!(post["security"], json!([{"key": []}]));
    }
}
