//! One call of an upstream: breaker, deadline, identity, and the answer turned into the client's.

mod again;
mod describe;

use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::RequestHead;
use actix_web::http::header::UPGRADE;
use actix_web::http::{ConnectionType, Method, Version};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, RETRY_AFTER, VIA};
use reqwest::{Request, Response, StatusCode};
use shared::auth::{HEADER, Signer};
use shared::problem::{Code, Problem};

use super::Upstream;
use super::attempts::{self, Again, Failed};
use super::body::{self, Answer, Arriving, Guards, Outgoing, Progress, Stage};
use super::breaker::{Admission, Outcome};
use super::client::{Pool, causes};
use super::convert::{self, Forward};
use super::draft::Draft;
use super::endpoint::{Endpoint, Lease};
use super::forwarded::Forwarding;
use super::mirror::Mirror;
use crate::admin::metrics::Metrics;
use crate::config::Priority;
use crate::policy::authenticate::Principal;
use crate::policy::certificate::ClientCertificate;
use crate::policy::client::{Client, Origin};
use crate::policy::deadline::Deadline;
use crate::policy::in_flight::Permit;
use crate::policy::second_look::SecondLook;
use crate::policy::trace::Trace;

const ASSERTION: HeaderName = HeaderName::from_static(HEADER);

/// Answers up to this size are read whole before they are sent on.
const WHOLE_ANSWER: u64 = 65_536;

/// What a 429 adds to an endpoint's latency, as the balancer sees it.
const ASKED_FOR_PATIENCE: Duration = Duration::from_millis(100);

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
    pub upstream: &'a Arc<Upstream>,
    /// Who calls.
    pub principal: Option<&'a Principal>,
    /// From where.
    pub client: Client,
    /// By which way.
    pub origin: &'a Origin,
    /// In which words an upstream is told of it.
    pub forwarding: &'a Forwarding,
    /// As part of what.
    pub trace: &'a Trace,
    /// Until when.
    pub deadline: Deadline,
    /// Which of the client's headers go on.
    pub forward: Forward<'a>,
    /// The client's certificate, where the route says that the upstream is told it.
    pub certificate: Option<&'a ClientCertificate>,
    /// Largest request body in bytes.
    pub body_limit: u64,
    /// Request bodies up to this size are held whole.
    pub buffer: u64,
    /// How important it is.
    pub priority: Priority,
    /// How often it may be made again.
    pub attempts: u32,
    /// When a second endpoint is asked as well; `None`: never.
    pub hedge: Option<Duration>,
    /// Whether the gateway itself sees to it that nothing is done twice for one `Idempotency-Key`.
    pub keyed: bool,
    /// Whether it asks for a WebSocket.
    pub upgrade: bool,
    /// Whether it asks an endpoint of OAuth, where keys are ignored.
    pub oauth: bool,
    /// Who is shown the call as well.
    pub mirror: Option<&'a Mirror>,
    /// Set when any of its tries may have done its work although it was not answered so.
    pub doubt: Option<&'a Cell<bool>>,
    /// By what the caller is judged again, when the body is here.
    pub again: Option<SecondLook<'a>>,
}

/// What calls are made with.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// The worker's connections.
    pub pool: &'a Pool,
    /// What vouches for callers.
    pub signer: &'a Signer,
    /// What is counted.
    pub metrics: &'a Metrics,
}

/// An upstream's answer: whole, or its head.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) incoming: Incoming,
    trial: Trial,
}

impl Answered {
    /// Whether nothing of it is still to come.
    pub(super) const fn is_whole(&self) -> bool {
        matches!(self.incoming, Incoming::Whole(_))
    }

    /// The head, what comes behind it, and what is held until that ends: of an answer that switches protocols.
    pub(super) fn split(self) -> (HeaderMap, Incoming, Guards) {
        let Trial { admission, lease, .. } = self.trial;
        let guards = Guards { permit: None, admission: Some(admission), lease: Some(lease) };
        (self.headers, self.incoming, guards)
    }
}

/// The body of an answer.
pub(super) enum Incoming {
    /// All of it.
    Whole(Bytes),
    /// What is still to come, of this length if it is known.
    Stream(Response, Option<u64>),
}

/// One try, and those who learn from how it ends: the breaker, the balancer and the limit.
struct Trial {
    upstream: Arc<Upstream>,
    admission: Admission,
    lease: Lease,
}

impl Trial {
    /// It has ended so. `since`: when the upstream began to be waited for.
    fn judge(&mut self, outcome: Outcome, status: Option<StatusCode>, since: Instant) {
        let now = Instant::now();
        let took = now.saturating_duration_since(since);
        let overloaded =
            status.is_none_or(|status| matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT));
        // Who asks for patience is passed over for a while, and opens no breaker.
        let patience = if status == Some(StatusCode::TOO_MANY_REQUESTS) { ASKED_FOR_PATIENCE } else { Duration::ZERO };
        self.admission.settle(outcome, now);
        self.upstream.balancer.ended(&mut self.lease, outcome, took + patience, now);
        self.upstream.concurrency.learn(took, overloaded, now);
    }
}

