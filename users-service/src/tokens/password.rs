//! Signing in: one path with the same hash work for users who are known, unknown, or shut out.

use std::net::IpAddr;

use shared::config::Secret;
use shared::problem::{Code, Problem};

use super::access::Subject;
use super::error::GrantError;
use super::grant::SCOPE;
use super::model::{Granted, TokenAnswer};
use crate::app::App;
use crate::audit::{By, Event, Kind, Refusal};
use crate::keys::Signer;
use crate::mfa;
use crate::passwords::{PasswordHash, Verified};
use crate::sessions::{self, Agent, Opening, RefreshToken, Session};
use crate::throttle::Ticket;
use crate::users::{self, Credentials, Identifier, Status, User};

/// Checks the password, and a code where there is a second factor, and opens a session, whose tokens are for this program.
///
/// # Errors
/// Wrong credentials of whatever kind, too many of them, or no room to check any.
pub async fn sign_in(
    app: &App,
    identifier: &str,
    proof: (&Secret, Option<&Secret>),
    client_ip: Option<IpAddr>,
    agent: &Agent,
) -> Result<Granted, GrantError> {
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
    let opened = match check(app, &signer, &identifier, proof, client_ip, agent).await {
        // Between the check and the session the hash was replaced: by a password change, or only renewed by another
        // sign-in with the same password. The second look decides.
        Err(GrantError::Changed) => check(app, &signer, &identifier, proof, client_ip, agent).await,
        opened => opened,
    };
    match &opened {
        Ok(_) => {
            app.metrics.sign_in(true);
            app.throttle.forgive(&ticket).await;
        }
        Err(GrantError::Invalid | GrantError::Changed | GrantError::EmailNotVerified | GrantError::MfaRequired) => {
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
    (password, otp): (&Secret, Option<&Secret>),
    client_ip: Option<IpAddr>,
    agent: &Agent,
) -> Result<Granted, GrantError> {
    let found = users::by_identifier(app.database.read(), identifier).await?;
    let verified = app.hasher.verify(password, found.as_ref().map(|found| &found.password)).await?;
    let active = found.filter(|found| found.user.status == Status::Active && !is_hidden(app, &found.user));
    let renewed = match &verified {
        Verified::No => None,
        Verified::Yes => Some(None),
        Verified::Renewed(hash) => Some(Some(hash)),
    };
    let (Some(credentials), Some(renewed)) = (active, renewed) else { return Err(GrantError::Invalid) };
    // Only now, when the password was right, is told that there is more to prove.
    let otp = otp.map(Secret::expose);
    mfa::admit(app, credentials.user.id, otp).await?;
    open_session(app, signer, (&credentials, renewed, otp), client_ip, agent).await
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
    (checked, renewed, otp): (&Credentials, Option<&PasswordHash>, Option<&str>),
    client_ip: Option<IpAddr>,
    agent: &Agent,
) -> Result<Granted, GrantError> {
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
    let factor = mfa::prove(app, &write, current.user.id, otp, client_ip).await?;
    if let Some(hash) = renewed {
        users::store_password(&write, checked.user.id, hash).await?;
    }
    let opening = Opening::with_password(current.user.id, SCOPE.to_owned(), client_ip, agent);
    let opening = Opening { amr: factor.amr(), ..opening };
    let session = sessions::open(&write, opening, app.config.sessions.lifetime.get(), &app.clock).await?;
    let by = By::user(session.user, session.id, client_ip);
    sessions::bound(app, &write, &session, &by).await?;
    write.audit(Event::new(Kind::SignInSucceeded, by, &app.clock).about(session.user));
    write.commit().await?;
    mfa::forgive(app, session.user, factor).await;
    tokens_for(app, signer, &session, &current.user, 1)
}

/// An access token for the user as they are now, and the session's refresh token with this counter.
pub(super) fn tokens_for(
    app: &App,
    signer: &Signer,
    session: &Session,
    user: &User,
    counter: i64,
) -> Result<Granted, GrantError> {
    let subject = Subject {
        user: user.id,
        session: session.id,
        ver: user.ver,
        roles: user.roles,
        permissions: user.permissions,
        scope: &session.scope,
        session_ends_at: session.state.expires_at,
    };
    let issued = app.issuer.issue(signer, subject)?;
    let tokens = TokenAnswer {
        access_token: issued.token,
        token_type: "Bearer".to_owned(),
        expires_in: issued.expires_in,
        refresh_token: RefreshToken { session: session.id, counter }.seal(session.carrier, &app.keys.refresh),
        scope: session.scope.clone(),
    };
    Ok(Granted { session: session.clone(), tokens })
}
