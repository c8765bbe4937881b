//! Ending sessions before their time: with those that come from them, on record, and told to every gateway.

use shared::clock::to_micros;
use shared::domain::SessionId;
use shared::store::Revocation;

use super::store::{self, Session};
use crate::app::App;
use crate::audit::Event;
use crate::db::{Fault, Write};
use crate::revocations;

/// Ends these sessions and all that come from them, and says which had not ended before; `event` tells of each. Once the
/// transaction is committed, the relay may be flushed, so that gateways hear of it at once.
///
/// # Errors
/// When a statement fails.
pub async fn close(
    app: &App,
    write: &Write,
    ids: &[SessionId],
    event: impl Fn(&Session) -> Event,
) -> Result<Vec<Session>, Fault> {
    let closed = store::end(write, ids, to_micros(app.clock.now())).await?;
    for session in &closed {
        let revocation = Revocation::Session { sid: session.id, expires_at: app.tokens_die_at() };
        revocations::record(write, &revocation).await?;
        write.audit(event(session).about(session.user).in_session(session.id));
    }
    Ok(closed)
}