impl Call<'_> {
    /// Makes the call with the worker's own client.
    ///
    /// # Errors
    /// 503 when the breaker refuses, the limit is reached, or nobody answers at the address, 504 after the deadline, 502
    /// for a broken answer, 413 for a body that turns out too large.
    pub async fn send(
        &self,
        tools: &Tools<'_>,
        body: Arriving,
        permit: Permit,
    ) -> Result<HttpResponse<BoxBody>, Problem> {
        // An open breaker refuses before the body is read; but a slow body must not hold a probe's place.
        self.upstream.breaker.peek(Instant::now()).map_err(|open| self.upstream.refuse(open))?;
        let outgoing = Outgoing::prepare(body, self.head, (self.body_limit, self.buffer), self.watch());
        let outgoing = self.deadline.hold(outgoing).await.map_err(|_| too_slow())??;
        // The body took its time, and what was true of the caller before may not be any more.
        match self.changed().await? {
            None => self.ask(tools, outgoing, permit).await,
            Some(now) => Box::pin(Call { principal: Some(&now), ..*self }.ask(tools, outgoing, permit)).await,
        }
    }

    /// Asks whoever is to answer, with a body that is here or on its way.
    async fn ask(
        &self,
        tools: &Tools<'_>,
        outgoing: Outgoing,
        permit: Permit,
    ) -> Result<HttpResponse<BoxBody>, Problem> {
        // Until the head of the answer is here: a stream may last for hours.
        let _place = self.upstream.concurrency.enter(self.priority)?;
        if let Some(mirror) = self.mirror {
            mirror.show(self, tools, &outgoing);
        }
        let answered = attempts::run(self, tools, outgoing).await?;
        Ok(self.answer(answered, permit))
    }

    /// One try at one endpoint.
    pub(super) async fn once(
        &self,
        tools: &Tools<'_>,
        lease: Lease,
        outgoing: &mut Outgoing,
    ) -> Result<Answered, Failed> {
        let progress = outgoing.progress.clone();
        let request = self.request(tools.signer, lease.endpoint(), outgoing)?;
        let client = tools.pool.of(lease.endpoint());
        let client = client.map_err(|error| Problem::internal(format!("no HTTP client: {error}")))?;
        let admission = self.upstream.breaker.admit(Instant::now()).map_err(|open| self.upstream.refuse(open))?;
        let mut trial = Trial { upstream: Arc::clone(self.upstream), admission, lease };
        let asked = Instant::now();
        let answered = execute(client.execute(request), progress.as_deref(), &mut trial.admission);
        let answered = self.deadline.hold(answered).await;
        // The upstream was waited for since it had the body, or since it was asked.
        let since = progress.as_ref().map_or(asked, |progress| progress.since().max(asked));
        match (answered, Outgoing::stage(progress.as_ref())) {
            (Ok(Ok(answered)), _) => self.take_in(answered, trial, since).await,
            // What the client did wrong says nothing about the upstream: the admission is dropped unsettled.
            (Ok(Err(_)), Stage::TooLarge) => Err(Failed::midway(crate::policy::shape::too_large(self.body_limit))),
            (Ok(Err(_)), Stage::BrokenOff) => Err(Failed::midway(body::broken_off())),
            (Ok(Err(_)) | Err(_), Stage::Revoked) => Err(Failed::midway(self.cut_off().await)),
            (Err(_), Stage::AwaitsClient | Stage::TooLarge | Stage::BrokenOff) => Err(Failed::midway(too_slow())),
            (Ok(Err(error)), Stage::AwaitsClient | Stage::AwaitsUpstream | Stage::Over) => {
                trial.judge(Outcome::Failure, Some(StatusCode::BAD_GATEWAY), since);
                Err(self.failed(error))
            }
            (Err(timeout), Stage::AwaitsUpstream | Stage::Over) => {
                self.judge_timeout(&mut trial, since);
                Err(Failed::midway(timeout))
            }
        }
    }

    /// A client that takes nearly all of the time for its body must not open a breaker either.
    fn judge_timeout(&self, trial: &mut Trial, since: Instant) {
        if self.deadline.was_fair(since) {
            trial.judge(Outcome::Failure, None, since);
        }
    }

    /// Takes an answer in. One that is read whole is judged by its end, a stream by its head: it may last for hours, and
    /// its client may be the slow one.
    async fn take_in(&self, mut answered: Response, mut trial: Trial, since: Instant) -> Result<Answered, Failed> {
        let slow = self.upstream.slow_after.is_some_and(|limit| since.elapsed() > limit);
        let (status, headers) = (answered.status(), std::mem::take(answered.headers_mut()));
        let outcome = outcome(status, &headers, slow);
        // Nobody asked for another protocol: what follows such a head is no body, and nobody knows where it ends.
        if status == StatusCode::SWITCHING_PROTOCOLS && !self.upgrade {
            trial.judge(Outcome::Failure, Some(StatusCode::BAD_GATEWAY), since);
            let why = "it switched to a protocol that nobody asked for";
            return Err(Failed::midway(Problem::unavailable(Code::BadGateway, why)));
        }
        // Neither has a body, whatever its length says of the one that is not sent (RFC 9110, section 8.6).
        let incoming = if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            Incoming::Whole(Bytes::new())
        } else if status == StatusCode::SWITCHING_PROTOCOLS {
            Incoming::Stream(answered, None)
        } else {
            // For HEAD the length is that of the body that GET would bring; else the framing knows it better than the field.
            let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
            let is_head = self.head.method == Method::HEAD;
            let length = if is_head { announced } else { answered.content_length() };
            if is_head || length.is_none_or(|length| length > WHOLE_ANSWER) {
                Incoming::Stream(answered, length)
            } else {
                match self.deadline.hold(answered.bytes()).await {
                    Ok(Ok(body)) => Incoming::Whole(body),
                    Ok(Err(error)) => {
                        trial.judge(Outcome::Failure, Some(StatusCode::BAD_GATEWAY), since);
                        let problem = Problem::unavailable(Code::BadGateway, causes(error));
                        return Err(Failed { again: Again::IfSafe, ..Failed::midway(problem) });
                    }
                    Err(timeout) => {
                        self.judge_timeout(&mut trial, since);
                        return Err(Failed::midway(timeout));
                    }
                }
            }
        };
        trial.judge(outcome, Some(status), since);
        Ok(Answered { status, headers, incoming, trial })
    }

    pub(super) fn request(
        &self,
        signer: &Signer,
        endpoint: &Endpoint,
        outgoing: &mut Outgoing,
    ) -> Result<Request, Problem> {
        let url = endpoint.origin.url(self.path, self.query);
        let mut request = Request::new(convert::method(&self.head.method), url);
        let mut headers = Draft::new(self.head.headers.len());
        convert::request_headers(&self.head.headers, self.forward, &mut headers);
        self.describe(&mut headers);
        if let Some(audience) = &self.upstream.audience {
            let caller = Principal::vouched(self.principal, self.client.ip);
            let assertion = signer.sign(audience, self.head.method.as_str(), self.path, &caller);
            let assertion = assertion.map_err(|error| Problem::internal(format!("signing failed: {error}")))?;
            headers.add(ASSERTION, assertion.as_bytes());
        }
        if self.upgrade {
            convert::ask_for_websocket(&mut headers);
        }
        if let Some(length) = outgoing.length {
            headers.write(CONTENT_LENGTH, length);
        }
        *request.headers_mut() = headers.finish();
        *request.body_mut() = outgoing.take();
        Ok(request)
    }

    fn failed(&self, error: reqwest::Error) -> Failed {
        let (code, again, acted) = match error.is_connect() {
            true => (Code::UpstreamUnavailable, Again::Always, false),
            false => (Code::BadGateway, Again::IfSafe, true),
        };
        let problem = Problem::unavailable(code, format!("{}: {}", self.upstream.name, causes(error)));
        Failed { problem, again, acted }
    }

    /// The client's answer.
    pub(super) fn answer(&self, answered: Answered, permit: Permit) -> HttpResponse<BoxBody> {
        let Answered { status, headers, incoming, trial: Trial { admission, lease, .. } } = answered;
        let mut answer = HttpResponseBuilder::new(convert::status(status)).finish();
        convert::response_headers(&headers, answer.headers_mut());
        if let Some(via) = self.forwarding.via() {
            convert::append(via, &VIA, answer.headers_mut());
        }
        let guards = Guards { permit: Some(permit), admission: Some(admission), lease: Some(lease) };
        let (answered, length) = match incoming {
            Incoming::Whole(body) => return answer.set_body(Answer::whole(body, guards)).map_into_boxed_body(),
            Incoming::Stream(answered, length) => (answered, length),
        };
        // HTTP/1.0 knows no chunks, and for a request that asks for an upgrade the listener writes none: such an answer
        // ends with its connection (RFC 9112, section 6.3).
        if length.is_none() && (self.head.version < Version::HTTP_11 || self.head.headers.contains_key(UPGRADE)) {
            answer.head_mut().no_chunking(true);
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        let body = Answer::pieces(answered.bytes_stream(), length, self.deadline, guards);
        answer.set_body(body).map_into_boxed_body()
    }
}

/// Makes the call. A client that stalls its upload must not keep an upstream given up: a probe that waits for it gives
/// its place to another.
async fn execute(
    work: impl Future<Output = reqwest::Result<Response>>,
    progress: Option<&Progress>,
    admission: &mut Admission,
) -> reqwest::Result<Response> {
    let mut work = pin!(work);
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
