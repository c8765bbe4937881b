//! From a request to a code: the user signs in for it, is asked, and decides. Each step is one transaction under the user's
//! row, so that what ends their sessions ends this as well.

use std::net::IpAddr;

use actix_web::HttpRequest;
use shared::clock::to_micros;
use shared::domain::{SessionId, UserId};
use shared::problem::Problem;
use uuid::Uuid;

use super::asked::{Asked, Refusal};
use super::browser::lost;
use super::pending::Pending;
use super::scope::Scope;
use super::store::{self, Authorization, Proof};
use crate::app::App;
use crate::audit::{By, Event, Kind};
use crate::browser;
use crate::clients::{self, Client, GrantType, SecretDigest};
use crate::db::{Fault, Write};
use crate::sessions;
use crate::tokens::{self, GrantError, Proven, prove};
use crate::users::{self, Status, User};

/// Tells ours from others at a glance.
const CODE_PREFIX: &str = "tga_";

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A request in a browser.
pub(super) type Which<'a> = (Uuid, &'a SecretDigest);

/// What comes next.
#[derive(Debug)]
pub(super) enum Next {
    /// They have to decide.
    Ask { id: Uuid, client: String, username: String, scope: Scope, redirect_uri: String },
    /// The client gets its code.
    Code { redirect_uri: String, state: Option<String>, code: clients::Secret },
    /// The client is told that it may not.
    Denied(Refusal),
}

/// Signs somebody in for a request: the very path of the password grant.
pub(super) async fn sign_in(
    app: &App,
    (pending, asked): (&Pending, &Asked),
    browser: &SecretDigest,
    identifier: &str,
    proof: tokens::Proof<'_>,
    client_ip: Option<IpAddr>,
) -> Result<(), GrantError> {
    let note = async |write: &Write, Proven { user, amr }: Proven| {
        let now = app.clock.now_micros();
        let session = SessionId::generate(&app.clock);
        let proof = Proof { user: user.id, session, parent: None, at: now, amr: amr.to_owned() };
        if !store::ask(write, (pending.id, asked), browser, (now, pending.expires_at), &proof).await? {
            return Err(lost().into());
        }
        let event = Event::new(Kind::SignInSucceeded, By::user(user.id, session, client_ip), &app.clock);
        write.audit(event.about(user.id));
        Ok(())
    };
    prove(app, identifier, proof, client_ip, note).await
}

/// The proof that a browser's session is, if it is young enough.
pub(super) async fn still_signed_in(
    app: &App,
    request: &HttpRequest,
    max_age: Option<u64>,
) -> Result<Option<Proof>, Problem> {
    let Some(visitor) = browser::signed_in(app, request).await? else { return Ok(None) };
    let sessions::Proof { at, amr } = visitor.proof;
    let longest = max_age.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(MICROS_PER_SECOND));
    let young = longest.is_none_or(|longest| app.clock.now_micros().saturating_sub(at) <= longest);
    let session = SessionId::generate(&app.clock);
    let proof = Proof { user: visitor.user.id, session, parent: Some(visitor.session), at, amr };
    Ok(young.then_some(proof))
}

/// Until when what comes from this proof may last: as long as the browser's session that it is taken from, and for good where
/// it was given here. Nothing: that session is over. Whoever ends it holds the user, and so does the caller.
pub(super) async fn lasts_until(app: &App, write: &Write, proof: &Proof) -> Result<Option<i64>, Fault> {
    let Some(parent) = proof.parent else { return Ok(Some(i64::MAX)) };
    let (now, idle) = (app.clock.now_micros(), app.config.sessions.idle.get());
    let found = sessions::find(write.transaction(), parent).await?;
    let living = found.filter(|session| session.user == proof.user && !session.state.is_over(now, idle));
    Ok(living.map(|session| session.state.expires_at))
}

/// Whether a user would not have to be asked.
pub(super) async fn is_allowed(app: &App, user: UserId, asked: &Asked) -> Result<bool, Problem> {
    let given = store::consent(app.database.read(), user, asked.client.id).await?;
    let quiet = !asked.ask_consent && !clients::is_anybodys(&asked.redirect_uri);
    Ok(quiet && (asked.client.trusted || asked.scope.is_within(&given)))
}

