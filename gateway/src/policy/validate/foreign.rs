//! An operation of an upstream that is none of our services: everything that its document says of path, query, headers and
//! body is asked here, because nobody knows whether the upstream asks it.

use actix_web::http::header::CONTENT_ENCODING;
use actix_web::{HttpMessage, HttpRequest};
use serde_json::Value;
use shared::http::fault::{Fault, MAX_FAULTS};
use shared::problem::{Code, Problem};

use super::operation::{Verdict, covers, is_json};
use super::parameter::{Parameter, Sources};
use super::reference::{Spot, at_path, parameters};
use super::strict;
use super::values::{Rules, Schemas};

#[cfg(test)]
mod tests;

/// An operation.
#[derive(Debug)]
pub(super) struct Foreign {
    parameters: Vec<Parameter>,
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    required: bool,
    /// Media types, and the schema of each that is JSON.
    media: Vec<(String, Option<Rules>)>,
}

impl Foreign {
    /// Compiles the operation of `method` at `path`.
    pub(super) fn compile(schemas: &Schemas, path: &str, method: &str) -> Self {
        let document = schemas.document();
        let all = parameters(document, path, method);
        let parameters = all.iter().filter_map(|spot| Parameter::compile(schemas, spot, path)).collect();
        let body = Spot::find(document, at_path(path, Some(method)) + "/requestBody");
        Self { parameters, body: body.and_then(|body| Body::compile(schemas, &body)) }
    }

    /// Whether its body is to be read.
    pub(super) const fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// Judges path, query, headers, and the body's type.
    pub(super) fn before_body(&self, request: &HttpRequest, path: &str, query: &str) -> Verdict {
        let sources = Sources::of(path, query, request.headers());
        let (mut in_path, others): (Vec<_>, Vec<_>) = self.parameters.iter().partition(|one| one.is_in_path());
        // What is no id is the id of nothing.
        if in_path.iter_mut().any(|parameter| !parameter.faults(&sources).is_empty()) {
            return Verdict::Wrong(Problem::new(Code::NotFound));
        }
        let mut faults: Vec<Fault> = others.iter().flat_map(|parameter| parameter.faults(&sources)).collect();
        faults.truncate(MAX_FAULTS);
        if !faults.is_empty() {
            faults.sort_by_key(|fault| !fault.is_malformed());
            return Verdict::Wrong(Fault::problem(faults));
        }
        self.body.as_ref().map_or(Verdict::Valid, |body| body.of_type(request))
    }

    /// Judges the body.
    pub(super) fn whole(&self, request: &HttpRequest, bytes: Option<&[u8]>) -> Verdict {
        let (Some(body), Some(bytes)) = (&self.body, bytes) else { return Verdict::Valid };
        if bytes.is_empty() {
            return if body.required { Verdict::Wrong(Fault::problem(vec![Fault::no_body()])) } else { Verdict::Valid };
        }
        let Some(rules) = body.rules(request.content_type()) else { return Verdict::Unjudged };
        let faults = match strict::read(bytes) {
            Ok(value) => rules.faults(&value),
            Err(fault) => vec![fault],
        };
        if faults.is_empty() { Verdict::Valid } else { Verdict::Wrong(Fault::problem(faults)) }
    }
}

impl Body {
    fn compile(schemas: &Schemas, spot: &Spot<'_>) -> Option<Self> {
        let document = schemas.document();
        let content = spot.member(document, "content")?;
        let media = content.value.as_object()?.keys().map(|kind| {
            let schema =
                content.member(document, kind).and_then(|media| media.value.get("schema").map(|_| media.pointer));
            let rules = schema.filter(|_| is_json(kind)).and_then(|pointer| schemas.rules(&(pointer + "/schema")));
            (kind.to_ascii_lowercase(), rules)
        });
        Some(Self { required: spot.value.get("required") == Some(&Value::Bool(true)), media: media.collect() })
    }

    fn of_type(&self, request: &HttpRequest) -> Verdict {
        let is_known = self.media.iter().any(|(kind, _)| covers(kind, request.content_type()));
        if !super::announces_body(request.head()) {
            return Verdict::Valid;
        }
        if is_known {
            return self.of_coding(request);
        }
        let wanted: Vec<&str> = self.media.iter().map(|(kind, _)| kind.as_str()).collect();
        let detail = format!("Send the body as {}.", wanted.join(" or "));
        Verdict::Wrong(Problem::new(Code::UnsupportedMediaType).detail(detail))
    }

    /// What is encoded cannot be judged, and what is judged is not to be got past by encoding it.
    fn of_coding(&self, request: &HttpRequest) -> Verdict {
        let mut lines = request.headers().get_all(CONTENT_ENCODING);
        let is_plain = lines.all(|line| line.as_bytes().split(|byte| *byte == b',').all(is_identity));
        if is_plain || self.rules(request.content_type()).is_none() {
            return Verdict::Valid;
        }
        let detail = "Send the body as it is, without a Content-Encoding.";
        Verdict::Wrong(Problem::new(Code::UnsupportedMediaType).detail(detail).accept_encoding("identity"))
    }

    /// Of the most exact of the media types that cover this one.
    fn rules(&self, kind: &str) -> Option<&Rules> {
        let covering = || self.media.iter().filter(|(range, _)| covers(range, kind));
        let exact = covering().find(|(range, _)| !range.contains('*'));
        exact.or_else(|| covering().next())?.1.as_ref()
    }
}

/// Whether a coding is none (RFC 9110, section 12.5.3).
fn is_identity(coding: &[u8]) -> bool {
    let coding = coding.trim_ascii();
    coding.is_empty() || coding.eq_ignore_ascii_case(b"identity")
}
