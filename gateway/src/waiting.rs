//! Bytes that wait for somebody slower: for clients, of whom an answer is read ahead, or for a store, to be written there.
//! All together they have a bound, so that no number of slow clients, and no slow store, fills the memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes of all.
#[derive(Clone, Debug, Default)]
pub struct Waiting(Arc<AtomicU64>);

/// The bytes of one answer, given back when the last who has a part in them is done.
#[derive(Debug)]
pub struct Share {
    all: Waiting,
    bytes: AtomicU64,
}

impl Waiting {
    /// A share, of nothing yet.
    #[must_use]
    pub fn share(&self) -> Arc<Share> {
        Arc::new(Share { all: self.clone(), bytes: AtomicU64::new(0) })
    }

    /// The bytes of all, now.
    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl Share {
    /// So many bytes more; `false`, and nothing more, when all together would be more than `most`.
    #[must_use]
    pub fn grow(&self, bytes: u64, most: u64) -> bool {
        let grown = |all: u64| all.checked_add(bytes).filter(|all| *all <= most);
        let fits = self.all.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, grown).is_ok();
        if fits {
            self.bytes.fetch_add(bytes, Ordering::AcqRel);
        }
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.0.fetch_sub(*self.bytes.get_mut(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_stay_within_the_bound_and_give_back_what_they_had() {
        let waiting = Waiting::default();
        let (first, second) = (waiting.share(), waiting.share());
        assert!(first.grow(60, 100) && second.grow(40, 100));
        assert!(!first.grow(1, 100) && !second.grow(u64::MAX, 100));
        let held = Arc::clone(&first);
        drop(first);
        assert_eq!(waiting.bytes(), 100, "somebody still has a part in it");
        drop(held);
        assert!(second.grow(60, 100));
        drop(second);
        assert_eq!(waiting.bytes(), 0);
    }
}
