//! Idempotency at the edge, for upstreams that know no keys: a request under a key is carried out once, and its answer is
//! told again (draft-ietf-httpapi-idempotency-key-header-07; the product's contract, section 2).
//!
//! A key is claimed before the upstream is asked, in one atomic step in Redis or memory, and settled before the client
//! hears the answer. What is final is kept: successes, and the refusals that `declines` lists. What was refused before
//! the upstream was asked, and what it says went wrong (5xx), frees the key. When nobody knows whether the request was
//! carried out (the connection broke, the deadline passed, an inner gateway answered 502 or 504, this process was
//! killed), `on_unknown` decides: a retry is refused for as long as the key is kept, or is carried out anew.

mod answer;
mod collect;
mod fingerprint;
mod held;
mod hold;
mod judge;
mod running;
mod scope;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use shared::problem::{Code, Problem};
use shared::store;
use shared::store::idempotency::{Claim, Found};

pub use held::Held;
pub use hold::Hold;

use answer::Kept;
use running::{Place, Running, Seat};

use super::authenticate::Principal;
use super::deadline::Deadline;
use super::version::Versions;
use crate::admin::metrics::{Event, KeyEvents};
use crate::config::{self, Keys, KeysDown, OnUnknown};
use crate::route::Route;
use crate::upstream::body::Arriving;
use crate::waiting::Waiting;

/// How long after its exchange's end a claim is given up: time to write the outcome.
const GRACE: Duration = Duration::from_secs(5);

/// A claim that another instance holds is looked at after this long, then after twice as long, up to the second figure.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LATER_LOOKS: Duration = Duration::from_millis(200);

/// What one route does with keys.
#[derive(Debug)]
pub struct Rule {
    /// Whether a request without a key is refused.
    pub key_required: bool,
    /// What a retry meets when nobody knows what came of the first.
    pub on_unknown: OnUnknown,
    /// What happens while keys cannot be kept.
    pub down: KeysDown,
    /// How long a key is remembered.
    pub keep: Duration,
    /// How long a request waits for another's answer.
    wait: Duration,
    request_bytes: u64,
    answer_bytes: usize,
    /// What all outcomes together may take that the store has not taken yet.
    waiting_bytes: u64,
    declines: Vec<u16>,
}

impl Rule {
    /// A route's rule, if it has one.
    #[must_use]
    pub fn compile(settings: &config::Idempotency, route: &config::Route) -> Option<Self> {
        match route.idempotency {
            Keys::Off => None,
            Keys::Edge => Some(Self {
                key_required: route.key_required,
                on_unknown: route.on_unknown,
                down: route.idempotency_down,
                keep: settings.keep.get(),
                wait: settings.wait.get(),
                request_bytes: settings.request_bytes,
                answer_bytes: settings.answer_bytes,
                waiting_bytes: settings.waiting_bytes,
                declines: settings.declines.clone(),
            }),
        }
    }

    /// The rule in one line, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let need = if self.key_required { "required" } else { "accepted" };
        let unknown = match self.on_unknown {
            OnUnknown::Refuse => "refused",
            OnUnknown::Retry => "carried out anew",
        };
        let down = match self.down {
            KeysDown::Refuse => "503",
            KeysDown::Pass => "no protection",
        };
        let keep = self.keep;
        format!("{need}, kept {keep:?}; a retry of an unknown outcome is {unknown}; {down} while keys cannot be kept")
    }
}

/// Whether a key means anything for this method: those that may be repeated as they are need none (RFC 9110, 9.2).
#[must_use]
pub fn needs_key(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE)
}

/// The keys, shared by all workers.
#[derive(Debug)]
pub struct Idempotency {
    store: store::Idempotency,
    running: Arc<Running>,
    events: KeyEvents,
    unattended: Arc<AtomicUsize>,
    /// Outcomes that the store has not taken yet.
    waiting: Waiting,
}

/// What is known of a request that may have a key.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The client's request.
    pub request: &'a HttpRequest,
    /// What versions there are: a request that is retried on the next one is the same request.
    pub versions: &'a Versions,
    /// The upstream's path.
    pub path: &'a str,
    /// The query without the gateway's own parameters.
    pub query: &'a str,
    /// Who calls.
    pub principal: Option<&'a Principal>,
    /// Until when.
    pub deadline: Deadline,
}

/// What a request may do.
pub enum Entry<'a> {
    /// Hear the first answer.
    Earlier(HttpResponse<BoxBody>),
    /// Go on to its upstream, and settle what comes of it if it has a key.
    Open(Option<Held<'a>>),
}

impl Idempotency {
    /// Keys in `store`.
    #[must_use]
    pub fn new(store: store::Idempotency, events: KeyEvents) -> Self {
        Self { store, running: Arc::default(), events, unattended: Arc::default(), waiting: Waiting::default() }
    }

    /// How many requests are being carried out whose clients have left.
    #[must_use]
    pub fn unattended(&self) -> usize {
        self.unattended.load(Ordering::Acquire)
    }

