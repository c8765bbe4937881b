//! Refreshes that come at once are one transaction: whatever queued while the last one was in flight is the next.
//!
//! Alone, each would be its own commit and five round trips. Together they are one statement, on either back-end, that
//! moves every counter that may move and says whose; who is not among them is decided on a look of their own
//! ([`super::rotation`]), so that nothing here has to know why.

mod drain;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use shared::clock::Clock;
use shared::problem::{Code, Problem};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::metrics::RefreshMetrics;
use super::refresh_token::RefreshToken;
use super::store::Session;
use crate::db::{Database, Fault};
use crate::users::User;

/// Refreshes in one transaction at most.
const BATCH: usize = 256;

/// Refreshes that may wait for the next transaction: four of them. One more is refused before its token is used up.
pub const QUEUE: usize = 4 * BATCH;

/// A client that finds the queue full comes again after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A transaction that takes longer is given up: its database is as good as gone, and each looks for itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// A refresh token as it is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The token.
    pub token: RefreshToken,
    /// The OAuth client that presents it, once it has shown that it is; none: the user themselves.
    pub client: Option<Uuid>,
    /// From where.
    pub origin: Option<IpAddr>,
}

/// A session carried on.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// As it is now: its counter is the successor's.
    pub session: Session,
    /// Whose, as they were when it was carried on.
    pub user: User,
}

type Waiting = (Presented, oneshot::Sender<Option<Arc<Rotated>>>);

/// The queue. Clones share it.
#[derive(Clone, Debug)]
pub struct Rotator(mpsc::Sender<Waiting>);

/// The task behind a [`Rotator`].
#[derive(Debug)]
pub struct Drains {
    queue: mpsc::Receiver<Waiting>,
    database: Database,
    clock: Clock,
    idle: Duration,
    metrics: RefreshMetrics,
}

impl Rotator {
    /// A queue with so many places, and who empties it: to be run as a task. Sessions that nobody has refreshed for
    /// `idle` are over.
    #[must_use]
    pub fn open(
        places: usize,
        database: Database,
        clock: Clock,
        idle: Duration,
        metrics: RefreshMetrics,
    ) -> (Self, Drains) {
        let (sender, queue) = mpsc::channel(places);
        (Self(sender), Drains { queue, database, clock, idle, metrics })
    }

    /// Moves the session on if this is the token that is good now; returns when that is on disk. Nothing: it is not, or
    /// somebody else holds the session at this moment, or nobody knows: look.
    ///
    /// # Errors
    /// 503 `overloaded` when too many wait already; the token is not used up.
    pub async fn rotate(&self, presented: Presented) -> Result<Option<Arc<Rotated>>, Problem> {
        let (answer, answered) = oneshot::channel();
        let full = |_| Problem::new(Code::Overloaded).retry_after(RETRY_AFTER);
        self.0.try_send((presented, answer)).map_err(full)?;
        Ok(answered.await.unwrap_or_default())
    }
}

/// Who waits for the same token; what was presented first.
type Asked = HashMap<(RefreshToken, Option<Uuid>), (Presented, Vec<oneshot::Sender<Option<Arc<Rotated>>>>)>;

impl Drains {
    /// Empties the queue again and again, until the last [`Rotator`] is gone.
    pub async fn run(mut self) {
        let mut waiting = Vec::with_capacity(BATCH);
        while self.queue.recv_many(&mut waiting, BATCH).await > 0 {
            self.drain(&mut waiting).await;
        }
    }

    async fn drain(&self, waiting: &mut Vec<Waiting>) {
        let mut asked = Asked::new();
        // Whoever has hung up meanwhile keeps their token.
        for (presented, answer) in waiting.drain(..).filter(|(_, answer)| !answer.is_closed()) {
            let same = asked.entry((presented.token, presented.client)).or_insert_with(|| (presented, Vec::new()));
            same.1.push(answer);
        }
        if asked.is_empty() {
            return;
        }
        self.metrics.drained(asked.len());
        let presented: Vec<Presented> = asked.values().map(|(presented, _)| *presented).collect();
        let drained = timeout(PATIENCE, drain::rotate(&self.database, &presented, self.clock.now_micros(), self.idle));
        let rotated = match drained.await.unwrap_or_else(|_| Err(Fault::late())) {
            Ok(rotated) => rotated,
            // Perhaps it was committed after all. Each finds out by looking: then their token has a successor already.
            Err(fault) => {
                tracing::warn!(%fault, refreshes = asked.len(), "sessions could not be refreshed together");
                return;
            }
        };
        for rotated in rotated {
            let Session { id, state, client, .. } = &rotated.session;
            let token = RefreshToken { session: *id, counter: state.counter.saturating_sub(1) };
            let rotated = Arc::new(rotated.clone());
            for answer in asked.remove(&(token, *client)).into_iter().flat_map(|(_, answers)| answers) {
                drop(answer.send(Some(Arc::clone(&rotated))));
            }
        }
        // The others' senders end here, which tells them to look.
    }
}
