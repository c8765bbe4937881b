//! Counters in Redis: one script, one round trip for all that ask at the same time, and a mirror for when it is late.

mod lane;
mod question;
mod script;

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::mirror::{Asked, Mirror};
use super::{CounterStats, Decisions, Ruling, Take, Terms};
use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::gcra::Meter;
use crate::store::link::Link;
use lane::Lane;
use question::{Question, Told};

/// See [`super::Counters::Redis`].
#[derive(Clone, Debug)]
pub struct RedisCounters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    link: Link,
    lane: Lane,
    mirror: Arc<Mirror>,
    deadline: Duration,
    /// What all keys begin with. The braces make all counters one hash slot, so that a cluster too runs the script in one
    /// step.
    prefix: String,
}

impl RedisCounters {
    pub(super) fn new(link: Link, clock: &Clock, deadline: Duration) -> Self {
        let mirror = Arc::new(Mirror::new(clock));
        let lane = Lane::open(link.clone(), clock.clone(), Arc::clone(&mirror), deadline);
        let prefix = link.key("{counters}:");
        Self(Arc::new(Inner { link, lane, mirror, deadline, prefix }))
    }

    pub(super) async fn take(&self, takes: &[Take<'_>]) -> Result<Decisions, StoreError> {
        let terms = Terms { timeout: self.0.deadline, instances: 1, alone: false };
        self.decide(takes, terms).await.map(|ruling| ruling.decisions)
    }

    pub(super) async fn decide(&self, takes: &[Take<'_>], terms: Terms) -> Result<Ruling, StoreError> {
        if takes.is_empty() {
            return Ok(Ruling { decisions: Decisions::new(), alone: false });
        }
        let instances = if terms.instances == 0 { self.0.lane.pulse().instances() } else { terms.instances };
        let (question, mut told) = self.question(takes, Terms { instances, ..terms });
        let patience = if terms.alone { terms.timeout } else { self.0.deadline };
        let mut why = StoreError::Unavailable("the shared counters do not answer".to_owned());
        if self.0.lane.is_prompt(patience) && self.0.lane.put(&question) {
            match timeout(patience, &mut told).await {
                Ok(Ok(Ok(decisions))) => return Ok(Ruling { decisions, alone: false }),
                Ok(Ok(Err(error))) => why = error,
                Ok(Err(_closed)) => {}
                Err(_elapsed) => why = StoreError::Timeout(patience),
            }
        }
        if !terms.alone {
            return Err(why);
        }
        match question.leave(&self.0.mirror) {
            Some(decisions) => Ok(Ruling { decisions, alone: true }),
            // The answer came just now.
            None => {
                let decisions = told.try_recv().unwrap_or(Err(why))?;
                Ok(Ruling { decisions, alone: false })
            }
        }
    }

    fn question(&self, takes: &[Take<'_>], terms: Terms) -> (Arc<Question>, oneshot::Receiver<Told>) {
        let Inner { mirror, prefix, .. } = &*self.0;
        let ask = |(index, take): (usize, &Take<'_>)| {
            let meter = Meter::of(take.quota);
            Asked {
                key: [prefix, take.key].concat(),
                print: mirror.print(take.key),
                need: meter.need(Take::up_to(takes, index)),
                cost: meter.need(u64::from(take.cost)),
                meter,
                shadow: take.shadow,
            }
        };
        let asked: SmallVec<[Asked; 2]> = takes.iter().enumerate().map(ask).collect();
        let (question, told) = Question::new(asked, terms.instances, terms.alone);
        (Arc::new(question), told)
    }

    pub(super) async fn reset(&self, key: &str) -> Result<(), StoreError> {
        let name = [&self.0.prefix, key].concat();
        self.0.mirror.forget(self.0.mirror.print(key));
        let forget = async |mut connection| redis::cmd("DEL").arg(&name).query_async(&mut connection).await;
        self.0.link.call(self.0.deadline, forget).await
    }

    pub(super) fn stats(&self) -> CounterStats {
        let pulse = self.0.lane.pulse();
        let [questions, calls, lost] = pulse.counts();
        CounterStats {
            keys: self.0.mirror.len(),
            questions,
            calls,
            lost,
            down: pulse.is_down(),
            instances: pulse.instances(),
        }
    }
}
