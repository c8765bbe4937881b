//! One operation of the merged document, compiled: what its path, query, headers and body have to look like.

use std::borrow::Cow;

use actix_web::HttpMessage;
use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use shared::http::fault::Fault;
use shared::http::{QueryPairs, may_write, not_json};
use shared::problem::{Code, Problem};
use shared::wire::idempotency::{HEADER as IDEMPOTENCY_KEY, Key};

use super::body::{self, Manner};
use super::shape::{Compiler, Id, Kind, Shape, Shapes, Text};

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// What is said of a request, or of as much of it as has been read.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing speaks against it.
    Valid,
    /// It is not for the gateway to say.
    Unjudged,
    /// This would be the answer.
    Wrong(Problem),
}

/// An operation.
#[derive(Debug)]
pub struct Operation {
    /// Whether the whole of JSON Schema is asked, not only for the shape: where no service of ours looks closer.
    pub(super) full: bool,
    patch: bool,
    /// Place of the segment in the path, and its shape.
    path: Vec<(usize, Id)>,
    /// The names of the query's parameters, if there are any.
    query: Vec<String>,
    body: Option<Body>,
    shapes: Shapes,
}

#[derive(Debug)]
struct Body {
    /// Media types and the shape of each that is JSON.
    media: Vec<(String, Option<Id>)>,
}

impl Operation {
    /// Compiles the operation of `method` at `path` in `document`.
    pub(super) fn compile(document: &Value, path: &str, method: &str, full: bool) -> Option<Self> {
        let item = document.get("paths")?.get(path)?;
        let operation = item.get(method).filter(|operation| operation.is_object())?;
        let mut compiler = Compiler::new(document, full);
        let parameters = parameters(document, item, operation);
        let of = |place: &'static str| parameters.iter().filter(move |parameter| text(parameter, "in") == Some(place));
        let mut in_path = Vec::new();
        for (index, segment) in path.split('/').enumerate() {
            let Some(name) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) else { continue };
            let declared = of("path").find(|parameter| text(parameter, "name") == Some(name));
            if let Some(schema) = declared.and_then(|parameter| parameter.get("schema")) {
                in_path.push((index, compiler.add(schema)));
            }
        }
        let query = of("query").filter_map(|parameter| text(parameter, "name")).map(str::to_owned).collect();
        let body = operation.get("requestBody").map(|body| resolve(document, body));
        let content = body.and_then(|body| body.get("content")).and_then(Value::as_object);
        let body = content.map(|content| {
            let media = content.iter().map(|(kind, media)| {
                let schema = media.get("schema").filter(|_| is_json(kind));
                (kind.to_ascii_lowercase(), schema.map(|schema| compiler.add(schema)))
            });
            Body { media: media.collect() }
        });
        Some(Self { full, patch: method == "patch", path: in_path, query, body, shapes: compiler.done() })
    }

    /// Whether its body is to be read.
    pub(super) const fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// Judges everything that comes before the body, in the order in which a service does: what names nothing, what
    /// cannot be read as a query, and a body of another type. `Unjudged` is final.
    pub(super) fn before_body(&self, request: &HttpRequest, path: &str, query: &str) -> Verdict {
        if !self.full && !self.may_speak(request, path) {
            return Verdict::Unjudged;
        }
        if self.path.iter().any(|(index, shape)| !self.names_something(path, *index, *shape)) {
            return Verdict::Wrong(Problem::new(Code::NotFound));
        }
        if !self.full
            && !self.query.is_empty()
            && let Err(problem) = QueryPairs::parse(query)
        {
            return Verdict::Wrong(problem);
        }
        self.body.as_ref().map_or(Verdict::Valid, |body| self.of_media(body, request))
    }

    /// Judges the body, and then what a service says of the query once it has read the body.
    pub(super) fn whole(&self, request: &HttpRequest, query: &str, bytes: Option<&[u8]>) -> Verdict {
        if let (Some(body), Some(bytes)) = (&self.body, bytes) {
            let Some(shape) = body.shape(request.content_type()) else { return Verdict::Unjudged };
            let found = body::judge(&self.shapes, shape, bytes, Manner { full: self.full, patch: self.patch });
            match (found.faults.is_empty(), found.unsure && !self.full) {
                (false, true) => return Verdict::Unjudged,
                (false, false) => return Verdict::Wrong(Fault::problem(found.faults)),
                (true, _) => {}
            }
        }
        if self.full || self.query.is_empty() {
            return Verdict::Valid;
        }
        let known: Vec<&str> = self.query.iter().map(String::as_str).collect();
        match QueryPairs::parse(query).and_then(|pairs| pairs.only(&known)) {
            Ok(_) => Verdict::Valid,
            Err(problem) => Verdict::Wrong(problem),
        }
    }

    /// Whether a body has values that only the service can judge.
    #[cfg(test)]
    pub(super) fn is_unsure(&self, bytes: &[u8]) -> bool {
        let shape = self.body.as_ref().and_then(|body| body.shape(JSON));
        let manner = Manner { full: self.full, patch: self.patch };
        shape.is_some_and(|shape| body::judge(&self.shapes, shape, bytes, manner).unsure)
    }

    /// Whether whatever a service of ours looks at before the parts judged here is in order; else the service speaks.
    fn may_speak(&self, request: &HttpRequest, path: &str) -> bool {
        let mut keys = request.headers().get_all(IDEMPOTENCY_KEY);
        let key = keys.next().is_none_or(|key| Key::parse(key.as_bytes()).is_ok()) && keys.next().is_none();
        key && may_write(request.method(), path, request.headers())
    }

    /// What is no id is the id of nothing.
    fn names_something(&self, path: &str, index: usize, shape: Id) -> bool {
        let segment = path.split('/').nth(index).unwrap_or_default();
        let decoded = percent_decode_str(segment).decode_utf8();
        decoded.is_ok_and(|text| matches(&self.shapes, shape, &text))
    }

    fn of_media(&self, body: &Body, request: &HttpRequest) -> Verdict {
        let headers = request.headers();
        let has_body = super::announces_body(request.head());
        if headers.contains_key(CONTENT_ENCODING) || (self.full && !has_body) {
            return Verdict::Unjudged;
        }
        let known = body.media.iter().any(|(kind, _)| covers(kind, request.content_type()));
        if self.full {
            let wanted: Vec<&str> = body.media.iter().map(|(kind, _)| kind.as_str()).collect();
            let detail = format!("Send the body as {}.", wanted.join(" or "));
            let refused = || Verdict::Wrong(Problem::new(Code::UnsupportedMediaType).detail(detail));
            return if known { Verdict::Valid } else { refused() };
        }
        // A form says its own errors, in the words of OAuth.
        if !body.media.iter().all(|(kind, _)| matches!(kind.as_str(), JSON | MERGE_PATCH)) {
            return Verdict::Unjudged;
        }
        let once = headers.get_all(CONTENT_TYPE).count() <= 1;
        let utf8 = request.encoding().is_ok_and(|encoding| encoding.name() == "UTF-8");
        if known && once && utf8 { Verdict::Valid } else { Verdict::Wrong(not_json(request.method() == Method::PATCH)) }
    }
}

