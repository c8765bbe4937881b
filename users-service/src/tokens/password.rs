//! Signing in: one path with the same hash work for users who are known, unknown, or shut out.

use std::net::IpAddr;

use shared::config::Secret;
use shared::domain::ClientId;

use super::access::Subject;
use super::attempt::attempted;
use super::error::GrantError;
use super::grant::SCOPE;
use super::model::{Granted, TokenAnswer};
use crate::app::App;
use crate::audit::{By, Event, Kind};
use crate::db::Write;
use crate::keys::Signer;
use crate::mfa;
use crate::passwords::{Judged, PasswordHash, Verified};
use crate::sessions::{self, Agent, Opening, RefreshToken, Session};
use crate::throttle::Visit;
use crate::users::{self, Credentials, Identifier, Status, User};

/// Somebody who has just proven who they are. Their row is locked until the transaction ends, so a password change, a
/// disabling or a deletion comes wholly before or wholly after.
#[derive(Clone, Debug)]
pub struct Proven {
    /// Who.
    pub user: User,
    /// How, in RFC 8176's words.
    pub amr: &'static str,
}

/// What somebody shows for who they are: a password, and a code where there is a second factor.
pub type Proof<'a> = (&'a Secret, Option<&'a Secret>);

/// Checks the password, and a code where there is a second factor, and opens a session, whose tokens are for this program.
///
/// # Errors
/// Wrong credentials of whatever kind, too many of them, or no room to check any.
pub async fn sign_in(
    app: &App,
    identifier: &str,
    proof: Proof<'_>,
    client_ip: Option<IpAddr>,
    agent: &Agent,
) -> Result<Granted, GrantError> {
    // Before anything is counted or opened: whoever it is, nobody gets a token.
    let signer = app.issuer.signer()?;
    let open = async |write: &Write, proven: Proven| open(app, write, proven, client_ip, agent).await;
    let (session, user) = prove(app, identifier, proof, client_ip, open).await?;
    let tokens = tokens_for(app, &signer, &session, &user, 1)?;
    Ok(Granted { session, tokens })
}

/// Opens a session for somebody who has just proven who they are, whose tokens are for this program.
///
/// # Errors
/// When a statement fails.
pub async fn open(
    app: &App,
    write: &Write,
    proven: Proven,
    client_ip: Option<IpAddr>,
    agent: &Agent,
) -> Result<(Session, User), GrantError> {
    let opening = Opening::with_password(proven.user.id, SCOPE.to_owned(), client_ip).by(agent);
    let opening = Opening { amr: proven.amr.into(), ..opening };
    let session = sessions::open(write, opening, app.config.sessions.lifetime.get(), &app.clock).await?;
    let by = By::user(session.user, session.id, client_ip);
    sessions::bound(app, write, &session, &by).await?;
    write.audit(Event::new(Kind::SignInSucceeded, by, &app.clock).about(session.user));
    Ok((session, proven.user))
}

/// Checks the password, and does `then` in the transaction in which it is still right. Every way of signing in is this one:
/// the same counters, the same work and the same rows, whoever it is.
///
/// # Errors
/// Why nobody is signed in.
pub async fn prove<T>(
    app: &App,
    identifier: &str,
    proof: Proof<'_>,
    client_ip: Option<IpAddr>,
    then: impl AsyncFn(&Write, Proven) -> Result<T, GrantError>,
) -> Result<T, GrantError> {
    let identifier = Identifier::of(identifier);
    // Before anything is counted, for what a known device is spared. The same look whoever it is.
    let on = app.windows.are_on();
    let known = on && app.devices.know(app.database.read(), &identifier, client_ip).await?;
    let visit = Visit::new(&identifier, client_ip, known);
    let name = app.journal.name(identifier.as_str());
    let look = async || match check(app, &identifier, proof, client_ip, &then).await {
        // Between the check and the session the hash was replaced: by a password change, or only renewed by another
        // sign-in with the same password. The second look decides.
        Err(GrantError::Changed) => check(app, &identifier, proof, client_ip, &then).await,
        opened => opened,
    };
    attempted(app, &visit, name, client_ip, look).await
}

