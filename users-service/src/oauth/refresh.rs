//! Refreshing: a session that was opened for a client only by that client, and for no more than it may still have.

use shared::domain::ClientId;

use super::scope::{Scope, WHOLE};
use super::shown::{Asking, Shown, authenticate};
use crate::app::App;
use crate::clients::{Client, GrantType};
use crate::sessions::{self, Carrier, RefreshToken};
use crate::tokens::{self, GrantError, TokenAnswer};

/// Hands out the successor of a refresh token.
///
/// # Errors
/// 401 for who is not the client that they say, 400 for another one, for one that may not refresh any more, or for more than
/// was given.
pub async fn refresh(app: &App, token: &str, asking: &Asking) -> Result<TokenAnswer, GrantError> {
    // A gateway counts as a client whoever says by its header that they are one, so they have to be, whatever the token is.
    let client = match asking.shown {
        Shown::Nothing | Shown::Id(_) => None,
        Shown::Secret { .. } | Shown::Malformed { .. } | Shown::Twice => Some(authenticate(app, asking).await?),
    };
    // Who shows nothing is a user: a client's session does not go on for them.
    let of_client = match asking.shown {
        Shown::Nothing => None,
        Shown::Id(_) | Shown::Secret { .. } | Shown::Malformed { .. } | Shown::Twice => of_client(app, token).await?,
    };
    let granted = match of_client {
        // A user's own, or nobody's.
        None if client.is_some() => return Err(GrantError::Invalid),
        None => {
            if !asking.scope.as_ref().is_none_or(|asked| *asked == Scope::stored(WHOLE)) {
                return Err(GrantError::Scope);
            }
            tokens::refresh(app, token, Carrier::Token, None, asking.client_ip).await?
        }
        Some((of, given)) => {
            let client = match client {
                Some(client) => client,
                None => authenticate(app, asking).await?,
            };
            let scope = allowed(&client, of, &given, asking)?;
            tokens::refresh(app, token, Carrier::Token, Some((of, &scope)), asking.client_ip).await?
        }
    };
    Ok(granted.tokens)
}

/// The client that a token's session was opened for, and with what scope.
async fn of_client(app: &App, token: &str) -> Result<Option<(ClientId, Scope)>, GrantError> {
    let Some(token) = RefreshToken::open(token, Carrier::Token, &app.keys.refresh) else { return Ok(None) };
    let found = sessions::find(app.database.read(), token.session).await?;
    Ok(found.and_then(|session| Some((session.client?.into(), Scope::stored(&session.scope)))))
}

/// What the next tokens may be used for.
fn allowed(client: &Client, of: ClientId, given: &Scope, asking: &Asking) -> Result<Scope, GrantError> {
    if client.id != of {
        return Err(GrantError::Invalid);
    }
    if !client.may(GrantType::RefreshToken) {
        return Err(GrantError::UnauthorizedClient);
    }
    let allowed = given.and(&client.scopes);
    let scope = asking.scope.clone().unwrap_or_else(|| allowed.clone());
    if !scope.is_within(&allowed) {
        return Err(GrantError::Scope);
    }
    // Nothing is left of what its user has allowed it.
    if scope.is_empty() || (scope.has(WHOLE) && !client.trusted) {
        return Err(GrantError::Invalid);
    }
    Ok(scope)
}
