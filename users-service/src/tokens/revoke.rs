//! Giving a token back (RFC 7009): whoever holds it may end its session.

use std::net::IpAddr;

use shared::domain::SessionId;
use shared::store::Revocation;

use super::error::GrantError;
use crate::app::App;
use crate::audit::{By, Event, Kind};
use crate::oauth::{self, Shown};
use crate::sessions::{self, RefreshToken};
use crate::{revocations, tokens};

/// Why a session ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Whoever held a token of it gave it back.
    GivenBack,
    /// An old refresh token came again, from the user or from a thief.
    Replayed,
}

/// Ends the session of a refresh or access token; any other text is no error (section 2.2).
pub(super) async fn revoke(app: &App, token: &str, shown: &Shown, client_ip: Option<IpAddr>) -> Result<(), GrantError> {
    let session = match RefreshToken::open(token, &app.keys.refresh) {
        Some(token) => Some(token.session),
        None => match app.issuer.read(token).await {
            Some(claims) if claims.is_of_client() => {
                return oauth::give_back(app, claims.client_id, claims.sid, shown, client_ip).await;
            }
            claims => claims.map(|claims: tokens::Claims| claims.sid),
        },
    };
    let Some(session) = session else { return oauth::may_give_back(app, None, shown, client_ip).await };
    let client = sessions::find(app.database.read(), session).await?.and_then(|session| session.client);
    oauth::may_give_back(app, client, shown, client_ip).await?;
    end_session(app, session, Ending::GivenBack, client_ip).await
}

/// Ends a session and the access tokens it has handed out.
pub(super) async fn end_session(
    app: &App,
    session: SessionId,
    ending: Ending,
    client_ip: Option<IpAddr>,
) -> Result<(), GrantError> {
    let write = app.database.write().await?;
    if let Some(user) = sessions::end(&write, session, app.clock.now_micros()).await? {
        let (kind, by) = match ending {
            Ending::GivenBack => (Kind::SessionEnded, By::user(user, session, client_ip)),
            Ending::Replayed => (Kind::RefreshReplayed, By::nobody(client_ip)),
        };
        write.audit(Event::new(kind, by, &app.clock).about(user).in_session(session));
        let revocation = Revocation::Session { sid: session, expires_at: app.tokens_die_at() };
        revocations::record(&write, &revocation).await?;
    }
    write.commit().await?;
    app.relay.flush().await;
    Ok(())
}
