//! Rate limits: which policies hold for a request, one atomic step for all of them, and what the answer says about it
//! (draft-ietf-httpapi-ratelimit-headers-11).

mod compile;

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use shared::clock::Clock;
use shared::domain::{Role, Roles};
use shared::problem::{Code, Problem, whole_seconds};
use shared::store::{Counters, Decision, Quota, StoreError, Take};

pub use compile::PolicySets;

use super::authenticate::Principal;
use super::client::Client;
use crate::admin::metrics::Metrics;
use crate::config::{LimitKey, LimiterDown};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How long shared counters that did not answer in time are left alone: one second.
const PAUSE_MICROS: i64 = 1_000_000;

/// One policy: how much, and what has a counter of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// As clients see it.
    pub name: Arc<String>,
    /// Whose counter.
    pub key: LimitKey,
    /// How much.
    pub quota: Quota,
}

/// Policies that hold together, and the `RateLimit-Policy` that says so.
#[derive(Debug)]
pub struct PolicySet {
    /// Asked in one step: all have room, or none is charged.
    pub policies: Vec<Policy>,
    header: HeaderValue,
}

/// What an answer says about limits.
#[derive(Clone, Debug)]
pub struct Notice {
    limit: HeaderValue,
    policy: HeaderValue,
}

impl Notice {
    /// Puts `RateLimit` and `RateLimit-Policy` on an answer.
    pub fn announce(self, headers: &mut HeaderMap) {
        headers.insert(RATE_LIMIT, self.limit);
        headers.insert(RATE_LIMIT_POLICY, self.policy);
    }
}

/// What the limiter decided: what to say, and the problem if the request may not pass.
#[derive(Debug, Default)]
pub struct Judgement {
    /// `None` when nothing was counted.
    pub notice: Option<Notice>,
    /// 429, or 503 on a route that refuses while counters cannot be reached.
    pub refused: Option<Problem>,
}

/// The limiter, shared by all workers.
#[derive(Debug)]
pub struct RateLimiter {
    counters: Counters,
    /// Where this instance counts its share while the shared counters cannot be reached.
    own: Counters,
    instances: u32,
    clock: Clock,
    /// Until when the shared counters are left alone after a timeout, in microseconds; 0: they are not.
    paused_until: AtomicI64,
}

impl RateLimiter {
    /// On shared counters, of which this is one of `instances` users.
    #[must_use]
    pub fn new(counters: Counters, instances: u32, clock: Clock) -> Self {
        let own = Counters::memory(clock.clone());
        Self { counters, own, instances, clock, paused_until: AtomicI64::new(0) }
    }

    /// Takes one unit from every policy of the set, or from none.
    pub async fn take(
        &self,
        set: &PolicySet,
        client: Client,
        principal: Option<&Principal>,
        down: LimiterDown,
        metrics: &Metrics,
    ) -> Judgement {
        if set.policies.is_empty() {
            return Judgement::default();
        }
        let keys: Vec<String> = set.policies.iter().map(|policy| policy.counter(client, principal)).collect();
        let takes = |quota: fn(Quota, u32) -> Quota| -> Vec<Take<'_>> {
            let pairs = set.policies.iter().zip(&keys);
            pairs.map(|(policy, key)| Take { key, quota: quota(policy.quota, self.instances), cost: 1 }).collect()
        };
        let mut decisions = self.take_shared(&takes(|quota, _| quota)).await;
        if decisions.is_none() {
            metrics.rate_limit_degraded();
            decisions = match down {
                LimiterDown::Share => self.own.take(&takes(Quota::share)).await.ok(),
                LimiterDown::Refuse => None,
            };
        }
        match decisions {
            Some(decisions) => set.judge(&decisions, metrics),
            None => Judgement { notice: None, refused: Some(Problem::new(Code::RateLimiterUnavailable)) },
        }
    }

    /// `None` when the shared counters cannot be reached. A store that hangs costs one wait, not one per request: after
    /// a timeout it is left alone for a while, and then a single request asks whether it is back.
    async fn take_shared(&self, takes: &[Take<'_>]) -> Option<Vec<Decision>> {
        let until = self.paused_until.load(Ordering::Acquire);
        if until != 0 {
            let now = self.clock.now_micros();
            let next = now.saturating_add(PAUSE_MICROS);
            let claim = || self.paused_until.compare_exchange(until, next, Ordering::AcqRel, Ordering::Acquire);
            if now < until || claim().is_err() {
                return None;
            }
        }
        match self.counters.take(takes).await {
            Ok(decisions) => {
                if until != 0 {
                    self.paused_until.store(0, Ordering::Release);
                }
                Some(decisions)
            }
            Err(error) => {
                tracing::debug!(%error, "rate limits are counted by this instance alone");
                if matches!(error, StoreError::Timeout(_)) {
                    let next = self.clock.now_micros().saturating_add(PAUSE_MICROS);
                    self.paused_until.store(next, Ordering::Release);
                }
                None
            }
        }
    }
}

