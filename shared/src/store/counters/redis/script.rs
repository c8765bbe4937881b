//! What one call carries to the script, and what comes back.

use std::sync::Arc;
use std::time::Duration;

use redis::{Script, ScriptInvocation};

use super::question::Question;
use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::counters::mirror::{Debt, Mirror, Owing};

/// How much longer than needed a key lives under a manual clock, whose time may stand still while Redis's goes on.
const MANUAL_CLOCK_GRACE: Duration = Duration::from_secs(3_600);
/// Listed debts that one call settles along with its questions.
const MAX_SETTLED: usize = 256;

/// The script, which goes by its hash (EVALSHA); a server that does not know it yet is told, once, on NOSCRIPT.
pub(super) fn take() -> Script {
    Script::new(include_str!("take.lua"))
}

/// What is charged without a question.
#[derive(Debug)]
struct Settlement {
    of: Owing,
    debt: Debt,
}

/// Questions that go together, after the debts of their keys and some of those that are listed.
#[derive(Debug)]
pub(super) struct Batch {
    settlements: Vec<Settlement>,
    questions: Vec<Arc<Question>>,
}

impl Batch {
    /// Questions that nobody waits for any more stay behind. First the debts, then the promises: what is under way is
    /// owed by nobody.
    pub fn load(mut questions: Vec<Arc<Question>>, mirror: &Mirror) -> Self {
        questions.retain(|question| question.is_open());
        let mut settlements: Vec<Settlement> = Vec::new();
        let mut settle = |of: Owing, debt: Debt| {
            if settlements.iter().all(|known| known.of.print != of.print) {
                settlements.push(Settlement { of, debt });
            }
        };
        for question in &questions {
            for one in &question.asked {
                let instances = question.instances;
                if let Some(debt) = mirror.debt(one.print, &one.meter, instances) {
                    settle(one.owing(instances), debt);
                }
            }
        }
        for of in mirror.unlist(MAX_SETTLED) {
            if let Some(debt) = mirror.debt(of.print, &of.meter, of.instances) {
                settle(of, debt);
            }
        }
        questions.iter().for_each(|question| question.promise(mirror));
        Self { settlements, questions }
    }

    pub fn is_empty(&self) -> bool {
        self.settlements.is_empty() && self.questions.is_empty()
    }

    pub fn questions(&self) -> u64 {
        u64::try_from(self.questions.len()).unwrap_or(u64::MAX)
    }

    pub fn call<'a>(&self, script: &'a Script, clock: &Clock) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        if clock.is_manual() {
            call.arg(clock.now_micros()).arg(MANUAL_CLOCK_GRACE.as_millis().to_string());
        } else {
            call.arg("").arg("0");
        }
        if !self.settlements.is_empty() {
            call.arg("settle").arg(self.settlements.len());
        }
        for Settlement { of, debt } in &self.settlements {
            call.key(&of.key).arg(of.meter.drain).arg(of.meter.capacity).arg(debt.floor).arg(debt.owed);
        }
        for question in &self.questions {
            call.arg("ask").arg(question.asked.len());
            for one in &question.asked {
                let shadow = u8::from(one.shadow);
                call.key(&one.key).arg(one.meter.drain).arg(one.meter.capacity).arg(one.need).arg(shadow);
            }
        }
        call
    }

    /// Hands the script's answer to the mirror, and to whoever waits.
    pub fn answered(self, answer: &[u64], mirror: &Mirror) -> Result<(), StoreError> {
        let asked: usize = self.questions.iter().map(|question| question.asked.len()).sum();
        if answer.len() != 2 * (self.settlements.len() + asked) {
            let odd = StoreError::Unavailable("an odd answer from the counter script".to_owned());
            self.lost(&odd, mirror);
            return Err(odd);
        }
        let mut found = answer.chunks_exact(2).map(|pair| (pair[0] == 1, pair[1]));
        for (Settlement { of, debt }, (_, level)) in self.settlements.iter().zip(found.by_ref()) {
            mirror.learn(of.print, &of.meter, of.instances, level, debt.owed);
        }
        for question in &self.questions {
            let own: Vec<_> = found.by_ref().take(question.asked.len()).collect();
            question.answer(&own, mirror);
        }
        Ok(())
    }

    /// The call was given up: whoever waits decides alone, and the debts are listed again.
    pub fn lost(self, why: &StoreError, mirror: &Mirror) {
        self.questions.iter().for_each(|question| question.lose(why));
        mirror.list(self.settlements.into_iter().map(|settlement| settlement.of));
    }
}
