//! One answer made of what several rows answer, each asked as its caller would ask it, all side by side: a part that fails
//! takes nothing from the others.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, to_bytes_limited};
use actix_web::dev::RequestHead;
use actix_web::http::header::{self, HeaderName};
use actix_web::http::{Method, Version};
use futures_util::future::join_all;
use serde_json::value::{RawValue, to_raw_value};
use shared::http::{QueryPairs, accepts_json};
use shared::problem::{Code, Context, Problem};

use crate::app::Worker;
use crate::config::Part;
use crate::exchange::Exchange;
use crate::policy::authenticate::Principal;
use crate::policy::authorize::authorize;
use crate::policy::cache::Turn;
use crate::policy::deadline::Deadline;
use crate::policy::in_flight::Permit;
use crate::policy::second_look::SecondLook;
use crate::policy::version::{VersionRule, below};
use crate::route::{Found, Route, Wanted};
use crate::upstream::body::{Arriving, Cut};
use crate::upstream::send::Call;

/// The largest answer that becomes a part: 1 MiB.
const PART_BYTES: usize = 1024 * 1024;

/// What a client says of the whole answer, which no part is.
const OF_THE_WHOLE: [HeaderName; 12] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
    header::UPGRADE,
];

/// A part: what was answered, or the problem that it was answered with instead.
type Told = Result<Box<RawValue>, Box<RawValue>>;

/// Asks for all parts of a composed row at once, and puts together what came: `null` and a problem for what did not.
///
/// # Errors
/// 400 and 422 for a query: there is nothing to choose. 406 for whoever takes no JSON.
pub async fn serve(
    worker: &Rc<Worker>,
    exchange: &Exchange<'_>,
    (route, query): (&Route, &str),
    principal: Option<&Principal>,
    permit: Permit,
) -> Result<HttpResponse<BoxBody>, Problem> {
    QueryPairs::parse(query)?.only(&[])?;
    if !accepts_json(exchange.request.headers()) {
        return Err(Problem::new(Code::NotAcceptable));
    }
    let head = question(exchange.request.head());
    let asker = Asker { worker, exchange, principal, head, until: exchange.deadline(route) };
    let told = join_all(route.parts.iter().map(|part| asker.part(part))).await;
    drop(permit);
    let names = route.parts.iter().map(|part| part.name.as_str());
    Ok(HttpResponse::Ok().content_type("application/json").body(put_together(names.zip(&told))))
}

/// Who asks for parts, and until when.
struct Asker<'a> {
    worker: &'a Rc<Worker>,
    exchange: &'a Exchange<'a>,
    principal: Option<&'a Principal>,
    head: RequestHead,
    until: Deadline,
}

