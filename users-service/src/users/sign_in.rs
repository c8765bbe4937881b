//! Who may change what somebody signs in with, or whether they do: only a session of the caller's own, and only while it
//! lasts.

use shared::auth::{SIGN_IN, SignedIn};
use shared::problem::{Code, Problem};

use super::error::UserError;
use super::model::User;
use super::store;
use crate::db::Write;
use crate::sessions;

/// Looks at the caller once more, from inside the transaction that holds `user`. The gateway has vouched for them before
/// the body came, and that may have taken its time: meanwhile a reset, a new password or an administrator may have ended
/// what they came with.
///
/// # Errors
/// 403 for an API key or a client's token, which would otherwise be worth the whole account; 401 for who was signed in
/// and no longer is.
pub async fn may_change(write: &Write, caller: &SignedIn, user: &User) -> Result<(), UserError> {
    let session = caller.user.session.filter(|_| caller.in_session());
    let id = session.ok_or_else(|| Problem::new(Code::Forbidden).detail(SIGN_IN))?;
    let session = sessions::find(write.transaction(), id).await?;
    let lasts = session.is_some_and(|session| session.user == caller.user.id && !session.state.ended);
    let now = match caller.user.id == user.id {
        true => Some((user.ver, user.roles)),
        false => store::find(write.transaction(), caller.user.id).await?.map(|caller| (caller.ver, caller.roles)),
    };
    // Whatever else raises the version ends the session. Roles do not: who has come with none that is gone may go on.
    let roles = caller.user.roles;
    let stands = now.is_some_and(|(ver, left)| caller.user.ver >= ver || roles.intersect(left) == roles);
    if lasts && stands { Ok(()) } else { Err(Problem::new(Code::TokenInvalid).into()) }
}
