//! Changing one's own password: the current one is asked for, and the other sessions end.

use serde::Deserialize;
use shared::auth::SignedIn;
use shared::config::Secret;
use shared::problem::{Code, Problem};
use shared::store::Revocation;

use super::pool::Verified;
use super::rules::Password;
use crate::app::App;
use crate::audit::{Event, Kind};
use crate::links::{self, Purpose};
use crate::mail::{self, Owed, Template};
use crate::users::{self, Email, Identifier, Status, UserError};
use crate::{mfa, revocations, sessions, step_up};

/// The old password and the new one.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRequest {
    /// The password until now.
    #[schema(example = "correct horse battery 9 staple")]
    pub current_password: String,
    /// The password from now on; the rules of registration hold.
    #[schema(example = "another horse battery 8 staple", min_length = 10, max_length = 128)]
    pub new_password: String,
}

/// Changes the caller's password.
pub(super) async fn change(app: &App, caller: &SignedIn, request: ChangeRequest) -> Result<(), UserError> {
    let id = caller.user.id;
    let found = users::find(app.database.read(), id).await?;
    let user = found.filter(|user| user.status == Status::Active).ok_or(UserError::NotFound)?;
    let new = acceptable(app, &user, &request.new_password)?;

    let event = |kind| Event::new(kind, caller.into(), &app.clock).about(id);
    let checked =
        users::by_identifier(app.database.read(), &Identifier::of(&user.email)).await?.ok_or(UserError::NotFound)?;
    let current = Secret::from(request.current_password);
    // What finds no room is not counted: it would be a guess that nobody has looked at.
    let attempt = app.journal.attempt(event(Kind::PasswordChangeFailed))?;
    app.hasher.has_room()?;
    let counted = step_up::admit(app, caller, Kind::PasswordChangeThrottled).await?;
    if app.hasher.verify(&current, Some(&checked.password)).await? == Verified::No {
        attempt.record().await?;
        let problem = Problem::new(Code::ValidationFailed);
        return Err(problem.error("/current_password", "incorrect", "not the current password").into());
    }
    drop(attempt);
    let hash = app.hasher.hash(new.secret()).await?;

    let write = app.database.write().await?;
    let locked = users::lock(&write, id).await?.ok_or(UserError::NotFound)?;
    if locked.password != checked.password {
        return Err(UserError::State("The password has just been changed by another request."));
    }
    if locked.user.status != Status::Active {
        return Err(Problem::new(Code::TokenInvalid).into());
    }
    users::may_change(&write, caller, &locked.user).await?;
    // The password was just proved; a second factor was not.
    if mfa::is_on(write.transaction(), id).await? {
        step_up::require(app, &write, caller).await?;
    }
    users::store_password(&write, id, &hash).await?;
    let now = app.clock.now_micros();
    for sid in sessions::end_others(&write, id, caller.user.session, now).await? {
        revocations::record(&write, &Revocation::Session { sid, expires_at: app.tokens_die_at() }).await?;
    }
    links::end_open(&write, id, &[Purpose::ResetPassword, Purpose::ChangeEmail], now).await?;
    mail::owe(&write, Owed::to_user(Template::PasswordChanged, id), &app.clock).await?;
    write.audit(event(Kind::PasswordChanged));
    write.commit().await?;
    app.relay.flush().await;
    app.mailer.wake();
    app.proofs.forgive(&counted).await;
    Ok(())
}

/// A new password for somebody, if it keeps the rules: 422 `/new_password` otherwise.
///
/// # Errors
/// The rule it breaks.
pub fn acceptable(app: &App, user: &users::User, new: &str) -> Result<Password, Problem> {
    let email = Email::parse(&user.email).ok();
    let local = email.as_ref().map_or("", Email::local);
    let given =
        [&user.name, &user.profile.first_name, &user.profile.last_name].map(|name| name.as_deref().unwrap_or_default());
    let names = [&[user.username.as_str(), local][..], &given].concat();
    Password::parse(new, &app.config.passwords, &names)
        .map_err(|fault| Problem::new(Code::ValidationFailed).error("/new_password", fault.code, fault.detail))
}
