//! What ties an authorization request to one browser: a cookie of this host alone, and the browser's word for the page that
//! a form stands on.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration as CookieAge;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{COOKIE, HeaderName, ORIGIN};
use shared::problem::{Code, Problem};
use url::Url;

use crate::app::App;
use crate::clients::{Secret, SecretDigest};

/// No other host can set it, and no script can read it (RFC 6265bis, section 4.1.3.2).
pub(super) const NAME: &str = "__Host-tollgate-oauth";

const PREFIX: &str = "tgb_";
/// The prefix and 256 bits.
const LENGTH: usize = PREFIX.len() + 43;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The browser's cookie, if it has one that can be ours. One that comes twice is none: which of them we have set, nobody can
/// tell.
pub(super) fn cookie(request: &HttpRequest) -> Option<String> {
    let lines = request.headers().get_all(COOKIE).filter_map(|line| line.to_str().ok());
    let mut values =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='));
    let (first, second) = (values.next(), values.next());
    let is_ours = |value: &&str| value.len() == LENGTH && value.starts_with(PREFIX);
    first.filter(is_ours).filter(|_| second.is_none()).map(str::to_owned)
}

/// The browser by its cookie.
///
/// # Errors
/// 400 when it has none: the request began in another browser, or too long ago.
pub(super) fn known(request: &HttpRequest) -> Result<SecretDigest, Problem> {
    cookie(request).map(|cookie| SecretDigest::of(&cookie)).ok_or_else(lost)
}

/// What is answered to whoever has no request in this browser.
pub(super) fn lost() -> Problem {
    Problem::new(Code::InvalidRequest).detail(
        "This page belongs to another browser, or its time is over. Go back to the application and begin again.",
    )
}

/// The browser's cookie, a new one where there is none, to be set for as long as a request lasts.
///
/// # Errors
/// 500 when there is no randomness.
pub(super) fn tie(app: &App, request: &HttpRequest) -> Result<(SecretDigest, Cookie<'static>), Problem> {
    let value = match cookie(request) {
        Some(value) => value,
        None => Secret::with_prefix(PREFIX)?.expose().to_owned(),
    };
    let age = i64::try_from(app.config.oauth.request_lifetime.get().as_secs()).unwrap_or(i64::MAX);
    let digest = SecretDigest::of(&value);
    // Lax: it has to come along when another site sends the browser here, or each request would lose the one before.
    let cookie = Cookie::build(NAME, value).path("/").secure(true).http_only(true).same_site(SameSite::Lax);
    Ok((digest, cookie.max_age(CookieAge::seconds(age)).finish()))
}

/// Refuses a form that was not sent from a page of ours. Every browser says where a form stands: by Fetch metadata, or by
/// `Origin`.
///
/// # Errors
/// 403 `csrf_refused`.
pub(super) fn from_own_page(app: &App, request: &HttpRequest) -> Result<(), Problem> {
    let said = |name: &HeaderName| {
        let mut values = request.headers().get_all(name);
        let (first, second) = (values.next(), values.next());
        match (first, second) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
            (Some(_), Some(_)) => Err(()),
        }
    };
    let own = match (said(&SEC_FETCH_SITE), said(&ORIGIN)) {
        (Ok(Some(site)), Ok(_)) => site == "same-origin",
        (Ok(None), Ok(Some(origin))) => {
            Url::parse(&app.config.tokens.issuer).is_ok_and(|issuer| issuer.origin().ascii_serialization() == origin)
        }
        // No browser says it twice, and none says nothing at all.
        (Ok(None), Ok(None)) | (Err(()), _) | (_, Err(())) => false,
    };
    if own { Ok(()) } else { Err(Problem::new(Code::CsrfRefused)) }
}
