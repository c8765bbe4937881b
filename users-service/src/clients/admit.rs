//! Who may change clients: an administrator in a session of their own that lasts. Who makes a client can make one that
//! everybody signs in to.

use shared::auth::{SIGN_IN, SignedIn};
use shared::domain::Role;
use shared::problem::{Code, Problem};

use crate::db::Write;
use crate::sessions;
use crate::users::{self, Status};

/// Looks at the caller once more, from inside the transaction: the gateway has vouched for them before the body came.
///
/// # Errors
/// 403 for an API key, for a token that a client was given, and for who is no administrator any more; 401 for who was
/// signed in and no longer is.
pub(super) async fn admit(write: &Write, caller: &SignedIn) -> Result<(), Problem> {
    let session = caller.user.session.filter(|_| caller.in_session());
    let id = session.ok_or_else(|| Problem::new(Code::Forbidden).detail(SIGN_IN))?;
    let user = users::lock(write, caller.user.id).await?.map(|found| found.user);
    let user = user.filter(|user| user.status == Status::Active && caller.user.ver >= user.ver);
    let user = user.ok_or_else(|| Problem::new(Code::TokenInvalid))?;
    let session = sessions::find(write.transaction(), id).await?;
    if !session.is_some_and(|session| session.user == user.id && !session.state.ended) {
        return Err(Problem::new(Code::TokenInvalid));
    }
    if user.roles.has(Role::Admin) { Ok(()) } else { Err(Problem::new(Code::Forbidden)) }
}
