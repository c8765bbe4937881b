//! The line of those whose callers have to be asked about: some of them at once, the others in turn.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};

use super::{Lasting, Live};
use crate::policy::authenticate::Place;

/// How many of one worker's callers are asked about at once: after a restart all of them come back in the same moment, and
/// the answers about them end in the same moment too. Who waits for their turn is not in doubt yet.
pub(super) const AT_ONCE: usize = 32;

/// After so many questions in vain an issuer is left alone until the next pulse: it may just be coming back.
const IN_VAIN: usize = AT_ONCE;

/// Those of one worker.
#[derive(Default)]
pub(super) struct Line {
    waiting: RefCell<VecDeque<Weak<Live>>>,
    /// Those whose issuer is left alone, in their order.
    passed_over: RefCell<VecDeque<Weak<Live>>>,
    in_vain: RefCell<HashMap<Place, usize>>,
    /// How many are being asked about.
    asking: Cell<usize>,
}

/// One of the places from which is asked; dropping it, however that comes about, gives it to another.
pub(super) struct Slot(Rc<Lasting>);

/// The duty to ask about one caller; dropping it, however that comes about, lets them come up again.
pub(super) struct Turn(pub(super) Rc<Live>);

impl Line {
    /// Puts somebody at the end, unless they are in it already or are just being asked about.
    pub(super) fn enter(&self, live: &Rc<Live>) {
        if !live.is_in_line.replace(true) {
            self.waiting.borrow_mut().push_back(Rc::downgrade(live));
        }
    }

    /// Whose turn it is.
    pub(super) fn next(&self) -> Option<Turn> {
        loop {
            let next = self.waiting.borrow_mut().pop_front()?;
            let Some(live) = next.upgrade().filter(|live| live.end.get().is_none()) else { continue };
            let place = live.leave.borrow().place();
            let in_vain = place.and_then(|place| self.in_vain.borrow().get(&place).copied());
            if in_vain.is_none_or(|times| times < IN_VAIN) {
                return Some(Turn(live));
            }
            self.passed_over.borrow_mut().push_back(next);
        }
    }

    /// Nobody could say anything there.
    pub(super) fn asked_in_vain(&self, place: Place) {
        *self.in_vain.borrow_mut().entry(place).or_default() += 1;
    }

    /// Issuers may be asked again, about those first who were passed over.
    pub(super) fn pulse(&self) {
        let (mut first, mut waiting) = (self.passed_over.borrow_mut(), self.waiting.borrow_mut());
        first.append(&mut waiting);
        std::mem::swap(&mut *first, &mut *waiting);
        self.in_vain.borrow_mut().clear();
    }
}

impl Slot {
    /// A place that is free, and whose turn it is.
    pub(super) fn take(lasting: &Rc<Lasting>) -> Option<(Self, Turn)> {
        let asking = &lasting.line.asking;
        let turn = if asking.get() < AT_ONCE { lasting.line.next()? } else { return None };
        asking.set(asking.get() + 1);
        Some((Self(Rc::clone(lasting)), turn))
    }

    /// Asks about one after the other, until nobody is left: who is behind them waits for an answer and not for a pulse.
    pub(super) async fn ask(self, first: Turn) {
        let Self(lasting) = &self;
        let mut next = Some(first);
        while let Some(turn) = next {
            lasting.ask_about(&turn.0).await;
            drop(turn);
            // What is answered without a wait must not keep the worker from all else.
            tokio::task::yield_now().await;
            next = lasting.line.next();
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
        self.0.is_in_line.set(false);
    }
}
