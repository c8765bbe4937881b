//! Whether a document is what it says it is: OpenAPI 3.1 by its meta-schema, with references that lead somewhere, operations
//! that can be told apart, and examples that are what they are examples of.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use jsonschema::{Draft, Registry, Validator};
use serde_json::Value;

use super::names::components;
use crate::policy::validate::{Rules, Schemas};

/// The meta-schema and the dialect that it refers to, by their own addresses (see the README beside them).
const META_SCHEMAS: [&str; 4] = [
    include_str!("../../assets/openapi-3.1/schema-base.json"),
    include_str!("../../assets/openapi-3.1/schema.json"),
    include_str!("../../assets/openapi-3.1/dialect.json"),
    include_str!("../../assets/openapi-3.1/meta.json"),
];

static META: LazyLock<Option<Validator>> = LazyLock::new(|| {
    let parsed = META_SCHEMAS.map(|text| serde_json::from_str::<Value>(text).unwrap_or_default());
    let [base, others @ ..] = &parsed;
    let mut registry = Registry::new().draft(Draft::Draft202012);
    for schema in others {
        registry = registry.add(schema.get("$id")?.as_str()?, schema).ok()?;
    }
    let registry = registry.prepare().ok()?;
    jsonschema::options().with_draft(Draft::Draft202012).offline().with_registry(&registry).build(base).ok()
});

/// A fault is told up to so many characters.
const TOLD: usize = 300;

/// So many faults are found; whoever mends them will look again.
const MOST: usize = 100;

