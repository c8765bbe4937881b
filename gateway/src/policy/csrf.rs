//! Cross-site request forgery: a cookie goes along with whatever a page makes a browser send, so a request that
//! changes something needs the browser's word that the page may (Fetch metadata, `Origin`).
//!
//! A client's certificate goes along just so, but other programs than browsers have one too; so where a route rests on it, a
//! request that says nothing of any page passes. So it does on a route that no foreign page may use at all, where nobody is
//! signed in yet and no cookie of ours came along: a page that signs its visitor in as somebody else has them work in that
//! somebody's account. With an `Authorization` header that holds nothing is asked: no page can make a browser add one.

use std::collections::HashSet;

use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN, REFERER, UPGRADE};
use shared::problem::{Code, Problem};

use super::authenticate::{Principal, cookie};
use super::client::Client;
use crate::config;

/// Where the page stands that made the browser ask (W3C Fetch Metadata, section 2.3).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The compiled policy.
#[derive(Debug)]
pub struct Csrf {
    /// Other origins whose pages may use the cookie: those that CORS lets send credentials.
    origins: HashSet<String>,
    /// The cookie that holds a token; `None`: there is none.
    cookie: Option<String>,
}

impl Csrf {
    /// From the configuration, which has been checked.
    #[must_use]
    pub fn compile(cors: &config::Cors, cookie: &config::Cookie) -> Self {
        let origins = cors.origins.iter().filter(|origin| cors.credentials && *origin != "*");
        let cookie = Some(cookie.name.clone()).filter(|name| !name.is_empty());
        Self { origins: origins.cloned().collect(), cookie }
    }

    /// Refuses what a foreign page may have made a browser send. `beside`: what speaks for whoever shows no credential.
    ///
    /// # Errors
    /// 403 unless the request is safe, is let in by what no browser sends by itself, or is known to come from a page that
    /// may make it.
    pub fn check(
        &self,
        principal: Option<&Principal>,
        beside: Ambient,
        head: &RequestHead,
        client: Client,
    ) -> Result<(), Problem> {
        let has_cookie = || self.cookie.as_ref().is_some_and(|token| cookie::shows(&head.headers, token));
        let ambient = match (principal, beside) {
            (Some(principal), _) if principal.by_cookie => Ambient::Cookie,
            (Some(_), _) | (None, Ambient::Nothing) => return Ok(()),
            (None, Ambient::Page) if has_cookie() => Ambient::Cookie,
            (None, ambient) => ambient,
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
            (Said::Never, Said::Never, Said::Never) => ambient != Ambient::Cookie,
        }
    }
}

/// What a browser does by itself, whatever page makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambient {
    /// Nothing that counts.
    Nothing,
    /// It sends a cookie.
    Cookie,
    /// It shows a certificate.
    Certificate,
    /// It takes what the answer brings: a page that signs in.
    Page,
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
