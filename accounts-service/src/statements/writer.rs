//! Writes a statement piece by piece in any form, and refuses to end one that does not add up.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::camt::Camt;
use super::csv::Csv;
use super::json::Json;
use super::model::{Format, Line, Statement};
use super::pdf::Pdf;

/// What every form can: begin, take lines in their order, end. Each writes what is ready and keeps as little as it can.
pub trait Form: Send {
    /// Everything before the first line.
    fn open(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
    /// One line.
    fn line(&mut self, line: &Line, out: &mut Vec<u8>) -> io::Result<()>;
    /// Everything behind the last line.
    fn close(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
}

/// Why a statement was not ended.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The ledger gave another line than the one that comes next.
    #[error("entry {found} came where {wanted} comes next")]
    Gap {
        /// The next one.
        wanted: i64,
        /// The one that came.
        found: i64,
    },
    /// The balance beside an entry is not the sum up to it.
    #[error("the balance after entry {0} is not the sum up to it")]
    Balance(i64),
    /// The last line was not the last entry, or its balance not the closing one.
    #[error("the lines end at entry {0}, or do not make the closing balance")]
    Closing(i64),
    /// A form could not be written.
    #[error("a form could not be written: {0}")]
    Form(#[from] io::Error),
}

/// A statement under way.
pub struct Writer {
    statement: Arc<Statement>,
    form: Box<dyn Form>,
    seq: i64,
    balance: i64,
}

impl Writer {
    /// Of `statement` as `format`.
    pub fn new(statement: Arc<Statement>, format: Format) -> Result<Self, Unfit> {
        let of = Arc::clone(&statement);
        let form: Box<dyn Form> = match format {
            Format::Json => Box::new(Json::new(of)),
            Format::Csv => Box::new(Csv::new(of)),
            Format::Camt053 => Box::new(Camt::new(of)),
            Format::Pdf => Box::new(Pdf::new(of)?),
        };
        Ok(Self { seq: statement.after, balance: statement.opening, statement, form })
    }

    /// The beginning.
    pub fn open(&mut self) -> Result<Bytes, Unfit> {
        let mut out = Vec::new();
        self.form.open(&mut out)?;
        Ok(out.into())
    }

    /// The next lines.
    pub fn lines(&mut self, lines: &[Line]) -> Result<Bytes, Unfit> {
        let mut out = Vec::new();
        for line in lines {
            let wanted = self.seq + 1;
            if line.seq != wanted {
                return Err(Unfit::Gap { wanted, found: line.seq });
            }
            if self.balance.checked_add(line.amount) != Some(line.balance_after) {
                return Err(Unfit::Balance(line.seq));
            }
            (self.seq, self.balance) = (line.seq, line.balance_after);
            self.form.line(line, &mut out)?;
        }
        Ok(out.into())
    }

    /// The end, if opening balance and lines make the closing one.
    pub fn close(&mut self) -> Result<Bytes, Unfit> {
        if (self.seq, self.balance) != (self.statement.last, self.statement.closing) {
            return Err(Unfit::Closing(self.seq));
        }
        let mut out = Vec::new();
        self.form.close(&mut out)?;
        Ok(out.into())
    }

    /// The last line that was written.
    #[must_use]
    pub const fn written(&self) -> i64 {
        self.seq
    }
}
