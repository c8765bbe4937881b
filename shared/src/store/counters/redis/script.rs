//! What one call carries to the script, and what comes back.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisResult, Script, ServerErrorKind};

use super::question::Question;
use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::counters::mirror::{Debt, Mirror, Owing};

/// How many milliseconds longer than needed a key lives under a manual clock, whose time may stand still while Redis's
/// goes on.
const MANUAL_CLOCK_GRACE: u64 = 3_600_000;
/// How long an instance counts as present after it last said so, in microseconds.
const HORIZON: u64 = 10_000_000;
/// Listed debts that one call settles along with its questions.
const MAX_SETTLED: usize = 256;

/// The script.
pub(super) fn take() -> Script {
    Script::new(include_str!("take.lua"))
}

/// It goes by its hash (EVALSHA); a server that does not know it yet is told, once, on NOSCRIPT.
pub(super) async fn run(script: &Script, call: &Cmd, to: &mut MultiplexedConnection) -> RedisResult<Vec<u64>> {
    match call.query_async(to).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            script.load_async(to).await?;
            call.query_async(to).await
        }
        answer => answer,
    }
}

/// What is charged without a question.
#[derive(Debug)]
struct Settlement {
    of: Owing,
    debt: Debt,
}

#[derive(Debug, Default)]
struct Settlements(Vec<Settlement>);

impl Settlements {
    /// A key's debt is settled once, however many ask for the key.
    fn add(&mut self, of: Owing, debt: Debt) {
        if self.of(&of).is_none() {
            self.0.push(Settlement { of, debt });
        }
    }

    fn give_back(&mut self, of: Owing, back: u64) {
        match self.of(&of) {
            Some(known) => known.debt.back += back,
            None => self.0.push(Settlement { of, debt: Debt { floor: 0, owed: 0, back } }),
        }
    }

    fn of(&mut self, wanted: &Owing) -> Option<&mut Settlement> {
        self.0.iter_mut().find(|known| known.of.print == wanted.print)
    }
}

/// Questions that go together, after the debts of their keys and some of those that are listed.
#[derive(Debug)]
pub(super) struct Batch {
    settlements: Vec<Settlement>,
    questions: Vec<Arc<Question>>,
    presence: Option<Presence>,
}

/// That an instance is there: the set of all, and its own name in it.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    pub key: String,
    pub id: String,
}

impl Batch {
    /// Questions that nobody waits for any more stay behind. First the debts, then the promises: what is under way is
    /// owed by nobody.
    pub fn load(mut questions: Vec<Arc<Question>>, mirror: &Mirror) -> Self {
        questions.retain(|question| question.is_open());
        let mut settlements = Settlements::default();
        for question in &questions {
            for one in &question.asked {
                if let Some(debt) = mirror.debt(one.print, &one.meter, question.instances) {
                    settlements.add(one.owing(question.instances), debt);
                }
            }
        }
        for of in mirror.unlist(MAX_SETTLED) {
            if let Some(debt) = mirror.debt(of.print, &of.meter, of.instances) {
                settlements.add(of, debt);
            }
        }
        for (of, back) in mirror.returns() {
            settlements.give_back(of, back);
        }
        let Settlements(settlements) = settlements;
        questions.iter().for_each(|question| question.promise(mirror));
        Self { settlements, questions, presence: None }
    }

    /// The same, and says that this instance is there, if one of its questions may have to be decided alone.
    pub fn present(self, presence: &Presence) -> Self {
        let matters = self.questions.iter().any(|question| question.may_leave());
        Self { presence: matters.then(|| presence.clone()), ..self }
    }

    /// Whether it says that this instance is there.
    pub const fn is_present(&self) -> bool {
        self.presence.is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.settlements.is_empty() && self.questions.is_empty()
    }

    pub fn questions(&self) -> u64 {
        u64::try_from(self.questions.len()).unwrap_or(u64::MAX)
    }

    /// The command: all keys, then all that is said of them.
    pub fn command(&self, script: &Script, clock: &Clock) -> Cmd {
        let Self { settlements, questions, presence } = self;
        let asked: usize = questions.iter().map(|question| question.asked.len()).sum();
        let mut call = redis::cmd("EVALSHA");
        call.arg(script.get_hash()).arg(usize::from(presence.is_some()) + settlements.len() + asked);
        call.arg(presence.as_ref().map(|presence| &presence.key));
        for settlement in settlements {
            call.arg(&settlement.of.key);
        }
        for one in questions.iter().flat_map(|question| &question.asked) {
            call.arg(&one.key);
        }
        match clock.is_manual() {
            true => call.arg(clock.now_micros()).arg(MANUAL_CLOCK_GRACE),
            false => call.arg("").arg(0),
        };
        if let Some(Presence { id, .. }) = presence {
            call.arg("present").arg(1).arg(id).arg(HORIZON).arg("").arg("");
        }
        if !settlements.is_empty() {
            call.arg("settle").arg(settlements.len());
        }
        for Settlement { of, debt } in settlements {
            // Levels stay below 2^54.
            let change = debt.owed.cast_signed() - debt.back.cast_signed();
            call.arg(of.meter.drain).arg(of.meter.capacity).arg(debt.floor).arg(change);
        }
        for question in questions {
            call.arg("ask").arg(question.asked.len());
            for one in &question.asked {
                call.arg(one.meter.drain).arg(one.meter.capacity).arg(one.need).arg(u8::from(one.shadow));
            }
        }
        call
    }

    /// Hands the script's answer to the mirror, and to whoever waits. Says how many instances there are, if that was asked.
    pub fn answered(self, answer: &[u64], mirror: &Mirror) -> Result<Option<u32>, StoreError> {
        let asked: usize = self.questions.iter().map(|question| question.asked.len()).sum();
        if answer.len() != 2 * (usize::from(self.presence.is_some()) + self.settlements.len() + asked) {
            let odd = StoreError::Unavailable("an odd answer from the counter script".to_owned());
            self.lost(&odd, mirror);
            return Err(odd);
        }
        let mut found = answer.chunks_exact(2).map(|pair| (pair[0] == 1, pair[1]));
        let instances = self.presence.as_ref().and_then(|_| found.next());
        let instances = instances.and_then(|(_, count)| u32::try_from(count).ok());
        for (Settlement { of, debt }, (_, level)) in self.settlements.iter().zip(found.by_ref()) {
            mirror.learn(of.print, &of.meter, of.instances, level, debt.owed);
        }
        for question in &self.questions {
            let own: Vec<_> = found.by_ref().take(question.asked.len()).collect();
            question.answer(&own, mirror);
        }
        Ok(instances)
    }

    /// The call was given up: whoever waits decides alone, and the debts are listed again.
    pub fn lost(self, why: &StoreError, mirror: &Mirror) {
        self.questions.iter().for_each(|question| question.lose(why));
        mirror.list(self.settlements.into_iter().map(|settlement| settlement.of));
    }
}
