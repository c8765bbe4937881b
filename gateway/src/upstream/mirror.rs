//! A copy of some calls for an upstream whose answers nobody sees: a new version under real traffic.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use reqwest::StatusCode;

use super::Upstream;
use super::body::Outgoing;
use super::breaker::Outcome;
use super::send::{Call, Tools};
use crate::config::Priority;

/// The longest that an answer is waited for that nobody wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who is shown how many calls.
#[derive(Debug)]
pub struct Mirror {
    /// Who is shown them.
    pub upstream: Arc<Upstream>,
    /// How many, in percent.
    pub percent: u32,
}

impl Mirror {
    /// Shows it the call, if its turn has come, its body is here, and the upstream keeps up. Nothing waits for it: it runs
    /// beside the exchange, on the worker, and takes of the upstream only what a call of low priority may.
    pub fn show(&self, call: &Call<'_>, tools: &Tools<'_>, outgoing: &Outgoing) {
        if rand::rng().random_range(0..100) >= self.percent {
            return;
        }
        let Some(body) = outgoing.bytes() else { return };
        let now = std::time::Instant::now();
        let (Ok(place), Ok(mut admission)) =
            (self.upstream.concurrency.enter(Priority::Low), self.upstream.breaker.admit(now))
        else {
            return;
        };
        let Some(mut lease) = self.upstream.balancer.lease(now, &[]) else { return };
        let mut copy = if body.is_empty() { Outgoing::none() } else { Outgoing::held(body) };
        let call = Call { upstream: &self.upstream, mirror: None, ..*call };
        let (Ok(request), Ok(client)) =
            (call.request(tools.signer, lease.endpoint(), &mut copy), tools.pool.of(lease.endpoint()))
        else {
            return;
        };
        tools.metrics.mirrored(&self.upstream.name);
        let (upstream, begun) = (Arc::clone(&self.upstream), now);
        actix_web::rt::spawn(async move {
            let _place = place;
            let answered = tokio::time::timeout(PATIENCE, client.execute(request)).await;
            let status = answered.as_ref().ok().and_then(|answered| Some(answered.as_ref().ok()?.status()));
            let good = status.is_some_and(|status| !status.is_server_error());
            let (outcome, now) = (if good { Outcome::Success } else { Outcome::Failure }, std::time::Instant::now());
            let took = now.saturating_duration_since(begun);
            admission.settle(outcome, now);
            upstream.balancer.ended(&mut lease, outcome, took, now);
            upstream.concurrency.learn(took, status.is_none_or(|s| s == StatusCode::SERVICE_UNAVAILABLE), now);
        });
    }
}
