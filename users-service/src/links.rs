//! Links in mails: good once, for one purpose, for a while. The row says which link it is; what opens it is only in the mail.

mod store;
mod token;

pub use store::{Link, consume, end_open, find, latest, make, renew, sweep};
pub use token::{Purpose, open, seal};

#[cfg(test)]
mod tests;
