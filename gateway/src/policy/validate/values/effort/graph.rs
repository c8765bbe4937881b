//! The places of a document, and from where a value is handed on to where.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

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
const REFERENCES: [&str; 2] = ["$ref", "$dynamicRef"];

/// In whatever form: what they are about is what nothing beside them, in any depth, has looked at.
const UNEVALUATED: [&str; 2] = ["unevaluatedItems", "unevaluatedProperties"];

/// Quantifiers that never give back, in the words of an engine that searches.
const POSSESSIVE: [&str; 4] = ["*+", "++", "?+", "}+"];

/// A schema's address in the document.
type Address = *const Map<String, Value>;

/// What a value may be held against.
#[derive(Default)]
pub(super) struct Place {
    /// Where values are handed on to: to each group, but in a group to one only.
    pub(super) groups: Vec<Vec<usize>>,
    /// Whether a pattern here cannot be matched in linear time.
    pub(super) searching: bool,
}

/// Of a document.
pub(super) struct Graph {
    /// Every object of it, taken for a schema, and behind these what has no pointer of its own.
    pub(super) places: Vec<Place>,
    /// Where each object stands.
    pub(super) pointers: Vec<u64>,
}

/// Pointers by their hashes: their text may be long, and there are as many as places.
#[derive(Clone, Debug, Default)]
pub(super) struct Pointers(RandomState);

impl Pointers {
    /// Of the whole document.
    const ROOT: u64 = 0;

    fn inside(&self, around: u64, name: &str) -> u64 {
        self.0.hash_one((around, name))
    }

    /// Of what stands there.
    pub(super) fn of(&self, pointer: &str) -> u64 {
        let tokens = pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
        tokens.fold(Self::ROOT, |around, token| self.inside(around, &token))
    }
}

/// Every object of a document.
pub(super) fn graph(document: &Value, pointers: &Pointers) -> Graph {
    let objects = objects(document, pointers);
    let mut names: HashMap<&str, Vec<usize>> = HashMap::new();
    for (id, (_, schema)) in objects.iter().enumerate() {
        for name in ["$anchor", "$dynamicAnchor"].iter().filter_map(|keyword| schema.get(*keyword)?.as_str()) {
            names.entry(name).or_default().push(id);
        }
    }
    let ids = objects.iter().enumerate().map(|(id, (_, schema))| (std::ptr::from_ref(*schema), id)).collect();
    let is_noted = objects.iter().any(|(_, schema)| is_about_the_rest(schema));
    // A name that stands in many places is one place that leads to all of them: it may be referred to as often.
    let (anchors, named): (HashMap<_, _>, Vec<_>) =
        names.into_iter().enumerate().map(|(index, (name, ids))| ((name, objects.len() + index), ids)).unzip();
    let known = Known { document, ids, anchors, noted: is_noted.then_some(objects.len() + named.len()) };
    let mut linear = HashMap::new();
    let mut places: Vec<Place> = objects
        .iter()
        .map(|(_, schema)| {
            let patterns = schema.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
            let mut patterns = schema.get("pattern").and_then(Value::as_str).into_iter().chain(patterns.map(|p| &**p));
            let mut searches = |pattern: &str| !*linear.entry(pattern.to_owned()).or_insert_with(|| is_linear(pattern));
            Place { searching: patterns.any(&mut searches), groups: known.groups(schema) }
        })
        .collect();
    places.extend(named.iter().map(|ids| Place { groups: vec![ids.clone()], searching: false }));
    if let Some(noted) = known.noted {
        places
            .extend(objects.iter().map(|(_, schema)| Place { groups: known.noting(schema, noted), searching: false }));
        let noted = named.iter().map(|ids| vec![ids.iter().map(|id| id + noted).collect()]);
        places.extend(noted.map(|groups| Place { groups, searching: false }));
    }
    Graph { places, pointers: objects.into_iter().map(|(pointer, _)| pointer).collect() }
}

