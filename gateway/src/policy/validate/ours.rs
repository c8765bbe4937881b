//! An operation of a service of ours: what its path, query and body have to look like, in the order in which the service
//! reads them. Values are the service's to judge.

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

use super::body;
use super::operation::{Verdict, covers, is_json};
use super::reference::{Spot, at_path, parameters};
use super::shape::{Compiler, Id, Kind, Shape, Shapes, Text};

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// An operation.
#[derive(Debug)]
pub(super) struct Ours {
    patch: bool,
    /// Place of the segment in the path, and its shape.
    path: Vec<(usize, Id)>,
    /// The names of the query's parameters. Where there are none the query is the service's to judge: whatever stands in it
    /// is refused once the body is read, but at OAuth's endpoints, which ignore it.
    query: Vec<String>,
    body: Option<Body>,
    shapes: Shapes,
}

#[derive(Debug)]
struct Body {
    /// Whether the document says that it may be left out.
    optional: bool,
    /// Media types and the shape of each that is JSON.
    media: Vec<(String, Option<Id>)>,
}

impl Ours {
    /// Compiles the operation of `method` at `path` in `document`.
    pub(super) fn compile(document: &Value, path: &str, method: &str) -> Self {
        let mut compiler = Compiler::new(document);
        let parameters = parameters(document, path, method);
        let of = |place: &'static str| parameters.iter().filter(move |parameter| parameter.text("in") == Some(place));
        let mut in_path = Vec::new();
        for (index, segment) in path.split('/').enumerate() {
            let Some(name) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) else { continue };
            let declared = of("path").find(|parameter| parameter.text("name") == Some(name));
            if let Some(schema) = declared.and_then(|parameter| parameter.value.get("schema")) {
                in_path.push((index, compiler.add(schema)));
            }
        }
        let query = of("query").filter_map(|parameter| parameter.text("name")).map(str::to_owned).collect();
        let body = Spot::find(document, at_path(path, Some(method)) + "/requestBody");
        let optional = body.as_ref().is_some_and(|body| body.value.get("required") == Some(&Value::Bool(false)));
        let content = body.and_then(|body| body.value.get("content")?.as_object());
        let body = content.map(|content| {
            let media = content.iter().map(|(kind, media)| {
                let schema = media.get("schema").filter(|_| is_json(kind));
                (kind.to_ascii_lowercase(), schema.map(|schema| compiler.add(schema)))
            });
            Body { optional, media: media.collect() }
        });
        Self { patch: method == "patch", path: in_path, query, body, shapes: compiler.done() }
    }

    /// Whether its body is to be read.
    pub(super) const fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// Judges everything that comes before the body, in the order in which a service does: what names nothing, what
    /// cannot be read as a query, and a body of another type. `Unjudged` is final.
    pub(super) fn before_body(&self, request: &HttpRequest, path: &str, query: &str) -> Verdict {
        if !self.may_speak(request, path) {
            return Verdict::Unjudged;
        }
        if self.path.iter().any(|(index, shape)| !self.names_something(path, *index, *shape)) {
            return Verdict::Wrong(Problem::new(Code::NotFound));
        }
        if !self.query.is_empty()
            && let Err(problem) = QueryPairs::parse(query)
        {
            return Verdict::Wrong(problem);
        }
        // Of one that may be left out nobody knows yet whether it is there.
        let body = self.body.as_ref().filter(|body| !body.optional);
        body.map_or(Verdict::Valid, |body| Self::of_media(body, request))
    }

    /// Judges the body, and then what a service says of the query once it has read the body.
    pub(super) fn whole(&self, request: &HttpRequest, query: &str, bytes: Option<&[u8]>) -> Verdict {
        let mut unsure = false;
        let left_out = |body: &Body| body.optional && bytes.is_none_or(<[u8]>::is_empty);
        if let (Some(body), Some(bytes)) = (self.body.as_ref().filter(|body| !left_out(body)), bytes) {
            if body.optional
                && let early @ (Verdict::Unjudged | Verdict::Wrong(_)) = Self::of_media(body, request)
            {
                return early;
            }
            let Some(shape) = body.shape(request.content_type()) else { return Verdict::Unjudged };
            let found = body::judge(&self.shapes, shape, bytes, self.patch);
            unsure = found.unsure;
            if !found.faults.is_empty() {
                return if unsure { Verdict::Unjudged } else { Verdict::Wrong(Fault::problem(found.faults)) };
            }
        }
        let known: Vec<&str> = self.query.iter().map(String::as_str).collect();
        match QueryPairs::parse(query).and_then(|pairs| pairs.only(&known)) {
            Err(problem) if !known.is_empty() => Verdict::Wrong(problem),
            Ok(_) | Err(_) if unsure => Verdict::Unjudged,
            Ok(_) | Err(_) => Verdict::Valid,
        }
    }

    /// Whether a body has values that only the service can judge.
    #[cfg(test)]
    pub(super) fn is_unsure(&self, bytes: &[u8]) -> bool {
        let shape = self.body.as_ref().and_then(|body| body.shape(JSON));
        shape.is_some_and(|shape| body::judge(&self.shapes, shape, bytes, self.patch).unsure)
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

    fn of_media(body: &Body, request: &HttpRequest) -> Verdict {
        let headers = request.headers();
        if headers.contains_key(CONTENT_ENCODING) {
            return Verdict::Unjudged;
        }
        let known = body.media.iter().any(|(kind, _)| covers(kind, request.content_type()));
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
