//! Confirming an address: the one of the account, or the one it moves to. The token says which.

use std::net::IpAddr;

use shared::problem::{Code, Problem};

use crate::app::App;
use crate::audit::{By, Event, Kind};
use crate::db::Write;
use crate::links::{self, Link, Purpose};
use crate::users::{self, Email, Status, User, UserError};

/// Uses the link of a token.
///
/// # Errors
/// 410 `link_invalid`, whatever is wrong with it; 409 `email_taken` when somebody else has the new address by now.
pub async fn verify(app: &App, token: &str, client_ip: Option<IpAddr>) -> Result<(), UserError> {
    let purposes = [Purpose::VerifyEmail, Purpose::ChangeEmail];
    let (id, purpose) = links::open(token, &purposes, &app.keys.refresh).ok_or_else(invalid)?;
    let found = links::find(app.database.read(), id, purpose, app.clock.now_micros()).await?;
    let link = found.ok_or_else(invalid)?;
    let write = app.database.write().await?;
    let user = user_of(app, &write, &link).await?;
    let event = |kind| Event::new(kind, By::nobody(client_ip), &app.clock).about(user.id);
    match purpose {
        Purpose::VerifyEmail => {
            prove(app, &write, &user, &link).await?;
            write.audit(event(Kind::EmailVerified));
        }
        Purpose::ChangeEmail => {
            move_over(app, &write, &user, &link).await?;
            let event = event(Kind::EmailChanged).with("before", user.email.as_str());
            write.audit(event.with("after", link.email.as_str()));
        }
        // Not among those that were asked for.
        Purpose::ResetPassword => return Err(invalid().into()),
    }
    write.commit().await?;
    app.mailer.wake();
    Ok(())
}

/// Locks the user whose link it is, and uses it up. Never the link first: whoever ends links holds the user.
pub(super) async fn user_of(app: &App, write: &Write, link: &Link) -> Result<User, UserError> {
    let locked = users::lock(write, link.user).await?.ok_or_else(invalid)?;
    let active = locked.user.status == Status::Active;
    if !active || !links::consume(write, link.id, app.clock.now_micros()).await? {
        return Err(invalid().into());
    }
    Ok(locked.user)
}

async fn prove(app: &App, write: &Write, user: &User, link: &Link) -> Result<(), UserError> {
    if !is_theirs(user, link) {
        return Err(invalid().into());
    }
    if !user.email_verified {
        users::prove(write, user, app.clock.now()).await?;
    }
    Ok(())
}

async fn move_over(app: &App, write: &Write, user: &User, link: &Link) -> Result<(), UserError> {
    let email = Email::parse(&link.email).map_err(|_| invalid())?;
    users::move_to(write, user, &email, app.clock.now()).await?;
    Ok(users::moved(app, write, user, &email, true).await?)
}

/// Whether the address that a link was mailed to is still the user's.
pub(super) fn is_theirs(user: &User, link: &Link) -> bool {
    Email::parse(&link.email).is_ok_and(|email| !user.moves_to(&email))
}

/// One answer, whether it was forged, used, too old, overtaken, or its user is gone.
pub(super) fn invalid() -> Problem {
    Problem::new(Code::LinkInvalid)
}
