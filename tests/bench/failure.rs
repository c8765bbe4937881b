//! Why a benchmark could not be run.

use std::io;

use tests::backends::BackendError;

/// Everything here ends the run; what was measured before is still reported.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What happened, for whoever reads the terminal.
    #[error("{0}")]
    Said(String),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Backend(#[from] BackendError),
    #[error("PostgreSQL: {0}")]
    Postgres(#[from] sqlx::Error),
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Failure {
    /// With a text of one's own.
    pub fn said(text: impl Into<String>) -> Self {
        Self::Said(text.into())
    }
}
