//! A transfer as it posted, from the engine or from its stored row: both render to the same bytes.

use std::sync::Arc;

use serde_json::value::RawValue;
use shared::domain::Amount;

use crate::db::entity::transfer;
use crate::posting::{Draft, Order};

/// A posted transfer.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// What was asked for.
    pub draft: Arc<Draft>,
    /// When it posted, in microseconds since the epoch.
    pub posted_at: i64,
}

/// A stored row that only somebody else can have written.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the transfer at position {0} holds what was never written")]
pub struct CorruptTransfer(i64);

impl TryFrom<transfer::Model> for Transfer {
    type Error = CorruptTransfer;

    fn try_from(row: transfer::Model) -> Result<Self, CorruptTransfer> {
        let corrupt = CorruptTransfer(row.position);
        let sides = (row.debit_account_id.into(), row.credit_account_id.into());
        let amount = Amount::try_from(row.amount).map_err(|_| corrupt)?;
        let currency = row.currency.parse().map_err(|_| corrupt)?;
        let order = Order::new(sides, amount, currency, row.created_by.into()).map_err(|_| corrupt)?;
        let draft = Draft {
            id: row.id.into(),
            order,
            description: row.description,
            external_ref: row.external_ref,
            metadata: row.metadata.map(RawValue::from_string).transpose().map_err(|_| corrupt)?,
        };
        Ok(Self { draft: Arc::new(draft), posted_at: row.posted_at.ok_or(corrupt)? })
    }
}