/// One look: the same work whoever it is.
async fn check<T>(
    app: &App,
    identifier: &Identifier,
    (password, otp): Proof<'_>,
    client_ip: Option<IpAddr>,
    then: &impl AsyncFn(&Write, Proven) -> Result<T, GrantError>,
) -> Result<T, GrantError> {
    let found = users::by_identifier(app.database.read(), identifier).await?;
    let Judged { verified, due } = app.hasher.judge(password, found.as_ref().map(|found| &found.password)).await?;
    let renewed = match &verified {
        Verified::No => {
            due.wait().await;
            return Err(GrantError::Invalid);
        }
        Verified::Yes => None,
        Verified::Renewed(hash) => Some(hash),
    };
    let Some(right) = found.filter(|found| !is_hidden(app, &found.user)) else {
        due.wait().await;
        return Err(GrantError::Invalid);
    };
    if right.user.status != Status::Active {
        return Err(GrantError::NotActive(right.user.status));
    }
    // Only now, when the password was right, is told that there is more to prove.
    let otp = otp.map(Secret::expose);
    mfa::admit(app, right.user.id, otp).await?;
    // Room for it only now: a flood waits for its hashes, and nearly all of it gets no further.
    Box::pin(enter(app, (&right, renewed, otp), client_ip, then)).await
}

/// Whether nobody learns of this user yet: else whoever registers an address, and then signs in with what they have just
/// chosen, sees whether it was free. As with a wrong password, so that no work tells either.
const fn is_hidden(app: &App, user: &User) -> bool {
    !app.config.registration.disclose_existing && !user.email_verified
}

/// Whether somebody who has shown who they are may come in. The caller holds their row.
///
/// # Errors
/// Why not, as far as they may know.
pub fn may_enter(app: &App, user: &User) -> Result<(), GrantError> {
    if is_hidden(app, user) {
        return Err(GrantError::Invalid);
    }
    if user.status != Status::Active {
        return Err(GrantError::NotActive(user.status));
    }
    if app.config.registration.require_verified_email && !user.email_verified {
        return Err(GrantError::EmailNotVerified);
    }
    Ok(())
}

/// Does `then` if the user still is who was checked.
async fn enter<T>(
    app: &App,
    (checked, renewed, otp): (&Credentials, Option<&PasswordHash>, Option<&str>),
    client_ip: Option<IpAddr>,
    then: &impl AsyncFn(&Write, Proven) -> Result<T, GrantError>,
) -> Result<T, GrantError> {
    let write = app.database.write().await?;
    let current = users::lock(&write, checked.user.id).await?.ok_or(GrantError::Invalid)?;
    if current.password != checked.password {
        return Err(GrantError::Changed);
    }
    may_enter(app, &current.user)?;
    let factor = mfa::prove(app, &write, current.user.id, otp, client_ip).await?;
    if let Some(hash) = renewed {
        users::store_password(&write, checked.user.id, hash).await?;
    }
    let user = current.user.id;
    app.devices.remember(&write, user, client_ip).await?;
    let done = then(&write, Proven { user: current.user, amr: factor.amr() }).await?;
    write.commit().await?;
    mfa::forgive(app, user, factor).await;
    Ok(done)
}

/// An access token for the user as they are now, and the session's refresh token with this counter.
///
/// # Errors
/// 500 when the crypto library fails.
pub fn tokens_for(
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
        permissions: user.permissions,
        scope: &session.scope,
        session_ends_at: session.state.expires_at,
        client: session.client.map(ClientId::from),
    };
    let issued = app.issuer.issue(signer, subject)?;
    Ok(TokenAnswer {
        access_token: issued.token,
        token_type: "Bearer".to_owned(),
        expires_in: issued.expires_in,
        refresh_token: Some(RefreshToken { session: session.id, counter }.seal(session.carrier, &app.keys.refresh)),
        id_token: None,
        scope: session.scope.clone(),
    })
}
