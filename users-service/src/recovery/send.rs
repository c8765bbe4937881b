//! A link to choose a new password, sent to somebody at an administrator's word: to their own address, so that nobody but
//! they learns or chooses a password.

use actix_web::http::StatusCode;
use shared::auth::SignedIn;
use shared::domain::UserId;

use crate::app::App;
use crate::audit::{Event, Kind};
use crate::db::Write;
use crate::idempotency::Answer;
use crate::mail::{self, Owed, Template};
use crate::roles;
use crate::users::{self, Accepted, Status, UserError};

/// Has it sent, in a transaction of the caller's.
///
/// # Errors
/// 403 when they may do more than the caller, 404 when there is no such user, 409 when they cannot sign in.
pub(super) async fn send(app: &App, write: &Write, caller: &SignedIn, id: UserId) -> Result<Answer, UserError> {
    let user = users::lock(write, id).await?.ok_or(UserError::NotFound)?.user;
    roles::outranks(write, caller, &user).await?;
    if user.status != Status::Active {
        return Err(UserError::State("The user cannot sign in: enable or restore them first."));
    }
    mail::owe(write, Owed::to_user(Template::ResetPassword, id), &app.clock).await?;
    write.audit(Event::new(Kind::PasswordResetSent, caller.into(), &app.clock).about(id));
    Ok(Answer::json(StatusCode::ACCEPTED, &Accepted { status: "accepted" })?)
}
