//! The strict JSON body: media type, coding, size, syntax, types and members, each with its own answer.

pub mod fault;
mod survey;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, StreamExt};
use serde::de::DeserializeOwned;

use self::fault::Fault;
use self::survey::survey;
use crate::problem::{Code, Problem};

/// The largest body when a resource does not set its own [`BodyLimit`]: 64 KiB.
const DEFAULT_LIMIT: usize = 64 * 1024;

/// What a PATCH takes besides plain JSON (RFC 7396).
const MERGE_PATCH: &str = "application/merge-patch+json";

/// How many bytes a body may have, as `app_data` of a resource.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(pub usize);

/// A JSON body of type `T`.
///
/// 415 unless `application/json`, or for a PATCH also `application/merge-patch+json`, and not compressed; 413 over the
/// limit; 400 `malformed_body` for bad syntax or a wrong type; 422 `validation_failed` for a missing or unknown member
/// or a value that its type refuses; each fault with its JSON Pointer, and the first of several decides the status.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let accepted = is_json(request).and_then(|()| is_plain(request));
        let limit = request.app_data::<BodyLimit>().map_or(DEFAULT_LIMIT, |limit| limit.0);
        let payload = payload.take();
        async move {
            accepted?;
            let bytes = collect(payload, limit).await?;
            read(&bytes).map(Self).map_err(|first| Fault::problem(survey::<T>(&bytes, first)))
        }
        .boxed_local()
    }
}

/// For a request that its path says wholly: no body, or an object without members. Anything else is a wish that would
/// go unheard, so it is refused as a [`Body`] would be.
#[derive(Clone, Copy, Debug)]
pub struct NoBody;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

impl FromRequest for NoBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let accepted = is_json(request).and_then(|()| is_plain(request));
        let payload = payload.take();
        async move {
            let bytes = collect(payload, DEFAULT_LIMIT).await?;
            if bytes.is_empty() {
                return Ok(Self);
            }
            accepted?;
            let Empty {} = read(&bytes).map_err(|first| Fault::problem(survey::<Empty>(&bytes, first)))?;
            Ok(Self)
        }
        .boxed_local()
    }
}

fn is_json(request: &HttpRequest) -> Result<(), Problem> {
    let essence = request.content_type();
    let is_patch = request.method() == Method::PATCH;
    let json =
        essence.eq_ignore_ascii_case("application/json") || (is_patch && essence.eq_ignore_ascii_case(MERGE_PATCH));
    let once = request.headers().get_all(CONTENT_TYPE).count() <= 1;
    let utf8 = request.encoding().is_ok_and(|encoding| encoding.name() == "UTF-8");
    if json && once && utf8 {
        return Ok(());
    }
    Err(not_json(is_patch))
}

/// 415 for a body that is none of what is read here.
#[must_use]
pub fn not_json(is_patch: bool) -> Problem {
    let detail = if is_patch {
        "Send the patch as application/merge-patch+json or application/json in UTF-8."
    } else {
        "Send the body as application/json in UTF-8."
    };
    Problem::new(Code::UnsupportedMediaType).detail(detail)
}

/// 415 when the body is compressed (RFC 9110, section 8.4): it would be read as what it is not.
pub(super) fn is_plain(request: &HttpRequest) -> Result<(), Problem> {
    let identity = |coding: &str| coding.trim().is_empty() || coding.trim().eq_ignore_ascii_case("identity");
    let mut codings = request.headers().get_all(CONTENT_ENCODING);
    if codings.all(|value| value.to_str().is_ok_and(|list| list.split(',').all(identity))) {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType).detail("Send the body without a Content-Encoding."))
}

/// Reads a body to its end, at most `limit` bytes of it.
pub(super) async fn collect(mut payload: Payload, limit: usize) -> Result<web::BytesMut, Problem> {
    let mut bytes = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::new(Code::MalformedBody).detail("The body broke off."))?;
        if bytes.len() + chunk.len() > limit {
            return Err(Problem::new(Code::BodyTooLarge).detail(format!("The body may have at most {limit} bytes.")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Parses a whole JSON document, telling apart what is malformed from what is refused. Of several faults it tells the
/// first, which is cheap enough for each of a batch's items.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    read(bytes).map_err(|fault| Fault::problem(vec![fault]))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    // Serde would take an array for a struct, member by member; a body of ours is always an object.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|first| *first != b'{') {
        return Err(Fault::no_object());
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // Serde stops at the first member it does not like; what is no JSON further on is malformed all the same.
        let Ok(text) = std::str::from_utf8(bytes) else { return Fault::no_utf8() };
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Err(syntax) => Fault::syntax(&syntax),
            Ok(_) => Fault::of(error.path(), error.inner()),
        }
    })?;
    json.end().map_err(|error| Fault::syntax(&error))?;
    Ok(value)
}

#[cfg(test)]
mod tests;
