//! Purging: thirty days after a deletion personal data goes, and only the id stays, because the ledger names it.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use shared::clock::Clock;
use shared::domain::UserId;

use crate::audit::{self, By, Event, Kind};
use crate::db::entity::user::{ActiveModel, Column, Entity, Model};
use crate::db::{Counter, Database, Fault, Write};
use crate::{idempotency, links, mail, sessions};

/// Users purged in one transaction, while which nobody registers.
const BATCH: u64 = 20;

/// Removes the personal data of users deleted before `before` (microseconds).
///
/// # Errors
/// When a statement fails.
pub async fn purge(database: &Database, before: i64, clock: &Clock) -> Result<(), Fault> {
    loop {
        let write = database.write().await?;
        // A name that is about to be free is still somebody's for whoever registers just now.
        write.hold(Counter::Users).await?;
        let due = Column::DeletedAt.lt(before).and(Column::PurgedAt.is_null());
        let rows = Entity::find().filter(due).limit(BATCH).lock_exclusive().all(write.transaction()).await?;
        if rows.is_empty() {
            write.rollback().await;
            return Ok(());
        }
        for user in rows {
            let id = UserId::from(user.id);
            forget(&write, id, &user).await?;
            empty(&write, &user, clock.now_micros()).await?;
            audit::forget(&write, id).await?;
            write.touched(id);
            write.audit(Event::new(Kind::UserPurged, By::system(), clock).about(id));
        }
        write.commit().await?;
    }
}

/// Everything that is held about somebody outside of their row: each feature takes its own. What is held where, and that
/// nothing of it is forgotten here, is in [`super::held`].
async fn forget(write: &Write, id: UserId, user: &Model) -> Result<(), Fault> {
    mail::forget(write.transaction(), user.id, [&user.email, &user.email_norm]).await?;
    links::forget(write.transaction(), user.id).await?;
    idempotency::forget(write.transaction(), id, &user.email_norm).await?;
    sessions::forget(write.transaction(), id).await
}

/// The row itself: id, place, roles and times stay.
async fn empty(write: &Write, user: &Model, now: i64) -> Result<(), Fault> {
    // What no address and no user name can be, so that theirs are free again.
    let nobody = format!("purged {}", user.id);
    let row = ActiveModel {
        email: Set(String::new()),
        email_norm: Set(nobody.clone()),
        username: Set(String::new()),
        username_norm: Set(nobody),
        username_skeleton: Set(None),
        username_skeleton_upper: Set(None),
        name: Set(None),
        first_name: Set(None),
        last_name: Set(None),
        birth_date: Set(None),
        phone: Set(None),
        street: Set(None),
        city: Set(None),
        state: Set(None),
        zip_code: Set(None),
        search: Set(String::new()),
        password_hash: Set(String::new()),
        purged_at: Set(Some(now)),
        ..Default::default()
    };
    Entity::update_many().set(row).filter(Column::Id.eq(user.id)).exec(write.transaction()).await?;
    Ok(())
}
