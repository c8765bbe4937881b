//! The chain of an imported ledger, computed again from the rows as they are stored by now.
//!
//! Link by link in the two formats that there are: `posting::chain` says how the second is made; the first covers each side's
//! `seq` and balance, and neither the instant nor the place of the batch in its link.

use std::collections::VecDeque;

use sha2::{Digest, Sha256};

use super::error::ArchiveError;
use super::record::Record;
use super::store::{Side, Store};
use super::table::Table;
use super::tables::TABLES;
use super::words::Head;

/// Rows that are read at once.
const PAGE: u32 = 2_048;

/// Transfers of a batch. The engine stays far below.
const MOST: usize = 1 << 20;

/// Follows the chain from its beginning, and holds its end against `head`.
pub(super) async fn check(store: &mut Store, head: &Head) -> Result<(), ArchiveError> {
    let (mut batches, mut transfers) = (Reader::of("ledger_batches"), Reader::of("transfers"));
    let (mut link, mut number, mut place, mut at) = (vec![0; 32], 0, 0, 0);
    while let Some(batch) = batches.next(store).await? {
        number += 1;
        let [first, last, posted_at] = ["first_position", "last_position", "posted_at"].map(|name| batch.int(name));
        let is_next = batch.int("batch_no") == number && first > place && last >= first && posted_at > at;
        if !is_next || last > head.position || posted_at > head.committed_at {
            return Err(broken(number, "its number, places or instant do not follow those of the batch before"));
        }
        let rows = within(store, &mut transfers, &batch, number).await?;
        let content = match batch.int("format") {
            1 => content_1(store, posted_at, &rows).await?,
            2 => content_2(&rows),
            format => return Err(broken(number, &format!("format {format} is unknown"))),
        };
        if batch.bytes("content") != content {
            return Err(broken(number, "its transfers are not those that it was made of"));
        }
        let mut hash = Sha256::new();
        hash.update(&link);
        hash.update(number.to_be_bytes());
        if batch.int("format") == 2 {
            [first, posted_at].iter().for_each(|of| hash.update(of.to_be_bytes()));
        }
        hash.update(content);
        link = hash.finalize().to_vec();
        if batch.bytes("hash") != link {
            return Err(broken(number, "its link does not follow from the one before"));
        }
        (place, at) = (last, posted_at);
    }
    if transfers.peek(store).await?.is_some() {
        return Err(broken(number + 1, "there are transfers behind the last batch"));
    }
    if (head.batch_no, &head.hash) == (number, &hex::encode(link)) {
        return Ok(());
    }
    Err(ArchiveError::Unsound(format!("the chain of {number} batches does not end at its head")))
}

fn broken(number: i64, how: &str) -> ArchiveError {
    ArchiveError::Unsound(format!("batch {number} of the chain is broken: {how}"))
}

/// The transfers of a batch, which come next.
async fn within(
    store: &mut Store,
    transfers: &mut Reader,
    batch: &Record,
    number: i64,
) -> Result<Vec<Record>, ArchiveError> {
    let (first, last, at) = (batch.int("first_position"), batch.int("last_position"), batch.int("posted_at"));
    let mut rows = Vec::new();
    while let Some(row) = transfers.peek(store).await? {
        let place = row.int("position");
        if place > last {
            break;
        }
        if place < first || row.int("created_at") != at || rows.len() == MOST {
            return Err(broken(number, "a transfer at its places is not of it"));
        }
        rows.extend(transfers.next(store).await?);
    }
    Ok(rows)
}

fn content_2(rows: &[Record]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update("tollgate batch 2");
    hash.update(u32::try_from(rows.len()).unwrap_or(u32::MAX).to_be_bytes());
    rows.iter().for_each(|row| hash.update(leaf(row)));
    hash.finalize().into()
}

fn leaf(row: &Record) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([2]);
    hash.update(row.id("id"));
    hash.update([match row.text("status") {
        Some("posted") => 1,
        Some("pending") => 2,
        Some("voided") => 3,
        // Nothing else is recorded.
        _ => 0,
    }]);
    hash.update(row.id("debit_account_id"));
    hash.update(row.id("credit_account_id"));
    hash.update(row.int("amount").to_be_bytes());
    hash.update(row.text("currency").unwrap_or_default());
    hash.update(row.id("created_by"));
    for of in ["pending_of", "reversal_of"] {
        let id = row.some_id(of);
        hash.update([u8::from(id.is_some())]);
        id.iter().for_each(|id| hash.update(id));
    }
    let expires_at = row.some_int("expires_at");
    hash.update([u8::from(expires_at.is_some())]);
    expires_at.iter().for_each(|at| hash.update(at.to_be_bytes()));
    texts(&mut hash, row);
    hash.finalize().into()
}

async fn content_1(store: &mut Store, at: i64, rows: &[Record]) -> Result<[u8; 32], ArchiveError> {
    let accounts =
        |row: &Record| ["debit_account_id", "credit_account_id"].map(|side| (row.id(side), row.int("position")));
    let asked: Vec<_> = rows.iter().flat_map(accounts).collect();
    let sides = store.sides(&asked).await?;
    let mut hash = Sha256::new();
    hash.update(at.to_be_bytes());
    for (row, pair) in rows.iter().zip(asked.iter().zip(sides).collect::<Vec<_>>().chunks(2)) {
        hash.update(row.id("id"));
        for ((account, _), side) in pair {
            let (seq, balance): Side = side.unwrap_or_default();
            hash.update(account);
            hash.update(seq.to_be_bytes());
            hash.update(balance.to_be_bytes());
        }
        hash.update(row.int("amount").to_be_bytes());
        hash.update(row.text("currency").unwrap_or_default());
        hash.update(row.id("created_by"));
        texts(&mut hash, row);
    }
    Ok(hash.finalize().into())
}

/// Absent and empty are two things.
fn texts(hash: &mut Sha256, row: &Record) {
    for text in ["description", "external_ref", "metadata"].map(|name| row.text(name)) {
        hash.update(text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
        hash.update(text.unwrap_or_default());
    }
}

/// Reads a table in the order of commit, page by page.
struct Reader {
    table: Option<&'static Table>,
    page: VecDeque<Record>,
    after: i64,
    is_over: bool,
}

impl Reader {
    fn of(name: &str) -> Self {
        let table = TABLES.iter().find(|table| table.name == name);
        Self { table, page: VecDeque::new(), after: 0, is_over: table.is_none() }
    }

    async fn peek(&mut self, store: &mut Store) -> Result<Option<&Record>, ArchiveError> {
        if let (true, false, Some(table)) = (self.page.is_empty(), self.is_over, self.table) {
            self.page = store.beyond(table, self.after, PAGE).await?.into();
            self.is_over = self.page.len() < PAGE as usize;
            self.after = self.page.back().and_then(Record::place).unwrap_or(self.after);
        }
        Ok(self.page.front())
    }

    async fn next(&mut self, store: &mut Store) -> Result<Option<Record>, ArchiveError> {
        self.peek(store).await?;
        Ok(self.page.pop_front())
    }
}
