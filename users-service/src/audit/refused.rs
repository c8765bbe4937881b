//! What is turned away before anybody looks at it: counted, and written once per window, so that a flood writes nothing
//! more than a trickle does.

use std::collections::HashMap;

use parking_lot::Mutex;
use shared::clock::{Clock, from_micros, rfc3339};
use shared::domain::UserId;

use super::event::{By, Event};
use super::kind::Kind;

/// Told apart in one window at most; all others are counted together, by kind.
const MOST: usize = 1_024;

/// What was turned away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// Which kind of thing.
    pub kind: Kind,
    /// Of whom, if they are known.
    pub subject: Option<UserId>,
    /// In whose name, as [`super::Journal::name`] tells it.
    pub identifier: Option<String>,
    /// By whom, from where.
    pub by: By,
}

/// How often, and since when (microseconds).
#[derive(Clone, Copy, Debug)]
struct Counted {
    times: u64,
    since: i64,
}

/// What was turned away in this window.
#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<HashMap<Refusal, Counted>>);

impl Refused {
    pub fn count(&self, refusal: Refusal, now: i64) {
        let mut counted = self.0.lock();
        let refusal = if counted.len() >= MOST && !counted.contains_key(&refusal) {
            Refusal { kind: refusal.kind, subject: None, identifier: None, by: By::nobody(None) }
        } else {
            refusal
        };
        counted.entry(refusal).or_insert(Counted { times: 0, since: now }).times += 1;
    }

    /// An event for each, and a new window.
    pub fn take(&self, clock: &Clock) -> Vec<Event> {
        let counted = std::mem::take(&mut *self.0.lock());
        let event = |(refusal, Counted { times, since }): (Refusal, Counted)| {
            let event = Event::new(refusal.kind, refusal.by, clock);
            let event = event.with("times", times).with("since", rfc3339(from_micros(since)));
            let event = refusal.identifier.into_iter().fold(event, |event, name| event.with("identifier", name));
            refusal.subject.into_iter().fold(event, Event::about)
        };
        counted.into_iter().map(event).collect()
    }
}
