//! Refreshing: one compare-and-swap, whoever loses it gets what the winner got.

use std::net::IpAddr;

use super::error::GrantError;
use super::model::Granted;
use super::password::tokens_for;
use super::revoke::{Ending, end_session};
use crate::app::App;
use crate::sessions::rotation::{Step, decide};
use crate::sessions::{self, Carrier, RefreshToken};
use crate::users::{self, Status};

/// Two rounds decide: after a lost swap the session is read again, and the counter never moves twice for one token.
const ROUNDS: usize = 3;

/// Hands out the successor of a refresh token that was carried in this way, or ends the session of one that was stolen.
///
/// # Errors
/// When it is not a token of a living session, or no more.
pub async fn refresh(
    app: &App,
    token: &str,
    carrier: Carrier,
    client_ip: Option<IpAddr>,
) -> Result<Granted, GrantError> {
    let token = RefreshToken::open(token, carrier, &app.keys.refresh).ok_or(GrantError::Invalid)?;
    // Before the token is used up: whoever gets no answer comes back with it.
    let signer = app.issuer.signer()?;
    for _ in 0..ROUNDS {
        let found = sessions::find(app.database.read(), token.session).await?;
        let session = found.ok_or(GrantError::Invalid)?;
        // Before the last look at the session, which the swap is: whoever ends all of a user's sessions raises their
        // version, and so no token has the new version for a session that has ended.
        let user = users::find(app.database.read(), session.user).await?;
        let now = app.clock.now_micros();
        let counter = match decide(&session.state, token.counter, now, app.config.sessions.refresh_grace.get()) {
            Step::Rotate(to) => {
                if !swap(app, &token, to, now).await? {
                    continue;
                }
                to
            }
            Step::Repeat(counter) => {
                let again = sessions::find(app.database.read(), session.id).await?;
                again.filter(|again| !again.state.ended).ok_or(GrantError::Invalid)?;
                counter
            }
            Step::Replayed => {
                tracing::warn!(session = %session.id, user = %session.user, "a refresh token was replayed; the session ends");
                end_session(app, session.id, Ending::Replayed, client_ip).await?;
                return Err(GrantError::Invalid);
            }
            Step::Refuse => return Err(GrantError::Invalid),
        };
        let user = user.filter(|user| user.status == Status::Active).ok_or(GrantError::Invalid)?;
        return tokens_for(app, &signer, &session, &user, counter);
    }
    Err(GrantError::Invalid)
}

/// In a writing transaction, so that on SQLite it waits for its turn instead of failing.
async fn swap(app: &App, token: &RefreshToken, to: i64, now: i64) -> Result<bool, GrantError> {
    let write = app.database.write().await?;
    let swapped = sessions::rotate(write.transaction(), token.session, to, now).await?;
    write.commit().await?;
    Ok(swapped)
}
