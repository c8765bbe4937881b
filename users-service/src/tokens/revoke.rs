//! Giving a token back (RFC 7009): whoever holds it may end its session.

use shared::domain::SessionId;
use shared::store::Revocation;

use super::error::GrantError;
use crate::app::App;
use crate::sessions::{self, RefreshToken};
use crate::{revocations, tokens};

/// Ends the session of a refresh or access token; any other text is no error (section 2.2).
pub(super) async fn revoke(app: &App, token: &str) -> Result<(), GrantError> {
    let session = match RefreshToken::open(token, &app.keys.refresh) {
        Some(token) => Some(token.session),
        None => app.issuer.read(token).await.map(|claims: tokens::Claims| claims.sid),
    };
    match session {
        Some(session) => end_session(app, session).await,
        None => Ok(()),
    }
}

/// Ends a session and the access tokens it has handed out.
pub(super) async fn end_session(app: &App, session: SessionId) -> Result<(), GrantError> {
    let write = app.database.write().await?;
    if sessions::end(&write, session, app.clock.now_micros()).await? {
        let revocation = Revocation::Session { sid: session, expires_at: app.tokens_die_at() };
        revocations::record(&write, &revocation).await?;
    }
    write.commit().await?;
    app.relay.flush().await;
    Ok(())
}
