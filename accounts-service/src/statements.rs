//! Statements: what happened on an account in a time, as JSON, CSV, camt.053 or PDF, of any length.

mod amount;
mod camt;
mod csv;
mod desk;
pub mod http;
mod json;
mod metrics;
mod model;
mod ops;
mod pdf;
mod stream;
mod writer;

pub use desk::{Bounds, Desk};
pub use json::{StatementBody, StatementEntryBody};
pub use model::{Format, Line, Statement};
pub use writer::{Unfit, Writer};
