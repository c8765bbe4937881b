//! Texts of parameters, read as the values that their schema means: in a path, a query or a header everything is text.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Number, Value};

use super::reference::Spot;

/// Schemas that are looked into for the type of one.
const MAX_HOPS: usize = 8;

/// The kinds of plain value that a text may stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds {
    text: bool,
    integer: bool,
    number: bool,
    truth: bool,
    null: bool,
}

/// What a parameter's value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A plain value.
    One(Kinds),
    /// A list of plain values.
    List(Kinds),
    /// An object of plain values; the last are those of undeclared members.
    Object(Vec<(String, Kinds)>, Kinds),
    /// JSON, written as text.
    Json,
}

/// What a request has of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given<'a> {
    Nothing,
    /// Of a plain value one, of a list any number.
    Texts(Vec<Cow<'a, str>>),
    Members(Vec<(Cow<'a, str>, Cow<'a, str>)>),
}

impl Form {
    /// What a schema makes of a parameter.
    pub(super) fn of<'d>(document: &'d Value, schema: &Spot<'d>) -> Self {
        let mut names = Vec::new();
        types(document, schema, 0, &mut names);
        if names.contains(&"array") {
            let items = schema.member(document, "items");
            return Self::List(items.map_or(Kinds::TEXT, |items| Kinds::of(document, &items)));
        }
        if !names.contains(&"object") {
            return Self::One(Kinds::named(&names));
        }
        let properties = schema.member(document, "properties");
        let properties = properties.iter().filter_map(|all| Some((all, all.value.as_object()?)));
        let members = properties.flat_map(|(all, members)| {
            members.keys().filter_map(|name| Some((name.clone(), Kinds::of(document, &all.member(document, name)?))))
        });
        let others = schema.member(document, "additionalProperties");
        Self::Object(members.collect(), others.map_or(Kinds::TEXT, |others| Kinds::of(document, &others)))
    }

    /// The value. With `plain` a text stays one where it may; `None`: it can be none.
    pub(super) fn read(&self, given: &Given<'_>, plain: bool) -> Option<Value> {
        match (self, given) {
            (Self::One(kinds), Given::Texts(texts)) => kinds.read(texts.first()?, plain),
            (Self::List(kinds), Given::Texts(texts)) => texts.iter().map(|text| kinds.read(text, plain)).collect(),
            (Self::Json, Given::Texts(texts)) => super::strict::read(texts.first()?.as_bytes()).ok(),
            (Self::Object(known, others), Given::Members(members)) => {
                let mut object = Map::new();
                for (name, text) in members {
                    let kinds = known.iter().find(|(known, _)| known == name).map_or(others, |(_, kinds)| kinds);
                    object.insert(name.clone().into_owned(), kinds.read(text, plain)?);
                }
                Some(Value::Object(object))
            }
            _ => None,
        }
    }

    /// What is wanted of it, for people, and the name of that rule.
    pub(super) fn wanted(&self) -> (&'static str, &'static str) {
        match self {
            Self::One(kinds) => kinds.wanted(),
            Self::List(kinds) => match kinds.wanted() {
                ("integer", _) => ("integer", "a list of integers is wanted"),
                ("number", _) => ("number", "a list of numbers is wanted"),
                ("boolean", _) => ("boolean", "a list of true and false is wanted"),
                _ => ("type", "a list is wanted"),
            },
            Self::Object(..) => ("type", "names and their values are wanted"),
            Self::Json => ("type", "JSON is wanted"),
        }
    }
}

impl Kinds {
    const TEXT: Self = Self { text: true, integer: false, number: false, truth: false, null: false };

    fn of<'d>(document: &'d Value, schema: &Spot<'d>) -> Self {
        let mut names = Vec::new();
        types(document, schema, 0, &mut names);
        Self::named(&names)
    }

    fn named(names: &[&str]) -> Self {
        let has = |name| names.contains(&name);
        let kinds = Self {
            text: has("string"),
            integer: has("integer"),
            number: has("number"),
            truth: has("boolean"),
            null: has("null"),
        };
        // Whoever says nothing of it takes any text.
        if kinds == Self::default() { Self::TEXT } else { kinds }
    }

    fn read(self, text: &str, plain: bool) -> Option<Value> {
        let as_text = || self.text.then(|| Value::from(text));
        if plain && self.text {
            return as_text();
        }
        let integer = || text.parse::<i64>().ok().map(Value::from).or_else(|| large(text));
        let number = || text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number);
        let truth = || text.parse::<bool>().ok().map(Value::from);
        let integer = (self.integer || self.number).then(integer).flatten();
        let number = || self.number.then(number).flatten();
        let truth = || self.truth.then(truth).flatten();
        let null = || (self.null && text.is_empty()).then_some(Value::Null);
        integer.or_else(number).or_else(truth).or_else(null).or_else(as_text)
    }

    const fn wanted(self) -> (&'static str, &'static str) {
        match self {
            Self { text: true, .. } => ("type", "text is wanted"),
            Self { number: true, .. } => ("number", "a number"),
            Self { integer: true, .. } => ("integer", "an integer"),
            Self { truth: true, .. } => ("boolean", "true or false"),
            _ => ("type", "no value is wanted"),
        }
    }
}

/// An integer beyond 64 bits, which is in no range but is one.
fn large(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_one = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_one.then(|| text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number)).flatten()
}

/// The names of the types that a schema allows, as far as they are told.
fn types<'d>(document: &'d Value, schema: &Spot<'d>, hops: usize, names: &mut Vec<&'d str>) {
    if hops >= MAX_HOPS {
        return;
    }
    match schema.value.get("type") {
        Some(Value::String(one)) => return names.push(one),
        Some(Value::Array(several)) => return names.extend(several.iter().filter_map(Value::as_str)),
        Some(_) | None => {}
    }
    let words = schema.value.get("enum").and_then(Value::as_array).into_iter().flatten();
    names.extend(words.chain(schema.value.get("const")).map(|word| match word {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }));
    for keyword in ["anyOf", "oneOf", "allOf"] {
        let parts = schema.value.get(keyword).and_then(Value::as_array).map_or(0, Vec::len);
        for part in
            (0..parts).filter_map(|index| schema.member(document, keyword)?.member(document, &index.to_string()))
        {
            types(document, &part, hops + 1, names);
        }
    }
}

/// What a text of a query (`plus`: where `+` is a space) or a path means; `None`: it is no UTF-8.
pub(super) fn decoded(raw: &str, plus: bool) -> Option<Cow<'_, str>> {
    if plus && raw.contains('+') {
        let spaced = raw.replace('+', " ");
        return percent_decode_str(&spaced).decode_utf8().ok().map(|text| Cow::Owned(text.into_owned()));
    }
    percent_decode_str(raw).decode_utf8().ok()
}
