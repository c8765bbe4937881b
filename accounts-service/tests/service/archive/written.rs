//! A ledger's file as somebody else would write it who reads the description: two accounts, and money from one to the other.

use std::collections::BTreeMap;
use std::io::Write;

use accounts_service::archive::TABLES;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Transfers of a batch.
const BATCH: i64 = 500;
/// The place that November 2026 begins above.
const NOVEMBER: i64 = 682 << 40;
/// Its first instant.
const INSTANT: i64 = 1_793_491_200_000_000;

/// Accounts, by their bytes in order.
const BANK: Uuid = Uuid::from_u128(1);
const OWN: Uuid = Uuid::from_u128(2);

/// So many transfers of 1; the chain's first batches, up to `before`, are in the first format.
#[derive(Clone, Copy)]
pub struct Written {
    pub transfers: i64,
    pub before: i64,
}

struct Pen<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
}

impl Pen<'_> {
    fn line(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.hash.update(&line);
        self.out.write_all(line.as_bytes()).unwrap();
    }

    fn sha256(&self) -> String {
        hex(&self.hash.clone().finalize())
    }

    fn table(&mut self, name: &str, rows: impl Iterator<Item = String>) {
        let (mut count, mut marked) = (0, false);
        for row in rows {
            self.line(&format!("{{\"{name}\":{{{row}}}}}"));
            count += 1;
            marked = count % 65_536 == 0;
            if marked {
                self.mark(name, count);
            }
        }
        if !marked {
            self.mark(name, count);
        }
    }

    fn mark(&mut self, name: &str, rows: u64) {
        let sha256 = self.sha256();
        self.line(&format!("{{\"mark\":{{\"table\":\"{name}\",\"rows\":{rows},\"sha256\":\"{sha256}\"}}}}"));
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Written {
    const fn batches(self) -> i64 {
        (self.transfers + BATCH - 1) / BATCH
    }

    const fn format(self, batch: i64) -> i64 {
        if batch <= self.before { 1 } else { 2 }
    }

    /// The batch of the `n`th transfer.
    const fn batch_of(n: i64) -> i64 {
        (n - 1) / BATCH + 1
    }

    const fn place(self, n: i64) -> i64 {
        if self.format(Self::batch_of(n)) == 1 { n } else { NOVEMBER + n }
    }

    const fn at(n: i64) -> i64 {
        INSTANT + Self::batch_of(n)
    }

    const fn id(n: i64) -> Uuid {
        Uuid::from_u128(0x7000_8000_0000_0000_0000 + n as u128)
    }

    /// Writes the file.
    pub fn write(self, out: &mut dyn Write) {
        let (n, batches) = (self.transfers, self.chain());
        let batches_made = ("ledger_batches", self.batches());
        let counts = [("accounts", 2), ("transfers", n), ("entries", 2 * n), batches_made, ("outbox_events", n)];
        let counted = |name: &str| {
            let counted = counts.iter().find(|(counted, _)| *counted == name);
            counted.map_or(i64::from(name == "ledger_head"), |(_, count)| *count)
        };
        let rows: BTreeMap<&str, i64> = TABLES.iter().map(|table| (table.name, counted(table.name))).collect();
        let (batch_no, position, at) = (self.batches(), self.place(n), Self::at(n));
        let hash = batches.last().map_or("00".repeat(32), |(_, hash)| hex(hash));
        let head = format!("\"batch_no\":{batch_no},\"position\":{position},\"committed_at\":{at},\"hash\":\"{hash}\"");
        let mut pen = Pen { out, hash: Sha256::new() };
        let rows = serde_json::to_string(&rows).unwrap();
        pen.line(&format!(
            "{{\"tollgate_ledger\":{{\"format\":1,\"made_at\":{at},\"schema\":\"m2026_11_22_000008_rest\",\
             \"head\":{{{head}}},\"rows\":{rows}}}}}"
        ));
        for table in TABLES {
            match table.name {
                "accounts" => pen.table(
                    table.name,
                    [(BANK, "system", -n), (OWN, "user", n)].into_iter().map(|of| account(of, n, at)),
                ),
                "transfers" => pen.table(table.name, (1..=n).map(|n| self.transfer(n))),
                "entries" => {
                    let entry =
                        |(account, sign): (Uuid, i64)| (1..=n).map(move |n| self.entry(account, n, sign * n, sign));
                    pen.table(table.name, [(BANK, -1), (OWN, 1)].into_iter().flat_map(entry));
                }
                "ledger_batches" => {
                    pen.table(table.name, (1..).zip(&batches).map(|(batch, link)| self.batch(batch, link)))
                }
                "outbox_events" => pen.table(table.name, (1..=n).map(|n| self.event(n))),
                "ledger_head" => pen.table(table.name, [format!("\"id\":1,{head}")].into_iter()),
                name => pen.table(name, std::iter::empty()),
            }
        }
        let sha256 = pen.sha256();
        pen.line(&format!("{{\"end\":{{\"rows\":{rows},\"sha256\":\"{sha256}\"}}}}"));
    }

    fn transfer(self, n: i64) -> String {
        let (position, id, at) = (self.place(n), Self::id(n), Self::at(n));
        format!(
            "\"position\":{position},\"id\":\"{id}\",\"debit_account_id\":\"{BANK}\",\"credit_account_id\":\"{OWN}\",\
             \"amount\":1,\"currency\":\"USD\",\"status\":\"posted\",\"description\":\"Number {n}\",\"external_ref\":null,\
             \"metadata\":null,\"pending_of\":null,\"reversal_of\":null,\"expires_at\":null,\"posted_at\":{at},\
             \"created_at\":{at},\"created_by\":\"{OWN}\""
        )
    }

    fn entry(self, account: Uuid, n: i64, balance: i64, amount: i64) -> String {
        let (position, id, at) = (self.place(n), Self::id(n), Self::at(n));
        format!(
            "\"account_id\":\"{account}\",\"seq\":{n},\"position\":{position},\"transfer_id\":\"{id}\",\"amount\":{amount},\
             \"balance_after\":{balance},\"posted_at\":{at}"
        )
    }

    fn event(self, n: i64) -> String {
        let (position, id, at) = (self.place(n), Self::id(n), Self::at(n));
        format!(
            "\"position\":{position},\"id\":\"{id}\",\"kind\":\"transfer.posted\",\"subject\":\"{id}\",\"data\":null,\
             \"recorded_at\":{at}"
        )
    }

    fn within(self, batch: i64) -> std::ops::RangeInclusive<i64> {
        (batch - 1) * BATCH + 1..=self.transfers.min(batch * BATCH)
    }

    fn batch(self, batch: i64, (content, hash): &([u8; 32], [u8; 32])) -> String {
        let (first, last) = (*self.within(batch).start(), *self.within(batch).end());
        let (first, last, at, format) = (self.place(first), self.place(last), Self::at(first), self.format(batch));
        let (content, hash) = (hex(content), hex(hash));
        format!(
            "\"batch_no\":{batch},\"first_position\":{first},\"last_position\":{last},\"posted_at\":{at},\
             \"content\":\"{content}\",\"hash\":\"{hash}\",\"format\":{format}"
        )
    }

    /// Content and link of each batch.
    fn chain(self) -> Vec<([u8; 32], [u8; 32])> {
        let (mut chain, mut link) = (Vec::new(), [0; 32]);
        for batch in 1..=self.batches() {
            let (first, at) = (*self.within(batch).start(), Self::at(*self.within(batch).start()));
            let is_first = self.format(batch) == 1;
            let content: [u8; 32] = if is_first { self.content_1(batch) } else { self.content_2(batch) };
            let mut bytes = link.to_vec();
            let numbers = [batch, self.place(first), at];
            let numbers = if is_first { &numbers[..1] } else { &numbers };
            bytes.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
            bytes.extend(content);
            link = Sha256::digest(bytes).into();
            chain.push((content, link));
        }
        chain
    }

    fn content_1(self, batch: i64) -> [u8; 32] {
        let mut bytes = Self::at(*self.within(batch).start()).to_be_bytes().to_vec();
        for n in self.within(batch) {
            bytes.extend(Self::id(n).as_bytes());
            for (account, balance) in [(BANK, -n), (OWN, n)] {
                bytes.extend(account.as_bytes());
                bytes.extend(n.to_be_bytes());
                bytes.extend(balance.to_be_bytes());
            }
            bytes.extend(1_i64.to_be_bytes());
            bytes.extend(b"USD");
            bytes.extend(OWN.as_bytes());
            bytes.extend(texts(n));
        }
        Sha256::digest(bytes).into()
    }

    fn content_2(self, batch: i64) -> [u8; 32] {
        let mut bytes = b"tollgate batch 2".to_vec();
        bytes.extend(u32::try_from(self.within(batch).count()).unwrap().to_be_bytes());
        for n in self.within(batch) {
            let mut leaf = vec![2];
            leaf.extend(Self::id(n).as_bytes());
            leaf.push(1);
            leaf.extend([BANK, OWN].iter().flat_map(|id| *id.as_bytes()));
            leaf.extend(1_i64.to_be_bytes());
            leaf.extend(b"USD");
            leaf.extend(OWN.as_bytes());
            leaf.extend([0; 3]);
            leaf.extend(texts(n));
            bytes.extend(Sha256::digest(leaf));
        }
        Sha256::digest(bytes).into()
    }
}

/// A description, and neither reference nor metadata.
fn texts(n: i64) -> Vec<u8> {
    let text = format!("Number {n}");
    let mut bytes = (text.len() as u64).to_be_bytes().to_vec();
    bytes.extend(text.bytes());
    bytes.extend([u64::MAX.to_be_bytes(); 2].concat());
    bytes
}

fn account((id, kind, balance): (Uuid, &str, i64), seq: i64, at: i64) -> String {
    format!(
        "\"id\":\"{id}\",\"owner_id\":\"{OWN}\",\"name\":\"One\",\"kind\":\"{kind}\",\"currency\":\"USD\",\
         \"status\":\"open\",\"balance\":{balance},\"held\":0,\"floor\":null,\"ceiling\":null,\"seq\":{seq},\
         \"version\":{seq},\"next_expiry\":null,\"limited\":false,\"label_text\":null,\"created_at\":{at},\
         \"updated_at\":{at}"
    )
}
