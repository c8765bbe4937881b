//! The rows of the ledger as whoever proves it reads them: not as the engine's types would have them, but as they are.

use uuid::Uuid;

use super::line::Line;

/// A commit batch.
#[derive(Clone, Debug)]
pub struct Batch {
    pub batch_no: i64,
    pub first_position: i64,
    pub last_position: i64,
    pub posted_at: i64,
    pub format: i64,
    pub content: Vec<u8>,
    pub hash: Vec<u8>,
}

/// A transfer.
#[derive(Clone, Debug)]
pub struct Transfer {
    pub position: i64,
    pub id: Uuid,
    pub debit: Uuid,
    pub credit: Uuid,
    pub amount: i64,
    pub currency: String,
    pub status: String,
    pub description: Option<String>,
    pub external_ref: Option<String>,
    pub metadata: Option<String>,
    pub pending_of: Option<Uuid>,
    pub reversal_of: Option<Uuid>,
    pub expires_at: Option<i64>,
    pub posted_at: Option<i64>,
    pub created_at: i64,
    pub created_by: Uuid,
}

/// One side of a transfer.
#[derive(Clone, Debug)]
pub struct Entry {
    pub account: Uuid,
    pub seq: i64,
    pub transfer: Uuid,
    pub amount: i64,
    pub balance_after: i64,
    pub posted_at: i64,
}

/// An event of the outbox.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: Uuid,
    pub kind: String,
    pub subject: Uuid,
    pub recorded_at: i64,
}

/// Any of them.
#[derive(Clone, Debug)]
pub enum Row {
    /// A batch, at its first position.
    Batch(Batch),
    /// A transfer, at its own.
    Transfer(Box<Transfer>),
    /// An entry, likewise.
    Entry(Entry),
    /// An event, likewise.
    Event(Event),
}

impl Row {
    /// What a line says; none: a column is empty that the schema fills.
    pub fn of(line: Line) -> Option<Self> {
        Some(match line.kind {
            0 => Self::Batch(Batch {
                batch_no: line.n1?,
                first_position: line.position,
                last_position: line.n2?,
                posted_at: line.n3?,
                format: line.n4?,
                content: line.x1?,
                hash: line.x2?,
            }),
            1 => Self::Transfer(Box::new(Transfer {
                position: line.position,
                id: line.id?,
                debit: line.a?,
                credit: line.b?,
                amount: line.n1?,
                currency: line.t1?,
                status: line.t2?,
                description: line.t3,
                external_ref: line.t4,
                metadata: line.t5,
                pending_of: line.u1,
                reversal_of: line.u2,
                expires_at: line.n2,
                posted_at: line.n3,
                created_at: line.n4?,
                created_by: line.u3?,
            })),
            2 => Self::Entry(Entry {
                account: line.a?,
                seq: line.n2?,
                transfer: line.id?,
                amount: line.n1?,
                balance_after: line.n4?,
                posted_at: line.n3?,
            }),
            _ => Self::Event(Event { id: line.id?, kind: line.t1?, subject: line.a?, recorded_at: line.n4? }),
        })
    }
}
