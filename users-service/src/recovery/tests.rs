//! Recovery through the service, on both back-ends.

mod addresses;
mod passwords;
mod statements;
mod strangers;
