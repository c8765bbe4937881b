//! A request from top to bottom: begin, route, version, in-flight permit, authenticate, CSRF, authorize, rate limit,
//! validate, idempotency, cache, send, finish. Each step is a policy of its own; each early exit is a `?`.

#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::header::{ALLOW, HOST, VARY};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use shared::problem::{Code, Problem};

use crate::app::Worker;
use crate::compose;
use crate::config::{LimiterDown, Priority};
use crate::docs;
use crate::exchange::{Counted, Exchange};
use crate::listener::Consent;
use crate::policy::authenticate::{Inquiry, Need, Principal};
use crate::policy::authorize::authorize;
use crate::policy::cache::Turn;
use crate::policy::expect;
use crate::policy::headers::{self, API_VERSION, REQUEST_ID, VERSION_VARY};
use crate::policy::idempotency::{Asked, Entry, Held};
use crate::policy::in_flight::Permit;
use crate::policy::lasting::Leave;
use crate::policy::rate_limit::{Caller, PolicySets};
use crate::policy::second_look::SecondLook;
use crate::policy::shape;
use crate::policy::validate;
use crate::policy::version::{VersionId, VersionRule, without_version};
use crate::policy::websocket;
use crate::route::{Found, Route, Wanted, path};
use crate::tables::Tables;
use crate::upstream::Upstream;
use crate::upstream::body::{self, Arriving};
use crate::upstream::send::Call;
use crate::upstream::tunnel::Opening;

