//! Refreshing: one compare-and-swap, whoever loses it gets what the winner got.

use std::net::IpAddr;

use shared::domain::ClientId;

use super::error::GrantError;
use super::model::Granted;
use super::password::tokens_for;
use super::revoke::{Ending, end_session};
use crate::app::App;
use crate::oauth::scope::Scope;
use crate::sessions::rotation::{Limits, Step, decide};
use crate::sessions::{self, Carrier, Presented, RefreshToken, Refreshed, Session};
use crate::users::{self, Status, User};

/// Two rounds decide: after a lost swap the session is read again, and the counter never moves twice for one token.
const ROUNDS: usize = 3;

/// Hands out the successor of a refresh token that was carried in this way, or ends the session of one that was stolen. It is
/// good only for the OAuth client that its session was opened for, and then for this scope; none: for the user's own.
///
/// # Errors
/// When it is not a token of a living session, or no more.
pub async fn refresh(
    app: &App,
    token: &str,
    carrier: Carrier,
    by: Option<(ClientId, &Scope)>,
    client_ip: Option<IpAddr>,
) -> Result<Granted, GrantError> {
    let (client, scope) = by.unzip();
    let refused = |error: &GrantError| {
        if matches!(error, GrantError::Invalid) {
            app.metrics.refreshes.count(Refreshed::Refused);
        }
    };
    let token =
        RefreshToken::open(token, carrier, &app.keys.refresh).ok_or(GrantError::Invalid).inspect_err(refused)?;
    // Before the token is used up: whoever gets no answer comes back with it.
    let signer = app.issuer.signer()?;
    let presented = Presented { token, client: client.map(ClientId::as_uuid), origin: client_ip };
    if let Some(rotated) = app.rotator.rotate(presented).await? {
        app.metrics.refreshes.count(Refreshed::Rotated);
        let session = narrowed(rotated.session.clone(), scope);
        let tokens = tokens_for(app, &signer, &session, &rotated.user, session.state.counter)?;
        return Ok(Granted { session, tokens });
    }
    let Some(carried) = alone(app, &presented).await.inspect_err(refused)? else {
        app.metrics.refreshes.count(Refreshed::Replayed);
        return Err(GrantError::Invalid);
    };
    app.metrics.refreshes.count(carried.refreshed);
    let session = narrowed(carried.session, scope);
    let tokens = tokens_for(app, &signer, &session, &carried.user, carried.counter)?;
    Ok(Granted { session, tokens })
}

/// With the scope that its next tokens are to have, if that is less than its own.
fn narrowed(session: Session, scope: Option<&Scope>) -> Session {
    match scope {
        Some(scope) => Session { scope: scope.to_string(), ..session },
        None => session,
    }
}

/// A session that goes on.
struct Carried {
    session: Session,
    user: User,
    counter: i64,
    refreshed: Refreshed,
}

/// What becomes of a token that was not moved on together with others: it is not the one that is good now, or somebody
/// else holds its session, or nobody knows what came of the attempt. `None`: it was replayed, and its session is over.
async fn alone(app: &App, presented: &Presented) -> Result<Option<Carried>, GrantError> {
    let limits = Limits::of(&app.config.sessions);
    for _ in 0..ROUNDS {
        let found = sessions::find(app.database.read(), presented.token.session).await?;
        let session = found.filter(|session| session.client == presented.client).ok_or(GrantError::Invalid)?;
        // Before the last look at the session, which the swap is: whoever ends all of a user's sessions raises their
        // version, and so no token has the new version for a session that has ended.
        let user = users::find(app.database.read(), session.user).await?;
        let user = user.filter(|user| user.status == Status::Active).ok_or(GrantError::Invalid)?;
        let now = app.clock.now_micros();
        match decide(&session.state, presented.token.counter, now, limits) {
            Step::Rotate(to) => {
                if swap(app, presented, to, now).await? {
                    return Ok(Some(Carried { session, user, counter: to, refreshed: Refreshed::Rotated }));
                }
            }
            Step::Repeat(counter) => {
                let again = sessions::find(app.database.read(), session.id).await?;
                again.filter(|again| !again.state.ended).ok_or(GrantError::Invalid)?;
                return Ok(Some(Carried { session, user, counter, refreshed: Refreshed::Repeated }));
            }
            Step::Replayed => {
                tracing::warn!(session = %session.id, user = %session.user, "a refresh token was replayed; the session ends");
                end_session(app, session.id, Ending::Replayed, presented.origin).await?;
                return Ok(None);
            }
            Step::Refuse => return Err(GrantError::Invalid),
        }
    }
    Err(GrantError::Invalid)
}

/// In a writing transaction, so that on SQLite it waits for its turn instead of failing.
async fn swap(app: &App, presented: &Presented, to: i64, now: i64) -> Result<bool, GrantError> {
    let write = app.database.write().await?;
    let swapped = sessions::rotate(&write, presented, to, now).await?;
    write.commit().await?;
    Ok(swapped)
}