/// What is to be asked; nothing where the client is trusted or was allowed all of it before, and its address is its own.
pub(super) async fn question(app: &App, which: Which<'_>, client_ip: Option<IpAddr>) -> Result<Next, Problem> {
    let (found, client) = open(app, which).await?;
    let proof = found.proof.as_ref().ok_or_else(lost)?;
    let given = store::consent(app.database.read(), proof.user, client.id).await?;
    let quiet = !found.ask_consent && !clients::is_anybodys(&found.redirect_uri);
    if quiet && (client.trusted || found.scope.is_within(&given)) {
        return hand_out(app, which, client_ip, false).await;
    }
    ask(app, found, client).await
}

/// What would be asked, if anything were: who only looks decides nothing, and gets no code.
pub(super) async fn look(app: &App, which: Which<'_>) -> Result<Next, Problem> {
    let (found, client) = open(app, which).await?;
    ask(app, found, client).await
}

async fn ask(app: &App, found: Authorization, client: Client) -> Result<Next, Problem> {
    let proof = found.proof.as_ref().ok_or_else(lost)?;
    let user = users::find(app.database.read(), proof.user).await?.ok_or_else(lost)?;
    let Authorization { id, scope, redirect_uri, .. } = found;
    Ok(Next::Ask { id, client: client.name, username: user.username, scope, redirect_uri })
}

/// The user allows it.
pub(super) async fn allow(app: &App, which: Which<'_>, client_ip: Option<IpAddr>) -> Result<Next, Problem> {
    hand_out(app, which, client_ip, true).await
}

/// The user does not.
pub(super) async fn deny(app: &App, (id, browser): Which<'_>) -> Result<Next, Problem> {
    let (found, _) = open(app, (id, browser)).await?;
    let write = app.database.write().await?;
    if !store::decide(&write, id, browser, None, app.clock.now_micros()).await? {
        return Err(lost());
    }
    write.commit().await?;
    let Authorization { redirect_uri, state, .. } = found;
    let (error, description) = ("access_denied", "the user does not allow it");
    Ok(Next::Denied(Refusal { redirect_uri, state, error, description }))
}

/// What is still to be decided in this browser, and its client.
async fn open(app: &App, (id, browser): Which<'_>) -> Result<(Authorization, Client), Problem> {
    let found = store::find(app.database.read(), id, browser, app.clock.now_micros()).await?.ok_or_else(lost)?;
    let client = clients::find(app.database.read(), found.client).await?;
    let client = client.filter(|client| client.may(GrantType::AuthorizationCode)).ok_or_else(lost)?;
    Ok((found, client))
}

async fn hand_out(
    app: &App,
    (id, browser): Which<'_>,
    client_ip: Option<IpAddr>,
    asked: bool,
) -> Result<Next, Problem> {
    let (found, _) = open(app, (id, browser)).await?;
    let proof = found.proof.ok_or_else(lost)?;
    let code = clients::Secret::with_prefix(CODE_PREFIX)?;
    let write = app.database.write().await?;
    let user: User = users::lock(&write, proof.user).await?.map(|found| found.user).ok_or_else(lost)?;
    let client = clients::share(&write, found.client).await?;
    let client = client.filter(|client| client.may(GrantType::AuthorizationCode)).ok_or_else(lost)?;
    let lasts = lasts_until(app, &write, &proof).await?.is_some();
    let (now, until) = (app.clock.now_micros(), to_micros(app.clock.now() + app.config.oauth.code_lifetime.get()));
    let decided = store::decide(&write, id, browser, Some((&code.digest(), until)), now).await?;
    if user.status != Status::Active || !lasts || !decided {
        return Err(lost());
    }
    if asked {
        store::allow(&write, user.id, client.id, &found.scope, now).await?;
        let event = Event::new(Kind::ConsentGiven, By::user(user.id, proof.session, client_ip), &app.clock);
        let words: Vec<_> = found.scope.words().collect();
        write.audit(event.about(user.id).with("client", client.id.to_string()).with("scope", words));
    }
    write.commit().await?;
    Ok(Next::Code { redirect_uri: found.redirect_uri, state: found.state, code })
}
