//! Why something about a user was not done.

use shared::problem::{Code, Problem};

use crate::db::Fault;

/// Every way in which it fails.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// There is no such user for the caller.
    #[error("no such user")]
    NotFound,
    /// The caller may see this user, but not do that.
    #[error("forbidden")]
    Forbidden,
    /// Somebody has the e-mail address.
    #[error("e-mail taken")]
    EmailTaken,
    /// Somebody has the user name.
    #[error("user name taken")]
    UsernameTaken,
    /// There would be no administrator left.
    #[error("last administrator")]
    LastAdministrator,
    /// `If-Match` names another revision.
    #[error("stale")]
    Stale,
    /// The user's status does not allow it.
    #[error("{0}")]
    State(&'static str),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Fault),
    /// Anything that is a problem already.
    #[error(transparent)]
    Other(#[from] Problem),
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        match error {
            UserError::NotFound => Self::new(Code::NotFound),
            UserError::Forbidden => Self::new(Code::Forbidden),
            UserError::EmailTaken => Self::new(Code::EmailTaken),
            UserError::UsernameTaken => Self::new(Code::UsernameTaken),
            UserError::LastAdministrator => Self::new(Code::LastAdministrator),
            UserError::Stale => Self::new(Code::StalePrecondition),
            UserError::State(detail) => Self::new(Code::StateConflict).detail(detail),
            UserError::Database(fault) => Self::from(fault),
            UserError::Other(problem) => problem,
        }
    }
}
