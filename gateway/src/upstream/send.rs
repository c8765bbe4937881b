//! One call of an upstream: breaker, deadline, identity, and the answer turned into the client's.

use std::pin::pin;
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, RequestHead};
use actix_web::http::header::{HOST, UPGRADE};
use actix_web::http::{ConnectionType, Method, Version};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Request, Response, StatusCode, Url};
use shared::auth::{Caller, HEADER, Signer};
use shared::problem::{Code, Problem};
use shared::telemetry::trace;
use shared::wire::DEADLINE_MS;

use super::Upstream;
use super::body::{self, Answer, Guards, Outgoing, Progress, Stage};
use super::breaker::{Admission, Outcome, Refused};
use super::convert::{self, Forward};
use crate::policy::authenticate::Principal;
use crate::policy::client::Client;
use crate::policy::deadline::Deadline;
use crate::policy::in_flight::Permit;
use crate::policy::trace::Trace;

const ASSERTION: HeaderName = HeaderName::from_static(HEADER);
const REQUEST_ID: HeaderName = HeaderName::from_static(shared::wire::REQUEST_ID);
const DEADLINE: HeaderName = HeaderName::from_static(DEADLINE_MS);
const TRACE_PARENT: HeaderName = HeaderName::from_static(trace::TRACEPARENT);
const TRACE_STATE: HeaderName = HeaderName::from_static(trace::TRACESTATE);
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Answers up to this size are read whole before they are sent on.
const WHOLE_ANSWER: u64 = 65_536;

/// A client that sends nothing of its body for this long stalls.
const STALL: Duration = Duration::from_secs(1);

/// Everything one call needs to know.
pub struct Call<'a> {
    /// The client's request.
    pub head: &'a RequestHead,
    /// The upstream's path, canonical, with its version.
    pub path: &'a str,
    /// The query without the gateway's own parameters.
    pub query: &'a str,
    /// Who answers.
    pub upstream: &'a Upstream,
    /// Who calls.
    pub principal: Option<&'a Principal>,
    /// From where.
    pub client: Client,
    /// As part of what.
    pub trace: &'a Trace,
    /// Until when.
    pub deadline: Deadline,
    /// Which of the client's headers go on.
    pub forward: Forward,
    /// Largest request body in bytes.
    pub body_limit: u64,
    /// Request bodies up to this size are held whole.
    pub buffer: u64,
}

