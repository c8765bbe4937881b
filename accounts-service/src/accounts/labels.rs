//! Labels: the owner's own words on an account, to find it by.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use shared::problem::{Code, Problem};
use utoipa::ToSchema;

/// Labels of one account.
const MAX_LABELS: usize = 16;
/// Characters of a label's name.
const MAX_NAME: usize = 40;
/// Characters of a label's value.
const MAX_VALUE: usize = 100;

/// A label's name: 1 to 40 of `a-z 0-9 _ . -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(pattern = r"^[a-z0-9_.-]{1,40}$")]
pub struct LabelName(String);

/// A label's value: 1 to 100 characters, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(pattern = r"^\P{Cc}{1,100}$")]
pub struct LabelValue(String);

/// Text that is no part of a label.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum InvalidLabel {
    /// No name.
    #[error("a label's name has 1 to {MAX_NAME} of a-z, 0-9, _, . and -")]
    Name,
    /// No value.
    #[error("a label's value has 1 to {MAX_VALUE} characters and no control characters")]
    Value,
}

impl TryFrom<String> for LabelName {
    type Error = InvalidLabel;

    fn try_from(text: String) -> Result<Self, InvalidLabel> {
        let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
        let sound = (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(sound);
        if sound { Ok(Self(text)) } else { Err(InvalidLabel::Name) }
    }
}

impl TryFrom<String> for LabelValue {
    type Error = InvalidLabel;

    fn try_from(text: String) -> Result<Self, InvalidLabel> {
        let sound = (1..=MAX_VALUE).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if sound { Ok(Self(text)) } else { Err(InvalidLabel::Value) }
    }
}

/// All labels of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<LabelName, LabelValue>);

/// A merge patch of them: `null` takes one away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelPatch(BTreeMap<LabelName, Option<LabelValue>>);

impl Labels {
    /// As they are kept beside the account; a text that is none was never written by us.
    pub fn read(text: Option<&str>) -> Result<Self, serde_json::Error> {
        text.map_or(Ok(Self::default()), |text| serde_json::from_str(text).map(Self))
    }

    /// How they are kept there.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| serde_json::to_string(self).unwrap_or_default())
    }

    /// Each with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.0.as_str(), value.0.as_str()))
    }

    /// With a patch laid over them; `None` takes all away. 422 for too many.
    pub fn patched(mut self, patch: Option<LabelPatch>) -> Result<Self, Problem> {
        let Some(LabelPatch(patch)) = patch else { return Ok(Self::default()) };
        for (name, value) in patch {
            match value {
                Some(value) => self.0.insert(name, value),
                None => self.0.remove(&name),
            };
        }
        if self.0.len() > MAX_LABELS {
            let detail = format!("at most {MAX_LABELS} labels");
            return Err(Problem::new(Code::ValidationFailed).error("/labels", "length", detail));
        }
        Ok(self)
    }
}

/// A label to find accounts by, as `name:value`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabelFilter {
    /// The label.
    pub name: LabelName,
    /// Its value.
    pub value: LabelValue,
}

impl LabelFilter {
    /// From a query parameter. 422 when it can be no label.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let refused = |detail: &str| Problem::new(Code::ValidationFailed).error("?label", "pattern", detail.to_owned());
        let (name, value) = text.split_once(':').ok_or_else(|| refused("a label's name and value: name:value"))?;
        Ok(Self {
            name: LabelName::try_from(name.to_owned()).map_err(|error| refused(&error.to_string()))?,
            value: LabelValue::try_from(value.to_owned()).map_err(|error| refused(&error.to_string()))?,
        })
    }

    /// Both texts.
    #[must_use]
    pub fn texts(&self) -> (&str, &str) {
        (&self.name.0, &self.value.0)
    }
}

impl<'de> Deserialize<'de> for LabelPatch {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Once(PhantomData)).map(Self)
    }
}

/// An object that says each member once: which of two is meant nobody knows.
struct Once<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Once<V> {
    type Value = BTreeMap<LabelName, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = from.next_entry()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a label stands twice"));
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(text: &str) -> Option<LabelPatch> {
        serde_json::from_str(text).unwrap()
    }

    fn shown(labels: &Labels) -> String {
        serde_json::to_string(labels).unwrap()
    }

    #[test]
    fn a_patch_is_laid_over_what_is_there() {
        let labels = Labels::default().patched(patch(r#"{"shop": "7", "a.b-c_d": "ä ö"}"#)).unwrap();
        assert_eq!(shown(&labels), r#"{"a.b-c_d":"ä ö","shop":"7"}"#);
        assert_eq!(Labels::read(labels.text().as_deref()).unwrap(), labels);
        let labels = labels.patched(patch(r#"{"shop": null, "none": null, "x": "1"}"#)).unwrap();
        assert_eq!(shown(&labels), r#"{"a.b-c_d":"ä ö","x":"1"}"#);
        let none = labels.patched(None).unwrap();
        assert_eq!((shown(&none).as_str(), none.text()), ("{}", None));
    }

    #[test]
    fn there_is_an_end_to_everything() {
        let many = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!(r#""n{n}": "v""#)).collect();
            Labels::default().patched(patch(&format!("{{{}}}", members.join(","))))
        };
        assert!(many(MAX_LABELS).is_ok());
        assert_eq!(many(MAX_LABELS + 1).unwrap_err().code(), Code::ValidationFailed);
        let long = format!(r#"{{"{}": "{}"}}"#, "n".repeat(MAX_NAME), "ö".repeat(MAX_VALUE));
        assert!(serde_json::from_str::<LabelPatch>(&long).is_ok());
        for bad in [
            r#"{"": "x"}"#,
            r#"{"A": "x"}"#,
            r#"{"ö": "x"}"#,
            r#"{"a b": "x"}"#,
            r#"{"a": ""}"#,
            r#"{"a": "x\n"}"#,
            r#"{"a": 1}"#,
            r#"{"a": "1", "a": "2"}"#,
            "[]",
            &format!(r#"{{"{}": "x"}}"#, "n".repeat(MAX_NAME + 1)),
            &format!(r#"{{"a": "{}"}}"#, "x".repeat(MAX_VALUE + 1)),
        ] {
            assert!(serde_json::from_str::<LabelPatch>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_filter_is_a_name_and_a_value_that_may_have_colons() {
        assert_eq!(LabelFilter::parse("shop:a:b").unwrap().texts(), ("shop", "a:b"));
        for bad in ["shop", "shop:", ":a", "Shop:a"] {
            assert_eq!(LabelFilter::parse(bad).unwrap_err().code(), Code::ValidationFailed, "{bad}");
        }
    }
}