/// What is wrong with a document, each fault with its place.
#[must_use]
pub fn faults(document: &Value) -> Vec<String> {
    let mut faults = match &*META {
        Some(meta) if meta.is_valid(document) => Vec::new(),
        Some(meta) => {
            let errors = meta.iter_errors(document).take(MOST);
            errors.map(|error| format!("{}: {}", error.instance_path(), short(error.to_string()))).collect()
        }
        None => vec!["the meta-schema does not compile".to_owned()],
    };
    let mut nodes = vec![(String::new(), document)];
    let mut examples = Examples { schemas: Schemas::of(document), rules: HashMap::new() };
    while let Some((pointer, value)) = nodes.pop().filter(|_| faults.len() < MOST) {
        if let Some(target) = value.get("$ref").and_then(Value::as_str)
            && target.strip_prefix('#').is_none_or(|at| document.pointer(at).is_none())
        {
            faults.push(format!("{pointer}: {target} leads nowhere"));
        }
        faults.extend(examples.misfits(&pointer, value, document));
        match value {
            Value::Object(members) => {
                nodes.extend(members.iter().filter(|(name, member)| !super::adopt::is_data(name, member)).map(
                    |(name, member)| (format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), member),
                ))
            }
            Value::Array(items) => {
                nodes.extend(items.iter().enumerate().map(|(index, item)| (format!("{pointer}/{index}"), item)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    faults.extend(of_operations(document));
    faults.into_iter().take(MOST).map(short).collect()
}

fn short(mut fault: String) -> String {
    if let Some((end, _)) = fault.char_indices().nth(TOLD) {
        fault.truncate(end);
    }
    fault
}

/// What a schema of the whole cannot say of operations.
fn of_operations(document: &Value) -> Vec<String> {
    let (mut faults, mut ids) = (Vec::new(), HashSet::new());
    let schemes: HashSet<&str> =
        components(document).filter(|(section, ..)| *section == "securitySchemes").map(|(_, name, _)| name).collect();
    for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        let of_path = in_path(document, item);
        for (method, operation) in item.as_object().into_iter().flatten().filter(|(key, _)| super::is_method(key)) {
            let at = format!("{method} {path}");
            if operation.get("operationId").and_then(Value::as_str).is_some_and(|id| !ids.insert(id)) {
                faults.push(format!("{at}: its operationId is another's"));
            }
            let declared: HashSet<String> = of_path.iter().cloned().chain(in_path(document, operation)).collect();
            let named =
                path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned());
            if declared != named.collect() {
                faults.push(format!("{at}: what its path names is not what is declared"));
            }
            let needs = operation.get("security").and_then(Value::as_array).into_iter().flatten();
            let names = needs.filter_map(Value::as_object).flat_map(serde_json::Map::keys);
            faults.extend(
                names.filter(|name| !schemes.contains(name.as_str())).map(|name| format!("{at}: no scheme {name}")),
            );
        }
    }
    faults
}

/// The names of the path's parameters.
fn in_path(document: &Value, owner: &Value) -> Vec<String> {
    let all = owner.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let resolved = all.map(|parameter| resolve(document, parameter)).filter(|parameter| parameter["in"] == "path");
    resolved.filter_map(|parameter| Some(parameter.get("name")?.as_str()?.to_owned())).collect()
}

fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let target = value.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

/// Examples, held against their schemas.
struct Examples {
    schemas: Schemas,
    /// By what the schema says.
    rules: HashMap<String, Option<Rules>>,
}

impl Examples {
    /// The examples here that are none.
    fn misfits(&mut self, pointer: &str, node: &Value, document: &Value) -> Vec<String> {
        let (schema, at) = match node.get("schema") {
            Some(schema) => (schema, format!("{pointer}/schema")),
            // What has an example and no schema is a schema, if it says of what kind it is.
            None if node.get("type").is_some_and(|kind| kind.is_string() || kind.is_array()) => {
                (node, pointer.to_owned())
            }
            None => return Vec::new(),
        };
        let several = node.get("examples");
        let listed = several.and_then(Value::as_array).into_iter().flatten();
        let named = several.and_then(Value::as_object).into_iter().flatten();
        let named = named.filter_map(|(_, example)| resolve(document, example).get("value"));
        let all: Vec<&Value> = node.get("example").into_iter().chain(listed).chain(named).collect();
        if all.is_empty() {
            return Vec::new();
        }
        let schemas = &self.schemas;
        let rules = self.rules.entry(schema.to_string()).or_insert_with(|| schemas.rules(&at));
        let Some(rules) = rules else { return vec![format!("{at}: the schema cannot be used")] };
        all.into_iter()
            .filter_map(|example| Some(format!("{pointer}: an example: {}", rules.complaint(example)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        let id = json!({"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}, "example": 7});
        let answer = json!({"description": "It", "content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/Pet"}, "examples": {"one": {"$ref": "#/components/examples/one"}}}}});
        json!({
            "openapi": "3.1.0", "info": {"title": "Pets", "version": "1"},
            "paths": {"/pets/{id}": {"parameters": [id], "get": {
                "operationId": "get", "security": [{"key": []}], "responses": {"200": answer}}}},
            "components": {
                "schemas": {"Pet": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
                "examples": {"one": {"value": {"name": "Rex"}}},
                "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X"}},
            },
        })
    }

    #[test]
    fn a_sound_document_has_no_fault() {
        assert_eq!(faults(&document()), Vec::<String>::new());
    }

    #[test]
    fn each_fault_is_found() {
        let get = "/paths/~1pets~1{id}/get";
        for (pointer, value, told) in [
            ("/openapi", json!("3.0.3"), "/openapi"),
            ("/info", json!({"title": "x"}), "/info"),
            ("/paths/~1pets~1{id}/get/responses/200/description", Value::Null, "/paths"),
            ("/paths/~1pets~1{id}/parameters/0/in", json!("body"), "/paths"),
            ("/components/schemas/Pet/type", json!("objekt"), "/components/schemas/Pet"),
            ("/components/schemas/Pet/properties/name", json!({"$ref": "#/nowhere"}), "leads nowhere"),
            ("/components/examples/one/value", json!({"name": 5}), "an example"),
            ("/paths/~1pets~1{id}/parameters/0/example", json!("x"), "an example"),
            ("/components/schemas/Pet/properties/name", json!({"type": "string", "examples": [5]}), "an example"),
            ("/components/securitySchemes", json!({}), "no scheme key"),
            ("/paths/~1pets~1{id}/parameters/0/name", json!("other"), "is not what is declared"),
        ] {
            let mut document = document();
            *document.pointer_mut(pointer).unwrap() = value;
            let found = faults(&document);
            assert!(found.iter().any(|fault| fault.contains(told)), "{pointer}: {found:?}");
        }
        let mut twice = document();
        let operation = twice.pointer(get).unwrap().clone();
        twice["paths"]["/pets"] = json!({"get": operation});
        assert!(faults(&twice).iter().any(|fault| fault.contains("operationId")), "{:?}", faults(&twice));
    }

    #[test]
    fn of_many_faults_the_first_are_enough() {
        let mut many = document();
        for n in 0..1000 {
            many["components"]["schemas"][format!("S{n}")] = json!({"type": "objekt", "$ref": "#/nowhere"});
        }
        assert_eq!(faults(&many).len(), MOST);
    }
}