impl Asker<'_> {
    async fn part(&self, part: &Part) -> Told {
        let Some((route, path)) = self.find(part) else {
            return Err(self.problem(&Problem::new(Code::NotFound), &part.path));
        };
        // A body that does not end in time is as late as an answer that does not begin.
        let told = self.until.hold(async {
            match self.ask(route, &path).await {
                Ok(answer) => read(answer).await,
                Err(problem) => Err(problem),
            }
        });
        told.await.flatten().unwrap_or_else(|problem| Err(self.problem(&problem, &path)))
    }

    /// The row that answers it, and what its upstream is asked; `None` where this version has no such resource.
    fn find(&self, part: &Part) -> Option<(&Arc<Route>, String)> {
        let (tables, version) = (self.exchange.tables, self.exchange.version);
        let rest = below(&part.path, tables.versions.prefix());
        let versioned = rest.map(|rest| (version, rest));
        let found = tables.routes.find(Wanted { host: None, path: &part.path, versioned, method: &Method::GET });
        let Found::Route(route) = found else { return None };
        let path = match rest.filter(|_| route.version != VersionRule::None) {
            Some(rest) => [tables.versions.prefix(), "/", &tables.versions.get(version).name, rest].concat(),
            None => part.path.clone(),
        };
        route.parts.is_empty().then_some((route, path))
    }

    async fn ask(&self, route: &Arc<Route>, path: &str) -> Result<HttpResponse<BoxBody>, Problem> {
        let (exchange, gateway, principal) = (self.exchange, &self.worker.gateway, self.principal);
        let tables = exchange.tables;
        let refused = &gateway.metrics.refused;
        route.certificate.check(exchange.certificate, &gateway.clock).inspect_err(|_| refused.certificate())?;
        authorize(route, principal, &Method::GET)?;
        let priority = route.priority(&Method::GET, principal.is_none());
        let permit = gateway.in_flight.enter(tables.places).and_then(|permit| permit.keep(tables.places, priority));
        let permit = permit.inspect_err(|_| refused.in_flight())?;
        let left = self.until.instant().map(|end| end.saturating_duration_since(exchange.started));
        let call = Call {
            head: &self.head,
            path,
            query: "",
            upstream: route.split.choose(&route.upstream, exchange.request.headers(), exchange.client, principal),
            principal,
            client: exchange.client,
            origin: &exchange.origin,
            forwarding: &tables.forwarding,
            certificate: exchange.certificate.filter(|_| route.certificate.forward),
            trace: &exchange.trace,
            deadline: exchange.deadline(route).within(left),
            forward: route.forward(&tables.issuers),
            body_limit: 0,
            buffer: 0,
            priority,
            attempts: route.attempts,
            hedge: route.hedge,
            keyed: false,
            upgrade: false,
            oauth: false,
            mirror: route.mirror.as_ref(),
            doubt: None,
            again: Some(SecondLook { worker: self.worker, tables, route, method: &Method::GET }),
        };
        let turn = Turn { worker: self.worker, tables, route, call: &call, is_errand: false };
        let answer = gateway.responses.serve(&turn, Arriving::nothing(), permit).await;
        answer.or_else(|problem| route.instead(problem, refused))
    }

    /// A problem as the part's own resource would have answered it.
    fn problem(&self, problem: &Problem, path: &str) -> Box<RawValue> {
        let context = Context { instance: path.to_owned(), ..self.exchange.problem_context() };
        to_raw_value(&problem.to_value(&context)).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

/// The client's request without what it says of the whole.
fn question(head: &RequestHead) -> RequestHead {
    let mut head = head.clone();
    (head.method, head.version) = (Method::GET, Version::HTTP_11);
    for name in OF_THE_WHOLE {
        head.headers.remove(name);
    }
    head
}

/// What an answer says, whichever way it does.
async fn read(answer: HttpResponse<BoxBody>) -> Result<Told, Problem> {
    let unreadable = |what: &str| Problem::unavailable(Code::BadGateway, format!("a part of an answer: {what}"));
    let status = answer.status();
    if answer.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(unreadable("it is encoded, though nobody asked"));
    }
    let body = to_bytes_limited(answer.into_body(), PART_BYTES).await.map_err(|_| unreadable("it is too large"))?;
    let body = body.map_err(|error| match error.downcast_ref::<Cut>() {
        // Its body has the whole's end of its own, and comes to it first.
        Some(Cut::Deadline) => Problem::new(Code::GatewayTimeout),
        Some(Cut::Upstream(_)) | None => unreadable("it broke off"),
    })?;
    let json = serde_json::from_slice(&body).map_err(|_| unreadable("it is no JSON"))?;
    match (status.is_success(), status.is_client_error() || status.is_server_error()) {
        (true, _) => Ok(Ok(json)),
        (_, true) => Ok(Err(json)),
        (false, false) => Err(unreadable("it leads elsewhere")),
    }
}

/// `{<name>: <part> or null, …, "complete": …, "problems": {<name>: <problem>}}`.
fn put_together<'a>(parts: impl Iterator<Item = (&'a str, &'a Told)>) -> String {
    let (mut members, mut problems) = (String::new(), Vec::new());
    for (name, told) in parts {
        let value = match told {
            Ok(json) => json.get(),
            Err(problem) => {
                problems.push(format!("\"{name}\":{}", problem.get()));
                "null"
            }
        };
        members.push_str(&format!("\"{name}\":{value},"));
    }
    format!("{{{members}\"complete\":{},\"problems\":{{{}}}}}", problems.is_empty(), problems.join(","))
}
