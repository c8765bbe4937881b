//! The strict JSON body: media type, size, syntax, types and members, each with its own answer.

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::problem::{Code, Problem};

/// The largest body when a resource does not set its own [`BodyLimit`]: 64 KiB.
const DEFAULT_LIMIT: usize = 64 * 1024;

/// How many bytes a body may have, as `app_data` of a resource.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(pub usize);

/// A JSON body of type `T`.
///
/// 415 unless `application/json` or `…+json`, 413 over the limit, 400 `malformed_body` for bad syntax or a wrong type,
/// 422 `validation_failed` for a missing or unknown member or a value that its type refuses; each with its JSON Pointer.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let accepted = is_json(request);
        let limit = request.app_data::<BodyLimit>().map_or(DEFAULT_LIMIT, |limit| limit.0);
        let payload = payload.take();
        async move {
            accepted?;
            let bytes = collect(payload, limit).await?;
            parse(&bytes).map(Self)
        }
        .boxed_local()
    }
}

fn is_json(request: &HttpRequest) -> Result<(), Problem> {
    let essence = request.content_type();
    let json = essence.eq_ignore_ascii_case("application/json")
        || essence.rsplit_once('+').is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"));
    let once = request.headers().get_all(CONTENT_TYPE).count() <= 1;
    let utf8 = request.encoding().is_ok_and(|encoding| encoding.name() == "UTF-8");
    if json && once && utf8 {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType).detail("Send the body as application/json in UTF-8."))
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

/// Parses a whole JSON document, telling apart what is malformed from what is refused.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // Serde would take an array for a struct, member by member; a body of ours is always an object.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|first| *first != b'{') {
        return Err(Problem::new(Code::MalformedBody).detail("The body is not a JSON object."));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // Serde stops at the first member it does not like; what is no JSON further on is malformed all the same.
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Problem::new(Code::MalformedBody).detail("The body is not UTF-8.");
        };
        if let Err(syntax) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
            return refusal("", &syntax);
        }
        refusal(&pointer(error.path()), error.inner())
    })?;
    json.end().map_err(|error| refusal("", &error))?;
    Ok(value)
}

fn refusal(pointer: &str, error: &serde_json::Error) -> Problem {
    match error.classify() {
        Category::Syntax | Category::Eof | Category::Io => Problem::new(Code::MalformedBody).detail(format!(
            "The body is not JSON: line {}, column {}.",
            error.line(),
            error.column()
        )),
        Category::Data => data_refusal(pointer, &error.to_string()),
    }
}

/// Serde tells its kinds of error apart only by their first words.
fn data_refusal(pointer: &str, message: &str) -> Problem {
    let message = message.rsplit_once(" at line ").map_or(message, |(text, _)| text);
    let named = message.split('`').nth(1).unwrap_or_default();
    if message.starts_with("unknown field") {
        let at = if pointer.ends_with(&format!("/{named}")) { pointer.to_owned() } else { join(pointer, named) };
        Problem::new(Code::ValidationFailed).error(at, "unknown_field", "this resource has no such member")
    } else if message.starts_with("missing field") {
        Problem::new(Code::ValidationFailed).error(join(pointer, named), "required", "this member is required")
    } else if message.starts_with("duplicate field") {
        Problem::new(Code::MalformedBody).error(join(pointer, named), "repeated", "this member stands twice")
    } else if message.starts_with("invalid type") {
        Problem::new(Code::MalformedBody).error(pointer.to_owned(), "type", message.to_owned())
    } else {
        Problem::new(Code::ValidationFailed).error(pointer.to_owned(), "invalid", message.to_owned())
    }
}

fn join(pointer: &str, member: &str) -> String {
    format!("{pointer}/{}", escape(member))
}

fn escape(member: &str) -> String {
    member.replace('~', "~0").replace('/', "~1")
}

/// A path as JSON Pointer (RFC 6901).
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Context;
    use crate::wire::RawAmount;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[expect(dead_code, reason = "only its parsing is tested")]
        amount: RawAmount,
        #[serde(default)]
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        id: uuid::Uuid,
    }

    fn refused(body: &str) -> (Code, String, String) {
        let problem = parse::<Order>(body.as_bytes()).unwrap_err();
        let body = problem.to_value(&Context::current());
        let text = |name: &str| body["errors"][0][name].as_str().unwrap_or_default().to_owned();
        (problem.code(), text("pointer"), text("code"))
    }

    #[test]
    fn each_fault_has_its_code_and_its_place() {
        let table = [
            ("", Code::MalformedBody, "", ""),
            ("{\"amount\": 1", Code::MalformedBody, "", ""),
            ("{\"amount\": 1} x", Code::MalformedBody, "", ""),
            ("[]", Code::MalformedBody, "", ""),
            ("[5]", Code::MalformedBody, "", ""),
            ("{} {}", Code::MalformedBody, "", ""),
            ("{\"admin\": 1,}", Code::MalformedBody, "", ""),
            ("{}", Code::ValidationFailed, "/amount", "required"),
            ("{\"amount\": 1.0}", Code::MalformedBody, "/amount", "type"),
            ("{\"amount\": null}", Code::MalformedBody, "/amount", "type"),
            ("{\"amount\": 1, \"amount\": 2}", Code::MalformedBody, "/amount", "repeated"),
            ("{\"amount\": 1, \"admin\": true}", Code::ValidationFailed, "/admin", "unknown_field"),
            ("{\"amount\": 1, \"items\": 3}", Code::MalformedBody, "/items", "type"),
            ("{\"amount\": 1, \"items\": [{}]}", Code::ValidationFailed, "/items/0/id", "required"),
            ("{\"amount\": 1, \"items\": [{\"id\": \"x\"}]}", Code::ValidationFailed, "/items/0/id", "invalid"),
        ];
        for (body, code, pointer, rule) in table {
            assert_eq!(refused(body), (code, pointer.to_owned(), rule.to_owned()), "{body}");
        }
        let latin1 = b"{\"admin\": \"\xe9\"}";
        assert_eq!(parse::<Order>(latin1).unwrap_err().code(), Code::MalformedBody);
        let deep = "[".repeat(10_000);
        assert_eq!(parse::<serde_json::Value>(deep.as_bytes()).unwrap_err().code(), Code::MalformedBody);
        let whole =
            parse::<Order>(br#"{"amount": 5, "items": [{"id": "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11"}]}"#).unwrap();
        assert_eq!(whole.items[0].id.get_version_num(), 7);
    }
}
