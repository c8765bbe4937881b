//! Which answers are final, which free the key, and which leave nobody the wiser.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use shared::problem::Code;

/// What an end of an exchange means for its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the answer, now and whenever the request is repeated.
    Final,
    /// The request was not carried out, by the upstream's own word or because it never got there.
    Undone,
    /// It may have been carried out.
    Unknown,
}

/// Of an upstream's answer. `declines` are the refusals that are for good, unless the upstream says when to come again.
pub fn answered(status: StatusCode, headers: &HeaderMap, declines: &[u16]) -> Verdict {
    match status.as_u16() {
        // Not here: the client is to ask elsewhere with the same request (RFC 9110, 15.4.8 and 15.4.9).
        307 | 308 => Verdict::Undone,
        200..400 => Verdict::Final,
        // Whoever answers so does not know what became of what it passed on.
        502 | 504 => Verdict::Unknown,
        code if declines.contains(&code) && !headers.contains_key(RETRY_AFTER) => Verdict::Final,
        _ => Verdict::Undone,
    }
}

/// Of the gateway's own problem, when the upstream gave no answer.
pub fn failed(code: Code) -> Verdict {
    match code {
        // The breaker, the upstream's admission or nobody at its address; what the client sent wrongly; a caller who
        // may no more, now that the body is here; and a call that could not be put together.
        Code::UpstreamUnavailable
        | Code::Overloaded
        | Code::BodyTooLarge
        | Code::MalformedRequest
        | Code::TokenInvalid
        | Code::ApiKeyInvalid
        | Code::Forbidden
        | Code::IssuerUnavailable
        | Code::InternalError => Verdict::Undone,
        _ => Verdict::Unknown,
    }
}

/// Whether an answer's events shall arrive as they happen: it cannot be held back until its end.
pub fn is_live(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const DECLINES: [u16; 5] = [402, 404, 409, 410, 422];

    #[test]
    fn each_answer_has_its_meaning() {
        let of = |status: u16| answered(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), &DECLINES);
        for status in [200, 201, 202, 204, 303, 402, 404, 409, 410, 422] {
            assert_eq!(of(status), Verdict::Final, "{status}");
        }
        for status in [307, 308, 400, 401, 403, 405, 408, 412, 413, 415, 425, 428, 429, 500, 501, 503] {
            assert_eq!(of(status), Verdict::Undone, "{status}");
        }
        for status in [502, 504] {
            assert_eq!(of(status), Verdict::Unknown, "{status}");
        }
        let later = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("1"))]);
        assert_eq!(answered(StatusCode::CONFLICT, &later, &DECLINES), Verdict::Undone, "come again is no decline");
        assert_eq!(answered(StatusCode::ACCEPTED, &later, &DECLINES), Verdict::Final, "accepted; look again later");
        assert_eq!(answered(StatusCode::CONFLICT, &HeaderMap::new(), &[]), Verdict::Undone);
    }

    #[test]
    fn only_what_surely_never_got_there_is_undone() {
        for code in [Code::UpstreamUnavailable, Code::Overloaded, Code::BodyTooLarge, Code::InternalError] {
            assert_eq!(failed(code), Verdict::Undone);
        }
        for code in [Code::BadGateway, Code::GatewayTimeout, Code::RequestTimeout] {
            assert_eq!(failed(code), Verdict::Unknown);
        }
    }
}
