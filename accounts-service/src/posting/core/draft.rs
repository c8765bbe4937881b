//! A wish with all that goes with it, and what became of it.

use std::sync::Arc;

use serde_json::value::RawValue;
use shared::domain::TransferId;

use super::command::Command;
use super::effect::Record;

/// What a transfer carries along for its client. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Memo {
    /// For people.
    pub description: Option<Arc<str>>,
    /// The client's own reference.
    pub external_ref: Option<Arc<str>>,
    /// A JSON object, exactly as the client wrote it.
    pub metadata: Option<Arc<RawValue>>,
}

impl Memo {
    /// Without the reference, which is one transfer's only.
    #[must_use]
    pub fn without_reference(&self) -> Self {
        Self { external_ref: None, ..self.clone() }
    }
}

/// A transfer that may be: the wish, its future id, and what is carried along.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The id it gets if it is recorded.
    pub id: TransferId,
    /// What is decided on.
    pub command: Command,
    /// What is carried along.
    pub memo: Memo,
}

/// A transfer that is recorded, or in a dry run would be.
#[derive(Clone, Debug)]
pub struct Decided {
    /// What was decided.
    pub record: Record,
    /// What is carried along.
    pub memo: Memo,
}
