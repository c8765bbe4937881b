//! The services behind the gateway: where they are, how healthy they seem, and how to talk to them.

mod attempts;
pub mod balancer;
pub mod body;
pub mod breaker;
pub mod budget;
pub mod client;
pub mod concurrency;
pub mod convert;
pub mod counts;
pub mod draft;
pub mod endpoint;
pub mod forwarded;
pub mod health;
mod kept;
pub mod mirror;
mod origin;
pub mod resolve;
pub mod send;
pub mod split;
pub mod tunnel;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shared::problem::{Code, Problem};

pub use origin::{InvalidOrigin, Origin};

use crate::config::{self, Config};
use balancer::Balancer;
use breaker::{Breaker, Refused};
use budget::Budget;
use concurrency::Concurrency;
use counts::Counts;
use health::Readiness;
use kept::Kept;

/// One service, as routes refer to it.
#[derive(Debug)]
pub struct Upstream {
    /// What routes and metrics call it.
    pub name: String,
    /// Where it is, as configured; at least one.
    pub origins: Vec<Origin>,
    /// Its endpoints, and the choice among them.
    pub balancer: Balancer,
    /// Its breaker.
    pub breaker: Arc<Breaker>,
    /// How many calls it is given at once.
    pub concurrency: Arc<Concurrency>,
    /// How many calls may be repeated.
    pub budget: Arc<Budget>,
    /// What became of the requests that it was asked.
    pub counts: Arc<Counts>,
    /// How calls are repeated.
    pub retry: config::Retry,
    /// An answer that takes longer counts as slow; `None` turns the rule off.
    pub slow_after: Option<Duration>,
    /// Whether it does nothing twice for one `Idempotency-Key`, so that a call with one may be repeated.
    pub honours_keys: bool,
    /// The audience of its identity assertion; `None`: it is told nothing about callers.
    pub audience: Option<String>,
    /// Whether its document is part of ours.
    pub has_document: bool,
    /// Whether it is one of our two services, whose readiness is part of ours.
    pub is_ours: bool,
    /// What its endpoints are asked for, to see whether they are well; `None`: they are not asked.
    pub health_path: Option<String>,
    /// Whether an endpoint has said that it is ready.
    pub readiness: Arc<Readiness>,
    /// How often its names are looked up; `None`: never.
    dns: Option<Duration>,
    due: Mutex<Option<Instant>>,
    /// Whether its endpoints were asked for something else before.
    asks_anew: AtomicBool,
    definition: Definition,
}

/// All that makes an upstream what it is: with the same definition, a new configuration goes on with the old state.
#[derive(Clone, Debug, PartialEq)]
struct Definition {
    upstream: config::Upstream,
    is_ours: bool,
    breaker: breaker::Settings,
    slow_after: Duration,
    balancer: balancer::Settings,
    concurrency: concurrency::Settings,
    retry: config::Retry,
}

impl Upstream {
    /// Our two services, then the configured ones. The configuration has been checked. Whatever is the same in `before`
    /// keeps what is known of it.
    ///
    /// # Errors
    /// A URL that is no origin.
    pub fn compile(config: &Config, now: Instant, before: &[Arc<Self>]) -> Result<Vec<Arc<Self>>, InvalidOrigin> {
        let ours = [("users", &config.services.users), ("accounts", &config.services.accounts)];
        let ours = ours.map(|(name, service)| config::Upstream {
            name: name.to_owned(),
            url: service.url.clone(),
            endpoints: service.endpoints.clone(),
            dns: service.dns,
            health_path: Some("/readyz".to_owned()),
            honours_keys: true,
            assertion: true,
            openapi: true,
        });
        let ours = ours.iter().map(|upstream| (upstream, true));
        let all = ours.chain(config.upstreams.iter().map(|upstream| (upstream, false)));
        all.map(|(upstream, is_ours)| {
            let definition = Definition::of(config, upstream, is_ours);
            let known = before.iter().find(|known| known.name == upstream.name);
            match known.filter(|known| known.definition == definition) {
                Some(same) => Ok(Arc::clone(same)),
                None => Self::new(definition, now, known).map(Arc::new),
            }
        })
        .collect()
    }

