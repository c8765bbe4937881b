//! What to do about an error code of the database: one table, for the posting engine and for everybody else.

/// What to do about an error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The same again at once, from what is true by then.
    FoldAgain,
    /// The same again later.
    Wait,
    /// Whether it was done is unknown: find out before it is done again.
    FindOut,
    /// It would be refused again: find what is at fault.
    Bisect,
}

impl Remedy {
    /// The first that names the code's class; a class that nobody names is the batch's own fault.
    #[must_use]
    pub fn of(code: &str) -> Self {
        // An SQLSTATE has five characters, SQLite's extended result codes have at most four.
        if code.len() == 5 {
            let named = POSTGRES.iter().find(|(class, _)| code.starts_with(class));
            return named.map_or(Self::Bisect, |(_, remedy)| *remedy);
        }
        // The low byte of an extended result code is the primary one.
        let primary = code.parse::<u32>().map_or(0, |code| code & 0xff);
        let named = SQLITE.iter().find(|(code, _)| *code == primary);
        named.map_or(Self::Bisect, |(_, remedy)| *remedy)
    }
}

/// PostgreSQL's codes and classes (its appendix A), the narrower before the wider. An answer with an error code is a
/// transaction that was rolled back, but for those that come as the connection ends: they may cross the commit.
const POSTGRES: [(&str, Remedy); 15] = [
    // Our own refusals in `post_batch` and `commit_batch`: a key, an account, the chain.
    ("TG001", Remedy::FoldAgain),
    ("TG002", Remedy::FoldAgain),
    ("TG003", Remedy::FoldAgain),
    // Serialization failure, deadlock: the other transaction went through, so at once.
    ("40001", Remedy::FoldAgain),
    ("40P01", Remedy::FoldAgain),
    // Says of itself that it is unknown whether the statement completed.
    ("40003", Remedy::FindOut),
    // Lock timeout: somebody still holds the row, and would be met again at once.
    ("55P03", Remedy::Wait),
    // Read only: a standby, or a primary that was just demoted. The name may lead to the new one by now.
    ("25006", Remedy::Wait),
    // The session was ended because it sat idle in a transaction, or in one for too long: the process was suspended.
    ("25P03", Remedy::Wait),
    ("25P04", Remedy::Wait),
    // Out of disk, memory or connections. Half the batch would meet the same, and answer 500 for nothing.
    ("53", Remedy::Wait),
    // Connection lost; shut down, crashed, starting up, database dropped.
    ("08", Remedy::FindOut),
    ("57P", Remedy::FindOut),
    // Canceled: by an operator, by a standby's conflict, or by our own statement timeout when the server is slow.
    // Halves would be no faster, and it says nothing about what stands in them.
    ("57", Remedy::Wait),
    // The server's own files fail it. What the commit could not make sure of ends in a crash (57P), not in this.
    ("58", Remedy::Wait),
];

/// SQLite's primary result codes.
const SQLITE: [(u32, Remedy); 9] = [
    // BUSY: another process holds the write lock, or changed what was read; the busy timeout was the pause already.
    (5, Remedy::FoldAgain),
    // LOCKED: the same, between two connections that share a cache.
    (6, Remedy::FoldAgain),
    // NOMEM, READONLY, INTERRUPT, FULL, CANTOPEN, PROTOCOL: the file or the machine, not the batch.
    (7, Remedy::Wait),
    (8, Remedy::Wait),
    (9, Remedy::Wait),
    (13, Remedy::Wait),
    (14, Remedy::Wait),
    (15, Remedy::Wait),
    // IOERR: a write or a sync that failed leaves open what reached the disk.
    (10, Remedy::FindOut),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_remedy() {
        let table: [(Remedy, &[&str]); 4] = [
            (Remedy::FoldAgain, &["TG001", "TG002", "TG003", "40001", "40P01", "5", "261", "517", "6", "262"]),
            (Remedy::Wait, &["55P03", "25006", "57014", "57000", "53000", "53100", "53200", "53300", "53400", "58030"]),
            (Remedy::Wait, &["25P03", "25P04", "7", "8", "264", "1032", "9", "13", "14", "15"]),
            (Remedy::FindOut, &["57P01", "57P02", "57P03", "57P05", "08000", "08006", "08P01", "40003", "10", "778"]),
        ];
        for (remedy, codes) in table {
            codes.iter().for_each(|code| assert_eq!(Remedy::of(code), remedy, "{code}"));
        }
        // A check, a unique index, our trigger, a row too wide, a bug of ours, a broken page, no code at all.
        for code in ["23514", "23505", "TG009", "54000", "42601", "XX001", "25001", "19", "2067", "11", "1", "", "x"] {
            assert_eq!(Remedy::of(code), Remedy::Bisect, "{code}");
        }
    }
}
