//! Counters shared with the other instances, and this instance's own for when those cannot be reached.

use shared::clock::Clock;
use shared::store::{Counters, Decisions, Take};

use super::ticket::Ticket;

/// While the shared counters cannot be reached, each instance counts for itself: refusing everybody or nobody would both be
/// what an attacker wants.
#[derive(Clone, Debug)]
pub(super) struct Counting {
    shared: Counters,
    own: Counters,
}

impl Counting {
    pub fn new(shared: Counters, clock: Clock) -> Self {
        Self { shared, own: Counters::memory(clock) }
    }

    /// Takes from every counter or from none.
    pub async fn take(&self, takes: &[Take<'_>]) -> Decisions {
        match self.shared.take(takes).await {
            Ok(decided) => decided,
            Err(error) => {
                tracing::warn!(%error, "sign-ins are counted by this instance alone");
                self.own.take(takes).await.unwrap_or_default()
            }
        }
    }

    pub async fn forget(&self, ticket: &Ticket) {
        if let Err(error) = self.shared.reset(ticket.key()).await {
            tracing::debug!(%error, "attempts were not forgiven");
        }
        // In memory, which does not fail.
        self.own.reset(ticket.key()).await.unwrap_or_default();
    }
}
