//! Who and what the commands are about.

use crate::ledger::command::Caller;

/// An account, and whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The account.
    pub id: String,
    /// Its owner.
    pub owner: Caller,
}

/// The bank's accounts of one currency for exchanges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Till {
    /// ISO 4217.
    pub currency: String,
    /// What is paid in goes to, and what is paid out comes from.
    pub drawer: String,
    /// Where what rounding takes is booked: one of these.
    pub rounding: [String; 2],
}

/// Where currencies are exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Market {
    /// Customers' accounts in other currencies than US dollars: each with its currency.
    pub foreign: Vec<(Place, String)>,
    /// The bank's: US dollars first, and last the one that is frozen now and then.
    pub tills: Vec<Till>,
    /// When it opened, in microseconds since the epoch.
    pub opened: i64,
}

/// People and accounts in every state that a command may meet.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Those who pay one another.
    pub customers: Vec<Caller>,
    /// Who debits the bank's accounts.
    pub treasurer: Caller,
    /// Who freezes and reads.
    pub admin: Caller,
    /// The customers' accounts in US dollars, with money; the first ones are hot.
    pub places: Vec<Place>,
    /// The bank's account in US dollars.
    pub vault: String,
    /// An account in euros.
    pub euros: Place,
    /// A closed account.
    pub closed: Place,
    /// One that is frozen and unfrozen all the time, with money.
    pub changing: Place,
    /// One that has all that an account may have.
    pub full: Place,
    /// One that may not have more than it has.
    pub capped: Place,
    /// Empty ones, to be closed.
    pub closing: Vec<Place>,
    /// Where currencies are exchanged.
    pub market: Market,
    /// No account, and no transfer.
    pub nobodys: String,
}
