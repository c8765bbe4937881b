//! Replacing one's own profile.

use shared::auth::SignedIn;
use shared::http::{Conditions, entity_tag};

use super::changes::ProfileChanges;
use crate::app::App;
use crate::users::error::UserError;
use crate::users::model::{Changes, Status, User};
use crate::users::{ops, store};

/// The profile's entity tag: it is a part of the user, and changes with it.
pub(super) fn tag(user: &User) -> String {
    entity_tag(format_args!("{}-profile", user.revision))
}

/// Writes it, unless nothing in it is new.
pub(super) async fn put(
    app: &App,
    caller: &SignedIn,
    conditions: &Conditions,
    profile: ProfileChanges,
) -> Result<User, UserError> {
    let write = app.database.write().await?;
    let user = store::lock(&write, caller.user.id).await?.ok_or(UserError::NotFound)?.user;
    if user.status == Status::Deleted {
        return Err(UserError::NotFound);
    }
    conditions.require(&tag(&user)).map_err(|_| UserError::Stale)?;
    let changes = Changes { profile, ..Changes::default() };
    if changes.change_nothing(&user) {
        return Ok(user);
    }
    store::change(&write, &user, &changes, app.clock.now()).await?;
    ops::record(app, &write, caller, &user, &changes);
    let user = ops::reread(&write, user.id).await?;
    write.commit().await?;
    Ok(user)
}
