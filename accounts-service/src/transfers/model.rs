//! A transfer as it was recorded, from the engine or from its stored row: both render to the same bytes.

use std::sync::Arc;

use serde_json::value::RawValue;
use shared::domain::Amount;

use crate::db::entity::transfer;
use crate::posting::{Decided, Memo, Record, Recorded};

/// A recorded transfer.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// What it is.
    pub decided: Arc<Decided>,
    /// When it was recorded, in microseconds since the epoch; one that moved money posted then.
    pub at: i64,
}

/// A stored row that only somebody else can have written.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the transfer at position {0} holds what was never written")]
pub struct CorruptTransfer(i64);

impl CorruptTransfer {
    /// That of a row at this position.
    pub(super) const fn at(position: i64) -> Self {
        Self(position)
    }
}

impl TryFrom<transfer::Model> for Transfer {
    type Error = CorruptTransfer;

    fn try_from(row: transfer::Model) -> Result<Self, CorruptTransfer> {
        let corrupt = CorruptTransfer(row.position);
        let record = Record {
            id: row.id.into(),
            debit: row.debit_account_id.into(),
            credit: row.credit_account_id.into(),
            amount: Amount::try_from(row.amount).map_err(|_| corrupt)?,
            currency: row.currency.parse().map_err(|_| corrupt)?,
            by: row.created_by.into(),
            status: Recorded::parse(&row.status).ok_or(corrupt)?,
            pending_of: row.pending_of.map(Into::into),
            reversal_of: row.reversal_of.map(Into::into),
            expires_at: row.expires_at,
        };
        let metadata = row.metadata.map(RawValue::from_string).transpose().map_err(|_| corrupt)?;
        let memo = Memo {
            description: row.description.map(Into::into),
            external_ref: row.external_ref.map(Into::into),
            metadata: metadata.map(Into::into),
        };
        Ok(Self { decided: Arc::new(Decided { record, memo }), at: row.created_at })
    }
}
