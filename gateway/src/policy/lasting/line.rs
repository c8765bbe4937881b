//! The line of those whose callers have to be asked about: some of them at once, the others in turn, issuer by issuer, so
//! that nobody waits for another's.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};

use super::{Lasting, Live};
use crate::policy::authenticate::Place;

/// How many of one worker's callers are asked about at once: after a restart all of them come back in the same moment, and
/// the answers about them end in the same moment too. Who waits for their turn is not in doubt yet.
pub(super) const AT_ONCE: usize = 32;

/// How many of them at one issuer: one that is slow leaves room for the others'.
pub(super) const AT_ONE: usize = 24;

/// After so many questions in vain an issuer is left alone until the next pulse: it may just be coming back.
const IN_VAIN: usize = AT_ONCE;

/// Those of one worker.
#[derive(Default)]
pub(super) struct Line {
    queues: RefCell<HashMap<Option<Place>, Queue>>,
    /// Whose turn it is, among those at which somebody waits.
    round: RefCell<VecDeque<Option<Place>>>,
    /// How many are being asked about.
    asking: Cell<usize>,
}

/// Those about whom one issuer has to be asked.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Weak<Live>>,
    /// How many it is being asked about.
    asking: usize,
    in_vain: usize,
}

/// One of the places from which is asked; dropping it, however that comes about, gives it to another.
pub(super) struct Slot(Rc<Lasting>);

/// The duty to ask about one caller; dropping it, however that comes about, lets them come up again.
pub(super) struct Turn {
    pub(super) live: Rc<Live>,
    place: Option<Place>,
    lasting: Rc<Lasting>,
}

impl Line {
    /// Puts somebody at the end, unless they are in it already or are just being asked about.
    pub(super) fn enter(&self, live: &Rc<Live>) {
        if !live.is_in_line.replace(true) {
            let place = live.leave.borrow().place();
            let mut queues = self.queues.borrow_mut();
            let queue = queues.entry(place).or_default();
            if queue.waiting.is_empty() {
                self.round.borrow_mut().push_back(place);
            }
            queue.waiting.push_back(Rc::downgrade(live));
        }
    }

    /// Whose turn it is: at each issuer one after the other, of those that may be asked more.
    fn next(&self) -> Option<(Rc<Live>, Option<Place>)> {
        let (mut queues, mut round) = (self.queues.borrow_mut(), self.round.borrow_mut());
        for _ in 0..round.len() {
            let place = round.pop_front()?;
            let Some(queue) = queues.get_mut(&place) else { continue };
            let found = if queue.asking < AT_ONE && queue.in_vain < IN_VAIN { queue.first() } else { None };
            if !queue.waiting.is_empty() {
                round.push_back(place);
            }
            if let Some(live) = found {
                queue.asking += 1;
                return Some((live, place));
            }
        }
        None
    }

    /// Nobody could say anything there.
    pub(super) fn asked_in_vain(&self, place: Option<Place>) {
        if let Some(queue) = self.queues.borrow_mut().get_mut(&place) {
            queue.in_vain += 1;
        }
    }

    /// Issuers may be asked again.
    pub(super) fn pulse(&self) {
        let mut queues = self.queues.borrow_mut();
        queues.retain(|_, queue| !queue.waiting.is_empty() || queue.asking > 0);
        queues.values_mut().for_each(|queue| queue.in_vain = 0);
    }
}

impl Queue {
    /// The first who is still there.
    fn first(&mut self) -> Option<Rc<Live>> {
        let gone = |live: &Weak<Live>| live.upgrade().filter(|live| live.end.get().is_none());
        std::iter::from_fn(|| self.waiting.pop_front()).find_map(|live| gone(&live))
    }
}

impl Turn {
    /// Whoever's it is.
    pub(super) fn next(lasting: &Rc<Lasting>) -> Option<Self> {
        let (live, place) = lasting.line.next()?;
        Some(Self { live, place, lasting: Rc::clone(lasting) })
    }

    /// It was for nothing: nobody could say anything.
    pub(super) fn in_vain(&self) {
        self.lasting.line.asked_in_vain(self.place);
    }
}

impl Slot {
    /// A place that is free, and whose turn it is.
    pub(super) fn take(lasting: &Rc<Lasting>) -> Option<(Self, Turn)> {
        let asking = &lasting.line.asking;
        let turn = if asking.get() < AT_ONCE { Turn::next(lasting)? } else { return None };
        asking.set(asking.get() + 1);
        Some((Self(Rc::clone(lasting)), turn))
    }

    /// Asks about one after the other, until nobody is left: who is behind them waits for an answer and not for a pulse.
    pub(super) async fn ask(self, first: Turn) {
        let Self(lasting) = &self;
        let mut next = Some(first);
        while let Some(turn) = next {
            lasting.ask_about(&turn).await;
            drop(turn);
            // What is answered without a wait must not keep the worker from all else.
            tokio::task::yield_now().await;
            next = Turn::next(lasting);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let asking = &self.0.line.asking;
        asking.set(asking.get() - 1);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.live.is_in_line.set(false);
        if let Some(queue) = self.lasting.line.queues.borrow_mut().get_mut(&self.place) {
            queue.asking = queue.asking.saturating_sub(1);
        }
    }
}
