//! Sending, showing and taking away an avatar.

use shared::auth::SignedIn;
use shared::domain::UserId;
use shared::http::{Conditions, entity_tag};
use shared::problem::{Code, Problem};
use uuid::Uuid;

use super::model::{Progress, Size};
use super::store::{self, Shown};
use super::upload::Upload;
use crate::app::App;
use crate::audit::{Event, Kind};
use crate::db::Write;
use crate::users::{self, UserError};

/// What is answered to whoever asks for an avatar.
pub(super) enum Answer {
    /// The image, with its entity tag.
    Image(Shown, String),
    /// Its owner is told that it is on its way.
    Processing,
}

/// Takes an image of the caller's. It is shown when it is ready; what is shown until then stays.
pub(super) async fn put(
    app: &App,
    caller: &SignedIn,
    conditions: &Conditions,
    upload: Upload,
) -> Result<(), UserError> {
    let write = locked(app, caller, conditions).await?;
    store::begin(&write, caller.user.id, upload.kind, upload.bytes, &app.clock).await?;
    record(app, &write, caller);
    write.commit().await?;
    app.avatars.bell.notify_one();
    Ok(())
}

/// Takes the caller's away, also what is being worked on; where there is none, there is none afterwards either.
pub(super) async fn delete(app: &App, caller: &SignedIn, conditions: &Conditions) -> Result<(), UserError> {
    let write = locked(app, caller, conditions).await?;
    if store::forget(write.transaction(), caller.user.id.as_uuid()).await? {
        record(app, &write, caller);
    }
    Ok(write.commit().await?)
}

/// The caller's own, or how far it has come.
pub(super) async fn own(app: &App, caller: &SignedIn, size: Size) -> Result<Answer, UserError> {
    let user = there(app, caller.user.id).await?;
    let status = store::standing(app.database.read(), user).await?.and_then(|standing| standing.status);
    if status == Some(Progress::Processing) {
        return Ok(Answer::Processing);
    }
    match shown(app, user, size).await {
        Err(UserError::NotFound) if status == Some(Progress::Failed) => {
            Err(Problem::new(Code::NotFound).detail("The image that you sent could not be read: send another.").into())
        }
        answer => answer,
    }
}

/// Somebody's, as long as they are there.
pub(super) async fn show(app: &App, user: UserId, size: Size) -> Result<Answer, UserError> {
    let user = there(app, user).await?;
    shown(app, user, size).await
}

/// Somebody who is neither deleted nor shut out.
async fn there(app: &App, user: UserId) -> Result<UserId, UserError> {
    let found = users::find(app.database.read(), user).await?;
    found.filter(|user| user.status == users::Status::Active).map(|user| user.id).ok_or(UserError::NotFound)
}

async fn shown(app: &App, user: UserId, size: Size) -> Result<Answer, UserError> {
    let shown = store::shown(app.database.read(), user, size).await?.ok_or(UserError::NotFound)?;
    let tag = tag(shown.version, size);
    Ok(Answer::Image(shown, tag))
}

/// The caller's row as a user, held until the end: nobody who is being deleted or purged gets an avatar meanwhile.
async fn locked(app: &App, caller: &SignedIn, conditions: &Conditions) -> Result<Write, UserError> {
    let write = app.database.write().await?;
    let user = users::lock(&write, caller.user.id).await?.ok_or(UserError::NotFound)?.user;
    if user.status != users::Status::Active {
        return Err(UserError::NotFound);
    }
    if conditions.has_if_match() {
        let shown = store::standing(write.transaction(), user.id).await?.and_then(|standing| standing.shown);
        // Whichever size they have seen, it is this image.
        let seen = |size| shown.is_some_and(|version| conditions.require(&tag(version, size)).is_ok());
        if !Size::ALL.into_iter().any(seen) {
            return Err(UserError::Stale);
        }
    }
    Ok(write)
}

fn tag(version: Uuid, size: Size) -> String {
    entity_tag(format_args!("{version}-{}", size.as_str()))
}

fn record(app: &App, write: &Write, caller: &SignedIn) {
    let event = Event::new(Kind::UserChanged, caller.into(), &app.clock).about(caller.user.id);
    write.audit(event.with("members", vec!["avatar"]));
}
