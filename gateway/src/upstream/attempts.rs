//! A call and its repetitions: which failures may be tried again, how often, and when; and the second question that a
//! slow answer may cost.
//!
//! Only what is safe is repeated: idempotent methods (RFC 9110, section 9.2.2), calls with a key that the upstream
//! honours, and calls of which nothing was sent. All of them inside the upstream's budget and the exchange's deadline,
//! and never after the client has seen a byte.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::Method;
use rand::Rng;
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use shared::problem::Problem;
use shared::wire::idempotency;

use super::body::Outgoing;
use super::counts::Counts;
use super::endpoint::{Endpoint, Lease};
use super::send::{Answered, Call, Tools};
use crate::config;

/// Why a call has no answer, and whether it may be made again.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) problem: Problem,
    pub(super) again: Again,
    /// Whether the upstream may have acted on it all the same.
    pub(super) acted: bool,
}

/// Whether a failed call may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Another try would end the same.
    Never,
    /// If doing it twice does no harm: the upstream may have done it.
    IfSafe,
    /// Nothing was sent.
    Always,
}

/// It failed before anything was sent.
impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self { problem, again: Again::Never, acted: false }
    }
}

impl Failed {
    /// It failed when some of it may have been sent.
    pub(super) const fn midway(problem: Problem) -> Self {
        Self { problem, again: Again::Never, acted: true }
    }

    /// Whether the upstream was asked, and is the one who did not answer: a client's mistakes say nothing about it.
    fn was_asked(&self) -> bool {
        self.has_begun() && self.problem.code().status() >= 500
    }

    /// Whether there was a call at all.
    fn has_begun(&self) -> bool {
        self.acted || self.again != Again::Never
    }
}

/// Makes the call, and makes it again where that may help.
pub(super) async fn run(call: &Call<'_>, tools: &Tools<'_>, mut outgoing: Outgoing) -> Result<Answered, Problem> {
    let upstream = call.upstream;
    let tally = Tally { counts: &upstream.counts, is_told: false };
    upstream.budget.deposit();
    let repeatable = outgoing.bytes().is_some();
    let safe = is_safe(call);
    let mut tried: Vec<Arc<Endpoint>> = Vec::new();
    let mut before: Option<Box<Result<Answered, Failed>>> = None;
    // What comes of a try is kept through the next one only if it holds nothing of the upstream's.
    let is_light = |ended: &Result<Answered, Failed>| ended.as_ref().map_or(true, Answered::is_whole);
    let mut made = 0;
    loop {
        let Some(lease) = upstream.balancer.lease(Instant::now(), &tried) else {
            return tally.tell(Err(Problem::internal("an upstream without an endpoint").into()));
        };
        let endpoint = Arc::clone(lease.endpoint());
        let hedge = call.hedge.filter(|_| made == 0 && call.head.method.is_safe() && repeatable);
        let ended = match hedge {
            // Boxed: it holds two calls, for which every request would have to have room.
            Some(after) => Box::pin(hedged(call, tools, lease, &mut outgoing, after)).await,
            None => call.once(tools, lease, &mut outgoing).await,
        };
        // By a breaker that has opened during the wait, for one: what came of the last try says more.
        if let Some(before) = before.take().filter(|_| matches!(&ended, Err(failed) if !failed.has_begun())) {
            return tally.tell(*before);
        }
        made += 1;
        tried.push(endpoint);
        if let Some(doubt) = call.doubt.filter(|_| may_have_acted(&ended)) {
            doubt.set(true);
        }
        let again = match &ended {
            Ok(answered) => worth_another(call, answered, &tried),
            Err(failed) => failed.again,
        };
        let may = match again {
            Again::Never => false,
            Again::IfSafe => safe && repeatable,
            Again::Always => repeatable,
        };
        // An open breaker would refuse, and what came of this try says more.
        // Nor is anything repeated for somebody who could not ask for it any more.
        let worth = may && made <= call.attempts && upstream.breaker.peek(Instant::now()).is_ok() && call.stands();
        if !worth {
            return tally.tell(ended);
        }
        let wait = wait(call, made, &tried);
        let in_time = call.deadline.instant().is_none_or(|end| Instant::now() + wait < end);
        if !in_time || !upstream.budget.withdraw() {
            return tally.tell(ended);
        }
        before = Some(ended).filter(is_light).map(Box::new);
        tools.metrics.retry(&upstream.name);
        tokio::time::sleep(wait).await;
    }
}

/// Counts a request, once. Whenever its future waits the upstream has been asked: one that is dropped then has lost its
/// client.
struct Tally<'a> {
    counts: &'a Counts,
    is_told: bool,
}

impl Tally<'_> {
    /// There is no further call.
    fn tell(mut self, ended: Result<Answered, Failed>) -> Result<Answered, Problem> {
        self.is_told = true;
        match &ended {
            Ok(answered) => self.counts.request(Some(answered.status)),
            Err(failed) if failed.was_asked() => self.counts.request(None),
            Err(_) => {}
        }
        ended.map_err(|failed| failed.problem)
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        if !self.is_told {
            self.counts.gone();
        }
    }
}

