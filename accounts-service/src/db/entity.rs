//! The tables, as sea-orm sees them.

pub mod account;
pub mod entry;
pub mod idempotency_key;
pub mod ledger_head;
pub mod outbox_event;
pub mod transfer;
pub mod transfer_key;
