//! What ends before its time: by an unsafe request that succeeded (RFC 9111, section 4.4), or by an operator.

use std::cell::Cell;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_LOCATION, HOST, HeaderMap, LOCATION};
use reqwest::Url;
use shared::problem::Problem;
use shared::store::StoreError;
use shared::store::tagged::EVERYTHING;

use super::kept_at::{self, Whose};
use super::{ResponseCache, Turn, tags};
use crate::app::Gateway;
use crate::policy::in_flight::Permit;
use crate::tables::Tables;
use crate::upstream::body::Arriving;
use crate::upstream::send::Call;

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
        let tags = kept_at::tags_of(tables, Whose::Operator(host.as_deref()), url.path());
        if tags.is_empty() { Err(PurgeError::NotCached) } else { Ok(self.shelf.purge(tags).await?) }
    }

    /// Purges every answer with a tag: a route's, or one that an upstream named.
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

    /// Tells a store that is back what it could not be told, for as long as it is polled.
    pub async fn pay(&self) {
        self.shelf.pay().await;
    }

    /// Makes an unsafe call. What it has changed is purged before its answer is given, so that the client never reads
    /// what it has just overwritten; and also when its client goes away, or nobody knows how it ended.
    pub(super) async fn change(
        &self,
        turn: &Turn<'_>,
        body: Arriving,
        permit: Permit,
    ) -> Result<HttpResponse, Problem> {
        let mut changed = Changed { gateway: Arc::clone(&turn.worker.gateway), tags: target(turn) };
        let doubt = Cell::new(false);
        let call = Call { doubt: Some(&doubt), ..*turn.call };
        let answer = Turn { call: &call, ..*turn }.send(body, permit).await;
        match &answer {
            Ok(answer) if answer.status().is_success() || answer.status().is_redirection() => {
                changed.tags.extend(named(turn, answer.headers()));
            }
            // One of its tries may have done it, whatever came of the last: who deletes twice is told that nothing is there.
            Ok(_) | Err(_) if doubt.get() => {}
            Ok(_) | Err(_) => changed.tags.clear(),
        }
        if !changed.tags.is_empty() {
            // What cannot be told to the store now is owed to it.
            let _ = self.shelf.purge(changed.tags.clone()).await;
            changed.tags.clear();
        }
        answer
    }
}

/// What a call has changed, or may have when its client leaves before its end is known.
struct Changed {
    gateway: Arc<Gateway>,
    tags: Vec<String>,
}

impl Drop for Changed {
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
    let mut tags = turn.route.invalidates.clone();
    tags.extend(kept_at::tags_of(turn.tables, Whose::Request(host(turn), turn.route), turn.call.path));
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
        let whose = Whose::Request(host, turn.route);
        tags.extend(same.into_iter().flat_map(|url| kept_at::tags_of(turn.tables, whose, url.path())));
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
