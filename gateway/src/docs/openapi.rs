//! The merged API document: fetched from the services in the background, kept as bytes, one per version.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, EntityTag, HeaderValue};
use arc_swap::ArcSwap;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::clock::Clock;
use shared::http::Conditions;
use shared::problem::{Code, Problem};
use tokio::sync::Notify;

use super::examine::faults;
use super::fetch::{Fetched, Parts, fetch};
use super::merge;
use crate::policy::validate::{Operations, Owner};
use crate::policy::version::{Asked, VersionId, Versions};
use crate::tables::Tables;

/// While a service's document is missing, it is asked for more often than configured.
const RETRY: Duration = Duration::from_secs(2);

/// The documents as they are served.
#[derive(Debug)]
pub struct Documents {
    on: bool,
    refresh: Duration,
    current: ArcSwap<Edition>,
    operations: ArcSwap<Operations>,
    wanted: Notify,
}

/// One edition: the document of all versions, and one of each.
#[derive(Debug, Default)]
struct Edition {
    whole: Document,
    /// Of the configuration that it was made under.
    generation: u64,
    /// By name: the versions that are served may be others by now.
    by_version: HashMap<String, Document>,
}

#[derive(Clone, Debug)]
struct Document {
    body: Bytes,
    tag: HeaderValue,
}

impl Default for Document {
    fn default() -> Self {
        Self::new(&json!({"openapi": "3.1.0", "info": {"title": "Tollgate API", "version": "all"}, "paths": {}}))
    }
}

impl Document {
    fn new(document: &Value) -> Self {
        let body = Bytes::from(serde_json::to_vec(document).unwrap_or_default());
        let tag = EntityTag::new_strong(hex::encode(&Sha256::digest(&body)[..16])).to_string();
        Self { body, tag: HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\"")) }
    }
}

/// The version that a request for the document names; `None`: all of them.
pub(super) fn version_of(versions: &Versions, head: &RequestHead) -> Result<Option<VersionId>, Problem> {
    let query = head.uri.query().unwrap_or_default();
    let asked = Asked { in_path: None, rest: "" };
    versions.names_one(&head.headers, query).then(|| versions.resolve(asked, &head.headers, query)).transpose()
}

impl Documents {
    /// Nothing merged yet.
    #[must_use]
    pub fn new(on: bool, refresh: Duration) -> Self {
        Self { on, refresh, current: ArcSwap::default(), operations: ArcSwap::default(), wanted: Notify::new() }
    }

    /// Whether documents are served at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.on
    }

    /// What requests are held against: the latest edition.
    pub fn operations(&self) -> arc_swap::Guard<Arc<Operations>> {
        self.operations.load()
    }

    /// Asks for a new edition, because a service has come up.
    pub fn refresh(&self) {
        self.wanted.notify_one();
    }

    /// The document of one version, or of all.
    pub(super) fn answer(
        &self,
        versions: &Versions,
        version: Option<VersionId>,
        head: &RequestHead,
        clock: &Clock,
    ) -> Result<HttpResponse, Problem> {
        let edition = self.current.load();
        let document = if let Some(id) = version {
            let asked = versions.get(id);
            asked.check_alive(clock)?;
            edition.by_version.get(&asked.name).ok_or_else(|| Problem::new(Code::UpstreamUnavailable))?
        } else {
            &edition.whole
        };
        let tag = document.tag.to_str().unwrap_or_default();
        let unchanged = Conditions::of(&head.headers).unchanged(tag);
        let mut answer = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        answer.insert_header((ETAG, document.tag.clone())).insert_header((CACHE_CONTROL, "no-cache"));
        if unchanged {
            return Ok(answer.finish());
        }
        Ok(answer.insert_header((CONTENT_TYPE, "application/json")).body(document.body.clone()))
    }

    /// Makes a new edition, unless it would be the old one. Documents are as large as they are and whoever serves requests
    /// does not wait for them: it is made on a thread of its own. Says whether to try again soon.
    async fn publish(&self, fetched: Fetched, tables: Arc<Tables>) -> bool {
        let current = self.current.load_full();
        let making = tokio::task::spawn_blocking(move || {
            let read = fetched.read();
            (read.again, made(&read, &tables, &current))
        });
        let (again, made) = making.await.unwrap_or_else(|error| {
            tracing::error!(%error, "an edition of the document that cannot be made");
            (false, None)
        });
        if let Some((edition, operations)) = made {
            self.operations.store(Arc::new(operations));
            self.current.store(Arc::new(edition));
        }
        again
    }

    /// Fetches and merges for as long as it is polled.
    pub async fn run(&self, client: &reqwest::Client, tables: impl Fn() -> Arc<Tables>) {
        loop {
            let tables = tables();
            let fetched = fetch(client, &tables).await;
            let again = self.publish(fetched, tables).await;
            let pause = if again { RETRY.min(self.refresh) } else { self.refresh };
            let _ = tokio::time::timeout(pause, self.wanted.notified()).await;
        }
    }
}

