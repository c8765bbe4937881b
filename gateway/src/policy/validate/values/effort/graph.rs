//! The places of a document, and from where a value is handed on to where.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use regex::RegexBuilder;
use serde_json::{Map, Value};

use super::super::PATTERN_BYTES;

/// What is in none of these reaches a value only by reference. A group is what no part of a value is handed to twice.
const ONE: [&str; 9] = [
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "additionalItems",
];
const EACH: [&str; 6] = ["allOf", "anyOf", "oneOf", "patternProperties", "dependentSchemas", "dependencies"];
const EXCLUSIVE: [(&str, &str); 2] = [("properties", "additionalProperties"), ("prefixItems", "items")];

/// Quantifiers that never give back, in the words of an engine that searches.
const POSSESSIVE: [&str; 4] = ["*+", "++", "?+", "}+"];

/// An object in the document, taken for a schema.
pub(super) struct Place {
    pub(super) pointer: String,
    /// Where values are handed on to: to each group, but in a group to one only.
    pub(super) groups: Vec<Vec<usize>>,
    /// Whether a pattern here cannot be matched in linear time.
    pub(super) searching: bool,
}

/// Every object of a document.
pub(super) fn graph(document: &Value) -> Vec<Place> {
    let objects = objects(document);
    let mut known = Known::default();
    for (id, (pointer, schema)) in objects.iter().enumerate() {
        known.places.insert(pointer, id);
        for name in ["$anchor", "$dynamicAnchor"].iter().filter_map(|keyword| schema.get(*keyword)?.as_str()) {
            known.anchors.entry(name).or_default().push(id);
        }
    }
    let mut linear = HashMap::new();
    let place = |(pointer, schema): &(String, &Map<String, Value>)| {
        let named = schema.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
        let mut patterns = schema.get("pattern").and_then(Value::as_str).into_iter().chain(named.map(String::as_str));
        let mut searches = |pattern: &str| !*linear.entry(pattern.to_owned()).or_insert_with(|| is_linear(pattern));
        let searching = patterns.any(&mut searches);
        Place { pointer: pointer.clone(), groups: known.groups(pointer, schema), searching }
    };
    objects.iter().map(place).collect()
}

/// With the pointer to each.
fn objects(document: &Value) -> Vec<(String, &Map<String, Value>)> {
    let (mut objects, mut next) = (Vec::new(), vec![(String::new(), document)]);
    while let Some((pointer, value)) = next.pop() {
        match value {
            Value::Object(members) => {
                next.extend(members.iter().map(|(name, member)| (inside(&pointer, name), member)));
                objects.push((pointer, members));
            }
            Value::Array(items) => {
                next.extend(items.iter().enumerate().map(|(index, item)| (format!("{pointer}/{index}"), item)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    objects
}

#[derive(Default)]
struct Known<'o> {
    places: HashMap<&'o str, usize>,
    anchors: HashMap<&'o str, Vec<usize>>,
}

impl Known<'_> {
    fn groups(&self, pointer: &str, schema: &Map<String, Value>) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for keyword in ["$ref", "$dynamicRef"] {
            let target = schema.get(keyword).and_then(Value::as_str).and_then(|target| target.split_once('#'));
            groups.extend(target.map(|(_, fragment)| self.referred(fragment)));
        }
        let at = |keyword: &str| self.places.get(inside(pointer, keyword).as_str()).copied();
        groups.extend(ONE.iter().filter_map(|keyword| Some(vec![at(keyword)?])));
        for keyword in EACH {
            groups.extend(self.members(pointer, schema, keyword).into_iter().map(|place| vec![place]));
        }
        for (several, others) in EXCLUSIVE {
            let mut group = self.members(pointer, schema, several);
            group.extend(at(others));
            groups.push(group);
        }
        groups.retain(|group| !group.is_empty());
        groups
    }

    /// The schemas in a list or a map.
    fn members(&self, pointer: &str, schema: &Map<String, Value>, keyword: &str) -> Vec<usize> {
        let around = inside(pointer, keyword);
        let place = |pointer: String| self.places.get(pointer.as_str()).copied();
        match schema.get(keyword) {
            Some(Value::Object(members)) => members.keys().filter_map(|name| place(inside(&around, name))).collect(),
            Some(Value::Array(items)) => {
                (0..items.len()).filter_map(|index| place(format!("{around}/{index}"))).collect()
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => Vec::new(),
        }
    }

    /// Whatever a fragment may mean: a pointer, encoded or not, or a name.
    fn referred(&self, fragment: &str) -> Vec<usize> {
        let decoded = percent_decode_str(fragment).decode_utf8_lossy();
        let places = [canonical(fragment), canonical(&decoded)];
        let mut all: Vec<usize> =
            places.iter().filter_map(|pointer| self.places.get(pointer.as_str()).copied()).collect();
        all.extend([fragment, &decoded].iter().filter_map(|name| self.anchors.get(name)).flatten());
        all
    }
}

fn inside(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A pointer in the one way in which all are written here.
pub(super) fn canonical(pointer: &str) -> String {
    let tokens = pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
    tokens.fold(String::new(), |pointer, token| inside(&pointer, &token))
}

fn is_linear(pattern: &str) -> bool {
    let searches = POSSESSIVE.iter().any(|quantifier| pattern.contains(quantifier));
    !searches && RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build().is_ok()
}

/// The sets of places that all lead to one another, most of them of one place, each after whatever it leads to (Tarjan's
/// algorithm; the stack is a list, because a document may be a long chain).
pub(super) fn knots(places: &[Place]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let (mut order, mut lowest) = (vec![UNSEEN; places.len()], vec![0; places.len()]);
    let mut is_open = vec![false; places.len()];
    let (mut knots, mut open, mut count) = (Vec::new(), Vec::new(), 0);
    for start in 0..places.len() {
        let mut path =
            if order[start] == UNSEEN { vec![(start, places[start].groups.iter().flatten())] } else { vec![] };
        while let Some((place, targets)) = path.last_mut() {
            let place = *place;
            if order[place] == UNSEEN {
                (order[place], lowest[place], is_open[place]) = (count, count, true);
                open.push(place);
                count += 1;
            }
            if let Some(target) = targets.next() {
                if order[*target] == UNSEEN {
                    path.push((*target, places[*target].groups.iter().flatten()));
                } else if is_open[*target] {
                    lowest[place] = lowest[place].min(order[*target]);
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                lowest[*parent] = lowest[*parent].min(lowest[place]);
            }
            if lowest[place] == order[place] {
                let from = open.iter().rposition(|other| *other == place).unwrap_or(0);
                let knot: Vec<usize> = open.split_off(from);
                knot.iter().for_each(|place| is_open[*place] = false);
                knots.push(knot);
            }
        }
    }
    knots
}
