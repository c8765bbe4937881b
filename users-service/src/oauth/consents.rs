//! What a user has allowed clients: looked through, and taken back with everything that has come of it.

pub mod http;
mod model;
mod store;

use sea_orm::{ColumnTrait, Condition};
use shared::auth::InSession;
use shared::domain::ClientId;

use self::model::ConsentsView;
use super::store::end;
use crate::app::App;
use crate::audit::{Event, Kind};
use crate::db::Fault;
use crate::db::entity::authorization::Column;
use crate::sessions;
use crate::users::{self, UserError};

/// What the caller has allowed.
async fn list(app: &App, caller: &InSession) -> Result<ConsentsView, Fault> {
    let data = store::all(app.database.read(), caller.user.id).await?;
    Ok(ConsentsView { data })
}

/// Takes back what the caller has allowed a client: its sessions of theirs end, and so do the codes and requests that would
/// become one. They are asked anew when it comes again.
async fn withdraw(app: &App, caller: &InSession, client: ClientId) -> Result<(), UserError> {
    let (user, now) = (caller.user.id, app.clock.now_micros());
    let write = app.database.write().await?;
    // Whoever allows it, or redeems what came of that, holds the user too.
    users::lock(&write, user).await?.ok_or(UserError::NotFound)?;
    let open = sessions::of_client(&write, user, client).await?;
    let ended = |_: &sessions::Session| Event::new(Kind::SessionEnded, (&**caller).into(), &app.clock);
    let closed = sessions::close(app, &write, &open, ended).await?;
    let theirs = Condition::all().add(Column::UserId.eq(user.as_uuid())).add(Column::ClientId.eq(client.as_uuid()));
    end(&write, theirs, now).await?;
    // After its sessions, as whoever removes the client does; where there is none, nothing of this is done.
    if !store::remove(&write, user, client).await? {
        return Err(UserError::NotFound);
    }
    let event = Event::new(Kind::ConsentWithdrawn, (&**caller).into(), &app.clock).about(user);
    write.audit(event.with("client", client.to_string()).with("sessions_ended", closed.len()));
    write.commit().await?;
    app.relay.flush().await;
    Ok(())
}
