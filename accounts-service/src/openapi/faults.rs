//! Which fault the example of a refusal shows: one that the operation's own body or parameters can have.

use std::borrow::Cow;

use serde_json::{Value, json};
use shared::problem::FieldError;

/// Puts a fault into every example that has to have one.
pub(super) fn add(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    for (_, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for (_, operation) in item.as_object_mut().into_iter().flatten().filter(|(_, it)| it.is_object()) {
            for (status, code) in [("400", "malformed_body"), ("422", "validation_failed"), ("400", "malformed_query")]
            {
                let fault = match code {
                    "malformed_body" => malformed(body(operation, &schemas)),
                    "validation_failed" => Some(refused(operation, &schemas)),
                    _ => Some(unreadable(operation)),
                };
                let place = format!("/responses/{status}/content/application~1problem+json/examples/{code}/value");
                if let (Some(example), Some(fault)) = (operation.pointer_mut(&place), fault) {
                    example["errors"] = json!([fault]);
                }
            }
        }
    }
}

/// A place, the rule and what is said of it.
fn fault(pointer: impl Into<Cow<'static, str>>, rule: &'static str, detail: &'static str) -> FieldError {
    FieldError { pointer: pointer.into(), code: rule.into(), detail: detail.into() }
}

/// The name and schema of the operation's body.
fn body<'s>(operation: &Value, schemas: &'s Value) -> Option<(String, &'s Value)> {
    let contents = operation["requestBody"]["content"].as_object()?;
    let reference = contents.values().find_map(|content| content["schema"]["$ref"].as_str())?;
    let name = reference.rsplit('/').next()?;
    Some((name.to_owned(), &schemas[name]))
}

/// A member of another type; nothing where the body has no members, and only its syntax can be wrong.
fn malformed(body: Option<(String, &Value)>) -> Option<FieldError> {
    let (_, schema) = body?;
    let members = schema["properties"].as_object()?;
    if members.contains_key("amount") {
        return Some(fault("/amount", "type", "an integer of minor units is wanted"));
    }
    let (name, member) = members.iter().next()?;
    let detail = match member["type"].as_str() {
        Some("array") => "an array is wanted",
        Some("boolean") => "true or false is wanted",
        _ => "text is wanted",
    };
    Some(fault(format!("/{name}"), "type", detail))
}

/// A value that is refused: of the body where it has any that can be, else a parameter that there is not.
fn refused(operation: &Value, schemas: &Value) -> FieldError {
    let unknown = || FieldError::unknown_parameter("dryrun");
    let Some((name, schema)) = body(operation, schemas) else { return unknown() };
    if let Some(member) = schema["required"].as_array().and_then(|names| names.first()?.as_str()) {
        return fault(format!("/{member}"), "required", "this member is required");
    }
    match name.as_str() {
        "AccountPatch" => fault("/name", "required", "cannot be cleared"),
        "StandingOrderPatch" => fault("/amount", "required", "cannot be cleared"),
        "NewReversal" => fault("/description", "length", "1 to 500 characters, no control characters"),
        _ => unknown(),
    }
}

/// A parameter that cannot be read as what it is, or that stands twice.
fn unreadable(operation: &Value) -> FieldError {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let names: Vec<_> = parameters.filter(|it| it["in"] == "query").filter_map(|it| it["name"].as_str()).collect();
    if names.contains(&"dry_run") {
        return fault("?dry_run", "boolean", "true or false");
    }
    if names.contains(&"limit") {
        return fault("?limit", "integer", "an integer");
    }
    FieldError::repeated_parameter(names.first().unwrap_or(&"dryrun"))
}
