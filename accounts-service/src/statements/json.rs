//! A statement as JSON: the contract's members, with the entries last, so that they can come as they are read.

use std::io;
use std::sync::Arc;

use serde::Serialize;
use shared::clock::{from_micros, rfc3339};
use shared::domain::{AccountId, Currency, TransferId};
use utoipa::ToSchema;

use super::model::{Line, Statement};
use super::writer::Form;

/// What happened on an account in a time: the opening balance and all amounts make the closing one. Amounts are minor
/// units: divide by ten to the `exponent` for people.
#[derive(Serialize, ToSchema)]
#[schema(as = Statement)]
pub struct StatementBody {
    /// The account.
    pub account_id: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// ISO 4217.
    #[schema(value_type = String, format = "iso-4217", example = "USD")]
    pub currency: Currency,
    /// Decimals of the currency's major unit.
    #[schema(example = 2)]
    pub exponent: u8,
    /// Entries that posted then or later.
    #[schema(format = DateTime)]
    pub from: String,
    /// Entries that posted before.
    #[schema(format = DateTime)]
    pub to: String,
    /// The balance at the beginning.
    pub opening_balance: i64,
    /// The balance at the end.
    pub closing_balance: i64,
    /// How many entries follow.
    pub entry_count: i64,
    /// Oldest first. Always the last member.
    pub entries: Vec<StatementEntryBody>,
}

/// One entry, with what its transfer says of it.
#[derive(Serialize, ToSchema)]
#[schema(as = StatementEntry)]
pub struct StatementEntryBody {
    /// Counts from 1 without gaps.
    #[schema(example = 1)]
    pub seq: i64,
    /// The transfer it is a side of.
    pub transfer_id: TransferId,
    /// Minor units: negative when the account paid.
    #[schema(example = -1050)]
    pub amount: i64,
    /// The account's balance with this entry.
    pub balance_after: i64,
    /// When it posted.
    #[schema(format = DateTime)]
    pub posted_at: String,
    /// The transfer's other account.
    pub counterparty_account_id: AccountId,
    /// For people.
    pub description: Option<String>,
    /// The reference of whoever ordered the transfer.
    pub external_ref: Option<String>,
    /// The transfer that this one takes back.
    pub reversal_of: Option<TransferId>,
}

impl From<&Statement> for StatementBody {
    fn from(statement: &Statement) -> Self {
        Self {
            account_id: statement.account,
            name: statement.name.clone(),
            currency: statement.currency,
            exponent: statement.currency.exponent(),
            from: rfc3339(from_micros(statement.from)),
            to: rfc3339(from_micros(statement.to)),
            opening_balance: statement.opening,
            closing_balance: statement.closing,
            entry_count: statement.lines(),
            entries: Vec::new(),
        }
    }
}

impl From<&Line> for StatementEntryBody {
    fn from(line: &Line) -> Self {
        Self {
            seq: line.seq,
            transfer_id: line.transfer,
            amount: line.amount,
            balance_after: line.balance_after,
            posted_at: rfc3339(from_micros(line.posted_at)),
            counterparty_account_id: line.counterparty,
            description: line.description.clone(),
            external_ref: line.external_ref.clone(),
            reversal_of: line.reversal_of,
        }
    }
}

/// How it ends.
const CLOSED: &[u8] = b"]}";

/// The form.
pub struct Json {
    statement: Arc<Statement>,
    first: bool,
}

impl Json {
    pub const fn new(statement: Arc<Statement>) -> Self {
        Self { statement, first: true }
    }
}

impl Form for Json {
    fn open(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &StatementBody::from(&*self.statement))?;
        // Its entries are none yet: they stay open, and the object with them.
        out.truncate(out.len().saturating_sub(CLOSED.len()));
        Ok(())
    }

    fn line(&mut self, line: &Line, out: &mut Vec<u8>) -> io::Result<()> {
        if !std::mem::take(&mut self.first) {
            out.push(b',');
        }
        Ok(serde_json::to_writer(out, &StatementEntryBody::from(line))?)
    }

    fn close(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(CLOSED);
        Ok(())
    }
}
