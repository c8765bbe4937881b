//! Statements: every form is read back, and in each of them opening balance and entries make the closing balance.

mod forms;
mod long;
mod read;
mod read_pdf;
mod schema;
mod served;

pub use long::resident;