/// The new edition, if it is not the current one.
fn made(read: &Parts, tables: &Tables, current: &Edition) -> Option<(Edition, Operations)> {
    let Parts { parts, missing, .. } = read;
    let whole = merge::merge(parts, tables);
    let printed = Document::new(&merge::without(whole.clone(), missing));
    if printed.tag == current.whole.tag && current.generation == tables.generation {
        return None;
    }
    let of_version = |name| merge::without(merge::of_version(&whole, tables.versions.prefix(), name), missing);
    let names = tables.versions.list().iter().map(|version| version.name.as_str());
    let by_version = names.map(|name| (name.to_owned(), Document::new(&of_version(name)))).collect();
    let operations = Operations::compile(&whole, |path, method| {
        let route = merge::route_of(tables, path, method)?;
        Some(Owner { upstream: &route.upstream.name, ours: route.upstream.is_ours })
    });
    tracing::info!(operations = operations.count(), missing = missing.join(", "), "a new edition of the document");
    warn_of_faults(parts, tables);
    Some((Edition { whole: printed, generation: tables.generation, by_version }, operations))
}

/// Says what is wrong with the documents of other upstreams. Ours are held against the same rules by tests.
fn warn_of_faults(parts: &[(String, Value)], tables: &Tables) {
    let is_ours = |name: &str| tables.upstreams.iter().any(|upstream| upstream.is_ours && upstream.name == name);
    for (name, document) in parts.iter().filter(|(name, _)| !is_ours(name)) {
        let faults = faults(document);
        if let Some(first) = faults.first() {
            tracing::warn!(upstream = name, count = faults.len(), first, "a document that is not sound");
        }
    }
}

/// The merged document of services that run now, for the command line, and whether none is missing.
pub(super) async fn once(client: &reqwest::Client, tables: &Tables, version: Option<&str>) -> (Value, bool) {
    let Parts { parts, missing, .. } = fetch(client, tables).await.read();
    let whole = merge::merge(&parts, tables);
    let named = version.map(|name| merge::of_version(&whole, tables.versions.prefix(), name));
    (named.unwrap_or(whole), missing.is_empty())
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;
    use actix_web::test::TestRequest;
    use shared::clock::Clock;

    use super::*;
    use crate::config::Config;

    #[test]
    fn a_version_has_its_own_document_when_another_comes_before_it_since() {
        let document = |name: &str| (name.to_owned(), Document::new(&json!({"info": {"version": name}})));
        let by_version = ["v2", "v1"].map(document).into();
        let documents = Documents::new(true, RETRY);
        documents.current.store(Arc::new(Edition { by_version, ..Edition::default() }));
        let versions = Versions::compile(&Config::load(None, &[]).unwrap().versions);
        let head = TestRequest::default().to_http_request();
        for (id, version) in versions.list().iter().enumerate() {
            let answer = documents.answer(&versions, Some(id), head.head(), &Clock::system()).unwrap();
            let body = answer.into_body().try_into_bytes().unwrap();
            assert_eq!(body, json!({"info": {"version": version.name}}).to_string());
        }
        documents.current.store(Arc::default());
        assert!(documents.answer(&versions, Some(0), head.head(), &Clock::system()).is_err());
    }
}
