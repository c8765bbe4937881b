//! Choosing a new password by a link: every session ends, and every other link to the account; and whatever else signs in,
//! where nobody had shown before that the address is theirs.

use std::net::IpAddr;

use shared::store::Revocation;

use super::verify::{invalid, is_theirs, user_of};
use crate::app::App;
use crate::audit::{By, Event, Kind};
use crate::db::{Fault, Write};
use crate::links::{self, Purpose};
use crate::mail::{self, Owed, Template};
use crate::throttle::Ticket;
use crate::users::{self, Identifier, Status, User, UserError};
use crate::{api_keys, passkeys, passwords, revocations, sessions};

/// Uses the link of a token. The rules of passwords come first: one that breaks them costs no link.
///
/// # Errors
/// 410 `link_invalid`, whatever is wrong with the link; 422 for the password; 503 when there is no room for its hash.
pub async fn reset(app: &App, token: &str, new: &str, client_ip: Option<IpAddr>) -> Result<(), UserError> {
    let purpose = Purpose::ResetPassword;
    let (id, _) = links::open(token, &[purpose], &app.keys.refresh).ok_or_else(invalid)?;
    let found = links::find(app.database.read(), id, purpose, app.clock.now_micros()).await?;
    let link = found.ok_or_else(invalid)?;
    let user = users::find(app.database.read(), link.user).await?;
    let user = user.filter(|user| user.status == Status::Active).ok_or_else(invalid)?;
    let new = passwords::acceptable(app, &user, new)?;
    let hash = app.hasher.hash(new.secret()).await?;

    let write = app.database.write().await?;
    let user = user_of(app, &write, &link).await?;
    // A move ends links to the old address, but one may have been made just then, by the worker, which holds no user.
    if !is_theirs(&user, &link) {
        return Err(invalid().into());
    }
    let now = app.clock.now();
    users::reset_password(&write, &user, &hash, now).await?;
    sessions::end_all(&write, user.id, app.clock.now_micros()).await?;
    let revocation = Revocation::User { user: user.id, ver: user.ver + 1, expires_at: app.tokens_die_at() };
    revocations::record(&write, &revocation).await?;
    if !user.email_verified {
        take_from_strangers(app, &write, &user, client_ip).await?;
    }
    links::end_open(&write, user.id, &[purpose, Purpose::ChangeEmail], app.clock.now_micros()).await?;
    mail::owe(&write, Owed::to_user(Template::PasswordChanged, user.id), &app.clock).await?;
    // Their mailbox is as good as their password: what others have tried meanwhile must not keep them out now.
    app.devices.remember(&write, user.id, client_ip).await?;
    write.audit(Event::new(Kind::PasswordReset, By::nobody(client_ip), &app.clock).about(user.id));
    write.commit().await?;
    app.relay.flush().await;
    app.mailer.wake();
    // Whoever had forgotten it has tried it often.
    for name in [&user.email, &user.username] {
        app.windows.forgive(&Ticket::new(&Identifier::of(name), client_ip)).await;
    }
    Ok(())
}

/// Until now anybody might have registered this address, and kept a way in for the day on which its owner comes. A second
/// factor stays, for it lets nobody in: an administrator takes it, when it is not the owner's.
async fn take_from_strangers(app: &App, write: &Write, user: &User, client_ip: Option<IpAddr>) -> Result<(), Fault> {
    let by = By::nobody(client_ip);
    let passkeys = passkeys::remove_all(write, user.id).await?;
    if passkeys > 0 {
        let event = Event::new(Kind::FactorRemoved, by.clone(), &app.clock).about(user.id);
        write.audit(event.with("passkeys", passkeys));
    }
    for key in api_keys::end_all(write, user.id, &app.clock).await? {
        revocations::record(write, &Revocation::ApiKey { key, expires_at: app.tokens_die_at() }).await?;
        let event = Event::new(Kind::ApiKeyRevoked, by.clone(), &app.clock).about(user.id);
        write.audit(event.with("key", key.to_string()));
    }
    Ok(())
}
