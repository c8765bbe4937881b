//! What operators, and whoever tells the gateway of changes, may purge of the response cache.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use shared::http::Body;
use shared::problem::{Code, Problem};

use crate::app::Gateway;
use crate::policy::cache::PurgeError;

/// What is to go: exactly one of these.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purge {
    url: Option<String>,
    tag: Option<String>,
    #[serde(default)]
    all: bool,
}

/// `POST /admin/api/cache/purge` `{"url": "https://api.example.com/api/users/1"}`, `{"tag": "news"}` or `{"all": true}`.
/// 204 once nothing of it is given any more, by this instance or, with Redis, by any.
///
/// # Errors
/// 404 for an address of which nothing is ever kept, 422 for anything but one of the three, 503 when the store was not
/// told: it will be, and until then this instance uses nothing of it.
pub async fn purge(gateway: web::Data<Gateway>, purge: Body<Purge>) -> Result<HttpResponse, Problem> {
    let cache = &gateway.responses;
    let purged = match &purge.0 {
        Purge { url: Some(url), tag: None, all: false } => cache.purge_url(&gateway.tables.load_full(), url).await,
        Purge { url: None, tag: Some(tag), all: false } => cache.purge_tag(tag).await.map_err(PurgeError::from),
        Purge { url: None, tag: None, all: true } => cache.purge_all().await.map_err(PurgeError::from),
        Purge { .. } => {
            return Err(Problem::new(Code::ValidationFailed).error("", "one_of", "one of `url`, `tag` and `all`"));
        }
    };
    tracing::info!(what = ?purge.0, "a purge of the response cache was asked for");
    match purged {
        Ok(()) => Ok(HttpResponse::NoContent().finish()),
        Err(error @ PurgeError::NotCached) => Err(Problem::new(Code::NotFound).detail(error.to_string())),
        Err(error @ PurgeError::NoAddress) => {
            Err(Problem::new(Code::ValidationFailed).error("/url", "invalid", error.to_string()))
        }
        Err(error @ PurgeError::Store(_)) => Err(Problem::unavailable(Code::UpstreamUnavailable, error)),
    }
}
