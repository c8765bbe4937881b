//! What a refused request is told about credentials (RFC 9110, section 11.6.1; RFC 6750, section 3).
//!
//! All texts are of characters that may stand in a quoted string as they are.

use shared::problem::{Code, Problem};

use super::credential::Carrier;
use super::verify::Refusal;

/// RFC 6750, section 3.1: no error code when the request lacks any authentication information.
const BEARER: &str = r#"Bearer realm="tollgate""#;

/// No registered scheme carries a key in a header of its own; the name says what would help.
const API_KEY: &str = r#"ApiKey realm="tollgate""#;

/// 401 for a request without a credential, where one is needed: every way to show one.
pub(super) fn required(with_keys: bool) -> Problem {
    let problem = Problem::new(Code::TokenRequired).challenge(BEARER);
    if with_keys { problem.challenge(API_KEY) } else { problem }
}

/// 401 for a credential that does not hold, in the scheme it came in.
pub(super) fn refused(refusal: Refusal, carrier: Carrier, is_key: bool) -> Problem {
    let detail = if is_key { of_key(refusal) } else { refusal.detail() };
    let code = if is_key { Code::ApiKeyInvalid } else { Code::TokenInvalid };
    invalid(code, detail, carrier)
}

/// 401 for what cannot be a credential at all.
pub(super) fn malformed(carrier: Carrier) -> Problem {
    refused(Refusal::Malformed, carrier, carrier == Carrier::KeyHeader)
}

/// 401 for the browsers' cookie sent twice: no page and no person wrote the request, so it is not called malformed.
pub(super) fn doubled_cookie() -> Problem {
    invalid(Code::TokenInvalid, "The session cookie was sent twice.", Carrier::Cookie)
}

fn invalid(code: Code, detail: &'static str, carrier: Carrier) -> Problem {
    let scheme = match carrier {
        Carrier::Bearer | Carrier::Cookie => BEARER,
        Carrier::KeyHeader => API_KEY,
    };
    let challenge = format!(r#"{scheme}, error="invalid_token", error_description="{detail}""#);
    Problem::new(code).detail(detail).challenge(challenge)
}

/// 400 for a request that shows two credentials, with the reason for a client that reads challenges only.
pub(super) fn ambiguous(problem: Problem, detail: &'static str) -> Problem {
    problem.challenge(format!(r#"{BEARER}, error="invalid_request", error_description="{detail}""#))
}

/// 403 for a credential whose scope lacks a word (RFC 6750, section 3.1). `wanted` are scopes as the configuration has
/// them: a scope-token has no quote and no backslash.
pub(in crate::policy) fn insufficient_scope(wanted: &str) -> Problem {
    Problem::new(Code::Forbidden)
        .detail(format!("The scope lacks `{wanted}`."))
        .challenge(format!(r#"{BEARER}, error="insufficient_scope", scope="{wanted}""#))
}

const fn of_key(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Malformed | Refusal::TooLong => "The API key is not well-formed.",
        Refusal::Expired => "The API key has expired.",
        Refusal::Revoked => "The API key was revoked.",
        Refusal::NotHere => "API keys of this kind are not accepted here.",
        Refusal::WrongType
        | Refusal::WrongAlgorithm
        | Refusal::UnknownKey
        | Refusal::WrongSignature
        | Refusal::WrongIssuer
        | Refusal::WrongAudience
        | Refusal::NotYetValid
        | Refusal::NotActive => "The API key is not known, has expired or was revoked.",
    }
}
