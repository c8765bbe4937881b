//! A caller once more, when their body is here. They were let in by the head of their request, and whoever holds the body
//! back chooses when the rest happens: meanwhile their session may have ended, or their roles may have been taken.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use shared::problem::{Code, Problem};

use super::authenticate::{Left, Means, Principal};
use super::authorize::authorize;
use crate::app::{Gateway, Worker};
use crate::route::Route;
use crate::tables::Tables;

/// What a caller is held against.
#[derive(Clone, Copy)]
pub struct SecondLook<'a> {
    /// Where the request is served.
    pub worker: &'a Rc<Worker>,
    /// Under what configuration.
    pub tables: &'a Tables,
    /// By what row.
    pub route: &'a Arc<Route>,
    /// As what it was let in.
    pub method: &'a Method,
}

/// The same for a body that goes on piece by piece while its upstream works already.
pub struct Watch {
    gateway: Arc<Gateway>,
    principal: Principal,
}

impl SecondLook<'_> {
    /// Whether the caller is who they were, with the roles they had. In memory: nearly always this is all there is to it.
    #[must_use]
    pub fn stands(&self, principal: &Principal) -> bool {
        stands(&self.worker.gateway, principal)
    }

    /// The caller as they are now, where they may still do this.
    ///
    /// # Errors
    /// 401 for who has been revoked, 403 for who lacks a role by now, 503 when only their issuer can tell and does not.
    pub async fn look(&self, headers: &HeaderMap, principal: &Principal) -> Result<Principal, Problem> {
        let (worker, gateway) = (self.worker, &self.worker.gateway);
        let (signer, metrics) = (&gateway.signer, &gateway.metrics);
        let means = Means { tokens: &worker.tokens, client: worker.pool.plain(), signer, metrics, stranger: None };
        let now = gateway.authenticator.once_more(&self.tables.issuers, headers, principal, &means).await?;
        authorize(self.route, Some(&now), self.method).map(|()| now)
    }

    /// Why a body was cut off: its upstream has been told of the caller as they were, so even one who may still do this
    /// has to begin again.
    pub async fn cut_off(&self, headers: &HeaderMap, principal: &Principal) -> Problem {
        match self.look(headers, principal).await {
            Ok(_) => Problem::new(Code::TokenInvalid).detail("What you may do has changed while the body came."),
            Err(problem) => problem,
        }
    }

    /// For a body that is to be streamed.
    #[must_use]
    pub fn watch(&self, principal: &Principal) -> Watch {
        Watch { gateway: Arc::clone(&self.worker.gateway), principal: principal.clone() }
    }
}

impl Watch {
    /// Whether the next piece may go on.
    #[must_use]
    pub fn stands(&self) -> bool {
        stands(&self.gateway, &self.principal)
    }
}

fn stands(gateway: &Gateway, principal: &Principal) -> bool {
    match gateway.authenticator.still(principal) {
        Left::Holds(now) => now.roles == principal.roles,
        Left::Over | Left::Unsure | Left::Unasked => false,
    }
}
