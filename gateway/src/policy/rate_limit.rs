//! Rate limits: which policies hold for a request, one atomic step for all of them, and what the answer says about it
//! (draft-ietf-httpapi-ratelimit-headers-11).

mod compile;
mod key;
mod shadow;
mod size;
mod top;
mod view;

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use shared::problem::{Code, Problem, whole_seconds};
use shared::store::{CounterStats, Counters, Decision, Quota, Take, Terms};
use smallvec::SmallVec;

pub use compile::{Policies, PolicySets, Scope};
pub use key::{Caller, Key, Networks};
pub use size::BySize;
pub use view::{LimitsView, describe_key};

use crate::admin::metrics::{self, Metrics};
use crate::config::LimiterDown;
use shadow::ShadowLog;
use top::TopKeys;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// One window of a policy: how much, and what has a counter of its own.
#[derive(Debug)]
pub struct Policy {
    /// As clients see it.
    pub name: String,
    /// Whose counter.
    pub key: Key,
    /// How much.
    pub quota: Quota,
    /// Whether it only reports.
    pub shadow: bool,
    /// Whether each route has counters of its own.
    pub per_route: bool,
    /// What the names of its counters begin with.
    counter: String,
    /// Looked up once.
    counts: OnceLock<metrics::Decisions>,
}

/// Policies that hold together, and the `RateLimit-Policy` that says so.
#[derive(Debug)]
pub struct PolicySet {
    /// Asked in one step: all have room, or none is charged. Shadows have no say.
    pub policies: Vec<Policy>,
    /// Units that a request takes from each.
    pub cost: u32,
    /// And its body besides.
    pub by_size: Option<BySize>,
    header: HeaderValue,
    settings: Arc<Settings>,
}

/// What holds for all policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long shared counters may take.
    pub timeout: Duration,
    /// How many gateways share them.
    pub instances: u32,
    /// Which addresses are one client.
    pub networks: Networks,
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

/// How much more a caller may do.
#[derive(Debug)]
pub struct Room {
    /// So many requests, right now.
    pub left: u32,
    /// If there are none: how long until one more could pass.
    pub wait: Duration,
    /// What to say of it.
    pub notice: Option<Notice>,
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
    top: TopKeys,
    shadows: ShadowLog,
}

impl RateLimiter {
    /// On these counters, its own or shared ones.
    #[must_use]
    pub fn new(counters: Counters) -> Self {
        let now = Instant::now();
        Self { counters, top: TopKeys::new(now), shadows: ShadowLog::new(now) }
    }

    /// Takes the set's cost from every policy, or from none.
    pub async fn take(&self, set: &PolicySet, caller: Caller<'_>, down: LimiterDown, metrics: &Metrics) -> Judgement {
        if set.policies.is_empty() {
            return Judgement::default();
        }
        let Settings { timeout, instances, .. } = *set.settings;
        let names = set.names(caller);
        let takes = set.takes(&names, set.cost_of(caller.headers));
        let alone = match down {
            LimiterDown::Share => true,
            LimiterDown::Refuse => false,
        };
        match self.counters.decide(&takes, Terms { timeout, instances, alone }).await {
            Ok(ruling) => {
                if ruling.alone {
                    metrics.rate_limit_degraded();
                }
                self.note(set, &names, &ruling.decisions, metrics);
                set.judge(&ruling.decisions)
            }
            Err(error) => {
                tracing::debug!(%error, "a route that needs the shared counters is refused");
                metrics.rate_limit_degraded();
                Judgement { notice: None, refused: Some(Problem::new(Code::RateLimiterUnavailable)) }
            }
        }
    }

