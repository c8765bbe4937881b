//! Finding things in a document: by pointer, through references, and the parameters of an operation.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// References that are followed from one to the next.
const MAX_HOPS: usize = 8;

/// What may stand in a URI's fragment as it is (RFC 3986, section 3.5), as far as a pointer needs it.
const FRAGMENT: AsciiSet = NON_ALPHANUMERIC.remove(b'/').remove(b'~').remove(b'-').remove(b'.').remove(b'_');

/// Something in a document, and the JSON Pointer to it (RFC 6901).
#[derive(Clone, Debug)]
pub(super) struct Spot<'d> {
    pub(super) value: &'d Value,
    pub(super) pointer: String,
}

impl<'d> Spot<'d> {
    /// What stands at a pointer, or at what is referred to there.
    pub(super) fn find(document: &'d Value, mut pointer: String) -> Option<Self> {
        for _ in 0..MAX_HOPS {
            let value = document.pointer(&pointer)?;
            match value.get("$ref").and_then(Value::as_str) {
                Some(reference) => pointer = reference.strip_prefix('#')?.to_owned(),
                None => return Some(Self { value, pointer }),
            }
        }
        None
    }

    /// A member, or what is referred to there.
    pub(super) fn member(&self, document: &'d Value, name: &str) -> Option<Self> {
        Self::find(document, format!("{}/{}", self.pointer, escaped(name)))
    }

    /// Its own text of this name.
    pub(super) fn text(&self, name: &str) -> Option<&'d str> {
        self.value.get(name)?.as_str()
    }

    /// Whether it says yes to this.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.value.get(name)?.as_bool()
    }
}

/// The pointer as a URI's fragment.
pub(super) fn fragment(pointer: &str) -> String {
    utf8_percent_encode(pointer, &FRAGMENT).to_string()
}

/// The pointer to a path item or an operation.
pub(super) fn at_path(path: &str, method: Option<&str>) -> String {
    let (mark, method) = if let Some(method) = method { ("/", method) } else { ("", "") };
    format!("/paths/{}{mark}{method}", escaped(path))
}

fn escaped(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// Of the operation, and of its path where the operation has none of the same name and place.
pub(super) fn parameters<'d>(document: &'d Value, path: &str, method: &str) -> Vec<Spot<'d>> {
    let of = |pointer: String| {
        let count =
            document.pointer(&pointer).and_then(|owner| owner.get("parameters")?.as_array()).map_or(0, Vec::len);
        (0..count).filter_map(move |index| Spot::find(document, format!("{pointer}/parameters/{index}")))
    };
    let mut parameters: Vec<Spot<'d>> = of(at_path(path, Some(method))).collect();
    for parameter in of(at_path(path, None)) {
        let same = |other: &Spot<'_>| ["name", "in"].iter().all(|key| other.text(key) == parameter.text(key));
        if !parameters.iter().any(same) {
            parameters.push(parameter);
        }
    }
    parameters
}
