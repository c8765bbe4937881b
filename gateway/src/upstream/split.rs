//! Which of several upstreams serves a route: a canary gets who asks for it by header or cookie, and a share of the rest.
//! Who once belongs to the share stays in it, so that nobody sees two versions by turns.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use actix_web::http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};

use super::Upstream;
use crate::policy::authenticate::Principal;
use crate::policy::client::Client;

/// One way off the main road.
#[derive(Debug)]
pub struct Branch {
    /// Where it leads.
    pub upstream: Arc<Upstream>,
    /// The share of callers who go there, in percent.
    pub percent: u32,
    /// Requests with this header go there.
    pub header: Option<(HeaderName, HeaderValue)>,
    /// Requests with this cookie go there.
    pub cookie: Option<(String, String)>,
}

/// The ways of one route.
#[derive(Debug, Default)]
pub struct Split(Vec<Branch>);

impl Split {
    /// In the configuration's order.
    #[must_use]
    pub const fn new(branches: Vec<Branch>) -> Self {
        Self(branches)
    }

    /// The branches.
    #[must_use]
    pub fn branches(&self) -> &[Branch] {
        &self.0
    }

    /// Who serves this request.
    #[must_use]
    pub fn choose<'a>(
        &'a self,
        main: &'a Arc<Upstream>,
        headers: &HeaderMap,
        client: Client,
        principal: Option<&Principal>,
    ) -> &'a Arc<Upstream> {
        if self.0.is_empty() {
            return main;
        }
        if let Some(branch) = self.0.iter().find(|branch| branch.is_asked_for(headers)) {
            return &branch.upstream;
        }
        let place = place(client, principal);
        let mut end = 0;
        for branch in &self.0 {
            end += branch.percent;
            if place < end {
                return &branch.upstream;
            }
        }
        main
    }
}

impl Branch {
    fn is_asked_for(&self, headers: &HeaderMap) -> bool {
        let by_header =
            self.header.as_ref().is_some_and(|(name, value)| headers.get_all(name).any(|sent| sent == value));
        by_header || self.cookie.as_ref().is_some_and(|(name, value)| has_cookie(headers, name, value))
    }
}

fn has_cookie(headers: &HeaderMap, name: &str, value: &str) -> bool {
    let cookies = headers.get_all(COOKIE).filter_map(|cookies| cookies.to_str().ok());
    cookies.flat_map(|cookies| cookies.split(';')).any(|cookie| cookie.trim().split_once('=') == Some((name, value)))
}

/// A caller's place among a hundred: the same one each time.
fn place(client: Client, principal: Option<&Principal>) -> u32 {
    let mut hasher = DefaultHasher::new();
    match principal {
        Some(principal) => principal.who().hash(&mut hasher),
        None => client.bucket().hash(&mut hasher),
    }
    (hasher.finish() % 100) as u32
}
