//! Refreshing a session that was opened for a client: only by that client, and for no more than it may still have.

use super::scope::{Scope, WHOLE};
use super::shown::{Asking, authenticate};
use crate::app::App;
use crate::clients::GrantType;
use crate::sessions::Session;
use crate::tokens::GrantError;

/// The session with the scope of its next tokens. Asked before the refresh token is used up.
///
/// # Errors
/// 401 for another client, 400 for one that may not refresh any more or asks for more than it was given.
pub async fn refreshable(app: &App, session: Session, asking: &Asking) -> Result<Session, GrantError> {
    let given = Scope::stored(&session.scope);
    let allowed = match session.client {
        None => given,
        Some(of) => {
            let client = authenticate(app, asking).await?;
            if client.id != of {
                return Err(GrantError::Invalid);
            }
            if !client.may(GrantType::RefreshToken) {
                return Err(GrantError::UnauthorizedClient);
            }
            let allowed = given.and(&client.scopes);
            if allowed.has(WHOLE) && !client.trusted {
                return Err(GrantError::Invalid);
            }
            allowed
        }
    };
    let scope = asking.scope.clone().unwrap_or_else(|| allowed.clone());
    if !scope.is_within(&allowed) {
        return Err(GrantError::Scope);
    }
    // Nothing is left of what its user has allowed it.
    if scope.is_empty() {
        return Err(GrantError::Invalid);
    }
    Ok(Session { scope: scope.to_string(), ..session })
}