    /// Claims the request's key, where the route keeps keys. The body is read, and held.
    ///
    /// # Errors
    /// 400 for a key that is missing where one is needed or is none, 413 for a body that is too large to be compared, 422
    /// for another request's key, 409 while that request runs or when its answer is not there, 503 when keys cannot be
    /// kept.
    pub async fn enter<'a>(
        self: &Arc<Self>,
        route: &'a Route,
        asked: Asked<'_>,
        arriving: &mut Arriving,
    ) -> Result<Entry<'a>, Problem> {
        let head = asked.request.head();
        let Some(rule) = route.idempotency.as_ref().filter(|_| needs_key(&head.method)) else {
            return Ok(Entry::Open(None));
        };
        let Some(key) = scope::key(&head.headers)? else {
            return if rule.key_required { Err(required()) } else { Ok(Entry::Open(None)) };
        };
        // The configuration's check sees to it that such routes have callers; without one there is nobody's key.
        let principal = asked.principal.ok_or_else(|| Problem::new(Code::TokenRequired))?;
        let limit = route.body_limit.min(rule.request_bytes);
        let read = asked.deadline.hold(collect::read(arriving, head, limit)).await;
        let body = read.map_err(|_| Problem::new(Code::RequestTimeout))??;
        let left = asked.deadline.millis_left(Instant::now()).map_or(rule.keep, Duration::from_millis);
        let claim = Claim {
            key: scope::digest(principal, &head.method, route, &key),
            fingerprint: scope::fingerprint(&asked, route, &body),
            owner: rand::random(),
            lease: left + GRACE,
            keep: rule.keep,
            take_over: rule.on_unknown == OnUnknown::Retry,
        };
        Box::pin(self.turn(rule, claim, asked.request, rule.wait.min(left))).await
    }

    /// One request at a time asks the store for a key; whoever comes meanwhile waits here for its answer.
    async fn turn<'a>(
        self: &Arc<Self>,
        rule: &'a Rule,
        claim: Claim,
        request: &HttpRequest,
        wait: Duration,
    ) -> Result<Entry<'a>, Problem> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            match self.running.enter(&claim) {
                Place::First(seat) => return self.claim(rule, claim, (seat, Hold::of(request)), until).await,
                Place::Reused => return Err(self.refused(Event::Reused, Code::IdempotencyKeyReused)),
                Place::Later(waiting) => match tokio::time::timeout_at(until, waiting.answer()).await {
                    Ok(Some(kept)) => return self.replay(kept),
                    // It freed the key, or knows no more than the store.
                    Ok(None) => {}
                    Err(_) => return Err(self.in_progress()),
                },
            }
        }
    }

    async fn claim<'a>(
        self: &Arc<Self>,
        rule: &'a Rule,
        claim: Claim,
        (seat, hold): (Seat, Hold),
        until: tokio::time::Instant,
    ) -> Result<Entry<'a>, Problem> {
        let mut pause = FIRST_LOOK;
        loop {
            // From here on a client that leaves would leave a claim behind.
            hold.set(true);
            let found = self.store.claim(&claim).await;
            hold.set(matches!(found, Ok(Found::Ours) | Err(_)));
            match found {
                Ok(Found::Ours) => return Ok(Entry::Open(Some(self.held(rule, claim, seat, hold)))),
                Ok(Found::Done(kept)) => return self.replay(kept),
                Ok(Found::Other) => return Err(self.refused(Event::Reused, Code::IdempotencyKeyReused)),
                Ok(Found::Lapsed) => return Err(self.refused(Event::NoAnswer, Code::IdempotencyOutcomeUnknown)),
                Ok(Found::Forgotten) => return Err(self.refused(Event::NoAnswer, Code::IdempotencyNotReplayable)),
                Ok(Found::Running) if tokio::time::Instant::now() + pause >= until => return Err(self.in_progress()),
                Ok(Found::Running) => tokio::time::sleep(pause).await,
                Err(error) => {
                    let held = self.held(rule, claim, seat, hold);
                    return match rule.down {
                        KeysDown::Pass => {
                            tracing::warn!(%error, "a key cannot be kept; its request goes on without protection");
                            self.events.count(Event::Unprotected);
                            Ok(Entry::Open(Some(held)))
                        }
                        KeysDown::Refuse => {
                            self.events.count(Event::Unavailable);
                            held.withdraw();
                            Err(Problem::unavailable(Code::IdempotencyUnavailable, error))
                        }
                    };
                }
            }
            pause = (2 * pause).min(LATER_LOOKS);
        }
    }

    fn held<'a>(self: &Arc<Self>, rule: &'a Rule, claim: Claim, seat: Seat, hold: Hold) -> Held<'a> {
        Held::new(Arc::clone(self), rule, claim, (seat, hold))
    }

    fn replay<'a>(&self, kept: Bytes) -> Result<Entry<'a>, Problem> {
        let again = Kept::decode(kept).ok_or_else(|| Problem::new(Code::IdempotencyNotReplayable));
        let again = again.and_then(Kept::replay);
        self.events.count(if again.is_ok() { Event::Replayed } else { Event::NoAnswer });
        again.map(Entry::Earlier)
    }

    fn refused(&self, event: Event, code: Code) -> Problem {
        self.events.count(event);
        Problem::new(code)
    }

    fn in_progress(&self) -> Problem {
        self.refused(Event::InProgress, Code::IdempotencyInProgress).retry_after(Duration::from_secs(1))
    }
}

fn required() -> Problem {
    Problem::new(Code::IdempotencyKeyRequired).detail("This request needs an Idempotency-Key.")
}
