//! Giving a token back (RFC 7009): whoever holds it may end its session.

use std::net::IpAddr;

use shared::domain::{ClientId, SessionId};

use super::error::GrantError;
use crate::app::App;
use crate::audit::{By, Event, Kind};
use crate::oauth::{self, Shown};
use crate::sessions::{self, Carrier, RefreshToken, Session};
use crate::tokens;

/// Why a session ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Whoever held a token of it gave it back.
    GivenBack,
    /// An old refresh token came again, from the user or from a thief.
    Replayed,
}

/// Ends the session of a refresh or access token; any other text is no error (section 2.2).
pub(super) async fn revoke(app: &App, token: &str, shown: &Shown, client_ip: Option<IpAddr>) -> Result<(), GrantError> {
    let carried = |carrier| RefreshToken::open(token, carrier, &app.keys.refresh);
    let session = match carried(Carrier::Token).or_else(|| carried(Carrier::Cookie)) {
        Some(token) => Some(token.session),
        None => match app.issuer.read(token).await {
            Some(claims) if claims.is_of_client() => {
                return oauth::give_back(app, claims.client_id, claims.sid, shown, client_ip).await;
            }
            claims => claims.map(|claims: tokens::Claims| claims.sid),
        },
    };
    let Some(session) = session else { return oauth::may_give_back(app, None, shown, client_ip).await };
    let client =
        sessions::find(app.database.read(), session).await?.and_then(|session| session.client).map(ClientId::from);
    oauth::may_give_back(app, client, shown, client_ip).await?;
    end_session(app, session, Ending::GivenBack, client_ip).await
}

/// Ends a session and the access tokens it has handed out, and what comes from it.
///
/// # Errors
/// When the database fails.
pub async fn end_session(
    app: &App,
    session: SessionId,
    ending: Ending,
    client_ip: Option<IpAddr>,
) -> Result<(), GrantError> {
    let write = app.database.write().await?;
    let event = |closed: &Session| {
        let (kind, by) = match ending {
            Ending::GivenBack => (Kind::SessionEnded, By::user(closed.user, session, client_ip)),
            Ending::Replayed => (Kind::RefreshReplayed, By::nobody(client_ip)),
        };
        // What comes from a session that was replayed only ends with it.
        let kind = if closed.id == session { kind } else { Kind::SessionEnded };
        Event::new(kind, by, &app.clock)
    };
    sessions::close(app, &write, &[session], event).await?;
    write.commit().await?;
    app.relay.flush().await;
    Ok(())
}
