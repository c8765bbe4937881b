//! Names that two documents give to different things: one of them gets its upstream's name in front, wherever it stands.

use std::collections::HashMap;

use serde_json::{Map, Value};

const REF: &str = "$ref";

/// What is renamed in one document: where it is referred to, and its new name.
#[derive(Debug, Default)]
pub(super) struct Renames(HashMap<String, String>);

impl Renames {
    /// What has to be renamed in `document`, whose components are about to join `taken`: whatever another document has
    /// under the same name with another meaning. What refers to something renamed means something else too, though it
    /// reads the same.
    pub(super) fn of(upstream: &str, document: &Value, taken: &Map<String, Value>) -> Self {
        let mut renames = Self::default();
        loop {
            let before = renames.0.len();
            for (section, name, value) in components(document) {
                let at = reference(section, name);
                let other = taken.get(section).and_then(|section| section.get(name));
                let differs = other.is_some_and(|other| other != value || renames.concern(value));
                if differs && !renames.0.contains_key(&at) {
                    let free = |new: &str| {
                        let has = |all: Option<&Value>| all.and_then(|section| section.get(new)).is_some();
                        !has(taken.get(section)) && !has(document.pointer(&format!("/components/{section}")))
                    };
                    renames.0.insert(at, first_free(format!("{upstream}_{name}"), free));
                }
            }
            if renames.0.len() == before {
                return renames;
            }
        }
    }

    /// What a component is called from now on.
    pub(super) fn name<'a>(&'a self, section: &str, name: &'a str) -> &'a str {
        self.0.get(&reference(section, name)).map_or(name, String::as_str)
    }

    fn concern(&self, value: &Value) -> bool {
        match value {
            Value::Object(members) => {
                let target = members.get(REF).and_then(Value::as_str);
                target.is_some_and(|target| self.0.contains_key(target)) || members.values().any(|v| self.concern(v))
            }
            Value::Array(items) => items.iter().any(|item| self.concern(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }

    /// Puts the new names wherever the old ones are referred to.
    pub(super) fn apply(&self, value: &mut Value) {
        if self.0.is_empty() {
            return;
        }
        match value {
            Value::Object(members) => {
                for (key, member) in members.iter_mut() {
                    match (key.as_str(), member) {
                        (REF, Value::String(target)) => self.retarget(target),
                        ("mapping", Value::Object(mapping)) => mapping.values_mut().for_each(|target| {
                            if let Value::String(target) = target {
                                self.retarget(target);
                            }
                        }),
                        ("security", Value::Array(needs)) => needs.iter_mut().for_each(|need| self.security(need)),
                        (_, member) => self.apply(member),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.apply(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn retarget(&self, target: &mut String) {
        if let Some(new) = self.0.get(target) {
            let section = target.rsplit_once('/').map_or("", |(section, _)| section);
            *target = format!("{section}/{new}");
        }
    }

    /// A security requirement names its schemes without a reference.
    fn security(&self, need: &mut Value) {
        if let Some(schemes) = need.as_object_mut() {
            *schemes = std::mem::take(schemes)
                .into_iter()
                .map(|(scheme, scopes)| (self.name("securitySchemes", &scheme).to_owned(), scopes))
                .collect();
        }
    }
}

/// Every component, with its section and its name.
pub(super) fn components(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let sections = document.get("components").and_then(Value::as_object).into_iter().flatten();
    sections.flat_map(|(section, members)| {
        let members = members.as_object().into_iter().flatten();
        members.map(move |(name, value)| (section.as_str(), name.as_str(), value))
    })
}

/// How a component is referred to.
pub(super) fn reference(section: &str, name: &str) -> String {
    format!("#/components/{section}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn first_free(mut name: String, free: impl Fn(&str) -> bool) -> String {
    while !free(&name) {
        name.push('_');
    }
    name
}
