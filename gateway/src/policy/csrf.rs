//! Cross-site request forgery: a cookie goes along with whatever a page makes a browser send, so a request that
//! changes something needs the browser's word that the page may (Fetch metadata, `Origin`).
//!
//! A client's certificate goes along just so, but other programs than browsers have one too; so where a route rests on it, a
//! request that says nothing of any page passes. With an `Authorization` header that holds nothing is asked: no page can make
//! a browser add one.

use std::collections::HashSet;

use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN, REFERER, UPGRADE};
use shared::problem::{Code, Problem};

use super::authenticate::Principal;
use super::client::Client;
use crate::config;

/// Where the page stands that made the browser ask (W3C Fetch Metadata, section 2.3).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The compiled policy.
#[derive(Debug)]
pub struct Csrf {
    /// Other origins whose pages may use the cookie: those that CORS lets send credentials.
    origins: HashSet<String>,
}

impl Csrf {
    /// From the configuration, which has been checked.
    #[must_use]
    pub fn compile(config: &config::Cors) -> Self {
        let origins = config.origins.iter().filter(|origin| config.credentials && *origin != "*");
        Self { origins: origins.cloned().collect() }
    }

    /// Refuses what a foreign page may have made a browser send. `by_certificate`: the client's certificate speaks for
    /// whoever shows nothing else.
    ///
    /// # Errors
    /// 403 unless the request is safe, is let in by what no browser sends by itself, or is known to come from a page that
    /// may make it.
    pub fn check(
        &self,
        principal: Option<&Principal>,
        by_certificate: bool,
        head: &RequestHead,
        client: Client,
    ) -> Result<(), Problem> {
        let ambient = match principal {
            Some(principal) if principal.by_cookie => Ambient::Cookie,
            None if by_certificate => Ambient::Certificate,
            Some(_) | None => return Ok(()),
        };
        let may = is_safe(head) || self.allows(ambient, &head.headers, client);
        if may { Ok(()) } else { Err(Problem::new(Code::CsrfRefused)) }
    }

    fn allows(&self, ambient: Ambient, headers: &HeaderMap, client: Client) -> bool {
        let (site, origin, referer) =
            (Said::of(headers, SEC_FETCH_SITE), Said::of(headers, ORIGIN), Said::of(headers, REFERER));
        match (site, origin, referer) {
            // No browser says anything twice.
            (Said::Twice, _, _) | (_, Said::Twice, _) | (_, _, Said::Twice) => false,
            (Said::Once("same-origin"), _, _) => true,
            // The page is another's, or nobody's: only one that was named may.
            (Said::Once(_), Said::Once(origin), _) => self.origins.contains(origin),
            (Said::Once(_), Said::Never, _) => false,
            // An old browser, or a page that was not loaded safely.
            (Said::Never, Said::Once(origin), _) => self.origins.contains(origin) || is_own(origin, headers, client),
            (Said::Never, Said::Never, Said::Once(page)) => {
                let origin = reqwest::Url::parse(page).map(|page| page.origin().ascii_serialization());
                origin.is_ok_and(|origin| self.origins.contains(&origin) || is_own(&origin, headers, client))
            }
            (Said::Never, Said::Never, Said::Never) => ambient == Ambient::Certificate,
        }
    }
}

/// What a browser sends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ambient {
    Cookie,
    Certificate,
}

/// What a header says.
#[derive(Clone, Copy, Debug)]
enum Said<'h> {
    Never,
    Once(&'h str),
    Twice,
}

impl<'h> Said<'h> {
    /// What cannot be read counts as two: it is no browser's.
    fn of(headers: &'h HeaderMap, name: HeaderName) -> Self {
        let mut values = headers.get_all(name);
        match (values.next().map(|value| value.to_str()), values.next()) {
            (None, _) => Self::Never,
            (Some(Ok(value)), None) => Self::Once(value.trim()),
            (Some(_), _) => Self::Twice,
        }
    }
}

/// RFC 9110, section 9.2.1. A WebSocket begins with a GET, and what is said on it changes things.
fn is_safe(head: &RequestHead) -> bool {
    matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS) && !head.headers.contains_key(UPGRADE)
}

/// Whether an origin is the one that was asked. Behind a proxy that is not trusted TLS cannot be seen: then only host
/// and port are compared.
fn is_own(origin: &str, headers: &HeaderMap, client: Client) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return false };
    let schemes: &[&str] = if client.tls { &["https"] } else { &["https", "http"] };
    schemes.iter().any(|scheme| {
        let own = reqwest::Url::parse(&[scheme, "://", host].concat());
        own.is_ok_and(|own| own.origin().ascii_serialization() == origin)
    })
}

#[cfg(test)]
mod tests;