impl Body {
    fn shape(&self, kind: &str) -> Option<Id> {
        self.media.iter().find(|(known, _)| covers(known, kind)).and_then(|(_, shape)| *shape)
    }
}

/// Whether a text that is no JSON (a segment, a parameter) has a shape.
fn matches(shapes: &Shapes, id: Id, text: &str) -> bool {
    let Shape { kind, .. } = shapes.get(id);
    match kind {
        Kind::Text(Text::Uuid) => text.parse::<uuid::fmt::Hyphenated>().is_ok(),
        Kind::Text(Text::Currency) => text.parse::<shared::domain::Currency>().is_ok(),
        Kind::Text(Text::Words(words)) => words.iter().any(|word| word == text),
        Kind::Text(Text::Pattern(pattern, _)) => pattern.is_match(text),
        Kind::Integer => text.parse::<i64>().is_ok(),
        Kind::Number => text.parse::<f64>().is_ok(),
        Kind::Boolean => matches!(text, "true" | "false"),
        Kind::Same(id) => matches(shapes, *id, text),
        Kind::Any | Kind::Unknown | Kind::Text(Text::Any) | Kind::List(_) | Kind::Free | Kind::Object(_) => true,
    }
}

/// Of the path and of the operation, which goes before.
fn parameters<'d>(document: &'d Value, item: &'d Value, operation: &'d Value) -> Vec<&'d Value> {
    let list = |of: &'d Value| of.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let mut parameters: Vec<&Value> = list(operation).map(|parameter| resolve(document, parameter)).collect();
    for parameter in list(item).map(|parameter| resolve(document, parameter)) {
        let same = |other: &&Value| ["name", "in"].iter().all(|key| other.get(*key) == parameter.get(*key));
        if !parameters.iter().any(same) {
            parameters.push(parameter);
        }
    }
    parameters
}

/// What a reference within the document refers to, once.
fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let pointer = value.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

fn text<'d>(value: &'d Value, key: &str) -> Option<&'d str> {
    value.get(key).and_then(Value::as_str)
}

fn is_json(kind: &str) -> bool {
    let essence: Cow<'_, str> = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().into();
    essence == JSON || essence.ends_with("+json")
}

/// Whether a media type or range of the document covers a type.
fn covers(range: &str, kind: &str) -> bool {
    let essence = range.split(';').next().unwrap_or_default().trim();
    match essence.strip_suffix("/*") {
        Some("*") => true,
        Some(main) => kind.split('/').next().is_some_and(|kind| kind.eq_ignore_ascii_case(main)),
        None => essence.eq_ignore_ascii_case(kind),
    }
}
