//! Signing in: one path with the same hash work for users who are known, unknown, or shut out.

use std::net::IpAddr;

use shared::config::Secret;
use shared::problem::{Code, Problem};

use super::access::Subject;
use super::error::GrantError;
use super::grant::SCOPE;
use super::model::TokenAnswer;
use crate::app::App;
use crate::audit::{By, Event, Kind, Refusal};
use crate::keys::Signer;
use crate::passwords::{Judged, PasswordHash, Verified};
use crate::sessions::{self, Opening, RefreshToken, Session};
use crate::throttle::Ticket;
use crate::users::{self, Credentials, Identifier, Status, User};

/// Checks the password and opens a session.
pub(super) async fn sign_in(
    app: &App,
    identifier: &str,
    password: &Secret,
    client_ip: Option<IpAddr>,
) -> Result<TokenAnswer, GrantError> {
    // Before anything is counted or opened: whoever it is, nobody gets a token.
    let signer = app.issuer.signer()?;
    let identifier = Identifier::of(identifier);
    let ticket = Ticket::new(&identifier, client_ip);
    let name = app.journal.name(identifier.as_str());
    let turned_away = |kind, identifier, origin| Refusal { kind, subject: None, identifier, by: By::nobody(origin) };
    if let Err(wait) = app.throttle.admit(&ticket).await {
        app.journal.count(turned_away(Kind::SignInThrottled, Some(name), client_ip));
        return Err(GrantError::Throttled(wait));
    }
    // The same for everybody, whether or not there is such a user: no subject, and a place taken before any work.
    let failed = Event::new(Kind::SignInFailed, By::nobody(client_ip), &app.clock).with("identifier", name);
    let shed = |problem: &Problem| {
        if problem.code() == Code::Overloaded {
            app.journal.count(turned_away(Kind::SignInShed, None, None));
        }
    };
    let attempt = app.journal.attempt(failed).inspect_err(shed)?;
    let opened = match check(app, &signer, &identifier, password, client_ip).await {
        // Between the check and the session the hash was replaced: by a password change, or only renewed by another
        // sign-in with the same password. The second look decides.
        Err(GrantError::Changed) => check(app, &signer, &identifier, password, client_ip).await,
        opened => opened,
    };
    match &opened {
        Ok(_) => {
            app.metrics.sign_in(true);
            app.throttle.forgive(&ticket).await;
        }
        Err(GrantError::Invalid | GrantError::Changed | GrantError::EmailNotVerified) => {
            attempt.record().await?;
            app.metrics.sign_in(false);
        }
        // Nothing was found out about the password.
        Err(GrantError::Other(problem)) => shed(problem),
        Err(GrantError::UnsupportedType | GrantError::Scope | GrantError::Throttled(_) | GrantError::Database(_)) => {}
    }
    opened
}

/// One look: the same work whoever it is.
async fn check(
    app: &App,
    signer: &Signer,
    identifier: &Identifier,
    password: &Secret,
    client_ip: Option<IpAddr>,
) -> Result<TokenAnswer, GrantError> {
    let found = users::by_identifier(app.database.read(), identifier).await?;
    let Judged { verified, due } = app.hasher.judge(password, found.as_ref().map(|found| &found.password)).await?;
    let active = found.filter(|found| found.user.status == Status::Active && !is_hidden(app, &found.user));
    let renewed = match &verified {
        Verified::No => None,
        Verified::Yes => Some(None),
        Verified::Renewed(hash) => Some(Some(hash)),
    };
    let (Some(credentials), Some(renewed)) = (active, renewed) else {
        due.wait().await;
        return Err(GrantError::Invalid);
    };
    open_session(app, signer, &credentials, renewed, client_ip).await
}

/// Whether nobody learns of this user yet: else whoever registers an address, and then signs in with what they have just
/// chosen, sees whether it was free. As with a wrong password, so that no work tells either.
const fn is_hidden(app: &App, user: &User) -> bool {
    !app.config.registration.disclose_existing && !user.email_verified
}

/// Opens the session if the user still is who was checked: the row is locked, so a password change, a disabling or a
/// deletion comes wholly before or wholly after.
async fn open_session(
    app: &App,
    signer: &Signer,
    checked: &Credentials,
    renewed: Option<&PasswordHash>,
    client_ip: Option<IpAddr>,
) -> Result<TokenAnswer, GrantError> {
    let write = app.database.write().await?;
    let current = users::lock(&write, checked.user.id).await?.ok_or(GrantError::Invalid)?;
    if current.user.status != Status::Active {
        return Err(GrantError::Invalid);
    }
    if current.password != checked.password {
        return Err(GrantError::Changed);
    }
    if app.config.registration.require_verified_email && !current.user.email_verified {
        return Err(GrantError::EmailNotVerified);
    }
    if let Some(hash) = renewed {
        users::store_password(&write, checked.user.id, hash).await?;
    }
    let opening = Opening::with_password(current.user.id, SCOPE.to_owned(), client_ip);
    let session = sessions::open(&write, opening, app.config.sessions.lifetime.get(), &app.clock).await?;
    let by = By::user(session.user, session.id, client_ip);
    write.audit(Event::new(Kind::SignInSucceeded, by, &app.clock).about(session.user));
    write.commit().await?;
    tokens_for(app, signer, &session, &current.user, 1)
}

/// An access token for the user as they are now, and the session's refresh token with this counter.
pub(super) fn tokens_for(
    app: &App,
    signer: &Signer,
    session: &Session,
    user: &User,
    counter: i64,
) -> Result<TokenAnswer, GrantError> {
    let subject = Subject {
        user: user.id,
        session: session.id,
        ver: user.ver,
        roles: user.roles,
        scope: &session.scope,
        session_ends_at: session.state.expires_at,
    };
    let issued = app.issuer.issue(signer, subject)?;
    Ok(TokenAnswer {
        access_token: issued.token,
        token_type: "Bearer".to_owned(),
        expires_in: issued.expires_in,
        refresh_token: RefreshToken { session: session.id, counter }.seal(&app.keys.refresh),
        scope: session.scope.clone(),
    })
}
