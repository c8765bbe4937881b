//! The one place where `http` 0.2 (actix) and `http` 1 (reqwest) meet: both directions, with hop-by-hop headers and
//! everything that only the gateway may say stripped in the same pass.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use actix_web::http::header::{COOKIE, HeaderMap as ActixHeaders, HeaderName as ActixName, HeaderValue as ActixValue};
use actix_web::http::{Method as ActixMethod, StatusCode as ActixStatus};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};

use super::draft::Draft;
use crate::policy::authenticate::cookie;
use crate::policy::compress::tag;

const IDENTITY_CODING: &[u8] = b"identity";

/// What a header is, on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Goes on.
    End,
    /// Belongs to this connection (RFC 9110, section 7.6.1), or is made anew.
    Hop,
    /// Only the gateway may say it.
    Identity,
    /// Goes on only where the route says so.
    Authorization,
    /// Tells the version, which the path tells from here on.
    Version,
    /// Is the gateway's to answer, where it compresses.
    Coding,
    /// Names tags, some of which the gateway may have made weak.
    Tags,
}

/// What goes on to an upstream beside the plain end-to-end headers, and what does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward<'a> {
    /// The client's Authorization, and its API key.
    pub authorization: bool,
    /// The client's version headers, where the route has no versions.
    pub version: bool,
    /// Whether the gateway compresses the answer itself: the upstream is asked for a plain one.
    pub compress: bool,
    /// The header of API keys, which goes where Authorization goes.
    pub key_header: Option<&'a ActixName>,
    /// The cookie that holds a token, whose family goes nowhere; `None`: all cookies go on.
    pub cookie: Option<&'a str>,
}

/// Copies what may go on to an upstream.
pub fn request_headers(from: &ActixHeaders, forward: Forward<'_>, to: &mut Draft) {
    let named = connection_options(from.get_all(actix_web::http::header::CONNECTION).map(ActixValue::as_bytes));
    for (name, value) in from {
        let goes = match kind(name.as_str()) {
            Kind::End if forward.key_header == Some(name) => forward.authorization,
            Kind::End if *name == COOKIE => {
                if let Some(value) = without(value, forward.cookie) {
                    to.add(reqwest::header::COOKIE, &value);
                }
                false
            }
            Kind::End => !is_named(&named, name.as_str()),
            Kind::Authorization => forward.authorization,
            Kind::Version => forward.version,
            Kind::Coding => !forward.compress,
            Kind::Tags if forward.compress => {
                if let Some(name) = request_name(name) {
                    to.add(name, &tag::both(value.as_bytes()));
                }
                false
            }
            Kind::Tags => true,
            Kind::Hop | Kind::Identity => false,
        };
        if goes && let Some(name) = request_name(name) {
            to.add(name, value.as_bytes());
        }
    }
    if forward.compress {
        to.add(ACCEPT_ENCODING, IDENTITY_CODING);
    }
}

/// The cookies of one line, less those of this one's family.
fn without<'v>(value: &'v ActixValue, token: Option<&str>) -> Option<Cow<'v, [u8]>> {
    let is_ours = |pair: &[u8], token: &str| cookie::is_ours(cookie::name(pair), token);
    let pairs = || cookie::pairs(value.as_bytes());
    match token.filter(|token| pairs().any(|pair| is_ours(pair, token))) {
        None => Some(Cow::Borrowed(value.as_bytes())),
        Some(token) => {
            let kept: Vec<&[u8]> = pairs().filter(|pair| !is_ours(pair, token)).collect();
            Some(kept.join(&b"; "[..])).filter(|value| !value.is_empty()).map(Cow::Owned)
        }
    }
}

fn request_name(name: &ActixName) -> Option<HeaderName> {
    HeaderName::from_bytes(name.as_str().as_bytes()).ok()
}

/// Copies what may go back to the client.
pub fn response_headers(from: &HeaderMap, to: &mut ActixHeaders) {
    let named = connection_options(from.get_all(reqwest::header::CONNECTION).iter().map(HeaderValue::as_bytes));
    for (name, value) in from {
        if is_made_here(name.as_str()) || is_named(&named, name.as_str()) {
            continue;
        }
        append(value, name, to);
    }
}

/// Says on this connection what the client has said on its own.
pub fn ask_for_websocket(headers: &mut Draft) {
    headers.add(reqwest::header::CONNECTION, b"upgrade");
    headers.add(reqwest::header::UPGRADE, b"websocket");
}

/// Adds one more value for the client.
pub fn append(value: &HeaderValue, name: &HeaderName, to: &mut ActixHeaders) {
    let name = ActixName::from_bytes(name.as_str().as_bytes());
    if let (Ok(name), Ok(value)) = (name, ActixValue::from_bytes(value.as_bytes())) {
        to.append(name, value);
    }
}

