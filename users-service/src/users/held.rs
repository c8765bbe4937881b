//! Everything that is held about somebody, table by table: what of it they are given, what is withheld and why, and how a
//! purge takes it. A table, or a column, that does not stand here fails a test.

mod tables;

pub use tables::TABLES;

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What is in it.
    pub holds: Holds,
}

/// What is in a table.
#[derive(Debug)]
pub enum Holds {
    /// Something about people.
    People {
        /// What they are given.
        sections: &'static [Section],
        /// What not, and why.
        #[cfg_attr(
            not(test),
            expect(
                dead_code,
                reason = "for whoever reads it, and for the test that holds the list against the schema"
            )
        )]
        withheld: &'static [(&'static str, &'static str)],
        /// How a purge takes it.
        purge: Purge,
    },
    /// Nothing about anybody, and why not.
    Nobody(
        #[cfg_attr(
            not(test),
            expect(
                dead_code,
                reason = "for whoever reads it, and for the test that holds the list against the schema"
            )
        )]
        &'static str,
    ),
}

/// How a purge takes what a table holds.
#[derive(Clone, Copy, Debug)]
pub enum Purge {
    /// The rows whose column names the user.
    Rows(&'static str),
    /// By [`super::purge()`], for it is more than that.
    Specially,
}

/// A member of the export.
#[derive(Debug)]
pub struct Section {
    /// Its name.
    pub member: &'static str,
    /// Whether there is one row, which is shown as an object.
    pub one: bool,
    /// Which rows; `$1` is the user's id, `$2` the same as text.
    pub whose: &'static str,
    /// What tells the rows apart, and puts them in order.
    pub key: (&'static str, Key),
    /// What is shown of each.
    pub columns: &'static [Column],
}

/// What a key is made of.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    /// An id.
    Id,
    /// A number.
    Number,
    /// A text.
    Text,
    /// Bytes.
    Bytes,
}

/// What is shown of a row.
#[derive(Debug)]
pub struct Column {
    /// As what.
    pub name: &'static str,
    /// From what: a column, or more than that.
    pub from: &'static str,
    /// How.
    pub shape: Shape,
}

/// How a value is shown.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// An id.
    Id,
    /// A text.
    Text,
    /// Microseconds since the Unix epoch, shown as an instant.
    Instant,
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// Words with blanks between them, shown as a list.
    Words,
    /// JSON.
    Json,
}
