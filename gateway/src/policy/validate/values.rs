//! What a schema says of a value, by the whole of JSON Schema 2020-12 (which OpenAPI 3.1 is made of), formats included.

mod effort;
mod told;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, Registry, Validator};
use serde_json::{Value, json};
use shared::http::fault::{Fault, MAX_FAULTS};

use self::effort::{Effort, Efforts};
use super::reference::fragment;

/// Where the document is while its schemas are compiled. Nothing is ever fetched: no such host can exist (RFC 6761).
const BASE: &str = "http://document.invalid/openapi.json";

/// Steps back that a pattern with look-around or references may make on one text; beyond it the text is refused. All other
/// patterns are matched in linear time.
const MAX_BACKTRACKS: usize = 10_000;

/// References that are followed from one to the next.
const MAX_HOPS: usize = 8;

/// Bytes that a compiled pattern may take.
const PATTERN_BYTES: usize = 1 << 20;

/// The schemas of a document, as requests are held against them.
#[derive(Debug)]
pub struct Schemas {
    document: Value,
    registry: Option<Registry<'static>>,
    efforts: Efforts,
    /// What is compiled already: what many operations refer to is compiled once.
    compiled: RefCell<HashMap<String, Option<Rules>>>,
}

impl Schemas {
    /// Of a document that refers to nothing outside of itself.
    #[must_use]
    pub fn of(document: &Value) -> Self {
        let mut document = document.clone();
        for_requests(&mut document);
        let registry = Registry::new().draft(Draft::Draft202012).add(BASE, document.clone());
        let registry = registry.and_then(|registry| registry.prepare());
        let registry = registry.map_err(|error| tracing::warn!(%error, "a document whose schemas cannot be used")).ok();
        // What is not used need not be reckoned.
        let efforts = registry.as_ref().map(|_| Efforts::of(&document)).unwrap_or_default();
        Self { document, registry, efforts, compiled: RefCell::default() }
    }

    /// What they are from.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Compiles the schema at a JSON Pointer. `None`: it cannot be used, and why is in the log; nothing is judged by it.
    #[must_use]
    pub fn rules(&self, pointer: &str) -> Option<Rules> {
        let pointer = self.referred(pointer);
        if let Some(known) = self.compiled.borrow().get(pointer) {
            return known.clone();
        }
        let rules = self.compile(pointer);
        self.compiled.borrow_mut().insert(pointer.to_owned(), rules.clone());
        rules
    }

    /// Where a schema stands that is nothing but a reference.
    fn referred<'p>(&'p self, mut pointer: &'p str) -> &'p str {
        for _ in 0..MAX_HOPS {
            let schema = self.document.pointer(pointer).and_then(Value::as_object).filter(|schema| schema.len() == 1);
            let target = schema.and_then(|schema| schema.get("$ref")?.as_str()?.strip_prefix('#'));
            // What is encoded stands elsewhere than where it seems to.
            match target.filter(|target| !target.contains('%') && self.document.pointer(target).is_some()) {
                Some(target) => pointer = target,
                None => break,
            }
        }
        pointer
    }

    fn compile(&self, pointer: &str) -> Option<Rules> {
        let effort = self.efforts.at(pointer);
        if effort == Effort::Refused {
            tracing::warn!(pointer, "a schema so entangled that a small value could take for ever; it judges nothing");
            return None;
        }
        let patterns = PatternOptions::fancy_regex()
            .backtrack_limit(MAX_BACKTRACKS)
            .size_limit(PATTERN_BYTES)
            .dfa_size_limit(PATTERN_BYTES);
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .should_validate_formats(true)
            .with_pattern_options(patterns)
            .with_registry(self.registry.as_ref()?);
        match options.build(&json!({"$ref": format!("{BASE}#{}", fragment(pointer))})) {
            Ok(validator) => Some(Rules { validator: Arc::new(validator), telling: effort == Effort::Told }),
            Err(error) => {
                tracing::warn!(%error, pointer, "a schema that cannot be used; what it is for is not judged");
                None
            }
        }
    }
}

/// A compiled schema.
#[derive(Clone, Debug)]
pub struct Rules {
    validator: Arc<Validator>,
    /// Whether it can be said in a reasonable time what is wrong, and not only that something is.
    telling: bool,
}

impl Rules {
    /// Whether a value is as it should be.
    #[must_use]
    pub fn allow(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// The first thing that is wrong with a value, for whoever wrote the schema.
    #[must_use]
    pub fn complaint(&self, value: &Value) -> Option<String> {
        if !self.telling {
            return (!self.allow(value)).then(|| told::UNTOLD.to_owned());
        }
        self.validator.iter_errors(value).next().map(|error| format!("{}: {error}", error.instance_path()))
    }

    /// What is wrong with a value, at most [`MAX_FAULTS`]: what makes it malformed goes before what makes it wrong.
    #[must_use]
    pub fn faults(&self, value: &Value) -> Vec<Fault> {
        if self.allow(value) {
            return Vec::new();
        }
        if !self.telling {
            return vec![Fault::invalid(String::new(), told::UNTOLD)];
        }
        let mut faults = Vec::new();
        for error in self.validator.iter_errors(value) {
            if faults.len() >= MAX_FAULTS {
                break;
            }
            told::tell(&error, &mut faults);
        }
        faults.truncate(MAX_FAULTS);
        faults.sort_by_key(|fault| !fault.is_malformed());
        faults
    }
}

/// Nobody sends what only the server writes, so nobody has to (OpenAPI 3.1, section 4.8.24, and 3.0, section 4.7.24).
fn for_requests(document: &mut Value) {
    let whole = document.clone();
    let is_read_only = |property: &Value| {
        let target = property.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        let target = target.and_then(|pointer| whole.pointer(pointer));
        [Some(property), target].into_iter().flatten().any(|schema| schema.get("readOnly") == Some(&Value::Bool(true)))
    };
    let mut next = vec![document];
    while let Some(value) = next.pop() {
        match value {
            Value::Object(members) => {
                let server: HashSet<String> =
                    members.get("properties").and_then(Value::as_object).map_or_else(HashSet::new, |all| {
                        all.iter()
                            .filter(|(_, property)| is_read_only(property))
                            .map(|(name, _)| name.clone())
                            .collect()
                    });
                if let Some(Value::Array(required)) = members.get_mut("required").filter(|_| !server.is_empty()) {
                    required.retain(|name| !name.as_str().is_some_and(|name| server.contains(name)));
                }
                next.extend(members.values_mut());
            }
            Value::Array(items) => next.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_refer_to_is_compiled_once() {
        let list = json!({"$ref": "#/components/schemas/List"});
        let bounded = json!({"$ref": "#/components/schemas/List", "maxItems": 1});
        let more = json!({"List": {"type": "array"}, "b": {"$ref": "#/components/schemas/a"}, "a": list, "c": bounded});
        let schemas = Schemas::of(&json!({"components": {"schemas": more}}));
        let rules = |name: &str| schemas.rules(&format!("/components/schemas/{name}")).unwrap();
        let [of_list, of_a, of_b, of_c] = ["List", "a", "b", "c"].map(rules);
        assert!([&of_a, &of_b].iter().all(|other| Arc::ptr_eq(&of_list.validator, &other.validator)));
        assert!(of_list.allow(&json!([1, 2])) && !of_c.allow(&json!([1, 2])), "a reference may say more");
        assert_eq!(schemas.compiled.borrow().len(), 2);
    }
}
