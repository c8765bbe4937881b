//! JSON Merge Patch (RFC 7396): a member that is absent, null, or a value are three different wishes.

use serde::{Deserialize, Deserializer};

use crate::problem::{Code, Problem};

/// One member of a merge patch. Give it `#[serde(default)]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// Not mentioned: keep.
    #[default]
    Absent,
    /// `null`: clear.
    Null,
    /// Set.
    Value(T),
}

impl<T> Field<T> {
    /// For a member that cannot be cleared: `null` is 422 under `pointer`.
    pub fn required(self, pointer: &'static str) -> Result<Option<T>, Problem> {
        match self {
            Self::Absent => Ok(None),
            Self::Value(value) => Ok(Some(value)),
            Self::Null => Err(Problem::new(Code::ValidationFailed).error(pointer, "required", "cannot be cleared")),
        }
    }

    /// For a member that can: `None` keeps, `Some(None)` clears.
    pub fn optional(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }

    /// The same wish about another type.
    pub fn try_map<U, E>(self, parse: impl FnOnce(T) -> Result<U, E>) -> Result<Field<U>, E> {
        Ok(match self {
            Self::Absent => Field::Absent,
            Self::Null => Field::Null,
            Self::Value(value) => Field::Value(parse(value)?),
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(from)?.map_or(Self::Null, Self::Value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Patch {
        #[serde(default)]
        name: Field<String>,
    }

    #[test]
    fn absent_null_and_value_are_three_wishes() {
        let read = |text| serde_json::from_str::<Patch>(text).unwrap().name;
        assert_eq!(read("{}"), Field::Absent);
        assert_eq!(read(r#"{"name": null}"#), Field::Null);
        assert_eq!(read(r#"{"name": "x"}"#), Field::Value("x".to_owned()));
        assert_eq!(read(r#"{"name": null}"#).required("/name").unwrap_err().code(), Code::ValidationFailed);
    }
}
