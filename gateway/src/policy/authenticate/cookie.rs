//! Which cookies are ours: the one that carries an access token, and its family, such as that of the refresh token.

use actix_web::http::header::{COOKIE, HeaderMap};

/// Whether a cookie is the one called `token`, or of its family: the same name, a hyphen, and a word.
#[must_use]
pub fn is_ours(name: &[u8], token: &str) -> bool {
    name.strip_prefix(token.as_bytes()).is_some_and(|rest| matches!(rest.first(), None | Some(b'-')))
}

/// The cookies of a line, as they stand there.
pub fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii)
}

/// What a cookie is called.
#[must_use]
pub fn name(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii()
}

/// Whether a request shows a cookie of ours, whatever is in it.
#[must_use]
pub fn shows(headers: &HeaderMap, token: &str) -> bool {
    headers.get_all(COOKIE).flat_map(|line| pairs(line.as_bytes())).any(|pair| is_ours(name(pair), token))
}
