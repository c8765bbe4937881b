//! What goes into the engine and what comes out.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use shared::domain::{AccountId, TransferId};
use shared::problem::{Code, Context, Problem};
use uuid::Uuid;

use super::apply::Order;

/// The first 128 bits of SHA-256 over caller, method, route and key: a caller can only ever collide with themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyDigest(pub Uuid);

/// A transfer that may be: the order, its future id, and what is carried along unread.
#[derive(Debug)]
pub struct Draft {
    /// The id it gets if it posts.
    pub id: TransferId,
    /// What is decided on.
    pub order: Order,
    /// For people.
    pub description: Option<String>,
    /// The client's own reference.
    pub external_ref: Option<String>,
    /// A JSON object, exactly as the client wrote it.
    pub metadata: Option<Box<RawValue>>,
}

/// How the items of a batch hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Each on its own.
    Independent,
    /// All or none.
    Atomic,
}

/// What one key asks for.
#[derive(Debug)]
pub enum Work {
    /// A single transfer.
    One(Arc<Draft>),
    /// A batch; items that were refused before any account was looked at carry their problem.
    Many(Mode, Vec<Result<Arc<Draft>, Problem>>),
}

impl Work {
    /// The orders in it that are judged against accounts.
    pub fn drafts(&self) -> impl Iterator<Item = &Arc<Draft>> {
        let (one, many) = match self {
            Self::One(draft) => (Some(draft), [].as_slice()),
            Self::Many(_, items) => (None, items.as_slice()),
        };
        one.into_iter().chain(many.iter().filter_map(|item| item.as_ref().ok()))
    }

    /// The accounts that deciding it needs, with repeats.
    pub fn accounts(&self) -> impl Iterator<Item = AccountId> {
        self.drafts().flat_map(|draft| [draft.order.debit(), draft.order.credit()])
    }

    /// How much of a commit batch it takes.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(_, items) => items.len().max(1),
        }
    }
}

/// One keyed request in the queue.
#[derive(Debug)]
pub struct Unit {
    /// Its key.
    pub key: KeyDigest,
    /// What was asked under the key.
    pub fingerprint: Uuid,
    /// What to do.
    pub work: Work,
    /// For rendering a decline, which is stored as it is answered.
    pub context: Context,
}

/// How a keyed request ended, for good.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A single transfer, posted; its body is rendered from this.
    Posted(Arc<Draft>, i64),
    /// Anything else: the status and body as first answered.
    Stored(u16, Bytes),
}

/// An outcome, and whether it is the first answer or a replay.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How it ended.
    pub outcome: Outcome,
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
