//! One request's turn at the cache, and the calls that come of it.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use shared::problem::Problem;

use super::entry::Stored;
use crate::app::Worker;
use crate::policy::in_flight::Permit;
use crate::route::Route;
use crate::tables::Tables;
use crate::upstream::body::Arriving;
use crate::upstream::send::Call;

/// Everything that the cache needs to know.
pub struct Turn<'t> {
    /// Where the request is served.
    pub worker: &'t Rc<Worker>,
    /// Under what configuration.
    pub tables: &'t Tables,
    /// By what row.
    pub route: &'t Arc<Route>,
    /// What would be asked of the upstream.
    pub call: &'t Call<'t>,
    /// Whether there is no client: what is kept is being renewed.
    pub is_errand: bool,
}

impl Turn<'_> {
    /// Makes the call as it is.
    pub(super) async fn send(&self, body: Arriving, permit: Permit) -> Result<HttpResponse, Problem> {
        send(self.worker, self.call, body, permit).await
    }

    /// Asks for an answer that can be kept: whole, whatever the client has of it, or whether `stored` has changed.
    pub(super) async fn ask(&self, stored: Option<&Stored>, permit: Permit) -> Result<HttpResponse, Problem> {
        let head = self.call.head;
        let is_conditional = [IF_NONE_MATCH, IF_MODIFIED_SINCE].iter().any(|name| head.headers.contains_key(name));
        if head.method != Method::GET || (stored.is_none() && !is_conditional) {
            return self.send(Arriving::nothing(), permit).await;
        }
        let head = questioning(head, stored);
        let call = Call { head: &head, ..*self.call };
        send(self.worker, &call, Arriving::nothing(), permit).await
    }
}

async fn send(worker: &Worker, call: &Call<'_>, body: Arriving, permit: Permit) -> Result<HttpResponse, Problem> {
    call.send(&worker.tools(), body, permit).await
}

/// The client's request with our validators in place of its own.
fn questioning(head: &RequestHead, stored: Option<&Stored>) -> RequestHead {
    let mut head = head.clone();
    head.headers.remove(IF_NONE_MATCH);
    head.headers.remove(IF_MODIFIED_SINCE);
    for (name, value) in stored.into_iter().flat_map(Stored::validators) {
        head.headers.insert(if name == ETAG { IF_NONE_MATCH } else { IF_MODIFIED_SINCE }, value.clone());
    }
    head
}
