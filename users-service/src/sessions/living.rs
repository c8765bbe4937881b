//! The sessions that somebody has: all, one, and those beyond how many they may have.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use shared::clock::to_micros;
use shared::domain::{SessionId, UserId};
use uuid::Uuid;

use super::close::close;
use super::store::Session;
use crate::app::App;
use crate::audit::{By, Event, Kind};
use crate::db::entity::session::{Column, Entity, Model};
use crate::db::{Fault, Write};

/// Sessions that one sign-in ends at most, where the bound has been lowered; the next ends more.
const AT_ONCE: u64 = 100;

/// Whether a session is this user's and goes on, as [`super::rotation::State::is_over`] has it.
fn lives(app: &App, user: UserId) -> Expr {
    let now = app.clock.now();
    let goes_on = Column::EndedAt.is_null().and(Column::ExpiresAt.gt(to_micros(now)));
    let in_use = Column::RotatedAt.gt(to_micros(now - app.config.sessions.idle.get()));
    Column::UserId.eq(user.as_uuid()).and(goes_on).and(in_use)
}

/// Those of a user that go on, the one that was used last first, at most as many as one may have.
///
/// # Errors
/// When the statement fails.
pub(super) async fn all(app: &App, user: UserId) -> Result<Vec<Model>, Fault> {
    let living = Entity::find().filter(lives(app, user)).limit(app.config.sessions.per_user);
    Ok(living.order_by_desc(Column::RotatedAt).order_by_desc(Column::Id).all(app.database.read()).await?)
}

/// One of a user's, if it goes on.
///
/// # Errors
/// When the statement fails.
pub(super) async fn one<C: ConnectionTrait>(
    app: &App,
    db: &C,
    user: UserId,
    id: SessionId,
) -> Result<Option<Model>, Fault> {
    Ok(Entity::find_by_id(id.as_uuid()).filter(lives(app, user)).one(db).await?)
}

/// All of a user's that have not been ended: also those that have just expired, for until they are swept away a verifier whose
/// clock is behind may still take their tokens.
///
/// # Errors
/// When the statement fails.
pub(super) async fn ids(write: &Write, user: UserId) -> Result<Vec<SessionId>, Fault> {
    let open = Column::UserId.eq(user.as_uuid()).and(Column::EndedAt.is_null());
    let ids = Entity::find().select_only().column(Column::Id).filter(open);
    let ids: Vec<Uuid> = ids.into_tuple().all(write.transaction()).await?;
    Ok(ids.into_iter().map(SessionId::from).collect())
}

/// Ends what somebody has beyond `sessions.per_user`, now that they have opened this one: whatever was not used for longest,
/// and never this one. The caller holds the user's row.
///
/// # Errors
/// When a statement fails.
pub async fn bound(app: &App, write: &Write, opened: &Session, by: &By) -> Result<(), Fault> {
    let others = lives(app, opened.user).and(Column::Id.ne(opened.id.as_uuid()));
    let ids = Entity::find().select_only().column(Column::Id).filter(others);
    let beyond = ids.order_by_desc(Column::RotatedAt).order_by_desc(Column::Id);
    let beyond = beyond.offset(app.config.sessions.per_user.saturating_sub(1)).limit(AT_ONCE);
    let beyond: Vec<Uuid> = beyond.into_tuple().all(write.transaction()).await?;
    if beyond.is_empty() {
        return Ok(());
    }
    let beyond: Vec<_> = beyond.into_iter().map(SessionId::from).collect();
    let event = |_: &Session| Event::new(Kind::SessionEnded, by.clone(), &app.clock).with("reason", "too_many");
    close(app, write, &beyond, event).await?;
    Ok(())
}
