//! Holds a body against its shape, in the order in which a service reads it, so that the faults are the same, of the same
//! members, in the same order, and the first decides the status.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use shared::domain::Currency;
use shared::http::fault::{Fault, MAX_FAULTS, SURVEYED_BYTES, join};

use super::shape::{Id, Kind, Members, Shape, Shapes, Text};

/// References from schema to schema that are followed without coming to a rule.
const MAX_HOPS: usize = 8;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// In the order in which a service would tell them.
    pub(super) faults: Vec<Fault>,
    /// Whether there are values whose rules are not all known here, so that a service may find more.
    pub(super) unsure: bool,
}

/// Deeper than this nothing is judged here: a schema may refer to itself, and each level is read anew.
pub(super) const MAX_DEPTH: usize = 64;

/// Judges a whole body. In a `patch` null clears a member (RFC 7396), and whether it may is a rule on values.
pub(super) fn judge(shapes: &Shapes, root: Id, body: &[u8], patch: bool) -> Findings {
    let mut reader = Reader { shapes, patch, unsure: false, depth: 0 };
    let whole = |fault| Findings { faults: vec![fault], unsure: false };
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if shapes.is_object(root) && first.is_some_and(|first| *first != b'{') {
        return whole(Fault::no_object());
    }
    let Ok(text) = std::str::from_utf8(body) else { return whole(Fault::no_utf8()) };
    let mut faults = Vec::new();
    if let (Kind::Object(rules), Ok(members)) = (&shapes.get(root).kind, members_of(text)) {
        reader.members(rules, &members, &At::WHOLE, &mut faults, true);
    } else {
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) => faults.extend(reader.value(root, raw.get(), &At::WHOLE, 0)),
            Err(error) => return whole(Fault::syntax(&error)),
        }
    }
    faults.truncate(if body.len() > SURVEYED_BYTES { 1 } else { MAX_FAULTS });
    Findings { faults, unsure: reader.unsure }
}

impl Shapes {
    fn is_object(&self, id: Id) -> bool {
        matches!(self.get(id).kind, Kind::Object(_))
    }
}

/// Where a value stands; a pointer is made of it only for a fault.
#[derive(Clone, Copy)]
struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Member(&'a str),
    Item(usize),
}

impl<'a> At<'a> {
    const WHOLE: At<'static> = At { parent: None, step: Step::Item(0) };

    const fn member(&'a self, name: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Member(name) }
    }

    fn pointer(&self) -> String {
        let Some(parent) = self.parent else { return String::new() };
        match self.step {
            Step::Member(name) => join(&parent.pointer(), name),
            Step::Item(index) => format!("{}/{index}", parent.pointer()),
        }
    }
}

struct Reader<'s> {
    shapes: &'s Shapes,
    patch: bool,
    unsure: bool,
    /// Lists and objects around the present value.
    depth: usize,
}

