//! Why a ledger was not exported or not imported.

use std::io;

use shared::schema::Astray;

use super::place::Place;

/// Why it was not done. Nothing was changed, but where that is said.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file is not what an export writes, or was changed since.
    #[error("{place}: {what}")]
    Damaged {
        /// Where.
        place: Place,
        /// What is wrong there.
        what: String,
    },
    /// The file is whole, and what it holds is no sound ledger.
    #[error("the ledger in this file does not hold together: {0}")]
    Unsound(String),
    /// A rule of the database refuses rows of it.
    #[error("{place} or the lines after it: the database refuses what stands there: {cause}")]
    Refused {
        /// Where the rows begin that were written together.
        place: Place,
        /// What the database says.
        cause: sqlx::Error,
    },
    /// There is something already.
    #[error("the ledger here is not empty (there is something in `{0}`): import into a new database")]
    NotEmpty(&'static str),
    /// The schema is another one.
    #[error("{0}")]
    Schema(String),
    /// Somebody else has the ledger.
    #[error("{0}")]
    Busy(String),
    /// The database failed.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// The same, while the ledger was looked at.
    #[error("the database: {0}")]
    Proof(#[from] sea_orm::DbErr),
    /// The file could not be written or read.
    #[error("{0}")]
    File(#[from] io::Error),
    /// The answer to the commit did not come.
    #[error(
        "it is not known whether the import was committed ({0}): import again, which says whether the ledger is empty"
    )]
    Unknown(sqlx::Error),
}

impl ArchiveError {
    pub(super) fn damaged(place: Place, what: impl Into<String>) -> Self {
        Self::Damaged { place, what: what.into() }
    }

    /// Whether it would be refused again; else, it may work another time.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Unsound(_) | Self::Refused { .. } | Self::NotEmpty(_) | Self::Schema(_) => {
                true
            }
            Self::Busy(_) | Self::Database(_) | Self::Proof(_) | Self::File(_) | Self::Unknown(_) => false,
        }
    }
}

impl From<Astray> for ArchiveError {
    fn from(astray: Astray) -> Self {
        Self::Schema(astray.to_string())
    }
}
