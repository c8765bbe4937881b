//! Reads a file into an empty ledger: all of it or nothing, and nothing that does not hold together.

use std::io::BufRead;

use super::error::ArchiveError;
use super::fold::Fold;
use super::lines::Lines;
use super::place::Place;
use super::record::{Record, Value};
use super::sound;
use super::store::{Store, is_rule};
use super::table::Table;
use super::tables::TABLES;
use super::words::{End, Header, Mark, Summary, Word, is_marked};
use crate::db::Backend;

/// Rows that are written at once.
const PAGE: usize = 4_096;

/// Bytes of the lines of such rows, after which fewer do.
const PAGE_BYTES: u64 = 4 * 1024 * 1024;

/// Whether it is only tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dry {
    /// Everything is done and checked, and taken back.
    Run,
    /// It is meant.
    No,
}

/// Imports what `source` holds into the ledger at `backend`, which has to be empty, and to which nobody writes meanwhile.
///
/// # Errors
/// When the file is damaged or holds no sound ledger, the target is not empty, is of another schema or in use, or the database
/// or the source fails. Nothing is changed then, but that a lost answer to the commit leaves open what became of it.
pub async fn import(backend: &Backend, source: impl BufRead, dry: Dry) -> Result<Summary, ArchiveError> {
    let mut lines = Lines::of(source);
    let first = Header::read(lines.next()?);
    let header = first.map_err(|what| lines.damaged(what))?;
    let mut store = Store::writing(backend).await?;
    let filled = fill(&mut store, &mut lines, &header).await;
    match (filled, dry) {
        (Ok(summary), Dry::No) => store.commit().await.map(|()| summary),
        (filled, _) => {
            store.abandon().await;
            filled
        }
    }
}

async fn fill<R: BufRead>(store: &mut Store, lines: &mut Lines<R>, header: &Header) -> Result<Summary, ArchiveError> {
    store.schema().await?;
    require_empty(store).await?;
    let mut fold = Fold::of(header);
    for table in TABLES {
        Filling { store, lines, fold: &mut fold, table, page: Vec::new(), from: None }.run(header).await?;
    }
    lines.next()?;
    let end = End { rows: header.rows.clone(), sha256: lines.sha256() };
    expect(lines, &Word::End(end))?;
    lines.end()?;
    fold.finish().map_err(ArchiveError::Unsound)?;
    store.analyse().await?;
    sound::check(store).await?;
    Ok(Summary::of(&header.rows, lines.bytes(), header.head.clone()))
}

/// As the migrations leave it.
async fn require_empty(store: &mut Store) -> Result<(), ArchiveError> {
    for table in TABLES.iter().filter(|table| !table.is_made && !table.is_shared) {
        let any = format!("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT 1) AS any_row", table.name);
        if store.number(any).await? != 0 {
            return Err(ArchiveError::NotEmpty(table.name));
        }
    }
    let head = store.head().await?;
    let is_unmoved = (head.batch_no, head.position, head.committed_at) == (0, 0, 0);
    if is_unmoved { Ok(()) } else { Err(ArchiveError::NotEmpty("ledger_head")) }
}

/// That the line says this and nothing else.
fn expect<R: BufRead>(lines: &Lines<R>, expected: &Word) -> Result<(), ArchiveError> {
    let what = match (Word::read(lines.text()), expected) {
        (Some(found), expected) if found == *expected => return Ok(()),
        (Some(Word::Mark(found)), Word::Mark(expected))
            if (&found.table, found.rows) == (&expected.table, expected.rows) =>
        {
            "what stands between this mark and the one before it was changed: its SHA-256 is another one"
        }
        (Some(Word::End(found)), Word::End(expected)) if found.rows == expected.rows => {
            "the file was changed: its SHA-256 is another one"
        }
        (_, Word::Mark(Mark { table, rows, .. })) => {
            return Err(lines.damaged(format!("the mark after row {rows} of {table} has to stand here")));
        }
        (_, Word::End(_) | Word::TollgateLedger(_)) => "the last line, with all counts, has to stand here",
    };
    Err(lines.damaged(what))
}

/// The rows of one table on their way.
struct Filling<'a, R> {
    store: &'a mut Store,
    lines: &'a mut Lines<R>,
    fold: &'a mut Fold,
    table: &'static Table,
    page: Vec<Record>,
    /// Where the page begins.
    from: Option<Place>,
}

impl<R: BufRead> Filling<'_, R> {
    async fn run(mut self, header: &Header) -> Result<(), ArchiveError> {
        let (total, mut rows, mut last) = (header.rows_of(self.table), 0, None);
        loop {
            if is_marked(rows, total) {
                self.mark(rows)?;
            }
            if rows == total {
                return self.write().await;
            }
            self.row(&mut last)?;
            rows += 1;
            if self.is_full() {
                self.write().await?;
            }
        }
    }

    fn mark(&mut self, rows: u64) -> Result<(), ArchiveError> {
        self.lines.next()?;
        let mark = Mark { table: self.table.name.to_owned(), rows, sha256: self.lines.sha256() };
        expect(self.lines, &Word::Mark(mark))
    }

    fn row(&mut self, last: &mut Option<Vec<Value>>) -> Result<(), ArchiveError> {
        let read = Record::read(self.table, self.lines.next()?);
        let record = read.map_err(|what| self.lines.damaged(what))?;
        if self.lines.text().len() > self.table.longest() {
            return Err(self.lines.damaged(format!("no row of {} is as long as this", self.table.name)));
        }
        let key = record.key();
        if last.as_ref().is_some_and(|last| *last >= key) {
            return Err(self.lines.damaged("it does not come after the row before it: swapped, or there twice"));
        }
        self.fold.take(&record).map_err(|what| self.lines.damaged(what))?;
        *last = Some(key);
        self.from.get_or_insert(self.lines.place());
        self.page.push(record);
        Ok(())
    }

    fn is_full(&self) -> bool {
        let from = self.from.map_or(0, |place| place.byte);
        self.page.len() >= PAGE || self.lines.bytes() - from >= PAGE_BYTES
    }

    async fn write(&mut self) -> Result<(), ArchiveError> {
        let Some(place) = self.from.take() else { return Ok(()) };
        let written = self.store.insert(self.table, &self.page).await;
        self.page.clear();
        match written {
            Err(ArchiveError::Database(sqlx::Error::Database(cause))) if is_rule(cause.code()) => {
                Err(ArchiveError::Refused { place, cause: sqlx::Error::Database(cause) })
            }
            written => written,
        }
    }
}