/// A client's method for an upstream.
#[must_use]
pub fn method(method: &ActixMethod) -> Method {
    match *method {
        ActixMethod::GET => Method::GET,
        ActixMethod::POST => Method::POST,
        ActixMethod::PUT => Method::PUT,
        ActixMethod::PATCH => Method::PATCH,
        ActixMethod::DELETE => Method::DELETE,
        ActixMethod::HEAD => Method::HEAD,
        ActixMethod::OPTIONS => Method::OPTIONS,
        // Both crates hold any token of RFC 9110, so what one has parsed the other takes.
        _ => Method::from_bytes(method.as_str().as_bytes()).unwrap_or(Method::GET),
    }
}

/// An upstream's status for a client.
#[must_use]
pub fn status(status: StatusCode) -> ActixStatus {
    ActixStatus::from_u16(status.as_u16()).unwrap_or(ActixStatus::BAD_GATEWAY)
}

/// Whose word an upstream gets under a header's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The client's, as it came.
    Client,
    /// The gateway's, about the scheme, the host and the port that the client came to.
    Way,
    /// The gateway's, about this one request.
    Request,
    /// Nobody's: it is not sent, or is the same for all.
    Nobody,
}

/// Whose word an upstream gets under this name.
#[must_use]
pub fn word(name: &str, forward: Forward<'_>) -> Word {
    let sent = |sent: bool| if sent { Word::Client } else { Word::Nobody };
    match (name, kind(name)) {
        ("host" | "x-forwarded-host" | "x-forwarded-proto" | "x-forwarded-port", _) => Word::Way,
        _ if forward.key_header.is_some_and(|key| key.as_str() == name) => sent(forward.authorization),
        (_, Kind::End | Kind::Tags) => Word::Client,
        (_, Kind::Authorization) => sent(forward.authorization),
        (_, Kind::Version) => sent(forward.version),
        (_, Kind::Coding) => sent(!forward.compress),
        (_, Kind::Hop | Kind::Identity) => Word::Request,
    }
}

/// Whether an upstream may get the client's own word under this name, wherever that goes.
#[must_use]
pub fn is_clients(name: &str) -> bool {
    matches!(kind(name), Kind::End | Kind::Tags)
}

fn kind(name: &str) -> Kind {
    match name {
        "connection"
        | "keep-alive"
        | "proxy-connection"
        | "proxy-authenticate"
        | "proxy-authorization"
        | "te"
        | "trailer"
        | "transfer-encoding"
        | "upgrade"
        | "content-length"
        | "host"
        | "expect"
        | "http2-settings" => Kind::Hop,
        "traceparent" | "tracestate" | "x-request-id" => Kind::Hop,
        "authorization" => Kind::Authorization,
        "api-version" | "x-api-version" => Kind::Version,
        "accept-encoding" => Kind::Coding,
        "if-match" | "if-none-match" => Kind::Tags,
        "forwarded" | "x-real-ip" | "true-client-ip" | "cf-connecting-ip" | "x-client-ip" | "x-cluster-client-ip" => {
            Kind::Identity
        }
        _ if is_identity(name) => Kind::Identity,
        _ => Kind::End,
    }
}

/// Header families that say who calls or from where, or that what is asked is another method than the one that was let in.
const IDENTITY: [&str; 36] = [
    "x-tollgate-",
    "x-user",
    "x-forwarded-",
    "x-auth-",
    "x-authenticated-",
    "x-remote-",
    "remote-",
    "x-consumer-",
    "x-credential-",
    "x-jwt-",
    "x-role",
    "x-scope",
    "x-groups",
    "x-original-",
    "x-rewrite-",
    "x-ssl-client",
    "x-client-cert",
    "x-arr-clientcert",
    "x-amzn-mtls-",
    "client-cert",
    "ssl-client",
    "x-webauth-",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-ms-client-principal",
    "x-amzn-oidc-",
    "x-envoy-",
    "x-client-dn",
    "x-client-s-dn",
    "x-client-verify",
    "x-forwarded",
    "cf-access-",
    "oidc-claim-",
    "tailscale-user-",
    "x-http-method",
    "x-method-override",
];

/// Some servers read `_` as `-`, so both spellings count.
fn is_identity(name: &str) -> bool {
    if name.contains('_') {
        return kind(&name.replace('_', "-")) != Kind::End;
    }
    if !name.starts_with(['x', 'r', 'c', 's', 'o', 't']) {
        return false;
    }
    IDENTITY.iter().any(|family| name.starts_with(family))
}

/// What an upstream may not say to a client: hop-by-hop, or the gateway's own words.
fn is_made_here(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "content-length"
            | "x-request-id"
            | "api-version"
            | "ratelimit"
            | "ratelimit-policy"
            | "strict-transport-security"
            | "server"
            | "x-powered-by"
    ) || name.starts_with("access-control-")
        || name.starts_with("x-tollgate-")
}

/// The headers that `Connection` names: they are hop-by-hop too. Nearly always none.
fn connection_options<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<&'a [u8]> {
    let options = values.flat_map(|value| value.split(|b| *b == b',')).map(<[u8]>::trim_ascii);
    let plain = |option: &&[u8]| !option.eq_ignore_ascii_case(b"close") && !option.eq_ignore_ascii_case(b"keep-alive");
    options.filter(|option| !option.is_empty()).filter(plain).collect()
}

fn is_named(options: &[&[u8]], name: &str) -> bool {
    options.iter().any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
}
