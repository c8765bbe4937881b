//! What goes into the engine and what comes out.

use std::sync::Arc;

use shared::problem::{Code, Context, Problem};
use uuid::Uuid;

use super::core::{Draft, Exchange, Need};
use super::outcome::Outcome;

/// The first 128 bits of SHA-256 over caller, method, route and key: a caller can only ever collide with themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest(pub Uuid);

/// How the items of a batch hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Each on its own.
    Independent,
    /// All or none.
    Atomic,
}

/// What one request asks for.
#[derive(Debug)]
pub enum Work {
    /// A single transfer.
    One(Arc<Draft>),
    /// A batch; items that were refused before any account was looked at carry their problem.
    Many(Mode, Vec<Result<Arc<Draft>, Problem>>),
    /// An exchange of one currency for another.
    Exchange(Arc<Exchange>),
}

impl Work {
    /// The orders in it that are judged against accounts.
    pub fn drafts(&self) -> impl Iterator<Item = &Arc<Draft>> {
        let (one, many) = match self {
            Self::One(draft) => (Some(draft), [].as_slice()),
            Self::Many(_, items) => (None, items.as_slice()),
            Self::Exchange(_) => (None, [].as_slice()),
        };
        one.into_iter().chain(many.iter().filter_map(|item| item.as_ref().ok()))
    }

    /// What deciding it is known to rest on before it is tried, with repeats.
    pub fn needs(&self) -> impl Iterator<Item = Need> {
        let exchange = if let Self::Exchange(wish) = self { Some(wish) } else { None };
        let drafts = self.drafts().flat_map(|draft| draft.command.needs());
        drafts.chain(exchange.into_iter().flat_map(|wish| wish.needs()))
    }

    /// How much of a commit batch it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(_, items) => items.len().max(1),
            Self::Exchange(_) => 3,
        }
    }
}

/// One request in the queue.
#[derive(Debug)]
pub struct Unit {
    /// Its key; none: work of the service's own, whose outcome nobody waits for.
    pub key: Option<KeyDigest>,
    /// What was asked under the key.
    pub fingerprint: Uuid,
    /// What to do.
    pub work: Work,
    /// For rendering a decline, which is stored as it is answered.
    pub context: Context,
}

/// An outcome, and whether it is the first answer or a replay.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How it ended.
    pub outcome: Outcome,
    /// When its transfers were recorded, in microseconds since the epoch.
    pub at: i64,
    /// Whether it was answered before.
    pub replayed: bool,
}

/// Why a keyed request has no outcome. Nothing is frozen under its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The queue is full, or the engine is stopping.
    #[error("the posting queue is full")]
    Overloaded,
    /// The key belongs to another request.
    #[error("the key was used for another request")]
    KeyReused,
    /// A request with this key has been running for longer than a client should wait.
    #[error("a request with this key is still running")]
    InProgress,
    /// The database stayed out of reach. Whether it committed may be unknown: the same key finds out.
    #[error("the database cannot be reached")]
    Unavailable,
    /// The database refused what the engine had decided.
    #[error("the database refused the batch")]
    Internal,
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Overloaded => Self::new(Code::Overloaded),
            Failure::KeyReused => Self::new(Code::IdempotencyKeyReused),
            Failure::InProgress => {
                Self::new(Code::IdempotencyInProgress).retry_after(std::time::Duration::from_secs(1))
            }
            Failure::Unavailable => Self::new(Code::DatabaseUnavailable),
            Failure::Internal => Self::new(Code::InternalError),
        }
    }
}
