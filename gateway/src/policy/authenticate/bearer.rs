//! The bearer token of a request, and the challenges that answer a bad one (RFC 6750).

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use shared::problem::{Code, Problem};

const SCHEME: &str = "bearer ";

/// RFC 6750, section 3.1: no error code when the request lacks any authentication information.
const CHALLENGE: &str = r#"Bearer realm="tollgate""#;

/// The token, if the request has one. Other schemes are somebody else's: they count as no token.
pub(super) fn token(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::new(Code::MalformedRequest).detail("The request has more than one Authorization header."));
    }
    let Some((scheme, token)) = value.as_bytes().split_at_checked(SCHEME.len()) else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) {
        return Ok(None);
    }
    match std::str::from_utf8(token).map(|token| token.trim_matches(' ')) {
        Ok(token) if is_token68(token) => Ok(Some(token)),
        Ok(_) | Err(_) => Err(invalid("The token is not well-formed.")),
    }
}

fn is_token68(token: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    !token.is_empty() && token.bytes().all(fine)
}

/// 401 for a request without a token.
pub(super) fn required() -> Problem {
    Problem::new(Code::TokenRequired).challenge(CHALLENGE)
}

/// 401 for a token that does not hold.
pub(super) fn invalid(detail: &'static str) -> Problem {
    let challenge = format!(r#"{CHALLENGE}, error="invalid_token", error_description="{detail}""#);
    Problem::new(Code::TokenInvalid).detail(detail).challenge(challenge)
}

/// 403 for a token whose scope lacks a word (RFC 6750, section 3.1).
pub(in crate::policy) fn insufficient_scope(scope: &str) -> Problem {
    Problem::new(Code::Forbidden)
        .detail(format!("The token's scope lacks `{scope}`."))
        .challenge(format!(r#"{CHALLENGE}, error="insufficient_scope", scope="{scope}""#))
}