/// Whether the upstream may have done what it was asked to, although it does not say so: who answers 502 or 504 speaks for
/// another, and who answers 500 does not say how far it came.
fn may_have_acted(ended: &Result<Answered, Failed>) -> bool {
    const NOBODY_KNOWS: [StatusCode; 3] =
        [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT];
    match ended {
        Ok(answered) => NOBODY_KNOWS.contains(&answered.status),
        Err(failed) => failed.acted,
    }
}

/// Whether doing it twice does no more than doing it once.
fn is_safe(call: &Call<'_>) -> bool {
    let method = &call.head.method;
    let idempotent = method.is_idempotent() && *method != Method::CONNECT;
    let keyed = (call.upstream.honours_keys && !call.oauth) || call.keyed;
    idempotent || (keyed && call.head.headers.contains_key(idempotency::HEADER))
}

/// Whether another answer may be better than this one. A 503 that names a time is asked elsewhere, or not again.
fn worth_another(call: &Call<'_>, answered: &Answered, tried: &[Arc<Endpoint>]) -> Again {
    let elsewhere = || call.upstream.balancer.has_other(Instant::now(), tried);
    match answered.status {
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Again::IfSafe,
        StatusCode::SERVICE_UNAVAILABLE if !answered.headers.contains_key(RETRY_AFTER) || elsewhere() => Again::IfSafe,
        _ => Again::Never,
    }
}

/// At once to an endpoint that has not been asked; else after a span that doubles, of which a random part is waited
/// ("full jitter": AWS Architecture Blog, Exponential Backoff And Jitter, 2015).
fn wait(call: &Call<'_>, made: u32, tried: &[Arc<Endpoint>]) -> Duration {
    if call.upstream.balancer.has_other(Instant::now(), tried) {
        return Duration::ZERO;
    }
    jittered(span(&call.upstream.retry, made))
}

/// The longest wait after so many tries; there has been one at least.
fn span(retry: &config::Retry, made: u32) -> Duration {
    let doubled = retry.backoff.get().saturating_mul(1_u32.checked_shl(made - 1).unwrap_or(u32::MAX));
    doubled.min(retry.backoff_at_most.get())
}

/// Any part of it, none more likely than another.
fn jittered(span: Duration) -> Duration {
    span.mul_f64(rand::rng().random_range(0.0..=1.0))
}

/// Asks a second endpoint as well when the first takes longer than `after`; the first good answer counts, and the other
/// call is cancelled (Dean and Barroso, The Tail at Scale, 2013).
async fn hedged(
    call: &Call<'_>,
    tools: &Tools<'_>,
    lease: Lease,
    outgoing: &mut Outgoing,
    after: Duration,
) -> Result<Answered, Failed> {
    let asked = [Arc::clone(lease.endpoint())];
    let mut again = Outgoing::held(outgoing.bytes().unwrap_or_default());
    if outgoing.bytes().is_some_and(|body| body.is_empty()) {
        again = Outgoing::none();
    }
    let mut first = pin!(call.once(tools, lease, outgoing));
    tokio::select! {
        ended = &mut first => return ended,
        () = tokio::time::sleep(after) => {}
    }
    let second = call.upstream.balancer.lease(Instant::now(), &asked);
    // Asking the same endpoint twice would only double its load.
    let second = second.filter(|lease| !Arc::ptr_eq(lease.endpoint(), &asked[0]) && call.upstream.budget.withdraw());
    let Some(lease) = second else { return first.await };
    tools.metrics.hedge(&call.upstream.name);
    let mut second = pin!(call.once(tools, lease, &mut again));
    tokio::select! {
        ended = &mut first => if is_good(&ended) { ended } else { second.await },
        ended = &mut second => if is_good(&ended) { ended } else { first.await },
    }
}

fn is_good(ended: &Result<Answered, Failed>) -> bool {
    ended.as_ref().is_ok_and(|answered| !answered.status.is_server_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_longest_wait_doubles_up_to_its_cap() {
        let (backoff, backoff_at_most) = (millis(25).into(), millis(250).into());
        let retry = config::Retry { attempts: 9, budget_percent: 20, reserve: 10, backoff, backoff_at_most };
        let spans = [1, 2, 3, 4, 5, 6, 32, 33, 1_000].map(|made| span(&retry, made));
        assert_eq!(spans, [25, 50, 100, 200, 250, 250, 250, 250, 250].map(millis));
    }

    #[test]
    fn any_part_of_the_longest_wait_is_waited() {
        let longest = millis(200);
        let mut tenths = [0; 10];
        for _ in 0..2_000 {
            let wait = jittered(longest);
            assert!(wait <= longest, "{wait:?}");
            tenths[usize::try_from(wait.as_millis() / 20).unwrap().min(9)] += 1;
        }
        // 200 are expected of each, give or take 13.
        assert!(tenths.iter().all(|waits| *waits > 100), "{tenths:?}");
        assert_eq!(jittered(Duration::ZERO), Duration::ZERO);
    }
}
