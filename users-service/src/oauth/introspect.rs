//! What there is to say of a token (RFC 7662): to confidential clients, to administrators, and to the gateway about API keys.

pub mod http;

use serde::{Deserialize, Serialize};
use shared::domain::{ClientId, SessionId};
use uuid::Uuid;

use super::own::is_current;
use crate::app::App;
use crate::clients::{self, Client, Kind};
use crate::db::Fault;
use crate::sessions::rotation::{Limits, Step, decide};
use crate::sessions::{self, Carrier, RefreshToken, Session};
use crate::tokens::Claims;
use crate::users::{self, Status};

/// What is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Introspection {
    /// Whether it is good. If not, nothing else is said.
    pub active: bool,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub iss: Option<String>,
    /// Whom it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sub: Option<Uuid>,
    /// Whom it is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub aud: Option<String>,
    /// When it ends, in seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub exp: Option<i64>,
    /// When it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub iat: Option<i64>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub jti: Option<Uuid>,
    /// Its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sid: Option<SessionId>,
    /// What it may be used for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub scope: Option<String>,
    /// The client that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub client_id: Option<ClientId>,
    /// `Bearer`, or `refresh_token`, which opens nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Bearer")]
    pub token_type: Option<String>,
}

/// Who asks.
#[derive(Debug)]
pub(super) enum Asker {
    /// A confidential client.
    Client(Box<Client>),
    /// An administrator.
    Administrator,
}

/// Not ours, over, or none of the asker's business: which, is not said.
const NOTHING: Introspection = Introspection {
    active: false,
    iss: None,
    sub: None,
    aud: None,
    exp: None,
    iat: None,
    jti: None,
    sid: None,
    scope: None,
    client_id: None,
    token_type: None,
};

/// What there is to say of any text.
pub(super) async fn of_token(app: &App, token: &str, asker: &Asker) -> Result<Introspection, Fault> {
    let said = match RefreshToken::open(token, Carrier::Token, &app.keys.refresh) {
        Some(token) => of_refresh_token(app, token, asker).await?,
        None => match app.issuer.read(token).await {
            Some(claims) => of_access_token(app, claims, asker).await?,
            None => None,
        },
    };
    Ok(said.unwrap_or(NOTHING))
}

async fn of_access_token(app: &App, claims: Claims, asker: &Asker) -> Result<Option<Introspection>, Fault> {
    let owner = match claims.client_id {
        Some(id) => match clients::find(app.database.read(), id).await? {
            Some(owner) => Some(owner),
            None => return Ok(None),
        },
        None => None,
    };
    let good = match &owner {
        Some(owner) if claims.is_of_client() => is_current(owner, claims.sid),
        Some(_) | None => is_open(app, claims.sid).await?.is_some(),
    };
    let theirs = owner.as_ref().is_none_or(|owner| owner.kind == Kind::Public);
    if !good || !(theirs || is_for(asker, claims.client_id)) || owner.is_some_and(|owner| owner.disabled) {
        return Ok(None);
    }
    Ok(Some(Introspection {
        active: true,
        iss: Some(claims.iss),
        sub: Some(claims.sub.as_uuid()),
        aud: Some(claims.aud),
        exp: Some(claims.exp),
        iat: Some(claims.iat),
        jti: Some(claims.jti),
        sid: Some(claims.sid),
        scope: Some(claims.scope),
        client_id: claims.client_id,
        token_type: Some("Bearer".to_owned()),
    }))
}

/// Only to the client that it was given to, and to administrators: no one else could do anything with it.
async fn of_refresh_token(app: &App, token: RefreshToken, asker: &Asker) -> Result<Option<Introspection>, Fault> {
    let Some(session) = is_open(app, token.session).await? else { return Ok(None) };
    let limits = Limits::of(&app.config.sessions);
    let good = match decide(&session.state, token.counter, app.clock.now_micros(), limits) {
        Step::Rotate(_) | Step::Repeat(_) => true,
        Step::Replayed | Step::Refuse => false,
    };
    if !good || !is_for(asker, session.client.map(ClientId::from)) {
        return Ok(None);
    }
    Ok(Some(Introspection {
        active: true,
        iss: Some(app.config.tokens.issuer.clone()),
        sub: Some(session.user.as_uuid()),
        exp: Some(session.state.expires_at.div_euclid(1_000_000)),
        sid: Some(session.id),
        scope: Some(session.scope),
        client_id: session.client.map(ClientId::from),
        token_type: Some("refresh_token".to_owned()),
        ..NOTHING
    }))
}

fn is_for(asker: &Asker, owner: Option<ClientId>) -> bool {
    match asker {
        Asker::Administrator => true,
        Asker::Client(client) => owner == Some(client.id),
    }
}

/// The session, if it goes on and its user may sign in.
async fn is_open(app: &App, id: SessionId) -> Result<Option<Session>, Fault> {
    let found = sessions::find(app.database.read(), id).await?;
    let now = app.clock.now_micros();
    let Some(session) = found.filter(|session| !session.state.ended && now < session.state.expires_at) else {
        return Ok(None);
    };
    let user = users::find(app.database.read(), session.user).await?;
    Ok(user.filter(|user| user.status == Status::Active).map(|_| session))
}
