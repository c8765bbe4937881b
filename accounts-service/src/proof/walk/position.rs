//! What stands at one position: a transfer with its entries and its event, or an event alone.

use super::{Fold, Walk};
use crate::proof::finding::Place;
use crate::proof::invariant::Invariant;
use crate::proof::rows::{Batch, Entry, Event, Row, Transfer};

/// Entries of one position that are kept to be told; a broken ledger may have any number.
const MOST: usize = 8;

/// What has come by of one position.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) position: Option<i64>,
    batches: Vec<Batch>,
    transfers: Vec<Transfer>,
    entries: Vec<Entry>,
    events: Vec<Event>,
    surplus: usize,
}

impl Standing {
    pub(super) fn at(position: i64) -> Self {
        Self { position: Some(position), ..Self::default() }
    }

    pub(super) fn add(&mut self, row: Row) {
        let full = |length: usize| length >= MOST;
        match row {
            Row::Batch(row) if !full(self.batches.len()) => self.batches.push(row),
            Row::Transfer(row) if !full(self.transfers.len()) => self.transfers.push(*row),
            Row::Entry(row) if !full(self.entries.len()) => self.entries.push(row),
            Row::Event(row) if !full(self.events.len()) => self.events.push(row),
            Row::Batch(_) | Row::Transfer(_) | Row::Entry(_) | Row::Event(_) => self.surplus += 1,
        }
    }
}

impl Walk {
    /// Everything of a position is here.
    pub(super) fn finish_position(&mut self) {
        let standing = std::mem::take(&mut self.standing);
        let Standing { position: Some(position), batches, transfers, mut entries, events, surplus } = standing else {
            return;
        };
        let once = surplus == 0 && batches.len() <= 1 && transfers.len() <= 1 && events.len() <= 1;
        if !once {
            self.findings.add(Invariant::Positions, Place::at(position), "it is taken more than once");
        }
        batches.into_iter().for_each(|batch| self.open_batch(batch));
        let mut place = self.place_of(position);
        self.reach(&place, position, &events);
        entries.sort_by_key(|entry| (entry.account, entry.seq));
        self.entries += entries.len() as u64;
        for transfer in &transfers {
            self.transfers += 1;
            place = self.place_in_batch(transfer, &entries);
            self.check_month(&place, transfer.created_at);
        }
        self.pair(&place, transfers.first(), &entries);
        self.tell(&place, transfers.first(), &events);
        for entry in &entries {
            let currency = transfers.first().map(|transfer| transfer.currency.as_str());
            self.fold(&place, entry, currency);
        }
    }

    /// Of whatever has no transfer.
    fn place_of(&self, position: i64) -> Place {
        let open = self.open.as_ref().filter(|open| position <= open.batch.last_position);
        Place {
            batch_no: open.map(|open| open.batch.batch_no),
            at: open.map(|open| open.batch.posted_at),
            ..Place::at(position)
        }
    }

    /// A posted transfer has its two entries, and whatever is not posted has none.
    fn pair(&mut self, place: &Place, transfer: Option<&Transfer>, entries: &[Entry]) {
        let Some(row) = transfer else {
            if let Some(entry) = entries.first() {
                let place = place.clone().of(entry.account).with(entry.transfer);
                self.findings.check(Invariant::EntryPairs, &place, false, || "an entry without a transfer".to_owned());
            }
            return;
        };
        let side = |account, amount: i64| {
            let is = |entry: &&Entry| {
                (entry.account, entry.amount, entry.transfer) == (account, amount, row.id)
                    && Some(entry.posted_at) == row.posted_at
            };
            entries.iter().filter(is).count() == 1
        };
        let posted = row.status == "posted";
        let holds = if posted {
            let both = side(row.debit, row.amount.saturating_neg()) && side(row.credit, row.amount);
            entries.len() == 2 && both && row.posted_at == Some(row.created_at) && row.debit != row.credit
        } else {
            entries.is_empty() && row.posted_at.is_none() && matches!(row.status.as_str(), "pending" | "voided")
        };
        self.findings.check(Invariant::EntryPairs, place, holds, || {
            let sum: i128 = entries.iter().map(|entry| i128::from(entry.amount)).sum();
            format!("a transfer of {}, {}, with {} entries that add up to {sum}", row.amount, row.status, entries.len())
        });
    }

    /// A transfer has its event, and no transfer's event stands alone.
    fn tell(&mut self, place: &Place, transfer: Option<&Transfer>, events: &[Event]) {
        let of_transfer =
            |event: &Event| ["transfer.posted", "transfer.pending", "transfer.voided"].contains(&event.kind.as_str());
        match transfer {
            Some(row) => {
                let is = |event: &Event| {
                    (event.id, event.subject, event.recorded_at) == (row.id, row.id, row.created_at)
                        && event.kind.strip_prefix("transfer.") == Some(row.status.as_str())
                };
                let holds = matches!(events, [event] if is(event));
                self.findings.check(Invariant::Events, place, holds, || "a transfer without its event".to_owned());
            }
            None => {
                for event in events.iter().filter(|event| of_transfer(event)) {
                    let place = place.clone().with(event.subject);
                    self.findings.check(Invariant::Events, &place, false, || {
                        format!("an event {} without a transfer", event.kind)
                    });
                }
            }
        }
    }

    /// An entry follows from the one before it on its account.
    fn fold(&mut self, place: &Place, entry: &Entry, currency: Option<&str>) {
        let place = place.clone().of(entry.account).with(entry.transfer);
        let currency = currency.and_then(|code| <[u8; 3]>::try_from(code.as_bytes()).ok());
        let begun = if self.whole {
            Fold { seq: 0, balance: 0, currency }
        } else {
            Fold { seq: entry.seq - 1, balance: entry.balance_after.wrapping_sub(entry.amount), currency }
        };
        let before = *self.accounts.entry(entry.account).or_insert(begun);
        self.findings.check(Invariant::SeqDense, &place, entry.seq == before.seq + 1, || {
            format!("entry {} comes after entry {}", entry.seq, before.seq)
        });
        let after = before.balance.checked_add(entry.amount);
        // After a gap nobody knows the balance before.
        if entry.seq == before.seq + 1 {
            self.findings.check(Invariant::BalanceAfter, &place, after == Some(entry.balance_after), || {
                format!("{} and {} make {}", before.balance, entry.amount, entry.balance_after)
            });
        }
        let same = before.currency.is_none() || currency.is_none() || before.currency == currency;
        self.findings.check(Invariant::CurrencySums, &place, same, || "an entry in another currency".to_owned());
        let after = Fold { seq: entry.seq, balance: entry.balance_after, currency: before.currency.or(currency) };
        self.accounts.insert(entry.account, after);
    }
}