/// Serves one request, whatever comes of it.
pub async fn serve(worker: &Rc<Worker>, request: &HttpRequest, payload: Payload) -> HttpResponse<BoxBody> {
    let tables = worker.gateway.tables.load_full();
    let mut exchange = Exchange::begin(request, &tables, &worker.gateway);
    let (payload, expected) = expect::on_demand(request, payload);
    let mut body = Arriving::Coming(payload);
    let answer = forward(worker, &mut exchange, &mut body).await;
    // Who was not asked for a body need not send one: what comes next may be that, or another request.
    let unasked = expected.is_some_and(|consent| !consent.is_given());
    if answer.is_err() && !unasked {
        body::discard(body, request.head(), tables.buffer).await;
    }
    let mut answer = finish(worker, exchange, answer).await;
    if unasked {
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    answer
}

async fn forward(
    worker: &Rc<Worker>,
    exchange: &mut Exchange<'_>,
    body: &mut Arriving,
) -> Result<HttpResponse<BoxBody>, Problem> {
    let (tables, gateway, head) = (exchange.tables, &worker.gateway, exchange.request.head());
    let refused = &gateway.metrics.refused;
    shape::check(head, &tables.limits)?;
    let admitted = exchange.arrival.map_or(Ok(()), |arrival| arrival.admit(&gateway.tls));
    admitted.inspect_err(|_| refused.certificate())?;
    let path = path::canonical(head.uri.path()).map_err(malformed)?;
    if let Some(answer) = tables.cors.preflight(head) {
        exchange.limits = Counted::Never;
        return answer;
    }
    if let Some(own) = docs::find(gateway, &path, head) {
        exchange.limits = Counted::Never;
        exchange.version = own.version.unwrap_or(exchange.version);
        return own.answer;
    }
    let found = match find(exchange, &path)? {
        Target::Route(found) => found,
        Target::Methods(methods) if head.method == Method::OPTIONS => {
            take(worker, exchange, &tables.unrouted, None, LimiterDown::Share).await?;
            return Ok(HttpResponse::NoContent().insert_header((ALLOW, methods)).finish());
        }
        Target::Methods(methods) => return Err(Problem::new(Code::MethodNotAllowed).allow(methods)),
    };
    let route = found.route;
    let permit = gateway.in_flight.enter(tables.places).inspect_err(|_| refused.in_flight())?;
    route.certificate.check(exchange.certificate, &gateway.clock).inspect_err(|_| refused.certificate())?;
    let (issuers, need) = (&tables.issuers, Need { auth: route.auth, accepted: route.issuers });
    let principal = gateway.authenticator.authenticate(issuers, &head.headers, need, worker.means(exchange)).await?;
    let principal = principal.as_ref();
    // What is said on a WebSocket may change things, although it begins with GET.
    let method = if route.websocket && websocket::is_asked(head) { &Method::POST } else { &head.method };
    let permitted = is_permitted(worker, exchange, route, principal, method);
    // Who was asked about in vain has failed, also where they may be nobody and failures count against nothing else.
    if matches!(exchange.inquiry.get_mut(), Inquiry::Open(_)) {
        Box::pin(take(worker, exchange, &route.guesses, None, LimiterDown::Share)).await?;
    }
    // What is forbidden counts too, and against whoever asked.
    take(worker, exchange, &route.limits, principal, route.limiter_down).await?;
    // It has been counted now: nobody else of that address need wait for this call's end.
    drop(exchange.inquiry.take());
    permitted?;
    let priority = route.priority(method, principal.is_none());
    let permit = permit.keep(tables.places, priority).inspect_err(|_| refused.in_flight())?;
    exchange.note_caller(gateway, principal);
    let deadline = exchange.deadline(route);
    let (request, versions, path, query) = (exchange.request, &tables.versions, &*found.upstream_path, &*found.query);
    let asked = Asked { request, versions, path, query, principal, deadline };
    if !route.parts.is_empty() {
        return Box::pin(compose::serve(worker, exchange, (route, query), principal, permit)).await;
    }
    let upstream = exchange.choose(route, principal);
    validate::check(gateway, route, upstream, &asked, body).await?;
    let again = SecondLook { worker, tables, route, method };
    let call = call(exchange, route, upstream, asked, (priority, again));
    if route.websocket && websocket::is_asked(head) {
        return Box::pin(tunnel(worker, exchange, call, body.take(), permit)).await;
    }
    let key = match gateway.idempotency.enter(route, asked, body).await? {
        Entry::Earlier(answer) => return Ok(answer),
        Entry::Open(key) => key,
    };
    let call = Call { keyed: key.as_ref().is_some_and(Held::makes_safe), ..call };
    let turn = Turn { worker, tables, route, call: &call, is_errand: false };
    let answer = gateway.responses.serve(&turn, body.take(), permit).await;
    let answer = Held::settle(key, answer).await;
    let answer = answer.map(|answer| worker.lasting.events(answer, tables.event_streams.span(), exchange, principal));
    answer.or_else(|problem| route.instead(problem, refused))
}

/// Whether the page may ask so, and the caller.
fn is_permitted(
    worker: &Worker,
    exchange: &Exchange<'_>,
    route: &Route,
    principal: Option<&Principal>,
    method: &Method,
) -> Result<(), Problem> {
    let (head, ambient) = (exchange.request.head(), route.ambient(exchange.certificate));
    let asked = exchange.tables.csrf.check(principal, ambient, head, exchange.client);
    asked.inspect_err(|_| worker.gateway.metrics.refused.csrf())?;
    authorize(route, principal, method)
}

/// Opens a WebSocket for a caller who may.
async fn tunnel(
    worker: &Worker,
    exchange: &Exchange<'_>,
    call: Call<'_>,
    body: Arriving,
    permit: Permit,
) -> Result<HttpResponse<BoxBody>, Problem> {
    let (tables, gateway) = (exchange.tables, &worker.gateway);
    websocket::check_origin(call.head, call.origin, &tables.cors)?;
    let place = gateway.tunnels.enter(&tables.websocket, call.principal, call.client)?;
    let consent = exchange.request.conn_data::<Consent>().cloned();
    let leave = Leave::of(exchange, call.principal, &Method::POST);
    let opening = Opening { place, lasting: &worker.lasting, leave, span: tables.websocket.span(), consent };
    Call { upgrade: true, hedge: None, mirror: None, ..call }
        .tunnel(&worker.tools(), body.into_payload(), permit, opening)
        .await
}

/// What an upstream of a route is asked.
fn call<'a>(
    exchange: &'a Exchange<'_>,
    route: &'a Route,
    upstream: &'a Arc<Upstream>,
    asked: Asked<'a>,
    (priority, again): (Priority, SecondLook<'a>),
) -> Call<'a> {
    let (tables, head) = (exchange.tables, exchange.request.head());
    Call {
        head,
        path: asked.path,
        query: asked.query,
        upstream,
        principal: asked.principal,
        client: exchange.client,
        origin: &exchange.origin,
        forwarding: &tables.forwarding,
        certificate: exchange.certificate.filter(|_| route.certificate.forward),
        trace: &exchange.trace,
        deadline: asked.deadline,
        forward: route.forward(&tables.issuers),
        body_limit: route.body_limit,
        buffer: tables.buffer,
        priority,
        attempts: route.attempts,
        hedge: route.hedge,
        keyed: false,
        upgrade: false,
        oauth: route.oauth,
        mirror: route.mirror.as_ref(),
        doubt: None,
        again: Some(again),
    }
}

/// What a path and a method lead to.
enum Target<'a> {
    /// A row of the table.
    Route(Matched<'a>),
    /// A resource that has only these methods.
    Methods(String),
}

/// A route, with the path and the query that its upstream is asked with.
struct Matched<'a> {
    route: &'a Arc<Route>,
    upstream_path: Cow<'a, str>,
    query: Cow<'a, str>,
}

