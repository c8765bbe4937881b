//! JSON read strictly: what two readers could take for two things (a member that stands twice), and what is nested so deep
//! that a reader could choke on it, is refused.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use shared::http::fault::{Fault, join};

use super::body::MAX_DEPTH;

/// Reads a whole body.
///
/// # Errors
/// What makes it malformed.
pub(super) fn read(body: &[u8]) -> Result<Value, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| Fault::no_utf8())?;
    let (found, mut json) = (Cell::new(None), serde_json::Deserializer::from_str(text));
    let reader = Reader { at: At::Whole, depth: 0, found: &found };
    let value = reader.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    value.map_err(|error| found.take().unwrap_or_else(|| Fault::syntax(&error)))
}

/// Where a value stands.
#[derive(Clone, Copy)]
enum At<'a> {
    Whole,
    Member(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl At<'_> {
    fn pointer(&self) -> String {
        match self {
            Self::Whole => String::new(),
            Self::Member(parent, name) => join(&parent.pointer(), name),
            Self::Item(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }
}

/// Reads one value.
#[derive(Clone, Copy)]
struct Reader<'a> {
    at: At<'a>,
    /// Lists and objects around it.
    depth: usize,
    /// What is wrong, if it is not the syntax.
    found: &'a Cell<Option<Fault>>,
}

impl Reader<'_> {
    fn enter<E: Error>(&self) -> Result<(), E> {
        if self.depth < MAX_DEPTH {
            return Ok(());
        }
        self.found.set(Some(Fault::too_deep(MAX_DEPTH)));
        Err(E::custom("too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut items = Vec::new();
        let inside = |index| Reader { at: At::Item(&self.at, index), depth: self.depth + 1, ..self };
        while let Some(item) = list.next_element_seed(inside(items.len()))? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.enter()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let at = At::Member(&self.at, &name);
            if members.contains_key(&name) {
                self.found.set(Some(Fault::repeated(at.pointer())));
                return Err(A::Error::custom("repeated"));
            }
            let value = map.next_value_seed(Reader { at, depth: self.depth + 1, ..self })?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::problem::Context;

    use super::*;

    fn told(text: &str) -> String {
        let problem = Fault::problem(vec![read(text.as_bytes()).unwrap_err()]).to_value(&Context::current());
        let place = problem["errors"][0]["pointer"].as_str().unwrap_or("-").to_owned();
        format!("{} {place}: {}", problem["status"], problem["detail"].as_str().unwrap_or_default())
    }

    #[test]
    fn any_value_is_read_as_it_is() {
        let text = r#"{"a": [1, -2, 1.5, "x\n", true, null, {}], "b/c": {"d": 18446744073709551615}}"#;
        assert_eq!(read(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(read(b" 5 ").unwrap(), json!(5));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_malformed() {
        assert!(told(r#"{"a": 1, "b": [{"x": 1, "x": 2}]}"#).starts_with("400 /b/0/x:"));
        assert!(told(r#"{"a/b": 1, "a\/b": 2}"#).starts_with("400 /a~1b:"), "however it is written");
        for text in ["", "{", "{} x", "[1,]", "1e999", "\"\\ud800\"", "nul"] {
            assert!(told(text).starts_with("400 -: The body is not JSON"), "{text}: {}", told(text));
        }
        assert_eq!(Fault::problem(vec![read(b"\"\xe9\"").unwrap_err()]).status(), 400);
    }

    #[test]
    fn depth_has_a_bound_that_no_stack_comes_near() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(nested(MAX_DEPTH).as_bytes()).is_ok());
        for deep in [nested(MAX_DEPTH + 1), nested(30_000), "{\"a\":".repeat(100_000)] {
            assert_eq!(told(&deep), "400 -: The body is nested deeper than 64 levels.");
        }
    }
}
