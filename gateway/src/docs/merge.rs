//! Many OpenAPI documents into one: paths side by side, components under names of their own; and one version's part of it.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use actix_web::http::Method;
use serde_json::{Map, Value, json};

use super::composed;
use super::describe::{self, DESCRIPTION};
use super::names::{Renames, components, reference};
use super::own;
use crate::policy::version::below;
use crate::route::{Found, Route, Wanted};
use crate::tables::Tables;

/// What services answer to operators, not to clients.
const INTERNAL: [&str; 4] = ["/livez", "/readyz", "/metrics", "/openapi.json"];

/// Merges the services' documents (name, document): every operation that the route table sends to the service that
/// describes it, with what the gateway asks and answers.
#[must_use]
pub fn merge(parts: &[(String, Value)], tables: &Tables) -> Value {
    pruned(describe::describe(joined(parts, tables), tables))
}

fn joined(parts: &[(String, Value)], tables: &Tables) -> Value {
    // Ours come first: whoever means something else by a name gets another.
    let mut merged = Merged { components: own::components(), ..Merged::default() };
    describe::add_schemes(&mut merged.components, tables);
    for (upstream, document) in parts {
        let mut document = document.clone();
        let renames = Renames::of(upstream, &document, &merged.components);
        renames.apply(&mut document);
        merged.take_components(&document, &renames);
        merged.take_paths(upstream, &document, tables);
        for tag in document.get("tags").and_then(Value::as_array).into_iter().flatten() {
            if merged.tag_names.insert(tag["name"].to_string()) {
                merged.tags.push(tag.clone());
            }
        }
    }
    merged.compose(tables);
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Tollgate API", "version": "all", "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": merged.tags,
        "paths": merged.paths,
        "components": merged.components,
    })
}

#[derive(Default)]
struct Merged {
    paths: Map<String, Value>,
    components: Map<String, Value>,
    tags: Vec<Value>,
    tag_names: HashSet<String>,
    /// Each with how many more have wanted it.
    operation_ids: HashMap<String, usize>,
}

impl Merged {
    fn take_components(&mut self, document: &Value, renames: &Renames) {
        for (section, name, value) in components(document) {
            let target = self.components.entry(section).or_insert_with(|| Value::Object(Map::new()));
            target[renames.name(section, name)] = value.clone();
        }
    }

    fn take_paths(&mut self, upstream: &str, document: &Value, tables: &Tables) {
        for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
            let Some(item) = item.as_object().filter(|_| path.starts_with('/') && !INTERNAL.contains(&path.as_str()))
            else {
                continue;
            };
            let mut own = item.clone();
            own.retain(|key, _| {
                let method = super::is_method(key).then(|| key.to_ascii_uppercase().parse::<Method>().ok()).flatten();
                let answers = |route: &Route| route.upstream.name == upstream;
                method.is_none_or(|method| route_of(tables, path, &method).is_some_and(answers))
            });
            if !own.keys().any(|key| super::is_method(key)) {
                continue;
            }
            for (_, operation) in own.iter_mut().filter(|(key, _)| super::is_method(key)) {
                self.name(upstream, operation);
            }
            let there = self.paths.entry(path.clone()).or_insert_with(|| Value::Object(Map::new()));
            // Two services may each have some methods of a path; what is there stays.
            for (key, value) in own {
                if there.get(&key).is_none() {
                    there[key] = value;
                }
            }
        }
    }

    /// Describes what the gateway puts together, of what was described.
    fn compose(&mut self, tables: &Tables) {
        for (path, mut operation) in composed::operations(&self.paths, tables) {
            self.name("gateway", &mut operation);
            self.paths.insert(path, json!({"get": operation}));
        }
    }

    /// An operation's id is unique in a document.
    fn name(&mut self, upstream: &str, operation: &mut Value) {
        let Some(id) = operation.get("operationId").and_then(Value::as_str) else { return };
        let wanted = if self.operation_ids.contains_key(id) { format!("{upstream}_{id}") } else { id.to_owned() };
        let mut free = wanted.clone();
        while self.operation_ids.contains_key(&free) {
            let more = self.operation_ids.entry(wanted.clone()).or_default();
            *more += 1;
            free = format!("{wanted}_{more}");
        }
        operation["operationId"] = free.as_str().into();
        self.operation_ids.insert(free, 1);
    }
}

/// The row that serves an operation; among rows of several hosts one whose upstream has a document.
pub(super) fn route_of<'a>(tables: &'a Tables, path: &str, method: &Method) -> Option<&'a Route> {
    let asked = tables.versions.split(path);
    let versioned = asked.and_then(|asked| Some((tables.versions.by_name(asked.in_path?)?, asked.rest)));
    let hosts = std::iter::once(None).chain(tables.routes.hosts().map(Some));
    let found = hosts.filter_map(|host| match tables.routes.find(Wanted { host, path, versioned, method }) {
        Found::Route(route) => Some(&**route),
        Found::OtherMethods(_) | Found::Nothing => None,
    });
    let mut found: Vec<&Route> = found.collect();
    found.sort_by_key(|route| !route.upstream.has_document);
    found.first().copied()
}

/// The part that one version (below a prefix) has, and what has no version.
#[must_use]
pub fn of_version(whole: &Value, prefix: &str, version: &str) -> Value {
    let mut document = whole.clone();
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.retain(|path, _| match below(path, prefix) {
            Some(rest) => rest.strip_prefix('/').is_some_and(|rest| rest.split('/').next() == Some(version)),
            None => true,
        });
    }
    document["info"]["version"] = version.into();
    pruned(document)
}

/// Without components that nothing refers to.
fn pruned(mut document: Value) -> Value {
    let mut used = HashSet::new();
    let mut next = vec![&document["paths"]];
    while let Some(value) = next.pop() {
        match value {
            Value::Object(members) => {
                if let Some(target) = members.get("$ref").and_then(Value::as_str)
                    && used.insert(target.to_owned())
                {
                    next.extend(target.strip_prefix('#').and_then(|pointer| document.pointer(pointer)));
                }
                // Security schemes are referred to by their bare names.
                let needs = members.get("security").and_then(Value::as_array).into_iter().flatten();
                let schemes = needs.filter_map(Value::as_object).flat_map(Map::keys);
                used.extend(schemes.map(|name| reference("securitySchemes", name)));
                next.extend(members.values());
            }
            Value::Array(items) => next.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    if let Some(components) = document["components"].as_object_mut() {
        for (section, members) in components.iter_mut() {
            let members = members.as_object_mut().into_iter();
            members.for_each(|members| members.retain(|name, _| used.contains(&reference(section, name))));
        }
        components.retain(|_, members| members.as_object().is_none_or(|members| !members.is_empty()));
    }
    document
}

/// Says which services' parts are not there, because they have not answered yet.
#[must_use]
pub fn without(mut document: Value, missing: &[String]) -> Value {
    if !missing.is_empty() {
        document["x-missing"] = json!(missing);
        document["info"]["description"] =
            format!("{DESCRIPTION}\n\n**Incomplete**: {} cannot be reached now.", missing.join(", ")).into();
    }
    document
}
