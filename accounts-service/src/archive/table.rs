//! What a table of the ledger looks like in a file: its columns, what they hold, and the order of its rows.

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// Bytes of a row's line: a request has 64 KiB, and JSON spells a byte with six at most.
const LONGEST: usize = 1024 * 1024;

/// What a column holds, and how a file spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A UUID: a text, lower case, with hyphens.
    Id,
    /// 16 bits: an integer.
    Small,
    /// 32 bits: an integer.
    Whole,
    /// 64 bits: an integer. Instants are microseconds since the Unix epoch.
    Big,
    /// `true` or `false`.
    Flag,
    /// A text.
    Text,
    /// Bytes: a text of lower case hexadecimal digits.
    Bytes,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
    /// Rows come ordered by these columns, first to last, and no two are alike in all of them.
    pub(super) key: bool,
    /// Holds a place in the order of commit, which names the month whose table the row lies in.
    pub(super) place: bool,
    /// Holds when something ends: with the second in which a file is made, if it has not before.
    pub(super) ends: bool,
}

/// A table that a ledger cannot go on without.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name, in the database and in a file.
    pub name: &'static str,
    pub(super) columns: &'static [Column],
    /// Rows are left out once this instant of theirs has passed.
    pub(super) until: Option<&'static str>,
    /// The migration makes its one row, so that it is changed and not inserted.
    pub(super) is_made: bool,
    /// A service that has run on an empty ledger has made rows of its own, which stay beside those of a file.
    pub(super) is_shared: bool,
}

impl Column {
    pub(super) const fn of(kind: Kind, name: &'static str) -> Self {
        Self { name, kind, nullable: false, key: false, place: false, ends: false }
    }

    pub(super) const fn or_null(self) -> Self {
        Self { nullable: true, ..self }
    }

    pub(super) const fn key(self) -> Self {
        Self { key: true, ..self }
    }

    pub(super) const fn place(self) -> Self {
        Self { place: true, ..self }
    }

    pub(super) const fn ends(self) -> Self {
        Self { ends: true, ..self }
    }
}

impl Table {
    pub(super) const fn of(name: &'static str, columns: &'static [Column]) -> Self {
        Self { name, columns, until: None, is_made: false, is_shared: false }
    }

    /// Its columns: name, what they hold, whether they may be null.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, Kind, bool)> {
        self.columns.iter().map(|column| (column.name, column.kind, column.nullable))
    }

    pub(super) fn at(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Bytes of a row's line. Only what is kept under keys may be answers of large batches.
    pub(super) fn longest(&self) -> usize {
        if ["transfer_keys", "idempotency_keys"].contains(&self.name) { usize::MAX } else { LONGEST }
    }

    /// The names of its columns, as statements list them.
    pub(super) fn list(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|column| column.name).collect();
        names.join(", ")
    }

    /// The same as a file has them that is made at this instant.
    pub(super) fn selected(&self, made_at: i64) -> String {
        let end = end_of(made_at);
        let named = |column: &Column| match (column.name, column.ends) {
            (name, true) => format!("CASE WHEN {name} <= {end} THEN {name} ELSE {end} END AS {name}"),
            (name, false) => name.to_owned(),
        };
        self.columns.iter().map(named).collect::<Vec<_>>().join(", ")
    }

    /// What of it belongs to a file that is made at this instant.
    pub(super) fn condition(&self, made_at: i64) -> String {
        self.until.map_or_else(String::new, |column| format!(" WHERE {column} > {made_at}"))
    }

    /// By what its rows are ordered; texts by their bytes, whatever the database's collation.
    pub(super) fn order(&self, collation: &str) -> String {
        let key = self.columns.iter().filter(|column| column.key);
        let term = |column: &Column| match column.kind {
            Kind::Text => format!("{}{collation}", column.name),
            Kind::Id | Kind::Small | Kind::Whole | Kind::Big | Kind::Flag | Kind::Bytes => column.name.to_owned(),
        };
        key.map(term).collect::<Vec<_>>().join(", ")
    }
}

/// When the second is over that a file is made in: whatever is left behind ends there.
pub(super) const fn end_of(made_at: i64) -> i64 {
    (made_at.div_euclid(SECOND) + 1) * SECOND
}
