//! JSON Schema as far as the shape of a body goes, compiled once into a tree that is walked without resolving anything.
//!
//! Shape is what a reader of types refuses: a wrong type, a missing, unknown or repeated member, a word that is none of
//! the list, text that is no id. Lengths and ranges are values; they are not judged here.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value};

/// A place in [`Shapes`].
pub(super) type Id = usize;

/// The shapes of one operation, which refer to one another by their place.
#[derive(Debug, Default)]
pub(super) struct Shapes(Vec<Shape>);

/// What a value has to look like.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) nullable: bool,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// Anything at all.
    Any,
    /// Something with rules that are not told here.
    Unknown,
    /// What stands there.
    Same(Id),
    Text(Text),
    Integer,
    Number,
    Boolean,
    /// An array of these.
    List(Id),
    /// An object of the client's own.
    Free,
    Object(Members),
}

/// What a text has to look like.
#[derive(Debug)]
pub(super) enum Text {
    Any,
    Uuid,
    /// ISO 4217.
    Currency,
    Words(Vec<String>),
    /// With the words for what does not match.
    Pattern(Regex, String),
}

/// The members of an object.
#[derive(Debug)]
pub(super) struct Members {
    /// Name to place among the known, and shape.
    pub(super) known: HashMap<Box<str>, (usize, Id)>,
    /// Those that have to be there, in the order in which they are missed.
    pub(super) required: Vec<(usize, Box<str>)>,
    /// Whether there may be no others.
    pub(super) closed: bool,
}

impl Shapes {
    /// The shape at a place.
    pub(super) fn get(&self, id: Id) -> &Shape {
        &self.0[id]
    }
}

/// Keywords whose rules are not told as a shape.
const COMPOSED: [&str; 15] = [
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "const",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
    "unevaluatedItems",
    "prefixItems",
    "contains",
    "$dynamicRef",
];

/// Compiles the schemas of one operation.
pub(super) struct Compiler<'d> {
    document: &'d Value,
    shapes: Vec<Shape>,
    known: HashMap<&'d str, Id>,
}

impl<'d> Compiler<'d> {
    pub(super) fn new(document: &'d Value) -> Self {
        Self { document, shapes: Vec::new(), known: HashMap::new() }
    }

    pub(super) fn done(self) -> Shapes {
        Shapes(self.shapes)
    }

    /// Adds a schema. One that is referred to is added once, so recursion ends.
    pub(super) fn add(&mut self, schema: &'d Value) -> Id {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let Some(reference) = reference.filter(|_| !is_composed(schema)) else {
            let shape = self.shape(schema);
            return self.push(shape);
        };
        if let Some(id) = self.known.get(reference) {
            return *id;
        }
        let id = self.push(Shape { nullable: false, kind: Kind::Unknown });
        self.known.insert(reference, id);
        let target = reference.strip_prefix('#').and_then(|pointer| self.document.pointer(pointer));
        if let Some(target) = target {
            self.shapes[id] = if target.get("$ref").is_some() {
                let kind = Kind::Same(self.add(target));
                Shape { nullable: false, kind }
            } else {
                self.shape(target)
            };
        }
        id
    }

    fn push(&mut self, shape: Shape) -> Id {
        self.shapes.push(shape);
        self.shapes.len() - 1
    }

    fn shape(&mut self, schema: &'d Value) -> Shape {
        let Some(schema) = schema.as_object() else {
            // `true` takes anything; `false` and what is no schema are left to whoever knows better.
            let kind = if schema.as_bool() == Some(true) { Kind::Any } else { Kind::Unknown };
            return Shape { nullable: false, kind };
        };
        if let Some(of) = or_null(schema) {
            let kind = Kind::Same(self.add(of));
            return Shape { nullable: true, kind };
        }
        if COMPOSED.iter().any(|keyword| schema.contains_key(*keyword)) {
            return Shape { nullable: false, kind: Kind::Unknown };
        }
        let (types, nullable) = types(schema);
        let kind = match types[..] {
            [] if is_bare(schema) => Kind::Any,
            ["string"] => Kind::Text(Self::text(schema)),
            ["integer" | "number" | "boolean"] if schema.contains_key("enum") => Kind::Unknown,
            ["integer"] => Kind::Integer,
            ["number"] => Kind::Number,
            ["boolean"] => Kind::Boolean,
            ["array"] => schema.get("items").map_or(Kind::Unknown, |items| Kind::List(self.add(items))),
            ["object"] => self.object(schema),
            _ => Kind::Unknown,
        };
        Shape { nullable, kind }
    }

    fn text(schema: &Map<String, Value>) -> Text {
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return Text::Words(words.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        }
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str).and_then(|text| Regex::new(text).ok()) {
            let words = schema.get("description").and_then(Value::as_str).unwrap_or("another form is wanted");
            return Text::Pattern(pattern, words.to_owned());
        }
        match schema.get("format").and_then(Value::as_str) {
            Some("uuid") => Text::Uuid,
            Some("iso-4217") => Text::Currency,
            // Any other format is a rule on values, which come after the shape.
            Some(_) | None => Text::Any,
        }
    }

    fn object(&mut self, schema: &'d Map<String, Value>) -> Kind {
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        let properties = schema.get("properties").and_then(Value::as_object);
        if properties.is_none() && !closed {
            return Kind::Free;
        }
        let mut known = HashMap::new();
        for (name, schema) in properties.into_iter().flatten() {
            let place = known.len();
            known.insert(name.as_str().into(), (place, self.add(schema)));
        }
        let mut required = Vec::new();
        let names = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for name in names {
            let next = known.len();
            let mut any = || self.push(Shape { nullable: true, kind: Kind::Any });
            let (place, _) = *known.entry(name.into()).or_insert_with(|| (next, any()));
            required.push((place, name.into()));
        }
        Kind::Object(Members { known, required, closed })
    }
}

fn is_composed(schema: &Value) -> bool {
    schema.as_object().is_some_and(|schema| COMPOSED.iter().any(|keyword| schema.contains_key(*keyword)))
}

/// Whether nothing is said of the value, but perhaps what it is for.
fn is_bare(schema: &Map<String, Value>) -> bool {
    !["enum", "properties", "items", "required", "pattern", "format", "$ref"]
        .iter()
        .any(|key| schema.contains_key(*key))
}

/// The schema of what may also be null, or of a composition that has one part only.
fn or_null(schema: &Map<String, Value>) -> Option<&Value> {
    let composed: Vec<_> = COMPOSED.iter().filter_map(|keyword| schema.get_key_value(*keyword)).collect();
    let [(keyword, parts)] = composed[..] else { return None };
    if !matches!(keyword.as_str(), "oneOf" | "anyOf") || schema.contains_key("type") {
        return None;
    }
    match parts.as_array()?.as_slice() {
        [part, null] | [null, part] if null.get("type").is_some_and(|kind| kind == "null") => Some(part),
        _ => None,
    }
}

/// The types, and whether null is one of them.
fn types(schema: &Map<String, Value>) -> (Vec<&str>, bool) {
    let named: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        Some(_) | None => Vec::new(),
    };
    let nullable = named.contains(&"null");
    (named.into_iter().filter(|name| *name != "null").collect(), nullable)
}
