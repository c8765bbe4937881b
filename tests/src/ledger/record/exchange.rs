//! The rows of exchanges and of their rates.

/// A rate's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRate {
    /// Its id.
    pub id: String,
    /// What is paid in, and what is received in.
    pub pair: (String, String),
    /// The decimal.
    pub rate: String,
    /// Where the first is paid to.
    pub base: String,
    /// Where the second comes from.
    pub quote: String,
    /// Where what rounding takes is booked.
    pub rounding: String,
    /// When it lapses.
    pub valid_until: Option<i64>,
    /// Who set it.
    pub by: String,
}

/// An exchange's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanged {
    /// Its id.
    pub id: String,
    /// The rate that it was made at.
    pub rate_id: String,
    /// Its transfers: what was paid, what was received, and what rounding had gathered.
    pub legs: Vec<String>,
    /// What rounding took, in 10^-18ths of a minor unit.
    pub remainder: i64,
    /// Who asked.
    pub by: String,
}
