//! One operation of the merged document, compiled: of a service of ours, or of another upstream.

use actix_web::HttpRequest;
use serde_json::Value;
use shared::problem::Problem;

use super::foreign::Foreign;
use super::ours::Ours;
use super::values::Schemas;

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
pub(super) enum Operation {
    /// Of a service of ours, which judges values itself.
    Ours(Ours),
    /// Of an upstream that may judge nothing.
    Foreign(Foreign),
}

impl Operation {
    /// Compiles the operation of `method` at `path` in `document`; for what is not ours, `schemas` are that document's.
    pub(super) fn compile(document: &Value, path: &str, method: &str, schemas: Option<&Schemas>) -> Option<Self> {
        document.get("paths")?.get(path)?.get(method).filter(|operation| operation.is_object())?;
        Some(match schemas {
            None => Self::Ours(Ours::compile(document, path, method)),
            Some(schemas) => Self::Foreign(Foreign::compile(schemas, path, method)),
        })
    }

    /// Whether its body is to be read.
    pub(super) const fn has_body(&self) -> bool {
        match self {
            Self::Ours(ours) => ours.has_body(),
            Self::Foreign(foreign) => foreign.has_body(),
        }
    }

    /// Judges everything that comes before the body: path, query, headers, and the body's type. `Unjudged` is final.
    pub(super) fn before_body(&self, request: &HttpRequest, path: &str, query: &str) -> Verdict {
        match self {
            Self::Ours(ours) => ours.before_body(request, path, query),
            Self::Foreign(foreign) => foreign.before_body(request, path, query),
        }
    }

    /// Judges the body, and whatever a service says only once it has read that.
    pub(super) fn whole(&self, request: &HttpRequest, query: &str, bytes: Option<&[u8]>) -> Verdict {
        match self {
            Self::Ours(ours) => ours.whole(request, query, bytes),
            Self::Foreign(foreign) => foreign.whole(request, bytes),
        }
    }
}

/// Whether a media type is JSON.
pub(super) fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// Whether a media type or range of the document covers a type.
pub(super) fn covers(range: &str, kind: &str) -> bool {
    let essence = range.split(';').next().unwrap_or_default().trim();
    match essence.strip_suffix("/*") {
        Some("*") => true,
        Some(main) => kind.split('/').next().is_some_and(|kind| kind.eq_ignore_ascii_case(main)),
        None => essence.eq_ignore_ascii_case(kind),
    }
}
