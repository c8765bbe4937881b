//! Looking at sessions and ending them: one's own, and an administrator anybody's.

use shared::auth::InSession;
use shared::domain::{Permission, SessionId, UserId};
use shared::http::Conditions;

use super::close::close;
use super::living;
use super::model::{SessionView, SessionsView};
use crate::app::App;
use crate::audit::{Event, Kind};
use crate::db::Write;
use crate::users::{self, Target, UserError};
use crate::{oauth, step_up};

/// The sessions of whoever the caller may read.
pub(super) async fn list(app: &App, caller: &InSession, target: Target) -> Result<SessionsView, UserError> {
    let user = target.readable(caller)?;
    let rows = living::all(app, user).await?;
    // Whoever has one is somebody.
    if rows.is_empty() {
        users::find(app.database.read(), user).await?.ok_or(UserError::NotFound)?;
    }
    let data = rows.into_iter().map(|row| SessionView::of(row, caller.user.session)).collect();
    Ok(SessionsView { data })
}

/// One of them.
pub(super) async fn read(
    app: &App,
    caller: &InSession,
    target: Target,
    id: SessionId,
) -> Result<SessionView, UserError> {
    let user = target.readable(caller)?;
    let row = living::one(app, app.database.read(), user, id).await?;
    Ok(SessionView::of(row.ok_or(UserError::NotFound)?, caller.user.session))
}

/// Ends one of whoever the caller may change.
pub(super) async fn end(
    app: &App,
    caller: &InSession,
    target: Target,
    id: SessionId,
    conditions: &Conditions,
) -> Result<(), UserError> {
    let user = target.changeable(caller, Permission::SessionsManage)?;
    let write = app.database.write().await?;
    users::lock(&write, user).await?.ok_or(UserError::NotFound)?;
    if caller.user.session != Some(id) {
        prove(app, &write, caller, user).await?;
    }
    let row = living::one(app, write.transaction(), user, id).await?.ok_or(UserError::NotFound)?;
    conditions.require(&SessionView::of(row, caller.user.session).tag()?)?;
    close(app, &write, &[id], |_| ended(app, caller)).await?;
    write.commit().await?;
    app.relay.flush().await;
    Ok(())
}

/// Ends all of whoever the caller may change, the one that asks among them.
pub(super) async fn end_all(app: &App, caller: &InSession, target: Target) -> Result<(), UserError> {
    let user = target.changeable(caller, Permission::SessionsManage)?;
    let write = app.database.write().await?;
    users::lock(&write, user).await?.ok_or(UserError::NotFound)?;
    prove(app, &write, caller, user).await?;
    let ids = living::ids(&write, user).await?;
    close(app, &write, &ids, |_| ended(app, caller)).await?;
    // Nor does what they have allowed a client a moment ago become another.
    oauth::end_of_user(&write, user, app.clock.now_micros()).await?;
    write.commit().await?;
    app.relay.flush().await;
    Ok(())
}

/// Whoever has got hold of one session does not put its user out of all others with it. For what an administrator does to
/// others their permission is enough.
async fn prove(app: &App, write: &Write, caller: &InSession, user: UserId) -> Result<(), UserError> {
    if user == caller.user.id {
        step_up::require(app, write, caller).await?;
    }
    Ok(())
}

fn ended(app: &App, caller: &InSession) -> Event {
    Event::new(Kind::SessionEnded, (&**caller).into(), &app.clock)
}
