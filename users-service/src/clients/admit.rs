//! Who may change clients: whoever may manage them, in a session of their own in which they have shown of late who they are.
//! Who makes a client can make one that everybody signs in to.

use shared::auth::SignedIn;
use shared::domain::{Permission, Role};
use shared::problem::{Code, Problem};

use crate::app::App;
use crate::db::Write;
use crate::step_up;
use crate::users::{self, Status};

/// What the caller may do with clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Everything.
    Whole,
    /// Nothing with those that are trusted: their tokens may be as good as anybody's own session.
    Untrusted,
}

/// Looks at the caller once more, from inside the transaction: the gateway has vouched for them before the body came.
///
/// # Errors
/// 403 for an API key, for a token that a client was given, and for who may not any more; 401 for who was signed in and no
/// longer is, or too long ago.
pub(super) async fn admit(app: &App, write: &Write, caller: &SignedIn) -> Result<Leave, Problem> {
    let user = users::lock(write, caller.user.id).await?.map(|found| found.user);
    let user = user.filter(|user| user.status == Status::Active).ok_or_else(|| Problem::new(Code::TokenInvalid))?;
    users::may_change(write, caller, &user).await?;
    step_up::require(app, write, caller).await?;
    if !user.roles.permissions().union(user.permissions).has(Permission::ClientsManage) {
        return Err(Problem::new(Code::Forbidden));
    }
    Ok(if user.roles.has(Role::Admin) { Leave::Whole } else { Leave::Untrusted })
}

impl Leave {
    /// Whether they may have to do with a client of this kind.
    ///
    /// # Errors
    /// 403.
    pub fn with(self, trusted: bool) -> Result<(), Problem> {
        match self {
            Self::Untrusted if trusted => {
                Err(Problem::new(Code::Forbidden).detail("Only administrators have to do with trusted clients."))
            }
            Self::Whole | Self::Untrusted => Ok(()),
        }
    }
}