    fn new(definition: Definition, now: Instant, before: Option<&Arc<Self>>) -> Result<Self, InvalidOrigin> {
        let config = &definition.upstream;
        let mut origins: Vec<Origin> = Vec::new();
        for url in [&config.url].into_iter().chain(&config.endpoints) {
            let origin: Origin = url.parse()?;
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        let kept = Kept::of(&definition, &origins, before, now);
        Ok(Self {
            name: config.name.clone(),
            balancer: Balancer::new(definition.balancer, kept.endpoints),
            origins,
            breaker: kept.breaker,
            concurrency: kept.concurrency,
            budget: kept.budget,
            counts: kept.counts,
            retry: definition.retry,
            slow_after: Some(definition.slow_after).filter(|span| !span.is_zero()),
            honours_keys: config.honours_keys,
            audience: config.assertion.then(|| config.name.clone()),
            has_document: config.openapi,
            is_ours: definition.is_ours,
            health_path: config.health_path.clone(),
            readiness: kept.readiness,
            dns: Some(config.dns.get()).filter(|every| !every.is_zero()),
            due: Mutex::new(None),
            asks_anew: AtomicBool::new(before.is_some_and(|before| before.health_path != config.health_path)),
            definition,
        })
    }

    /// It serves from now on. What its endpoints said to another question says nothing any more.
    pub fn enters_service(&self) {
        if self.asks_anew.swap(false, Ordering::AcqRel) {
            self.balancer.endpoints().iter().for_each(|endpoint| endpoint.presume_healthy());
        }
    }

    /// Where it is, for people and for documents: the first of its addresses.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origins[0]
    }

    /// Whether calls of the other may come to the same service: it has its name, or one of its addresses.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        self.name == other.name || self.origins.iter().any(|origin| other.origins.contains(origin))
    }

    /// Where somebody is likely to answer.
    #[must_use]
    pub fn an_origin(&self) -> Origin {
        let lease = self.balancer.lease(Instant::now(), &[]);
        lease.map_or_else(|| self.origin().clone(), |lease| lease.endpoint().origin.clone())
    }

    /// What is answered to a call that its breaker has refused.
    fn refuse(&self, refused: Refused) -> Problem {
        self.counts.refused(refused.forced);
        Problem::new(Code::UpstreamUnavailable).retry_after(refused.retry_after)
    }

    /// Whether its names are to be looked up now.
    fn is_due(&self, now: Instant) -> bool {
        self.dns.is_some() && self.due.lock().is_none_or(|due| due <= now)
    }

    /// Its names have been looked up.
    fn resolved(&self, now: Instant) {
        *self.due.lock() = self.dns.and_then(|every| now.checked_add(every));
    }
}

impl Definition {
    fn of(config: &Config, upstream: &config::Upstream, is_ours: bool) -> Self {
        let config::UpstreamSettings { balance, ejection, concurrency, retry, .. } = &config.upstream;
        let breaker = &config.breaker;
        Self {
            upstream: upstream.clone(),
            is_ours,
            breaker: breaker::Settings {
                consecutive_failures: breaker.consecutive_failures,
                window: breaker.window.get(),
                minimum_volume: breaker.minimum_volume,
                failure_percent: breaker.failure_percent,
                slow_percent: breaker.slow_percent,
                open_for: breaker.open_for.get(),
                open_at_most: breaker.open_at_most.get(),
                jitter_percent: breaker.jitter_percent,
                probes: breaker.probes,
            },
            slow_after: breaker.slow_after.get(),
            balancer: balancer::Settings {
                decay: balance.decay.get(),
                slow_start: balance.slow_start.get(),
                consecutive_failures: ejection.consecutive_failures,
                eject_for: ejection.base.get(),
                eject_at_most: ejection.at_most.get(),
                keep_percent: ejection.keep_percent,
            },
            concurrency: concurrency::Settings {
                enabled: concurrency.enabled,
                initial: concurrency.initial,
                least: concurrency.least,
                most: concurrency.most,
                latency: concurrency.latency.get(),
                normal_percent: concurrency.normal_percent,
                low_percent: concurrency.low_percent,
            },
            retry: *retry,
        }
    }
}
