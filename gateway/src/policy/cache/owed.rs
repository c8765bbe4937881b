//! Purges that a store could not be told: what is owed, until it is paid.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use shared::store::tagged::EVERYTHING;

/// Tags that are remembered. One more, and everything is owed: that forgets too much, never too little.
const MAX_OWED: usize = 1_024;

/// What is owed. A tag that is owed once more while it is being paid stays owed: the payment may have come too early.
#[derive(Debug, Default)]
pub struct Owed {
    tags: Mutex<Tags>,
    /// Whether there are any; written under the lock only.
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct Tags {
    /// When each was owed last.
    since: BTreeMap<String, u64>,
    now: u64,
}

/// A part of what is owed, on its way to the store.
#[derive(Debug)]
pub struct Payment {
    /// What the store is told.
    pub tags: Vec<String>,
    upto: u64,
}

impl Owed {
    /// Whether anything is owed.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Notes what could not be purged.
    pub fn add(&self, tags: Vec<String>) {
        let mut owed = self.tags.lock();
        owed.now += 1;
        let now = owed.now;
        owed.since.extend(tags.into_iter().map(|tag| (tag, now)));
        if owed.since.len() > MAX_OWED {
            owed.since = BTreeMap::from([(EVERYTHING.to_owned(), now)]);
        }
        self.any.store(!owed.since.is_empty(), Ordering::Release);
    }

    /// All that is owed now.
    pub fn payment(&self) -> Payment {
        let owed = self.tags.lock();
        Payment { tags: owed.since.keys().cloned().collect(), upto: owed.now }
    }

    /// The store has been told. `true`: nothing is owed any more.
    pub fn paid(&self, payment: &Payment) -> bool {
        let mut owed = self.tags.lock();
        owed.since.retain(|_, since| *since > payment.upto);
        self.any.store(!owed.since.is_empty(), Ordering::Release);
        owed.since.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owe(owed: &Owed, tag: &str) {
        owed.add(vec![tag.to_owned()]);
    }

    #[test]
    fn what_is_owed_again_while_it_is_paid_stays_owed() {
        let owed = Owed::default();
        owe(&owed, "a");
        owe(&owed, "b");
        let payment = owed.payment();
        assert_eq!(payment.tags, ["a", "b"]);
        owe(&owed, "a");
        assert!(!owed.paid(&payment));
        let payment = owed.payment();
        assert_eq!(payment.tags, ["a"]);
        assert!(owed.any() && owed.paid(&payment) && !owed.any());
    }

    #[test]
    fn more_than_can_be_remembered_is_everything() {
        let owed = Owed::default();
        for tag in 0..100_000 {
            owe(&owed, &tag.to_string());
            assert!(owed.any() && owed.tags.lock().since.len() <= MAX_OWED);
        }
        assert!(owed.payment().tags.iter().any(|tag| tag == EVERYTHING));
    }
}