impl Reader<'_> {
    /// The first fault of a value.
    fn value(&mut self, id: Id, raw: &str, at: &At<'_>, hops: usize) -> Option<Fault> {
        let Shape { nullable, kind } = self.shapes.get(id);
        let begins = raw.as_bytes().first().copied().unwrap_or_default();
        if begins == b'n' {
            if *nullable {
                return None;
            }
            if self.patch && at.parent.is_some() {
                self.unsure = true;
                return None;
            }
        }
        match (kind, begins) {
            (Kind::Any, _) => None,
            (Kind::Same(id), _) if hops < MAX_HOPS => self.value(*id, raw, at, hops + 1),
            (Kind::Unknown | Kind::Same(_), _) => self.leave(),
            (Kind::Text(rule), b'"') => self.text(rule, raw, at),
            // Serde takes `{"word": null}` for a word.
            (Kind::Text(Text::Words(_)), b'{') => self.leave(),
            (Kind::Text(_), _) => self.mistyped(raw, at, "text"),
            (Kind::Integer, b'-' | b'0'..=b'9') => self.integer(raw, at),
            (Kind::Integer, _) => self.mistyped(raw, at, "an integer within its range"),
            (Kind::Number, b'-' | b'0'..=b'9') | (Kind::Boolean, b't' | b'f') | (Kind::Free, b'{') => None,
            (Kind::Number, _) => self.mistyped(raw, at, "a number"),
            (Kind::Boolean, _) => self.mistyped(raw, at, "true or false"),
            (Kind::List(_), b'[') | (Kind::Object(_), b'{') if self.depth >= MAX_DEPTH => self.leave(),
            (Kind::List(item), b'[') => {
                self.depth += 1;
                let fault = self.list(*item, raw, at);
                self.depth -= 1;
                fault
            }
            (Kind::List(_), _) => self.mistyped(raw, at, "an array"),
            (Kind::Object(members), b'{') => {
                let Ok(named) = members_of(raw) else { return self.leave() };
                let mut faults = Vec::new();
                self.depth += 1;
                self.members(members, &named, at, &mut faults, false);
                self.depth -= 1;
                faults.into_iter().next()
            }
            // Serde takes an array for the members in their order, and what is wrong with an object of the client's own
            // comes with the values.
            (Kind::Object(_), b'[') | (Kind::Free, _) => self.leave(),
            (Kind::Object(_), _) => self.mistyped(raw, at, "an object"),
        }
    }

    /// Not judged here.
    const fn leave(&mut self) -> Option<Fault> {
        self.unsure = true;
        None
    }

    fn integer(&mut self, raw: &str, at: &At<'_>) -> Option<Fault> {
        let digits = raw.strip_prefix('-').unwrap_or(raw);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            // What an integer beyond 64 bits is depends on whose it is: an amount is out of range, a bound no integer.
            return if raw != "-0" && raw.parse::<i64>().is_ok() { None } else { self.leave() };
        }
        self.mistyped(raw, at, "an integer within its range")
    }

    /// A reader of types reads what it then refuses, and may choke on it: JSON knows halves of surrogate pairs, and
    /// numbers without bounds.
    fn mistyped(&mut self, raw: &str, at: &At<'_>, wanted: &str) -> Option<Fault> {
        let readable = match raw.as_bytes().first() {
            Some(b'"') => !raw.contains('\\') || serde_json::from_str::<String>(raw).is_ok(),
            Some(b'-' | b'0'..=b'9') => raw.parse::<f64>().is_ok_and(f64::is_finite),
            Some(_) | None => true,
        };
        if readable { Some(Fault::mistyped(at.pointer(), wanted)) } else { self.leave() }
    }

    fn text(&mut self, rule: &Text, raw: &str, at: &At<'_>) -> Option<Fault> {
        let inner = raw.get(1..raw.len() - 1).unwrap_or_default();
        let text = match memchr::memchr(b'\\', inner.as_bytes()) {
            None => Cow::Borrowed(inner),
            Some(_) => match serde_json::from_str::<String>(raw) {
                Ok(text) => Cow::Owned(text),
                // Half of a surrogate pair: JSON, but no text.
                Err(_) => return self.leave(),
            },
        };
        match rule {
            Text::Any => None,
            Text::Uuid => {
                let id = text.parse::<uuid::fmt::Hyphenated>();
                id.is_err().then(|| Fault::invalid(at.pointer(), "no UUID"))
            }
            Text::Currency => {
                let refused = text.parse::<Currency>().err()?;
                Some(Fault::invalid(at.pointer(), refused.to_string()))
            }
            Text::Words(words) => {
                (!words.iter().any(|word| *word == text)).then(|| Fault::none_of(at.pointer(), words.clone()))
            }
            Text::Pattern(pattern, detail) => {
                (!pattern.is_match(&text)).then(|| Fault::invalid(at.pointer(), detail.clone()))
            }
        }
    }

    fn list(&mut self, item: Id, raw: &str, at: &At<'_>) -> Option<Fault> {
        if matches!(self.shapes.get(item).kind, Kind::Any) {
            return None;
        }
        let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw) else { return self.leave() };
        let parent = Some(at);
        items
            .iter()
            .enumerate()
            .find_map(|(index, raw)| self.value(item, raw.get(), &At { parent, step: Step::Item(index) }, 0))
    }

    /// The faults of an object in the order of its members; of each member its first, or with `all` unset only the first
    /// of all. At the first unknown member every other is told as well, and what is missing is told at the end.
    fn members(&mut self, rules: &Members, members: &[Named<'_>], at: &At<'_>, faults: &mut Vec<Fault>, all: bool) {
        let mut seen = vec![Seen::Not; rules.known.len()];
        let mut told_unknown = false;
        for (index, (name, raw)) in members.iter().enumerate() {
            let Some((place, shape)) = rules.known.get(name.as_ref()) else {
                if rules.closed && !told_unknown {
                    told_unknown = true;
                    unknown(rules, &members[index..], at, faults);
                }
                if !all && !faults.is_empty() {
                    return;
                }
                continue;
            };
            let fault = match seen[*place] {
                Seen::Faulty => continue,
                Seen::Fine => Some(Fault::repeated(at.member(name).pointer())),
                Seen::Not => self.value(*shape, raw.get(), &at.member(name), 0),
            };
            seen[*place] = if fault.is_some() { Seen::Faulty } else { Seen::Fine };
            faults.extend(fault);
            if !all && !faults.is_empty() {
                return;
            }
        }
        let missing = rules.required.iter().filter(|(place, _)| seen[*place] == Seen::Not);
        faults.extend(missing.map(|(_, name)| Fault::missing(at.member(name).pointer())));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Not,
    Fine,
    Faulty,
}

/// Each unknown member once, up to as many as are told.
fn unknown(rules: &Members, members: &[Named<'_>], at: &At<'_>, faults: &mut Vec<Fault>) {
    let mut told: Vec<&str> = Vec::new();
    for (name, _) in members {
        if faults.len() >= MAX_FAULTS {
            return;
        }
        if !rules.known.contains_key(name.as_ref()) && !told.contains(&name.as_ref()) {
            told.push(name);
            faults.push(Fault::unknown(at.member(name).pointer()));
        }
    }
}

/// A member as it stands.
type Named<'a> = (Cow<'a, str>, &'a RawValue);

/// The members of an object in their order, the repeated ones too.
fn members_of(text: &str) -> serde_json::Result<Vec<Named<'_>>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let members = json.deserialize_map(InOrder)?;
    json.end()?;
    Ok(members)
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Vec<Named<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            members.push((name, map.next_value()?));
        }
        Ok(members)
    }
}

/// Borrowed where it holds no escape.
struct Name<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> Visitor<'de> for Borrowed {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        from.deserialize_str(Borrowed)
    }
}
