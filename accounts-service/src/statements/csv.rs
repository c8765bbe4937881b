//! A statement as CSV (RFC 4180) for spreadsheets: the opening balance, a row for each entry, the closing balance.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use csv::{Terminator, WriterBuilder};
use shared::clock::{from_micros, rfc3339};

use super::amount::decimal;
use super::model::{Line, Statement};
use super::writer::Form;

const HEADER: [&str; 11] = [
    "type",
    "seq",
    "posted_at",
    "transfer_id",
    "counterparty_account_id",
    "description",
    "external_ref",
    "reversal_of",
    "amount",
    "balance",
    "currency",
];

/// What makes a spreadsheet take a text for a formula, also in the full width that some of them know.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// What begins another cell in some country's spreadsheet, whatever the file says of itself.
const SEPARATORS: [char; 6] = [',', ';', '|', '\t', '\r', '\n'];

/// The form.
pub struct Csv(Arc<Statement>);

impl Csv {
    pub const fn new(statement: Arc<Statement>) -> Self {
        Self(statement)
    }

    fn balance(&self, kind: &str, at: i64, balance: i64, out: &mut Vec<u8>) -> io::Result<()> {
        let (at, balance) = (rfc3339(from_micros(at)), decimal(balance, self.0.currency));
        row([kind, "", &at, "", "", "", "", "", "", &balance, self.0.currency.code()], out)
    }
}

impl Form for Csv {
    fn open(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        row(HEADER, out)?;
        self.balance("opening", self.0.from, self.0.opening, out)
    }

    fn line(&mut self, line: &Line, out: &mut Vec<u8>) -> io::Result<()> {
        let currency = self.0.currency;
        let fields = [
            "entry",
            &line.seq.to_string(),
            &rfc3339(from_micros(line.posted_at)),
            &line.transfer.to_string(),
            &line.counterparty.to_string(),
            &text(line.description.as_deref()),
            &text(line.external_ref.as_deref()),
            &line.reversal_of.map(|id| id.to_string()).unwrap_or_default(),
            &decimal(line.amount, currency),
            &decimal(line.balance_after, currency),
            currency.code(),
        ];
        row(fields, out)
    }

    fn close(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.balance("closing", self.0.to, self.0.closing, out)
    }
}

fn row(fields: [&str; HEADER.len()], out: &mut Vec<u8>) -> io::Result<()> {
    let mut row = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
    row.write_record(fields)?;
    row.flush()
}

/// Somebody else wrote it: an apostrophe keeps it a text where it would be a formula of the reader's, at the beginning and
/// wherever a spreadsheet may see the beginning of a cell.
fn text(text: Option<&str>) -> Cow<'_, str> {
    let text = text.unwrap_or_default();
    let cells = std::iter::once(0).chain(text.match_indices(SEPARATORS).map(|(at, cut)| at + cut.len()));
    let formulas: Vec<_> = cells.filter(|at| text.get(*at..).is_some_and(is_formula)).collect();
    if formulas.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + formulas.len());
    let mut done = 0;
    for at in formulas {
        safe.push_str(text.get(done..at).unwrap_or_default());
        safe.push('\'');
        done = at;
    }
    safe.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(safe)
}

/// Whether a spreadsheet would compute a cell that begins so. Blanks and quotes before it are passed over.
fn is_formula(cell: &str) -> bool {
    let seen = |blank: char| blank.is_whitespace() || blank == '"';
    cell.starts_with(FORMULA) || cell.trim_start_matches(seen).starts_with(FORMULA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_compute_stays_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "＝1"] {
            assert_eq!(text(Some(formula)), format!("'{formula}"));
        }
        // Where the list separator is another, a text in the middle of a line begins a cell.
        for (formula, safe) in [
            ("a;=1", "a;'=1"),
            ("a; =1;-2", "a;' =1;'-2"),
            ("a;＝1", "a;'＝1"),
            ("a|@x", "a|'@x"),
            ("a,+1", "a,'+1"),
            ("a;\"=1", "a;'\"=1"),
            ("=1;=2", "'=1;'=2"),
            ("\t=1", "'\t'=1"),
            ("é;=1", "é;'=1"),
        ] {
            assert_eq!(text(Some(formula)), safe);
        }
        for plain in ["", "Rent", "a=b", "'=1", "1-2", "a;b", "a; b=c", "a;'=1", ";"] {
            assert_eq!(text(Some(plain)), plain);
        }
    }
}
