//! Renews a stale answer behind the back of a client that has been given it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::dev::RequestHead;
use actix_web::http::Method;

use super::Known;
use super::asked::Asked;
use super::entry::Standing;
use super::flight::{Lead, Seat};
use super::turn::Turn;
use crate::app::Worker;
use crate::config::Priority;
use crate::policy::authenticate::Principal;
use crate::policy::certificate::ClientCertificate;
use crate::policy::client::{Client, Origin};
use crate::policy::deadline::Deadline;
use crate::policy::in_flight::Permit;
use crate::policy::trace::Trace;
use crate::route::Route;
use crate::upstream::Upstream;
use crate::upstream::send::Call;

/// Everything that a call borrows from its request, owned.
struct Errand {
    worker: Rc<Worker>,
    route: Arc<Route>,
    head: RequestHead,
    path: String,
    query: String,
    principal: Option<Principal>,
    upstream: Arc<Upstream>,
    client: Client,
    origin: Origin,
    trace: Trace,
    certificate: Option<ClientCertificate>,
}

/// Asks the upstream again, unless somebody does already, or the house is full. `ended`: how many flights had ended
/// before the stale answer was looked up.
pub fn behind(turn: &Turn<'_>, known: &Known, ended: u64) {
    let gateway = &turn.worker.gateway;
    let places = turn.tables.places;
    let seat = gateway.responses.flights.join(&known.meeting, known.now, known.purged);
    let permit = gateway.in_flight.enter(places).and_then(|permit| permit.keep(places, Priority::Low));
    if let (Seat::Leads(lead), Ok(permit)) = (seat, permit) {
        let (errand, known) = (Errand::of(turn), known.clone());
        actix_web::rt::spawn(async move { errand.run(known, ended, lead, permit).await });
    }
}

impl Errand {
    fn of(turn: &Turn<'_>) -> Self {
        let call = turn.call;
        let mut head = call.head.clone();
        head.method = Method::GET;
        Self {
            worker: Rc::clone(turn.worker),
            route: Arc::clone(turn.route),
            head,
            path: call.path.to_owned(),
            query: call.query.to_owned(),
            principal: call.principal.cloned(),
            upstream: Arc::clone(call.upstream),
            client: call.client,
            origin: call.origin.clone(),
            trace: call.trace.clone(),
            certificate: call.certificate.cloned(),
        }
    }

    async fn run(self, known: Known, ended: u64, lead: Lead, permit: Permit) {
        let tables = self.worker.gateway.tables.load_full();
        let call = Call {
            head: &self.head,
            path: &self.path,
            query: &self.query,
            upstream: &self.upstream,
            principal: self.principal.as_ref(),
            client: self.client,
            origin: &self.origin,
            forwarding: &tables.forwarding,
            trace: &self.trace,
            deadline: Deadline::new(Instant::now(), self.route.timeout),
            forward: self.route.forward(&tables.issuers),
            certificate: self.certificate.as_ref(),
            body_limit: 0,
            buffer: 0,
            priority: Priority::Low,
            attempts: self.route.attempts,
            hedge: None,
            keyed: false,
            upgrade: false,
            oauth: self.route.oauth,
            mirror: None,
            doubt: None,
            // There is no body, so it is asked at once.
            again: None,
        };
        let turn = Turn { worker: &self.worker, tables: &tables, route: &self.route, call: &call, is_errand: true };
        let Some(asked) = self.route.cache.as_ref().and_then(|settings| Asked::of(&turn, settings)) else { return };
        let cache = &self.worker.gateway.responses;
        if cache.flights.ended() != ended
            && let Some(again) = cache.look_up(&asked).await
            && let Some(stored) = &again.stored
            && stored.standing(&asked, cache.now()) == Standing::Fresh
        {
            return;
        }
        // What comes of it is in the store, or was not to be had; nobody waits to be told.
        drop(cache.fetch(&turn, &asked, Some(known), Some(lead), permit).await);
    }
}
