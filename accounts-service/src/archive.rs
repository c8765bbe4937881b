//! A whole ledger as one file: exported beside a running service, imported into an empty ledger on either back-end, where
//! it goes on as it was. The file is described in `accounts-service/ledger-file.md`.

mod error;
mod export;
mod file;
mod fold;
mod import;
mod lines;
mod place;
mod record;
mod sound;
mod store;
mod table;
mod tables;
mod words;

pub use error::ArchiveError;
pub use export::export;
pub use file::{Sink, source};
pub use import::{Dry, import};
pub use table::{Kind, Table};
pub use tables::{COLUMNS_LEFT_OUT, LEFT_OUT, TABLES};
pub use words::{FORMAT, Head, Summary};