    /// How many more requests the caller has room for right now. Nothing is taken.
    pub async fn room(&self, set: &PolicySet, caller: Caller<'_>, metrics: &Metrics) -> Room {
        if set.policies.is_empty() {
            return Room { left: u32::MAX, wait: Duration::ZERO, notice: None };
        }
        let Settings { timeout, instances, .. } = *set.settings;
        let names = set.names(caller);
        // Who may decide alone is never without a decision.
        let Ok(ruling) = self.counters.decide(&set.takes(&names, 0), Terms { timeout, instances, alone: true }).await
        else {
            return Room { left: 0, wait: Duration::ZERO, notice: None };
        };
        if ruling.alone {
            metrics.rate_limit_degraded();
        }
        let real = || set.policies.iter().zip(&ruling.decisions).filter(|(policy, _)| !policy.shadow);
        let least = real().map(|(_, decision)| decision.remaining).min();
        let wait =
            real().filter(|(_, decision)| decision.remaining == 0).map(|(_, decision)| decision.more_after).max();
        Room {
            left: least.map_or(u32::MAX, |least| least / set.cost.max(1)),
            wait: wait.unwrap_or_default(),
            notice: set.judge(&ruling.decisions).notice,
        }
    }

    /// How the counters are doing.
    #[must_use]
    pub fn stats(&self) -> CounterStats {
        self.counters.stats()
    }

    /// For metrics, the operators' view, and the log.
    fn note(&self, set: &PolicySet, names: &[String], decisions: &[Decision], metrics: &Metrics) {
        let sampled = self.top.samples();
        for ((policy, name), decision) in set.policies.iter().zip(names).zip(decisions) {
            let counts = policy.counts.get_or_init(|| metrics.rate_limit(&policy.name, policy.shadow));
            if decision.allowed {
                counts.allowed.inc()
            } else {
                counts.refused.inc()
            };
            let limited = !decision.allowed;
            if limited || sampled {
                self.top.note(policy, name, limited, sampled);
            }
            if limited && policy.shadow {
                self.shadows.would_refuse(&policy.name, name);
            }
        }
    }
}

impl PolicySet {
    /// Whether a request is counted nowhere.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.cost == 0 || self.policies.is_empty()
    }

    /// Units that a request with these headers takes from each policy that has so many.
    fn cost_of(&self, headers: &HeaderMap) -> u32 {
        self.cost.saturating_add(self.by_size.map_or(0, |size| size.units(headers)))
    }

    /// Which addresses are one client.
    #[must_use]
    pub fn networks(&self) -> Networks {
        self.settings.networks
    }

    /// The name of each policy's counter for this caller.
    fn names(&self, caller: Caller<'_>) -> SmallVec<[String; 2]> {
        let networks = self.settings.networks;
        self.policies.iter().map(|policy| policy.key.counter(&policy.counter, caller, networks)).collect()
    }

    fn takes<'a>(&self, names: &'a [String], cost: u32) -> SmallVec<[Take<'a>; 2]> {
        let take = |(policy, key): (&Policy, &'a String)| {
            // What a body takes beyond a burst would never pass; each by its own, so that none makes another's cheaper.
            let cost = cost.min(policy.quota.burst.max(self.cost));
            Take { key, quota: policy.quota, cost, shadow: policy.shadow }
        };
        self.policies.iter().zip(names).map(take).collect()
    }

    fn judge(&self, decisions: &[Decision]) -> Judgement {
        let real = || self.policies.iter().zip(decisions).filter(|(policy, _)| !policy.shadow);
        let mut text = String::with_capacity(32 * decisions.len());
        for (policy, decision) in real() {
            let separator = if text.is_empty() { "" } else { ", " };
            let more = if decision.more_after.is_zero() { 0 } else { whole_seconds(decision.more_after) };
            // Writing to a String cannot fail.
            let _ = write!(text, "{separator}\"{}\";r={};t={more}", policy.name, decision.remaining);
        }
        let limit = Some(text).filter(|text| !text.is_empty());
        let limit = limit.and_then(|text| HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).ok());
        let notice = limit.map(|limit| Notice { limit, policy: self.header.clone() });
        let wait = real().filter(|(_, decision)| !decision.allowed).map(|(_, decision)| decision.retry_after).max();
        Judgement { notice, refused: wait.map(|wait| Problem::new(Code::RateLimited).retry_after(wait)) }
    }
}
