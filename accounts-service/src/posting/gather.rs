//! How long to wait for company before a batch begins.
//!
//! Whoever was answered comes back within some 0.1 ms. A batch that begins at once takes only those along who came
//! meanwhile, and the clients fall apart into two groups that take turns: twice the batches, twice the waiting.

use std::time::Duration;

/// The most that anybody waits for company: half a fast disk's sync.
const MOST: Duration = Duration::from_micros(300);

/// The part of the last commit's time that is waited at most.
const SHARE: u32 = 4;

/// What is known when a batch is through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gather {
    /// Requests that were just answered.
    pub answered: usize,
    /// Requests that came meanwhile.
    pub queued: usize,
    /// How long the batch took.
    pub took: Duration,
}

impl Gather {
    /// How many requests are expected, and how long to wait for them. A lone client waits for nobody.
    pub fn expects(self) -> (usize, Duration) {
        if self.answered <= 1 {
            return (0, Duration::ZERO);
        }
        (self.answered.saturating_add(self.queued), (self.took / SHARE).min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expects(answered: usize, queued: usize, micros: u64) -> (usize, u128) {
        let (many, wait) = Gather { answered, queued, took: Duration::from_micros(micros) }.expects();
        (many, wait.as_micros())
    }

    #[test]
    fn a_lone_client_waits_for_nobody() {
        assert_eq!(expects(1, 0, 500), (0, 0));
        assert_eq!(Gather::default().expects(), (0, Duration::ZERO));
    }

    #[test]
    fn two_groups_become_one() {
        // Of four clients two were answered while two came: all four are expected.
        assert_eq!(expects(2, 2, 800), (4, 200));
        assert_eq!(expects(4, 0, 800), (4, 200));
    }

    #[test]
    fn nobody_waits_long() {
        assert_eq!(expects(256, 0, 20_000), (256, 300));
        assert_eq!(expects(2, usize::MAX, 4), (usize::MAX, 1));
    }
}
