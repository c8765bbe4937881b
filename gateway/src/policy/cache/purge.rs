//! What ends before its time: by an unsafe request that succeeded (RFC 9111, section 4.4), by an operator, by an event.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_LOCATION, HOST, HeaderMap, LOCATION};
use actix_web::http::{Method, StatusCode};
use reqwest::Url;
use shared::problem::{Code, Problem};
use shared::store::StoreError;
use shared::store::tagged::EVERYTHING;

use super::{ResponseCache, Turn, tags};
use crate::app::Gateway;
use crate::policy::in_flight::Permit;
use crate::route::{Found, Wanted, path};
use crate::tables::Tables;
use crate::upstream::body::Arriving;

/// Why nothing was purged.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// It is no URL and no path.
    #[error("write a URL, or a path that begins with a slash")]
    NoAddress,
    /// No route keeps answers for it.
    #[error("no route keeps answers for this address")]
    NotCached,
    /// The store was not told. It will be, and until then this instance uses nothing of it.
    #[error("the purge has to wait: {0}")]
    Store(#[from] StoreError),
}

impl ResponseCache {
    /// Purges every answer for an address, under all hosts, versions, queries and callers. In memory this reaches this
    /// instance's answers; in Redis everybody's.
    ///
    /// # Errors
    /// When nothing could be purged, or not yet.
    pub async fn purge_url(&self, tables: &Tables, address: &str) -> Result<(), PurgeError> {
        let url = if address.starts_with('/') { Url::parse(&format!("http://any{address}")) } else { address.parse() };
        let url = url.map_err(|_| PurgeError::NoAddress)?;
        let host = (!address.starts_with('/')).then(|| host_of(&url)).flatten();
        let tag = cached_at(tables, host.as_deref(), url.path()).ok_or(PurgeError::NotCached)?;
        Ok(self.shelf.purge(vec![tag]).await?)
    }

    /// Purges every answer with a tag: a route's, or one that an upstream named. This is what an event calls as well.
    ///
    /// # Errors
    /// When the store cannot be told yet.
    pub async fn purge_tag(&self, tag: &str) -> Result<(), StoreError> {
        self.shelf.purge(vec![tags::own_tag(tag)]).await
    }

    /// Purges everything.
    ///
    /// # Errors
    /// When the store cannot be told yet.
    pub async fn purge_all(&self) -> Result<(), StoreError> {
        self.shelf.purge(vec![EVERYTHING.to_owned()]).await
    }

    /// Makes an unsafe call. What it has changed is purged before its answer is given, so that the client never reads
    /// what it has just overwritten; and also when its client goes away, or nobody knows how it ended.
    pub(super) async fn change(
        &self,
        turn: &Turn<'_>,
        body: Arriving,
        permit: Permit,
    ) -> Result<HttpResponse, Problem> {
        let target = target(turn);
        let mut unfinished = Unfinished { gateway: Arc::clone(&turn.worker.gateway), tags: target.clone() };
        let answer = turn.send(body, permit).await;
        let changed = match &answer {
            Ok(answer) if answer.status().is_success() || answer.status().is_redirection() => {
                let mut changed = target;
                changed.extend(named(turn, answer.headers()));
                changed
            }
            // It may have happened: who answers so speaks for another.
            Ok(answer) if matches!(answer.status(), StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT) => target,
            Err(problem) if matches!(problem.code(), Code::GatewayTimeout | Code::BadGateway) => target,
            Ok(_) | Err(_) => Vec::new(),
        };
        if !changed.is_empty() {
            // What cannot be told to the store now is owed to it.
            let _ = self.shelf.purge(changed).await;
        }
        unfinished.tags.clear();
        answer
    }
}

/// A call whose end is not known yet.
struct Unfinished {
    gateway: Arc<Gateway>,
    tags: Vec<String>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let tags = std::mem::take(&mut self.tags);
        if !tags.is_empty() {
            let gateway = Arc::clone(&self.gateway);
            actix_web::rt::spawn(async move { gateway.responses.shelf.purge(tags).await });
        }
    }
}

/// What the call itself says it changes: its own address, and what its route names.
fn target(turn: &Turn<'_>) -> Vec<String> {
    let host = host(turn);
    let mut tags = turn.route.invalidates.clone();
    tags.extend(cached_at(turn.tables, host, turn.call.path));
    tags
}

/// What its answer says: other addresses of the same host, and groups.
fn named(turn: &Turn<'_>, headers: &HeaderMap) -> Vec<String> {
    let mut tags = tags::invalidated(headers, &turn.route.upstream.name);
    let host = host(turn);
    let base = host.and_then(|host| Url::parse(&format!("http://{host}{}", turn.call.path)).ok());
    for name in [LOCATION, CONTENT_LOCATION] {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        let url = value.and_then(|value| base.as_ref()?.join(value).ok());
        let same = url.filter(|url| base.as_ref().is_some_and(|base| host_of(base) == host_of(url)));
        tags.extend(same.and_then(|url| cached_at(turn.tables, host, url.path())));
    }
    tags
}

fn host<'t>(turn: &Turn<'t>) -> Option<&'t str> {
    turn.call.head.headers.get(HOST).and_then(|host| host.to_str().ok())
}

/// Host and port, as far as the port is said.
fn host_of(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// The tag of what is kept for an address; `None` when no route keeps anything for it.
fn cached_at(tables: &Tables, host: Option<&str>, raw: &str) -> Option<String> {
    let path = path::canonical(raw).ok()?;
    let versioned = tables.versions.split(&path).map(|asked| {
        let version = asked.in_path.and_then(|name| tables.versions.by_name(name));
        (version.unwrap_or(tables.versions.default()), asked.rest)
    });
    match tables.routes.find(Wanted { host, path: &path, versioned, method: &Method::GET }) {
        Found::Route(route) if route.cache.is_some() => {
            Some(tags::path_tag(&route.upstream.name, tags::resource(tables, route, &path)))
        }
        Found::Route(_) | Found::OtherMethods(_) | Found::Nothing => None,
    }
}
