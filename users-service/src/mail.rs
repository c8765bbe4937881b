//! Mail: owed by a row that is written with its cause, rendered and sent by a worker, given up only visibly.

mod letter;
mod mailer;
mod message;
mod outbox;
mod prepare;
mod smtp;
mod spool;
mod template;
mod transport;
mod worker;

pub use mailer::{MailError, Mailer, check};
pub use outbox::{Owed, forget, owe, sweep};
pub use template::Template;
pub use worker::run;

#[cfg(test)]
mod tests;
