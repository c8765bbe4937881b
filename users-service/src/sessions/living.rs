//! The sessions that somebody has: all, one, and those beyond how many they may have.

use std::cmp::Reverse;
use std::collections::HashMap;

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

/// Ends what somebody has beyond `sessions.per_user`, now that they have opened this one, which stays: of whoever has the most,
/// the user or one client, whatever was not used for longest. The caller holds the user's row.
///
/// # Errors
/// When a statement fails.
pub async fn bound(app: &App, write: &Write, opened: &Session, by: &By) -> Result<(), Fault> {
    let (most, others) =
        (app.config.sessions.per_user, lives(app, opened.user).and(Column::Id.ne(opened.id.as_uuid())));
    let held = Entity::find().select_only().column(Column::Id).column(Column::ClientId).filter(others);
    let held = held.order_by_asc(Column::RotatedAt).order_by_asc(Column::Id).limit(most.saturating_add(AT_ONCE));
    let held: Vec<(Uuid, Option<Uuid>)> = held.into_tuple().all(write.transaction()).await?;
    let beyond = (held.len() + 1).saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
    if beyond == 0 {
        return Ok(());
    }
    let beyond: Vec<_> = surplus(held, opened.client, beyond).into_iter().map(SessionId::from).collect();
    let event = |_: &Session| Event::new(Kind::SessionEnded, by.clone(), &app.clock).with("reason", "too_many");
    close(app, write, &beyond, event).await?;
    Ok(())
}

/// So many of these, which come in the order of their use: each time one of whoever has the most, with the one that was opened
/// just now. So a client that opens one after the other puts out its own, and nobody else's.
fn surplus(mut held: Vec<(Uuid, Option<Uuid>)>, opened: Option<Uuid>, many: usize) -> Vec<Uuid> {
    let mut has: HashMap<Option<Uuid>, usize> = HashMap::from([(opened, 1)]);
    held.iter().for_each(|(_, whose)| *has.entry(*whose).or_default() += 1);
    let mut gone = Vec::new();
    while gone.len() < many {
        // Of two who have as many, whoever used one longest ago; whoever has nothing here but the new one has nothing to give.
        let first = |(at, (_, whose)): (usize, &(Uuid, Option<Uuid>))| (has.get(whose).copied(), Reverse(at));
        let Some((_, Reverse(at))) = held.iter().enumerate().map(first).max() else { break };
        let (id, whose) = held.remove(at);
        has.entry(whose).and_modify(|many| *many -= 1);
        gone.push(id);
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_the_most_gives_what_was_not_used_for_longest() {
        let id = |n: u128| Uuid::from_u128(n);
        let (one, two) = (Some(id(101)), Some(id(102)));
        // A client opens its fourth: the user's, although not used for longer, stay.
        let held = || vec![(id(1), None), (id(2), one), (id(3), None), (id(4), one), (id(5), one), (id(6), two)];
        assert_eq!(surplus(held(), one, 1), [id(2)]);
        assert_eq!(surplus(held(), one, 3), [id(2), id(4), id(1)]);
        // The user's own: theirs are as many as the client's now.
        assert_eq!(surplus(held(), None, 1), [id(1)]);
        assert_eq!(surplus(held(), Some(id(103)), 1), [id(2)]);
        assert_eq!(surplus(vec![(id(1), None)], one, 1), [id(1)]);
        assert_eq!(surplus(Vec::new(), None, 1), [] as [Uuid; 0]);
    }
}