impl Call<'_> {
    /// Makes the call with the worker's own client.
    ///
    /// # Errors
    /// 503 when the breaker refuses or nobody answers at the address, 504 after the deadline, 502 for a broken answer,
    /// 413 for a body that turns out too large.
    pub async fn send(
        &self,
        client: &reqwest::Client,
        signer: &Signer,
        payload: Payload,
        permit: Permit,
    ) -> Result<HttpResponse<BoxBody>, Problem> {
        // An open breaker refuses before the body is read; but a slow body must not hold a probe's place.
        self.upstream.breaker.peek(Instant::now()).map_err(refused)?;
        let outgoing = Outgoing::prepare(payload, self.head, self.body_limit, self.buffer);
        let outgoing = self.deadline.hold(outgoing).await.map_err(|_| too_slow())??;
        let progress = outgoing.progress.clone();
        let request = self.request(signer, outgoing)?;
        let mut admission = self.upstream.breaker.admit(Instant::now()).map_err(refused)?;
        let asked = Instant::now();
        let answered = self.deadline.hold(execute(client, request, progress.as_deref(), &mut admission)).await;
        let now = Instant::now();
        // The upstream was waited for since it had the body, or since it was asked.
        let since = progress.as_ref().map_or(asked, |progress| progress.since().max(asked));
        let answered = match (answered, Outgoing::stage(progress.as_ref())) {
            (Ok(Ok(answered)), _) => answered,
            // What the client did wrong says nothing about the upstream: the admission is dropped unsettled.
            (Ok(Err(_)), Stage::TooLarge) => return Err(crate::policy::shape::too_large(self.body_limit)),
            (Ok(Err(_)), Stage::BrokenOff) => return Err(body::broken_off()),
            (Err(_), Stage::AwaitsClient | Stage::TooLarge | Stage::BrokenOff) => return Err(too_slow()),
            (Ok(Err(error)), Stage::AwaitsClient | Stage::AwaitsUpstream | Stage::Over) => {
                admission.settle(Outcome::Failure, now);
                return Err(self.failed(&error));
            }
            (Err(timeout), Stage::AwaitsUpstream | Stage::Over) => {
                // A client that takes nearly all of the time for its body must not open a breaker either.
                if self.deadline.was_fair(since) {
                    admission.settle(Outcome::Failure, now);
                }
                return Err(timeout);
            }
        };
        let slow = self.upstream.slow_after.is_some_and(|limit| now.saturating_duration_since(since) > limit);
        let outcome = outcome(answered.status(), answered.headers(), slow);
        self.answer(answered, (outcome, since), Guards { permit: Some(permit), admission: Some(admission) }).await
    }

    fn request(&self, signer: &Signer, outgoing: Outgoing) -> Result<Request, Problem> {
        let (mark, origin) = (if self.query.is_empty() { "" } else { "?" }, self.upstream.origin.as_str());
        let url = Url::parse(&[origin, self.path, mark, self.query].concat());
        let url = url.map_err(|error| Problem::internal(format!("an upstream URL does not parse: {error}")))?;
        let mut request = Request::new(convert::method(&self.head.method), url);
        let headers = request.headers_mut();
        *headers = convert::request_headers(&self.head.headers, self.forward);
        self.describe(headers);
        if let Some(audience) = &self.upstream.audience {
            let caller = Caller { user: self.principal.map(Principal::user), client_ip: Some(self.client.ip) };
            let assertion = signer.sign(audience, self.head.method.as_str(), self.path, &caller);
            let assertion = assertion.map_err(|error| Problem::internal(format!("signing failed: {error}")))?;
            headers.extend(HeaderValue::try_from(assertion).ok().map(|assertion| (ASSERTION, assertion)));
        }
        if let Some(length) = outgoing.length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        *request.body_mut() = outgoing.body;
        Ok(request)
    }

    /// What the gateway says about the request: its names, its end, and where it came from.
    fn describe(&self, headers: &mut HeaderMap) {
        let mut set = |name: HeaderName, value: Option<HeaderValue>| {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        };
        let scheme = if self.client.tls { "https" } else { "http" };
        set(REQUEST_ID, convert::value_to_upstream(&self.trace.request_id));
        set(DEADLINE, self.deadline.millis_left(Instant::now()).map(HeaderValue::from));
        set(FORWARDED_FOR, HeaderValue::try_from(self.client.ip.to_string()).ok());
        set(FORWARDED_PROTO, Some(HeaderValue::from_static(scheme)));
        set(FORWARDED_HOST, self.head.headers.get(HOST).and_then(convert::value_to_upstream));
        if trace::is_exporting() {
            trace::inject(|name, value| {
                if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                    set(name, HeaderValue::try_from(value).ok());
                }
            });
        } else {
            set(TRACE_PARENT, convert::value_to_upstream(&self.trace.parent));
            set(TRACE_STATE, self.trace.state(&self.head.headers).and_then(convert::value_to_upstream));
        }
    }

    fn failed(&self, error: &reqwest::Error) -> Problem {
        let code = if error.is_connect() { Code::UpstreamUnavailable } else { Code::BadGateway };
        Problem::unavailable(code, format!("{}: {}", self.upstream.name, causes(error)))
    }

    /// An answer that is read whole is judged by its end, a stream by its head: it may last for hours, and its client may
    /// be the slow one.
    async fn answer(
        &self,
        answered: Response,
        (outcome, since): (Outcome, Instant),
        mut guards: Guards,
    ) -> Result<HttpResponse<BoxBody>, Problem> {
        // Nobody asked for another protocol: what follows such a head is no body, and nobody knows where it ends.
        if answered.status() == StatusCode::SWITCHING_PROTOCOLS {
            if let Some(admission) = &mut guards.admission {
                admission.settle(Outcome::Failure, Instant::now());
            }
            return Err(Problem::unavailable(Code::BadGateway, "it switched to a protocol that nobody asked for"));
        }
        let mut answer = HttpResponseBuilder::new(convert::status(answered.status())).finish();
        convert::response_headers(answered.headers(), answer.headers_mut());
        let judge = |guards: &mut Guards, outcome| {
            if let Some(admission) = &mut guards.admission {
                admission.settle(outcome, Instant::now());
            }
        };
        // Neither has a body, whatever its length says of the one that is not sent (RFC 9110, section 8.6).
        if matches!(answered.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            judge(&mut guards, outcome);
            return Ok(answer.set_body(Answer::whole(Bytes::new(), guards)).map_into_boxed_body());
        }
        // For HEAD the length is that of the body that GET would bring.
        let announced = answered.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let length = announced.or(answered.content_length());
        if self.head.method != Method::HEAD && length.is_some_and(|length| length <= WHOLE_ANSWER) {
            let body = match self.deadline.hold(answered.bytes()).await {
                Ok(Ok(body)) => body,
                Ok(Err(error)) => {
                    judge(&mut guards, Outcome::Failure);
                    return Err(Problem::unavailable(Code::BadGateway, causes(&error)));
                }
                Err(timeout) => {
                    if self.deadline.was_fair(since) {
                        judge(&mut guards, Outcome::Failure);
                    }
                    return Err(timeout);
                }
            };
            judge(&mut guards, outcome);
            return Ok(answer.set_body(Answer::whole(body, guards)).map_into_boxed_body());
        }
        judge(&mut guards, outcome);
        // HTTP/1.0 knows no chunks, and for a request that asks for an upgrade the listener writes none: such an answer
        // ends with its connection (RFC 9112, section 6.3).
        if length.is_none() && (self.head.version < Version::HTTP_11 || self.head.headers.contains_key(UPGRADE)) {
            answer.head_mut().no_chunking(true);
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        let body = Answer::pieces(answered.bytes_stream(), length, self.deadline, guards);
        Ok(answer.set_body(body).map_into_boxed_body())
    }
}

