//! Purging: thirty days after a deletion personal data goes, and only the id stays, because the ledger names it.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use shared::clock::Clock;
use shared::domain::UserId;

use crate::audit::{self, By, Event, Kind};
use crate::db::entity::user::{ActiveModel, Column, Entity};
use crate::db::{Database, Fault};
use crate::{api_keys, avatar, links, mail, roles, throttle};

/// Users purged in one transaction.
const BATCH: u64 = 100;

/// Removes the personal data of users deleted before `before` (microseconds).
///
/// # Errors
/// When a statement fails.
pub async fn purge(database: &Database, before: i64, clock: &Clock) -> Result<(), Fault> {
    loop {
        let write = database.write().await?;
        let due = Column::DeletedAt.lt(before).and(Column::PurgedAt.is_null());
        let rows = Entity::find()
            .filter(due)
            .order_by_asc(Column::Id)
            .limit(BATCH)
            .lock_exclusive()
            .all(write.transaction())
            .await?;
        let done = rows.is_empty();
        for user in rows {
            // What no address and no user name can be, so that theirs are free again.
            let nobody = format!("purged {}", user.id);
            let row = ActiveModel {
                email: Set(String::new()),
                email_norm: Set(nobody.clone()),
                username: Set(String::new()),
                username_norm: Set(nobody),
                name: Set(None),
                phone: Set(None),
                search: Set(String::new()),
                password_hash: Set(String::new()),
                foreign_cost: Set(None),
                custom_roles: Set(String::new()),
                permissions: Set(String::new()),
                purged_at: Set(Some(clock.now_micros())),
                ..Default::default()
            };
            mail::forget(write.transaction(), user.id).await?;
            avatar::forget(write.transaction(), user.id).await?;
            links::forget(write.transaction(), user.id).await?;
            api_keys::forget(write.transaction(), user.id).await?;
            roles::forget(write.transaction(), user.id).await?;
            throttle::forget(write.transaction(), user.id).await?;
            Entity::update_many().set(row).filter(Column::Id.eq(user.id)).exec(write.transaction()).await?;
            let id = UserId::from(user.id);
            audit::forget(&write, id).await?;
            write.audit(Event::new(Kind::UserPurged, By::system(), clock).about(id));
        }
        write.commit().await?;
        if done {
            return Ok(());
        }
    }
}
