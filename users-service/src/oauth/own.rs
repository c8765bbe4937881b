//! Tokens of a client's own (RFC 6749, section 4.4), and who may give back what (RFC 7009).

use std::net::IpAddr;

use shared::domain::{ClientId, SessionId};
use shared::store::Revocation;

use super::shown::{Asking, Shown, authenticate};
use crate::app::App;
use crate::audit::{By, Event, Kind};
use crate::clients::{self, Client, GrantType};
use crate::revocations;
use crate::tokens::{GrantError, TokenAnswer};

/// A token for the client itself. Its subject is the client, it has no role, and nothing to refresh it with.
///
/// # Errors
/// 401 for the client, 400 where it may not, or not that much.
pub async fn client_token(app: &App, asking: &Asking) -> Result<TokenAnswer, GrantError> {
    let client = authenticate(app, asking).await?;
    if !client.may(GrantType::ClientCredentials) {
        return Err(GrantError::UnauthorizedClient);
    }
    let all = client.scopes.impersonal();
    let scope = asking.scope.clone().unwrap_or_else(|| all.clone());
    if scope.is_empty() || !scope.is_within(&all) {
        return Err(GrantError::Scope);
    }
    let (signer, scope) = (app.issuer.signer()?, scope.to_string());
    let issued = app.issuer.issue_to_client(&signer, client.id, client.session, &scope)?;
    Ok(TokenAnswer {
        access_token: issued.token,
        token_type: "Bearer".to_owned(),
        expires_in: issued.expires_in,
        refresh_token: None,
        id_token: None,
        scope,
    })
}

/// Whether a token that was given to a client may be given back by whoever asks. One of a confidential client only by that
/// client; every other by whoever has it.
///
/// # Errors
/// 401 for who is not that client, 400 for another one.
pub async fn may_give_back(
    app: &App,
    of: Option<ClientId>,
    shown: &Shown,
    client_ip: Option<IpAddr>,
) -> Result<(), GrantError> {
    let asking = Asking { shown: shown.clone(), scope: None, client_ip };
    let by = match shown {
        Shown::Nothing => None,
        Shown::Id(_) | Shown::Secret { .. } | Shown::Malformed { .. } | Shown::Twice => {
            Some(authenticate(app, &asking).await?)
        }
    };
    let owner = match of {
        Some(of) => clients::find(app.database.read(), of).await?,
        None => None,
    };
    match (owner, by) {
        (Some(owner), Some(by)) if owner.id == by.id => Ok(()),
        (Some(owner), None) if owner.kind == clients::Kind::Confidential => {
            Err(GrantError::InvalidClient { basic: false })
        }
        (Some(_), Some(_)) => Err(GrantError::UnauthorizedClient),
        (Some(_), None) | (None, _) => Ok(()),
    }
}

/// Gives a client's own token back: all of that client's own are of one session, and end with it.
///
/// # Errors
/// As [`may_give_back`].
pub async fn give_back(
    app: &App,
    of: Option<ClientId>,
    session: SessionId,
    shown: &Shown,
    client_ip: Option<IpAddr>,
) -> Result<(), GrantError> {
    may_give_back(app, of, shown, client_ip).await?;
    let Some(id) = of else { return Ok(()) };
    let write = app.database.write().await?;
    let new = SessionId::generate(&app.clock);
    if clients::renew(&write, id, session, new).await? {
        let revocation = Revocation::Session { sid: session, expires_at: app.tokens_die_at() };
        revocations::record(&write, &revocation).await?;
        let event = Event::new(Kind::ClientTokensEnded, By::nobody(client_ip), &app.clock);
        write.audit(event.with("client", id.to_string()));
    }
    write.commit().await?;
    app.relay.flush().await;
    Ok(())
}

/// Whether a client's own token is good still.
pub(super) fn is_current(client: &Client, session: SessionId) -> bool {
    client.may(GrantType::ClientCredentials) && client.session == session
}
