//! Counters in Redis: one script, one round trip.

use std::sync::Arc;
use std::time::Duration;

use redis::Script;

use super::Take;
use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::gcra::{Decision, Meter};
use crate::store::link::Link;

/// How much longer than needed a key lives under a manual clock, whose time may stand still while Redis's goes on.
const MANUAL_CLOCK_GRACE: Duration = Duration::from_secs(3_600);

/// See [`super::Counters::Redis`].
#[derive(Clone, Debug)]
pub struct RedisCounters {
    link: Link,
    clock: Clock,
    deadline: Duration,
    script: Arc<Script>,
}

impl RedisCounters {
    pub(super) fn new(link: Link, clock: Clock, deadline: Duration) -> Self {
        Self { link, clock, deadline, script: Arc::new(Script::new(include_str!("take.lua"))) }
    }

    /// The script goes by its hash (EVALSHA); a server that does not know it yet is told, once, on NOSCRIPT.
    pub(super) async fn take(&self, takes: &[Take<'_>]) -> Result<Vec<Decision>, StoreError> {
        if takes.is_empty() {
            return Ok(Vec::new());
        }
        let mut call = self.script.prepare_invoke();
        if self.clock.is_manual() {
            call.arg(self.clock.now_micros()).arg(MANUAL_CLOCK_GRACE.as_millis().to_string());
        } else {
            call.arg("").arg("0");
        }
        let mut plans = Vec::with_capacity(takes.len());
        for (index, take) in takes.iter().enumerate() {
            let meter = Meter::of(take.quota);
            let need = meter.need(Take::earlier(takes, index) + u64::from(take.cost));
            call.key(self.key(take.key)).arg(meter.drain).arg(meter.capacity).arg(need);
            plans.push((meter, need));
        }
        let answer: Vec<u64> =
            self.link.call(self.deadline, async |mut connection| call.invoke_async(&mut connection).await).await?;
        if answer.len() != 2 * plans.len() {
            return Err(StoreError::Unavailable("an odd answer from the counter script".to_owned()));
        }
        let decide = |((meter, need), pair): (&(Meter, u64), &[u64])| {
            let has_room = pair[0] == 1;
            meter.decision(pair[1], (!has_room).then_some(*need))
        };
        Ok(plans.iter().zip(answer.chunks_exact(2)).map(decide).collect())
    }

    pub(super) async fn reset(&self, key: &str) -> Result<(), StoreError> {
        let key = self.key(key);
        let forget = async |mut connection| redis::cmd("DEL").arg(&key).query_async(&mut connection).await;
        self.link.call(self.deadline, forget).await
    }

    /// The braces make all counters one hash slot, so that a cluster too runs the script in one step.
    fn key(&self, name: &str) -> String {
        self.link.key(&format!("{{counters}}:{name}"))
    }
}