/// With the pointer to each.
fn objects<'d>(document: &'d Value, pointers: &Pointers) -> Vec<(u64, &'d Map<String, Value>)> {
    let (mut objects, mut next) = (Vec::new(), vec![(Pointers::ROOT, document)]);
    while let Some((pointer, value)) = next.pop() {
        match value {
            Value::Object(members) => {
                next.extend(members.iter().map(|(name, member)| (pointers.inside(pointer, name), member)));
                objects.push((pointer, members));
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                next.extend(items.map(|(index, item)| (pointers.inside(pointer, &index.to_string()), item)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    objects
}

fn is_about_the_rest(schema: &Map<String, Value>) -> bool {
    UNEVALUATED.iter().any(|keyword| schema.contains_key(*keyword))
}

struct Known<'d> {
    document: &'d Value,
    ids: HashMap<Address, usize>,
    /// The place of each name.
    anchors: HashMap<&'d str, usize>,
    /// For each place there is another, so far behind it, which stands for noting what the schema has looked at. `None`:
    /// nothing asks for that.
    noted: Option<usize>,
}

impl Known<'_> {
    fn groups(&self, schema: &Map<String, Value>) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = REFERENCES.iter().map(|keyword| self.referred(schema, keyword)).collect();
        groups.extend(ONE.iter().filter_map(|keyword| Some(vec![self.at(schema, keyword)?])));
        for keyword in EACH {
            groups.extend(self.members(schema, keyword).into_iter().map(|place| vec![place]));
        }
        for (several, others) in EXCLUSIVE {
            let mut group = self.members(schema, several);
            group.extend(self.at(schema, others));
            groups.push(group);
        }
        if let Some(noted) = self.noted.filter(|_| is_about_the_rest(schema)) {
            groups.extend(self.noting(schema, noted));
        }
        groups.retain(|group| !group.is_empty());
        groups
    }

    /// What it takes to note what a schema has looked at: whatever stands beside may or may not hold, so that it is held
    /// against the value once more, and notes in its turn.
    fn noting(&self, schema: &Map<String, Value>, noted: usize) -> Vec<Vec<usize>> {
        let note = |group: Vec<usize>| group.into_iter().map(|place| place + noted).collect::<Vec<_>>();
        let mut groups: Vec<Vec<usize>> =
            REFERENCES.iter().map(|keyword| note(self.referred(schema, keyword))).collect();
        for keyword in ["allOf", "anyOf", "oneOf"] {
            groups
                .extend(self.members(schema, keyword).into_iter().flat_map(|place| [vec![place], vec![place + noted]]));
        }
        let dependent = self.members(schema, "dependentSchemas");
        groups.extend(dependent.into_iter().map(|place| vec![place + noted]));
        let judged = ["if", "contains", "unevaluatedItems", "unevaluatedProperties"];
        groups.extend(judged.iter().filter_map(|keyword| Some(vec![self.at(schema, keyword)?])));
        groups
            .extend(["if", "then", "else"].iter().filter_map(|keyword| Some(vec![self.at(schema, keyword)? + noted])));
        groups.retain(|group| !group.is_empty());
        groups
    }

    fn id(&self, schema: &Value) -> Option<usize> {
        self.ids.get(&std::ptr::from_ref(schema.as_object()?)).copied()
    }

    fn at(&self, schema: &Map<String, Value>, keyword: &str) -> Option<usize> {
        self.id(schema.get(keyword)?)
    }

    /// The schemas in a list or a map.
    fn members(&self, schema: &Map<String, Value>, keyword: &str) -> Vec<usize> {
        match schema.get(keyword) {
            Some(Value::Object(members)) => members.values().filter_map(|member| self.id(member)).collect(),
            Some(Value::Array(items)) => items.iter().filter_map(|item| self.id(item)).collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => Vec::new(),
        }
    }

    /// Whatever the fragment of a reference may mean: a pointer, encoded or not, or a name.
    fn referred(&self, schema: &Map<String, Value>, keyword: &str) -> Vec<usize> {
        let target = schema.get(keyword).and_then(Value::as_str).and_then(|target| target.split_once('#'));
        let Some((_, fragment)) = target else { return Vec::new() };
        let meant = |fragment: &str| {
            let there = self.document.pointer(fragment).and_then(|schema| self.id(schema));
            there.or_else(|| self.anchors.get(fragment).copied())
        };
        let decoded = percent_decode_str(fragment).decode_utf8_lossy();
        let encoded = Some(fragment).filter(|fragment| *fragment != decoded);
        encoded.into_iter().chain([&*decoded]).filter_map(meant).collect()
    }
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
