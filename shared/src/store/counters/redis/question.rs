//! One question to the shared counters, and who has answered it: Redis, or this instance alone because Redis took too long.

use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::oneshot;

use crate::store::StoreError;
use crate::store::counters::Decisions;
use crate::store::counters::mirror::{Asked, Mirror};

/// What the caller hears from the lane.
pub(super) type Told = Result<Decisions, StoreError>;

#[derive(Debug)]
pub(super) struct Question {
    pub asked: SmallVec<[Asked; 2]>,
    pub instances: u32,
    /// Whether its caller may stop waiting and decide alone.
    may_leave: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Its caller waits. `promised`: it is under way, and the mirror, which decided ahead, has charged it.
    Waiting { tell: oneshot::Sender<Told>, promised: bool },
    /// It was given up with the call that carried it.
    Lost { promised: bool },
    /// Its caller decided alone, and `charged` the mirror.
    Left { charged: bool },
    /// Redis answered in time.
    Answered,
}

impl Question {
    pub fn new(asked: SmallVec<[Asked; 2]>, instances: u32, may_leave: bool) -> (Self, oneshot::Receiver<Told>) {
        let (tell, told) = oneshot::channel();
        (Self { asked, instances, may_leave, state: Mutex::new(State::Waiting { tell, promised: false }) }, told)
    }

    /// Whether its caller may stop waiting and decide alone.
    pub const fn may_leave(&self) -> bool {
        self.may_leave
    }

    /// Whether anybody still waits for its answer.
    pub fn is_open(&self) -> bool {
        matches!(&*self.state.lock(), State::Waiting { tell, .. } if !tell.is_closed())
    }

    /// It is about to be sent. The mirror decides it ahead and charges it, so that whoever decides alone in the meantime
    /// counts with what is under way.
    pub fn promise(&self, mirror: &Mirror) {
        if let State::Waiting { promised, .. } = &mut *self.state.lock()
            && self.may_leave
        {
            *promised = mirror.take(&self.asked, self.instances).1;
        }
    }

    /// Redis answered: for each key whether it had room, and the level after it.
    pub fn answer(&self, found: &[(bool, u64)], mirror: &Mirror) {
        let allowed = self.asked.iter().zip(found).all(|(one, (room, _))| one.shadow || *room);
        let mut state = self.state.lock();
        let (charged, waits, left) = match &*state {
            State::Waiting { promised, tell } => (*promised, !tell.is_closed(), false),
            State::Left { charged } => (*charged, false, true),
            State::Lost { .. } | State::Answered => (false, false, false),
        };
        // What was let through alone and found no room stays owed. All else that the mirror charged is in the level now,
        // or was not let through.
        let settles = charged && (allowed || !left);
        // And what found room after it had been refused was charged for nothing.
        let is_vain = allowed && !waits && !(left && charged);
        for (one, (room, level)) in self.asked.iter().zip(found) {
            mirror.learn(one.print, &one.meter, self.instances, *level, if settles { one.cost } else { 0 });
            if is_vain && *room && one.cost > 0 {
                mirror.give_back(one.owing(self.instances), one.cost);
            }
        }
        if waits && let State::Waiting { tell, .. } = std::mem::replace(&mut *state, State::Answered) {
            let decide =
                |(one, (room, level)): (&Asked, &(bool, u64))| one.meter.decision(*level, (!room).then_some(one.need));
            // Whoever asked may be gone.
            let _ = tell.send(Ok(self.asked.iter().zip(found).map(decide).collect()));
        }
    }

    /// The call that carried it, or was to carry it, was given up.
    pub fn lose(&self, why: &StoreError) {
        let mut state = self.state.lock();
        if let State::Waiting { promised, .. } = *state
            && let State::Waiting { tell, .. } = std::mem::replace(&mut *state, State::Lost { promised })
        {
            let _ = tell.send(Err(why.clone()));
        }
    }

    /// Its caller waits no longer, and decides alone. `None` when Redis has just answered.
    pub fn leave(&self, mirror: &Mirror) -> Option<Decisions> {
        let mut state = self.state.lock();
        let (decisions, charged) = match &*state {
            State::Waiting { promised: true, .. } | State::Lost { promised: true } => {
                (mirror.taken(&self.asked, self.instances), true)
            }
            State::Waiting { .. } | State::Lost { .. } => mirror.take(&self.asked, self.instances),
            State::Left { .. } | State::Answered => return None,
        };
        if charged {
            mirror.list(self.asked.iter().map(|one| one.owing(self.instances)));
        }
        *state = State::Left { charged };
        Some(decisions)
    }
}

#[cfg(test)]
mod tests;