/// Makes the call. A client that stalls its upload must not keep an upstream given up: a probe that waits for it gives
/// its place to another.
async fn execute(
    client: &reqwest::Client,
    request: Request,
    progress: Option<&Progress>,
    admission: &mut Admission,
) -> reqwest::Result<Response> {
    let mut work = pin!(client.execute(request));
    if let Some(progress) = progress.filter(|_| admission.is_probe()) {
        loop {
            match tokio::time::timeout(STALL, &mut work).await {
                Ok(answered) => return answered,
                Err(_) if progress.stage() == Stage::AwaitsClient && progress.since().elapsed() >= STALL => {
                    admission.abandon();
                    break;
                }
                Err(_) => {}
            }
        }
    }
    work.await
}

fn refused(refused: Refused) -> Problem {
    Problem::new(Code::UpstreamUnavailable).retry_after(refused.retry_after)
}

/// The exchange's time was used up by a client that did not send its body (RFC 9110, 15.5.9).
fn too_slow() -> Problem {
    Problem::new(Code::RequestTimeout)
}

/// Whether an answer is a sign of health. A 503 with `Retry-After` is a healthy upstream that says "not now".
fn outcome(status: StatusCode, headers: &HeaderMap, slow: bool) -> Outcome {
    let refusal = status == StatusCode::SERVICE_UNAVAILABLE && headers.contains_key(RETRY_AFTER);
    if status.is_server_error() && !refusal {
        Outcome::Failure
    } else if slow {
        Outcome::Slow
    } else {
        Outcome::Success
    }
}

/// An error with its causes, for the log: reqwest's own text names only the outermost.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
