//! Writes the ledger as it stood at one moment, row by row as the database hands them out.

use std::io::Write;

use sha2::{Digest, Sha256};
use shared::clock::Clock;

use super::error::ArchiveError;
use super::record::Record;
use super::store::Store;
use super::table::Table;
use super::tables::TABLES;
use super::words::{End, FORMAT, Header, Mark, Rows, Summary, Word, is_marked};
use crate::db::Backend;

/// Writes the whole ledger to `out`, as of one moment, while others go on writing. What is in memory is a row.
///
/// # Errors
/// When the database fails, its schema is not this release's, or `out` takes no more. What was written ends then, and has no
/// last line.
pub async fn export(backend: &Backend, clock: &Clock, out: &mut dyn Write) -> Result<Summary, ArchiveError> {
    let mut store = Store::reading(backend).await?;
    let written = write(&mut store, clock.now_micros(), out).await;
    store.close().await;
    written
}

async fn write(store: &mut Store, made_at: i64, out: &mut dyn Write) -> Result<Summary, ArchiveError> {
    let (schema, head) = (store.schema().await?, store.head().await?);
    let mut rows = Rows::new();
    for table in TABLES {
        let count = store.number(format!("SELECT count(*) FROM {}{}", table.name, table.condition(made_at))).await?;
        rows.insert(table.name.to_owned(), u64::try_from(count).unwrap_or_default());
    }
    let mut pen = Pen { out, hash: Sha256::new(), bytes: 0, line: String::new() };
    let header = Header { format: FORMAT, made_at, schema, head: head.clone(), rows: rows.clone() };
    pen.word(&Word::TollgateLedger(header.clone()))?;
    for table in TABLES {
        write_table(store, table, &header, &mut pen).await?;
    }
    let sha256 = pen.sha256();
    pen.word(&Word::End(End { rows: rows.clone(), sha256 }))?;
    pen.out.flush()?;
    Ok(Summary::of(&rows, pen.bytes, head))
}

async fn write_table(
    store: &mut Store,
    table: &'static Table,
    header: &Header,
    pen: &mut Pen<'_>,
) -> Result<(), ArchiveError> {
    let (condition, order) = (table.condition(header.made_at), table.order(store.collation()));
    let list = table.selected(header.made_at);
    let sql = format!("SELECT {list} FROM {}{condition} ORDER BY {order}", table.name);
    let (total, mut rows) = (header.rows_of(table), 0);
    if total == 0 {
        pen.mark(table, 0)?;
    }
    store
        .each(table, sql, |record| {
            pen.record(record)?;
            rows += 1;
            if is_marked(rows, total) { pen.mark(table, rows) } else { Ok(()) }
        })
        .await?;
    if rows == total {
        return Ok(());
    }
    // Within one snapshot that cannot be; a file that says otherwise would be found out at its import.
    Err(ArchiveError::Unsound(format!("{} had {total} rows and then {rows}", table.name)))
}

/// Writes lines, and adds up what it has written.
struct Pen<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
    bytes: u64,
    line: String,
}

impl Pen<'_> {
    fn record(&mut self, record: &Record) -> Result<(), ArchiveError> {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        record.write(&mut line);
        let written = self.write(&line);
        self.line = line;
        written
    }

    fn mark(&mut self, table: &Table, rows: u64) -> Result<(), ArchiveError> {
        let sha256 = self.sha256();
        self.word(&Word::Mark(Mark { table: table.name.to_owned(), rows, sha256 }))
    }

    fn word(&mut self, word: &Word) -> Result<(), ArchiveError> {
        self.write(&word.line())
    }

    fn write(&mut self, line: &str) -> Result<(), ArchiveError> {
        self.out.write_all(line.as_bytes())?;
        self.hash.update(line);
        self.bytes += line.len() as u64;
        Ok(())
    }

    fn sha256(&self) -> String {
        hex::encode(self.hash.clone().finalize())
    }
}
