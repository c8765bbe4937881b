//! The tables, as sea-orm sees them.

pub mod account;
pub mod account_label;
pub mod account_limit;
pub mod account_slice;
pub mod entry;
pub mod exchange;
pub mod exchange_carry;
pub mod exchange_rate;
pub mod external_ref;
pub mod hold;
pub mod idempotency_key;
pub mod ledger_batch;
pub mod ledger_head;
pub mod outbox_event;
pub mod receipt_key;
pub mod receipt_seal;
pub mod reversal;
pub mod standing_order;
pub mod standing_order_run;
pub mod transfer;
pub mod transfer_key;
