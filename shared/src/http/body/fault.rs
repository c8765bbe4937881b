//! What serde has against a body, in words for people who never heard of it.

use std::borrow::Cow;

use serde_json::error::Category;

use crate::problem::{Code, FieldError, Problem};
use crate::words;

/// One fault of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// What it makes of the request when it is the first.
    pub code: Code,
    /// JSON Pointer (RFC 6901).
    pub pointer: String,
    /// The rule; nothing when the body as a whole is no JSON.
    pub rule: &'static str,
    detail: Cow<'static, str>,
    /// For an unknown member or word: those there are.
    pub known: Vec<String>,
}

impl Fault {
    fn new(code: Code, pointer: String, rule: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, pointer, rule, detail: detail.into(), known: Vec::new() }
    }

    /// The body is no JSON.
    pub(super) fn syntax(error: &serde_json::Error) -> Self {
        let detail = format!("The body is not JSON: line {}, column {}.", error.line(), error.column());
        Self::new(Code::MalformedBody, String::new(), "", detail)
    }

    /// The body is malformed as a whole.
    pub(super) fn whole(detail: &'static str) -> Self {
        Self::new(Code::MalformedBody, String::new(), "", detail)
    }

    /// This resource has no such member.
    pub(super) fn unknown(pointer: String) -> Self {
        Self::new(Code::ValidationFailed, pointer, "unknown_field", "this resource has no such member")
    }

    /// From what serde says at `path` about a body that is known to be JSON.
    pub(super) fn of(path: &serde_path_to_error::Path, error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
        match error.classify() {
            Category::Data => Self::data(pointer(path), message),
            // serde_json calls it bad syntax when an enum is neither a string nor an object.
            Category::Syntax if message.starts_with("expected ") => {
                Self::new(Code::MalformedBody, pointer(path), "type", "text is wanted")
            }
            Category::Syntax | Category::Eof | Category::Io => Self::syntax(error),
        }
    }

    /// Serde tells its kinds of error apart only by their first words.
    fn data(pointer: String, message: &str) -> Self {
        let quoted: Vec<&str> = words::quoted(message).collect();
        let named = quoted.first().copied().unwrap_or_default();
        let wanted = || format!("{} is wanted", words::expected(message, "an object"));
        if message.starts_with("unknown field") {
            let at = if pointer.ends_with(&format!("/{named}")) { pointer } else { join(&pointer, named) };
            let known = quoted.into_iter().skip(1).map(str::to_owned).collect();
            Self { known, ..Self::unknown(at) }
        } else if message.starts_with("missing field") {
            Self::new(Code::ValidationFailed, join(&pointer, named), "required", "this member is required")
        } else if message.starts_with("duplicate field") {
            Self::new(Code::MalformedBody, join(&pointer, named), "repeated", "this member stands twice")
        } else if message.starts_with("unknown variant") {
            let known: Vec<String> = quoted.into_iter().skip(1).map(str::to_owned).collect();
            let detail = format!("one of {}", known.join(", "));
            Self { known, ..Self::new(Code::ValidationFailed, pointer, "one_of", detail) }
        } else if message.starts_with("invalid type") {
            Self::new(Code::MalformedBody, pointer, "type", wanted())
        } else if message.starts_with("invalid value") || message.starts_with("invalid length") {
            Self::new(Code::ValidationFailed, pointer, "invalid", wanted())
        } else if message.starts_with("UUID parsing failed") {
            Self::new(Code::ValidationFailed, pointer, "invalid", "no UUID")
        } else {
            Self::new(Code::ValidationFailed, pointer, "invalid", message.to_owned())
        }
    }

    /// The pointer to the member of the body that it lies in.
    pub(super) fn member(&self) -> &str {
        let end = self.pointer.get(1..).and_then(|rest| rest.find('/')).map_or(self.pointer.len(), |end| end + 1);
        &self.pointer[..end]
    }

    /// The answer for these faults, the first of which decides its code.
    pub(super) fn problem(faults: Vec<Self>) -> Problem {
        let mut faults = faults.into_iter().peekable();
        let problem = Problem::new(faults.peek().map_or(Code::MalformedBody, |first| first.code));
        match faults.next_if(|first| first.rule.is_empty()) {
            Some(whole) => problem.detail(whole.detail),
            None => problem.errors(faults.map(|fault| FieldError {
                pointer: fault.pointer.into(),
                code: fault.rule.into(),
                detail: fault.detail,
            })),
        }
    }
}

pub(super) fn join(pointer: &str, member: &str) -> String {
    format!("{pointer}/{}", escape(member))
}

fn escape(member: &str) -> String {
    member.replace('~', "~0").replace('/', "~1")
}

/// A path as JSON Pointer.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } | Segment::Enum { variant: key } => format!("/{}", escape(key)),
            Segment::Unknown => String::new(),
        })
        .collect()
}
