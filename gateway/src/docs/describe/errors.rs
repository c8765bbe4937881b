//! The errors that the gateway answers by itself, on each row of the table.

use actix_web::http::Method;
use shared::problem::Code;

use super::Served;
use crate::config::{Auth, CrossSite, KeysDown, LimiterDown, OnUnknown, ValidationMode};
use crate::policy::idempotency::needs_key;

/// Every code that the gateway may answer on an operation.
pub(super) fn codes(served: &Served<'_>) -> Vec<Code> {
    let mut codes = vec![
        Code::MalformedRequest,
        Code::MalformedPath,
        Code::MethodNotAllowed,
        Code::UriTooLong,
        Code::ExpectationFailed,
        Code::HeadersTooLarge,
        Code::InternalError,
        Code::Overloaded,
    ];
    codes.extend(of_caller(served));
    codes.extend(of_request(served));
    codes.extend(of_upstream(served));
    codes
}

/// Who asks, and how often.
fn of_caller(served: &Served<'_>) -> Vec<Code> {
    let (route, credentials) = (served.route, &served.credentials);
    let mut codes = Vec::new();
    let mut when = |holds: bool, of: &[Code]| codes.extend(of.iter().filter(|_| holds));
    let changes = !served.method.is_safe() || route.websocket;
    when(route.auth == Auth::Required, &[Code::TokenRequired]);
    when(route.auth != Auth::None, &[Code::TokenInvalid, Code::KeysUnavailable, Code::Forbidden]);
    when(credentials.keys, &[Code::ApiKeyInvalid]);
    when(credentials.keys || credentials.asked, &[Code::IssuerUnavailable]);
    // A browser sends both by itself; a certificate decides only where nothing else was shown.
    let by_certificate = (route.certificate.required || route.certificate.forward) && route.auth != Auth::Required;
    let by_page = route.cross_site == CrossSite::Refuse;
    when((credentials.cookie || by_certificate || by_page) && changes, &[Code::CsrfRefused]);
    when(route.certificate.required, &[Code::CertificateRequired]);
    when(route.certificate.required && !route.certificate.names.is_empty(), &[Code::Forbidden]);
    when(route.websocket, &[Code::OriginNotAllowed]);
    // Where nothing is limited, guessing is.
    let may_guess = route.auth != Auth::None || route.certificate.required;
    let limited = served.is_limited() || (may_guess && served.is_guessing_limited());
    when(limited || route.websocket, &[Code::RateLimited]);
    when(served.is_limited() && route.limiter_down == LimiterDown::Refuse, &[Code::RateLimiterUnavailable]);
    codes
}

/// What is asked, and how.
fn of_request(served: &Served<'_>) -> Vec<Code> {
    let route = served.route;
    let mut codes = Vec::new();
    let mut when = |holds: bool, of: &[Code]| codes.extend(of.iter().filter(|_| holds));
    let version = served.version();
    when(version.is_some(), &[Code::VersionConflict, Code::UnsupportedVersion]);
    when(version.is_some_and(|version| version.sunset.is_some()), &[Code::VersionGone]);
    when(served.has_body, &[Code::RequestTimeout, Code::BodyTooLarge]);
    let composed = !route.parts.is_empty();
    when(composed, &[Code::MalformedQuery, Code::ValidationFailed, Code::NotAcceptable]);
    // Our own services list what they are refused for here.
    let judges = route.validation.mode == ValidationMode::Refuse && !route.upstream.is_ours;
    when(judges && served.has("path"), &[Code::NotFound]);
    when(judges && served.has("query"), &[Code::MalformedQuery, Code::ValidationFailed]);
    when(judges && served.has("header"), &[Code::ValidationFailed]);
    when(judges && served.has_body, &[Code::MalformedBody, Code::UnsupportedMediaType, Code::ValidationFailed]);
    if let Some(rule) = route.idempotency.as_ref().filter(|_| needs_key(&served.method)) {
        when(rule.key_required, &[Code::IdempotencyKeyRequired]);
        when(true, &[Code::IdempotencyKeyInvalid, Code::IdempotencyKeyReused]);
        when(true, &[Code::IdempotencyInProgress, Code::IdempotencyNotReplayable]);
        when(rule.on_unknown == OnUnknown::Refuse, &[Code::IdempotencyOutcomeUnknown]);
        when(rule.down == KeysDown::Refuse, &[Code::IdempotencyUnavailable]);
    }
    codes
}

/// What keeps the upstream from answering.
fn of_upstream(served: &Served<'_>) -> Vec<Code> {
    let route = served.route;
    let from_cache_only = route.cache.is_some() && served.method == Method::GET;
    let mut codes = Vec::new();
    // Where something else is answered in their stead, they are not seen.
    if route.fallback.is_none() {
        codes.extend([Code::BadGateway, Code::UpstreamUnavailable]);
        codes.extend((route.timeout.is_some() || from_cache_only).then_some(Code::GatewayTimeout));
    }
    codes
}
