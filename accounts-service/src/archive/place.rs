//! Where in a file something stands.

use std::fmt;

/// A line of a file, as editors and `head -c` count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub line: u64,
    /// Where the line begins, counted from 0.
    pub byte: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} (from byte {})", self.line, self.byte)
    }
}
