//! What is wrong with a body, in words for people who never heard of serde: said by the services, which read bodies into
//! types, and by the gateway, which holds them against the document.

use std::borrow::Cow;

use serde_json::error::Category;

use crate::problem::{Code, FieldError, Problem};
use crate::words;

/// One fault of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it makes of the request when it is the first.
    pub(super) code: Code,
    /// JSON Pointer (RFC 6901).
    pub(super) pointer: String,
    /// The rule; nothing when the body as a whole is no JSON.
    pub(super) rule: &'static str,
    detail: Cow<'static, str>,
    /// For an unknown member or word: those there are.
    pub(super) known: Vec<String>,
}

/// More faults than this help nobody.
pub const MAX_FAULTS: usize = 32;

/// Of a larger body only the first fault is told: each further one costs a few readings.
pub const SURVEYED_BYTES: usize = 16 * 1024;

impl Fault {
    fn new(code: Code, pointer: String, rule: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, pointer, rule, detail: detail.into(), known: Vec::new() }
    }

    /// The body is no JSON.
    #[must_use]
    pub fn syntax(error: &serde_json::Error) -> Self {
        let detail = format!("The body is not JSON: line {}, column {}.", error.line(), error.column());
        Self::new(Code::MalformedBody, String::new(), "", detail)
    }

    /// The body is malformed as a whole.
    pub(super) fn whole(detail: &'static str) -> Self {
        Self::new(Code::MalformedBody, String::new(), "", detail)
    }

    /// Not a JSON object, where one is wanted.
    #[must_use]
    pub fn no_object() -> Self {
        Self::whole("The body is not a JSON object.")
    }

    /// Not UTF-8 (RFC 8259, section 8.1).
    #[must_use]
    pub fn no_utf8() -> Self {
        Self::whole("The body is not UTF-8.")
    }

    /// Nested deeper than anybody reads.
    #[must_use]
    pub fn too_deep(most: usize) -> Self {
        Self::new(Code::MalformedBody, String::new(), "", format!("The body is nested deeper than {most} levels."))
    }

    /// There is none, where one is needed.
    #[must_use]
    pub fn no_body() -> Self {
        Self::whole("This needs a body.")
    }

    /// A query parameter that cannot be read as what it is.
    #[must_use]
    pub fn malformed_query(name: &str, rule: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::MalformedQuery, format!("?{name}"), rule, detail)
    }

    /// This resource has no such member.
    #[must_use]
    pub fn unknown(pointer: String) -> Self {
        Self::new(Code::ValidationFailed, pointer, "unknown_field", "this resource has no such member")
    }

    /// A member is not there.
    #[must_use]
    pub fn missing(pointer: String) -> Self {
        Self::new(Code::ValidationFailed, pointer, "required", "this member is required")
    }

    /// A parameter is not there; its place is still to be told.
    #[must_use]
    pub fn parameter_missing() -> Self {
        Self::new(Code::ValidationFailed, String::new(), "required", "this parameter is required")
    }

    /// A member stands twice.
    #[must_use]
    pub fn repeated(pointer: String) -> Self {
        Self::new(Code::MalformedBody, pointer, "repeated", "this member stands twice")
    }

    /// A value of another type than the one `wanted`, with its article.
    #[must_use]
    pub fn mistyped(pointer: String, wanted: &str) -> Self {
        Self::new(Code::MalformedBody, pointer, "type", format!("{wanted} is wanted"))
    }

    /// A word that is none of `words`.
    #[must_use]
    pub fn none_of(pointer: String, words: Vec<String>) -> Self {
        let detail = format!("one of {}", words.join(", "));
        Self { known: words, ..Self::new(Code::ValidationFailed, pointer, "one_of", detail) }
    }

    /// A value of the right type that its type refuses all the same.
    #[must_use]
    pub fn invalid(pointer: String, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ValidationFailed, pointer, "invalid", detail)
    }

    /// A value that breaks another rule of its own.
    #[must_use]
    pub fn against(pointer: String, rule: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ValidationFailed, pointer, rule, detail)
    }

    /// From what serde says at `path` about a body that is known to be JSON.
    pub(super) fn of(path: &serde_path_to_error::Path, error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
        match error.classify() {
            Category::Data => Self::data(pointer(path), message),
            // serde_json calls it bad syntax when an enum is neither a string nor an object.
            Category::Syntax if message.starts_with("expected ") => Self::mistyped(pointer(path), "text"),
            Category::Syntax | Category::Eof | Category::Io => Self::syntax(error),
        }
    }

    /// Serde tells its kinds of error apart only by their first words.
    fn data(pointer: String, message: &str) -> Self {
        let (named, known) = words::named(message);
        let expected = || words::expected(message, "an object");
        if message.starts_with("unknown field") {
            let at = if pointer.ends_with(&join("", named)) { pointer } else { join(&pointer, named) };
            Self { known, ..Self::unknown(at) }
        } else if message.starts_with("missing field") {
            Self::missing(join(&pointer, named))
        } else if message.starts_with("duplicate field") {
            Self::repeated(join(&pointer, named))
        } else if message.starts_with("unknown variant") {
            Self::none_of(pointer, known)
        } else if message.starts_with("invalid type") {
            Self::mistyped(pointer, &expected())
        } else if message.starts_with("invalid value") || message.starts_with("invalid length") {
            Self::invalid(pointer, format!("{} is wanted", expected()))
        } else if message.starts_with("UUID parsing failed") {
            Self::invalid(pointer, "no UUID")
        } else {
            Self::invalid(pointer, message.to_owned())
        }
    }

    /// Whether it makes the request malformed, and not only wrong.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.code.status() == 400
    }

    /// The same of a query parameter: what has no such type makes the query malformed.
    #[must_use]
    pub fn of_query(self, name: &str) -> Self {
        let code = if self.is_malformed() { Code::MalformedQuery } else { self.code };
        Self { code, pointer: format!("?{name}"), ..self }
    }

    /// The same of a header.
    #[must_use]
    pub fn of_header(self, name: &str) -> Self {
        Self { code: Code::ValidationFailed, pointer: format!("{name}:"), ..self }
    }

    /// The pointer to the member of the body that it lies in.
    pub(super) fn member(&self) -> &str {
        let end = self.pointer.get(1..).and_then(|rest| rest.find('/')).map_or(self.pointer.len(), |end| end + 1);
        &self.pointer[..end]
    }

    /// The answer for these faults, the first of which decides its code.
    #[must_use]
    pub fn problem(faults: Vec<Self>) -> Problem {
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

/// The pointer to a member of what `pointer` points to.
#[must_use]
pub fn join(pointer: &str, member: &str) -> String {
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
