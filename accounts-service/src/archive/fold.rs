//! What of a ledger can be checked while its rows go by, in memory that does not grow with it.

use std::ops::RangeInclusive;

use rand::RngCore;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::record::Record;
use super::table::end_of;
use super::words::{Head, Header};
use crate::receipts::thumbprint;

/// The places and amounts that there are.
const EXACT: RangeInclusive<i64> = -9_007_199_254_740_991..=9_007_199_254_740_991;

/// Goes along with the rows.
pub(super) struct Fold {
    head: Head,
    made_at: i64,
    /// The account whose entries go by, and the last of them.
    last: Option<Last>,
    /// Entries that accounts say they have, less those that there are.
    lacking: i128,
    sides: Sides,
    is_headed: bool,
}

#[derive(Clone, Copy)]
struct Last {
    account: Uuid,
    seq: i64,
    balance: i64,
    position: i64,
}

impl Fold {
    pub fn of(header: &Header) -> Self {
        let head = header.head.clone();
        Self { head, made_at: header.made_at, last: None, lacking: 0, sides: Sides::new(), is_headed: false }
    }

    /// Takes the next row, in the order of a file.
    pub fn take(&mut self, record: &Record) -> Result<(), String> {
        // Of rates and exchanges, too, which lie in no month's tables.
        let place = record.place().or_else(|| record.some_int("position"));
        if place.is_some_and(|place| !(1..=self.head.position).contains(&place) && record.table.name != "ledger_head") {
            return Err("its place is not one of those up to the head of the chain".to_owned());
        }
        match record.table.name {
            "accounts" => self.lacking += i128::from(record.int("seq")),
            "transfers" => return self.transfer(record),
            "entries" => return self.entry(record),
            "receipt_keys" => return self.receipt_key(record),
            "ledger_head" => return self.head(record),
            _ => {}
        }
        Ok(())
    }

    /// One that posted moved its amount at the instant at which it was recorded; any other moved nothing.
    fn transfer(&mut self, record: &Record) -> Result<(), String> {
        let (posted_at, at) = (record.some_int("posted_at"), record.int("created_at"));
        if posted_at != (record.text("status") == Some("posted")).then_some(at) {
            return Err("when it posted does not agree with its status and with when it was recorded".to_owned());
        }
        if at > self.head.committed_at {
            return Err("it was recorded after the instant that the head of the chain names".to_owned());
        }
        if posted_at.is_some() {
            let (amount, id, place) = (record.int("amount"), record.id("id"), record.int("position"));
            self.sides.add(&Entry { account: record.id("debit_account_id"), place, id, amount: -amount, at });
            self.sides.add(&Entry { account: record.id("credit_account_id"), place, id, amount, at });
        }
        Ok(())
    }

    /// Those of an account follow one another: `seq` by one, places upwards, each balance from the one before.
    fn entry(&mut self, record: &Record) -> Result<(), String> {
        let account = record.id("account_id");
        let before = Last { account, seq: 0, balance: 0, position: 0 };
        let before = self.last.filter(|last| last.account == account).unwrap_or(before);
        let [seq, position, amount, balance, at] =
            ["seq", "position", "amount", "balance_after", "posted_at"].map(|name| record.int(name));
        if seq != before.seq + 1 {
            return Err(format!("the entry after {} of its account has seq {seq}", before.seq));
        }
        if before.balance.checked_add(amount) != Some(balance) || !EXACT.contains(&balance) {
            return Err(format!("a balance of {} and {amount} do not make {balance}", before.balance));
        }
        if position <= before.position {
            return Err("its place is not behind that of the entry before it".to_owned());
        }
        self.last = Some(Last { account, seq, balance, position });
        self.lacking -= 1;
        self.sides.remove(&Entry { account, place: position, id: record.id("transfer_id"), amount, at });
        Ok(())
    }

    /// What receipts are checked by, but makes none any more: whoever adds one that goes on signs as this house.
    fn receipt_key(&self, record: &Record) -> Result<(), String> {
        if record.text("kid") != Some(thumbprint(record.bytes("public_key")).as_str()) {
            return Err("its name is not the thumbprint of its key".to_owned());
        }
        if record.some_int("retired_at").is_none_or(|at| at > end_of(self.made_at)) {
            return Err("it has not ended by the time that the file was made".to_owned());
        }
        Ok(())
    }

    fn head(&mut self, record: &Record) -> Result<(), String> {
        let [batch_no, position, committed_at] = ["batch_no", "position", "committed_at"].map(|name| record.int(name));
        let head = Head { batch_no, position, committed_at, hash: hex::encode(record.bytes("hash")) };
        self.is_headed = record.int("id") == 1 && head == self.head;
        if self.is_headed { Ok(()) } else { Err("it is not the head that the first line names".to_owned()) }
    }

    /// When all have gone by.
    pub fn finish(&self) -> Result<(), String> {
        if self.lacking != 0 {
            return Err(format!("accounts count {} entries more than there are", self.lacking));
        }
        if !self.sides.is_even() {
            return Err("the entries are not the two sides of each transfer that posted".to_owned());
        }
        if self.is_headed { Ok(()) } else { Err("it has no head".to_owned()) }
    }
}

/// One side of a transfer.
struct Entry {
    account: Uuid,
    place: i64,
    id: Uuid,
    amount: i64,
    at: i64,
}

/// Whether two lists in different orders have the same members: the sum of their hashes, under a key that nobody who wrote
/// them knows (Clarke et al., "Incremental Multiset Hash Functions", 2003: MSet-Add-Hash).
struct Sides {
    key: [u8; 32],
    sum: [u128; 2],
}

impl Sides {
    fn new() -> Self {
        let mut key = [0; 32];
        rand::rng().fill_bytes(&mut key);
        Self { key, sum: [0; 2] }
    }

    fn add(&mut self, entry: &Entry) {
        let halves = self.hash(entry);
        self.sum.iter_mut().zip(halves).for_each(|(sum, half)| *sum = sum.wrapping_add(half));
    }

    fn remove(&mut self, entry: &Entry) {
        let halves = self.hash(entry);
        self.sum.iter_mut().zip(halves).for_each(|(sum, half)| *sum = sum.wrapping_sub(half));
    }

    fn is_even(&self) -> bool {
        self.sum == [0; 2]
    }

    fn hash(&self, Entry { account, place, id, amount, at }: &Entry) -> [u128; 2] {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(account);
        hash.update(id);
        [place, amount, at].iter().for_each(|number| hash.update(number.to_be_bytes()));
        let bytes = hash.finalize();
        let (high, low) = bytes.split_at(16);
        [high, low].map(|half| half.iter().fold(0, |sum, byte| (sum << 8) | u128::from(*byte)))
    }
}
