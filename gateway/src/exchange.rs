//! What the gateway knows about one request while it is being served, filled in step by step.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use shared::clock::Clock;
use shared::problem::{Code, Context};
use shared::wire::DEADLINE_MS;

use crate::app::Gateway;
use crate::listener::Arrival;
use crate::policy::authenticate::{Inquiry, Principal};
use crate::policy::certificate::ClientCertificate;
use crate::policy::client::{Client, Origin};
use crate::policy::deadline::Deadline;
use crate::policy::rate_limit::Notice;
use crate::policy::trace::Trace;
use crate::policy::version::VersionId;
use crate::route::Route;
use crate::tables::Tables;
use crate::upstream::Upstream;

/// One request and its answer.
pub struct Exchange<'a> {
    /// When its head had been read.
    pub started: Instant,
    /// What the client sent, without the body.
    pub request: &'a HttpRequest,
    /// The configuration it is served under, from its beginning to its end.
    pub tables: &'a Tables,
    /// Who it comes from.
    pub client: Client,
    /// And by which way.
    pub origin: Origin,
    /// What its connection says of it.
    pub arrival: Option<&'a Arrival>,
    /// The certificate that its connection has shown, if that is still taken.
    pub certificate: Option<&'a ClientCertificate>,
    /// What it is called.
    pub trace: Trace,
    /// The API version it means; the default until that is known.
    pub version: VersionId,
    /// For a deprecated version: the path after it, to which its successor is linked.
    pub rest: Option<String>,
    /// The row that serves it.
    pub route: Option<Arc<Route>>,
    /// Who was chosen to answer, where that is another than the row's own upstream.
    branch: Option<Arc<Upstream>>,
    /// What the limiter said.
    pub limits: Counted,
    /// What was asked about its credential, until that is counted.
    pub inquiry: RefCell<Inquiry>,
    /// The problem that it is answered with.
    pub code: Option<Code>,
    /// What time it is.
    pub clock: &'a Clock,
}

/// Whether a request counts against a rate limit, and what came of it.
#[derive(Debug)]
pub enum Counted {
    /// It has not been counted yet; if it fails before that, it counts against the caller's address.
    NotYet,
    /// Probes, preflights and documents are not counted.
    Never,
    /// It has been counted.
    Done(Option<Notice>),
}

impl Counted {
    /// What has been said of the limits.
    pub const fn said(&mut self) -> Option<Notice> {
        match self {
            Self::Done(notice) => notice.take(),
            Self::NotYet | Self::Never => None,
        }
    }
}

impl<'a> Exchange<'a> {
    /// The beginning of every exchange.
    #[must_use]
    pub fn begin(request: &'a HttpRequest, tables: &'a Tables, gateway: &'a Gateway) -> Self {
        let head = request.head();
        let peer = head.peer_addr.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
        let arrival = request.conn_data::<Arrival>();
        let tls = arrival.is_some_and(|arrival| arrival.tls);
        let origin = tables.trusted_proxies.origin(peer, tls, &head.headers);
        Self {
            started: Instant::now(),
            request,
            tables,
            client: origin.client,
            origin,
            arrival,
            certificate: arrival.and_then(|arrival| arrival.certificate(&gateway.tls)),
            trace: Trace::begin(&head.headers),
            version: tables.versions.default(),
            rest: None,
            route: None,
            branch: None,
            limits: Counted::NotYet,
            inquiry: RefCell::default(),
            code: None,
            clock: &gateway.clock,
        }
    }

    /// Whether its connection came before other certificates were taken: the next one is judged in another way.
    #[must_use]
    pub fn is_stale(&self, gateway: &Gateway) -> bool {
        self.arrival.is_some_and(|arrival| arrival.is_stale(&gateway.tls))
    }

    /// Chooses who is to answer, and notes it.
    pub fn choose<'r>(&mut self, route: &'r Route, principal: Option<&Principal>) -> &'r Arc<Upstream> {
        let chosen = route.split.choose(&route.upstream, self.request.headers(), self.client, principal);
        self.branch = (!Arc::ptr_eq(&route.upstream, chosen)).then(|| Arc::clone(chosen));
        chosen
    }

    /// Who was chosen to answer, or would have been asked.
    #[must_use]
    pub fn upstream(&self) -> Option<&Arc<Upstream>> {
        self.branch.as_ref().or_else(|| self.route.as_ref().map(|route| &route.upstream))
    }

    /// Notes who still calls a version that is going to end.
    pub fn note_caller(&self, gateway: &Gateway, principal: Option<&Principal>) {
        if self.rest.is_some() {
            let who = principal.map_or_else(|| self.client.bucket().to_string(), |p| p.who().to_owned());
            gateway.metrics.deprecated_call(&self.tables.versions.get(self.version).name, who, self.clock.now());
        }
    }

    /// Until when the route's upstream may take: for the route's time, or for what a trusted gateway before us has left.
    #[must_use]
    pub fn deadline(&self, route: &Route) -> Deadline {
        let head = self.request.head();
        let peer = head.peer_addr.filter(|peer| self.tables.trusted_proxies.trusts(peer.ip().to_canonical()));
        let told = peer.and_then(|_| head.headers.get(DEADLINE_MS)?.to_str().ok()?.parse().ok());
        Deadline::new(self.started, route.timeout).within(told.map(Duration::from_millis))
    }

    /// What a problem's body says about the request it answers.
    #[must_use]
    pub fn problem_context(&self) -> Context {
        Context {
            instance: self.request.head().uri.path().to_owned(),
            request_id: self.trace.id().to_owned(),
            clock: self.clock.clone(),
        }
    }
}
