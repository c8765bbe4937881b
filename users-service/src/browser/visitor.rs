//! Who sits before a browser that comes to a page of ours.

use actix_web::HttpRequest;
use shared::domain::SessionId;

use super::cookies;
use crate::app::App;
use crate::db::Fault;
use crate::sessions::rotation::{Limits, Step, decide};
use crate::sessions::{self, Proof};
use crate::users::{self, Status, User};

/// Somebody who is signed in by cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// In which session.
    pub session: SessionId,
    /// Who.
    pub user: User,
    /// When and how they last proved who they are.
    pub proof: Proof,
}

/// Who is signed in with the browser that sends this, on a route whose row has `forward_cookies`; nobody for whatever does
/// not hold. The refresh token is what is looked at: it is there for as long as the session, and the access token's cookie
/// for five minutes. It is not used up, and nothing is changed.
///
/// # Errors
/// When the database fails.
pub async fn signed_in(app: &App, request: &HttpRequest) -> Result<Option<Visitor>, Fault> {
    let Some(token) = cookies::held(app, request.headers()) else { return Ok(None) };
    let db = app.database.read();
    let Some(session) = sessions::find(db, token.session).await? else { return Ok(None) };
    match decide(&session.state, token.counter, app.clock.now_micros(), Limits::of(&app.config.sessions)) {
        Step::Rotate(_) | Step::Repeat(_) => {}
        Step::Replayed | Step::Refuse => return Ok(None),
    }
    let user = users::find(db, session.user).await?.filter(|user| user.status == Status::Active);
    let proof = sessions::proof(db, session.id, session.user).await?;
    Ok(user.zip(proof).map(|(user, proof)| Visitor { session: session.id, user, proof }))
}