impl Policy {
    /// The name of the counter. Users are told apart by id; a caller without one is told apart by address.
    fn counter(&self, client: Client, principal: Option<&Principal>) -> String {
        let mut key = String::with_capacity(self.name.len() + 48);
        key.push_str(&self.name);
        // Writing to a String cannot fail.
        let _ = match (self.key, principal) {
            (LimitKey::User, Some(principal)) => write!(key, ":u:{}", principal.token().id),
            (LimitKey::Address, _) | (LimitKey::User, None) => write!(key, ":a:{}", client.bucket()),
            (LimitKey::All, _) => Ok(()),
        };
        key
    }
}

/// How long until there is more than what remains: the `t` of a continuous window, in which `r` holds exactly, and the
/// same answer as `Retry-After` when nothing remains. Zero when there is no more to come.
fn more_after(quota: Quota, decision: &Decision) -> Duration {
    let missing = quota.burst.saturating_sub(decision.remaining).saturating_sub(1);
    let interval = quota.window / quota.limit.max(1);
    decision.reset_after.saturating_sub(interval.saturating_mul(missing))
}

impl PolicySet {
    fn judge(&self, decisions: &[Decision], metrics: &Metrics) -> Judgement {
        let mut text = String::with_capacity(32 * decisions.len());
        for (policy, decision) in self.policies.iter().zip(decisions) {
            let separator = if text.is_empty() { "" } else { ", " };
            let more = more_after(policy.quota, decision);
            let more = if more.is_zero() { 0 } else { whole_seconds(more) };
            let _ = write!(text, "{separator}\"{}\";r={};t={more}", policy.name, decision.remaining);
            metrics.rate_limit(&policy.name, decision.allowed);
        }
        let limit = HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).ok();
        let notice = limit.map(|limit| Notice { limit, policy: self.header.clone() });
        let wait = decisions.iter().filter(|decision| !decision.allowed).map(|decision| decision.retry_after).max();
        Judgement { notice, refused: wait.map(|wait| Problem::new(Code::RateLimited).retry_after(wait)) }
    }
}

/// The policies of each kind of caller, for one route.
impl PolicySets {
    /// The set that holds for this caller.
    #[must_use]
    pub fn of(&self, principal: Option<&Principal>) -> &Arc<PolicySet> {
        self.of_roles(principal.map(|principal| principal.roles))
    }

    /// The set for a caller with these roles; `None` is an anonymous one.
    #[must_use]
    pub fn of_roles(&self, roles: Option<Roles>) -> &Arc<PolicySet> {
        let Some(roles) = roles else { return &self.anonymous };
        let by_role = self.by_role.iter().find(|(role, _): &&(Role, _)| roles.has(*role));
        by_role.map_or(&self.anonymous, |(_, set)| set)
    }
}
