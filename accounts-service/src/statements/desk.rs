//! How many statements are written at once, and for how long: each has a place, and nobody has them all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use shared::domain::UserId;
use shared::problem::{Code, Problem};

use super::metrics::Metrics;
use crate::config::StatementsConfig;

/// When to come again where all places are taken.
const AGAIN: Duration = Duration::from_secs(5);

/// The limits.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Places.
    pub at_once: usize,
    /// Places of one user.
    pub per_user: usize,
    /// How long a place may be taken.
    pub patience: Duration,
    /// How long a reader may take over what is ready: whoever reads slower keeps a place from others.
    pub page_patience: Duration,
}

impl From<&StatementsConfig> for Bounds {
    fn from(config: &StatementsConfig) -> Self {
        let StatementsConfig { at_once, per_user, patience, page_patience } = *config;
        Self { at_once, per_user, patience: patience.get(), page_patience: page_patience.get() }
    }
}

/// Where statements are written. Clones share it.
#[derive(Clone, Debug)]
pub struct Desk {
    bounds: Bounds,
    taken: Arc<Mutex<HashMap<UserId, usize>>>,
    pub(super) metrics: Metrics,
}

/// A place, until it is dropped.
pub(super) struct Place {
    user: UserId,
    taken: Arc<Mutex<HashMap<UserId, usize>>>,
}

impl Desk {
    /// An empty one, whose numbers `registry` shows.
    #[must_use]
    pub fn new(bounds: Bounds, registry: &mut Registry) -> Self {
        Self { bounds, taken: Arc::default(), metrics: Metrics::register(registry) }
    }

    /// How long a statement may take.
    pub(super) const fn patience(&self) -> Duration {
        self.bounds.patience
    }

    /// How long its reader may take over a page.
    pub(super) const fn page_patience(&self) -> Duration {
        self.bounds.page_patience
    }

    /// A place for one more of `user`'s: 429 when they have as many as one may have, 503 when all are taken.
    pub(super) fn place(&self, user: UserId) -> Result<Place, Problem> {
        let mut taken = self.taken.lock();
        let all: usize = taken.values().sum();
        let own = taken.entry(user).or_default();
        if *own >= self.bounds.per_user {
            let detail = format!("{own} statements of yours are being written; read one to its end first.");
            return Err(Problem::new(Code::RateLimited).detail(detail).retry_after(AGAIN));
        }
        if all >= self.bounds.at_once {
            if *own == 0 {
                taken.remove(&user);
            }
            return Err(Problem::new(Code::Overloaded).retry_after(AGAIN));
        }
        *own += 1;
        Ok(Place { user, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        if let Some(own) = taken.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::clock::Clock;

    use super::*;

    #[test]
    fn places_are_few_and_fairly_shared_and_come_back() {
        let clock = Clock::system();
        let [ann, bob, cid] = [(); 3].map(|()| UserId::generate(&clock));
        let bounds = Bounds { at_once: 3, per_user: 2, patience: Duration::ZERO, page_patience: Duration::ZERO };
        let desk = Desk::new(bounds, &mut Registry::default());
        let code = |user| desk.place(user).map(drop).unwrap_err().code();
        let (first, second) = (desk.place(ann).unwrap(), desk.place(ann).unwrap());
        assert_eq!(code(ann), Code::RateLimited);
        let third = desk.place(bob).unwrap();
        assert_eq!((code(bob), code(cid)), (Code::Overloaded, Code::Overloaded));
        drop(first);
        let fourth = desk.place(cid).unwrap();
        drop((second, third, fourth));
        assert!(desk.taken.lock().is_empty());
    }
}