fn find<'p, 'a: 'p>(exchange: &mut Exchange<'a>, path: &'p str) -> Result<Target<'p>, Problem> {
    let (tables, head): (&'a Tables, _) = (exchange.tables, exchange.request.head());
    let query = head.uri.query().unwrap_or_default();
    let asked = tables.versions.split(path);
    let versioned: Option<(VersionId, &str)> = match asked {
        Some(asked) => {
            // A refusal is told in the words of the version that the path names.
            let in_path = asked.in_path.and_then(|name| tables.versions.by_name(name));
            exchange.version = in_path.unwrap_or(exchange.version);
            Some((tables.versions.resolve(asked, &head.headers, query)?, asked.rest))
        }
        None => None,
    };
    exchange.version = versioned.map_or(exchange.version, |(version, _)| version);
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let found = tables.routes.find(Wanted { host, path, versioned, method: &head.method });
    let unversioned = matches!(found, Found::Route(route) if route.version == VersionRule::None);
    let versioned = versioned.filter(|_| !unversioned);
    if let Some((id, rest)) = versioned {
        // Also for what is not there (any more): who calls a version that ends is told so whatever comes of it.
        let version = tables.versions.get(id);
        exchange.rest = version.is_deprecated().then(|| rest.to_owned());
        version.check_alive(exchange.clock)?;
    }
    let route = match found {
        Found::Route(route) => route,
        Found::OtherMethods(methods) => {
            let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
            return Ok(Target::Methods(methods.join(", ")));
        }
        Found::Nothing => return Err(Problem::new(Code::NotFound)),
    };
    exchange.route = Some(Arc::clone(route));
    let Some((id, rest)) = versioned else {
        let (upstream_path, query) = (Cow::Borrowed(path), Cow::Borrowed(query));
        return Ok(Target::Route(Matched { route, upstream_path, query }));
    };
    let names_it = asked.is_some_and(|asked| asked.in_path.is_some());
    let upstream_path = match names_it {
        true => Cow::Borrowed(path),
        false => Cow::Owned([tables.versions.prefix(), "/", &tables.versions.get(id).name, rest].concat()),
    };
    Ok(Target::Route(Matched { route, upstream_path, query: without_version(query) }))
}

/// Counts the request, once.
async fn take(
    worker: &Worker,
    exchange: &mut Exchange<'_>,
    sets: &PolicySets,
    principal: Option<&Principal>,
    down: LimiterDown,
) -> Result<(), Problem> {
    let gateway = &worker.gateway;
    let caller = Caller { client: exchange.client, principal, headers: exchange.request.headers() };
    let judged = gateway.limiter.take(sets.of_caller(caller), caller, down, &gateway.metrics).await;
    exchange.limits = Counted::Done(judged.notice.or_else(|| exchange.limits.said()));
    judged.refused.map_or(Ok(()), Err)
}

/// Whatever came of it leaves with the headers that every answer carries.
async fn finish(
    worker: &Worker,
    mut exchange: Exchange<'_>,
    answer: Result<HttpResponse<BoxBody>, Problem>,
) -> HttpResponse<BoxBody> {
    let tables = exchange.tables;
    if let Inquiry::TurnedAway(notice) = exchange.inquiry.get_mut() {
        exchange.limits = Counted::Done(notice.take());
    }
    // What failed before it was counted (unknown routes, refused tokens) counts against the address: nobody guesses
    // tokens or paths for free.
    let answer = match (answer, &exchange.limits) {
        (Err(problem), Counted::NotYet) => {
            let counted = take(worker, &mut exchange, &tables.unrouted, None, LimiterDown::Share).await;
            Err(counted.err().unwrap_or(problem))
        }
        (answer, _) => answer,
    };
    exchange.code = answer.as_ref().err().map(Problem::code);
    let oauth = exchange.route.as_ref().is_some_and(|route| route.oauth);
    let mut answer = answer.unwrap_or_else(|problem| {
        let problem = if oauth { problem.at_oauth_endpoint() } else { problem };
        problem.response(&exchange.problem_context())
    });
    let head = exchange.request.head();
    if exchange.route.as_ref().is_none_or(|route| route.compress) {
        answer = tables.compression.apply(head, answer, &worker.gateway.metrics.compression);
    }
    let version = tables.versions.get(exchange.version);
    let out = answer.headers_mut();
    out.insert(REQUEST_ID, exchange.trace.request_id.clone());
    out.insert(API_VERSION, version.header.clone());
    out.append(VARY, VERSION_VARY);
    if let Some(rest) = &exchange.rest {
        version.announce(tables.versions.prefix(), rest, out);
    }
    if let Counted::Done(notice) = &mut exchange.limits
        && let Some(notice) = notice.take()
    {
        notice.announce(out);
    }
    let route = exchange.route.as_deref();
    headers::default_cache_control(out, route.and_then(|route| route.default_cache_control.as_ref()));
    tables.cors.announce(&head.headers, out);
    tables.security.apply(out, exchange.client.tls);
    let took = exchange.started.elapsed();
    headers::server_timing(out, took);
    worker.answered(&exchange, answer.status(), took);
    if exchange.is_stale(&worker.gateway) && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    answer
}

fn malformed(error: path::AmbiguousPath) -> Problem {
    Problem::new(Code::MalformedPath).detail(error.to_string())
}
