//! Purging: thirty days after a deletion personal data goes, and only the id stays, because the ledger names it.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Statement};
use shared::clock::Clock;
use shared::domain::UserId;

use super::held::{Holds, Purge, TABLES, Table};
use crate::audit::{self, By, Event, Kind};
use crate::db::entity::user::{ActiveModel, Column, Entity, Model};
use crate::db::{Counter, Database, Fault, Write};
use crate::{idempotency, mail};

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
        let rows = Entity::find()
            .filter(due)
            .order_by_asc(Column::Id)
            .limit(BATCH)
            .lock_exclusive()
            .all(write.transaction())
            .await?;
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

/// Everything that is held about somebody outside of their row: first what goes by more than their id, which the feature
/// does that holds it, then every table that [`TABLES`] says is theirs by a column.
async fn forget(write: &Write, id: UserId, user: &Model) -> Result<(), Fault> {
    mail::forget(write.transaction(), user.id, [&user.email, &user.email_norm]).await?;
    idempotency::forget(write.transaction(), id, &user.email_norm).await?;
    for Table { name, holds } in TABLES {
        if let Holds::People { purge: Purge::Rows(column), .. } = holds {
            let sql = format!("DELETE FROM {name} WHERE {column} = $1");
            let backend = write.get_database_backend();
            write.execute_raw(Statement::from_sql_and_values(backend, sql, [user.id.into()])).await?;
        }
    }
    Ok(())
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
        custom_roles: Set(String::new()),
        permissions: Set(String::new()),
        search: Set(String::new()),
        password_hash: Set(String::new()),
        foreign_cost: Set(None),
        purged_at: Set(Some(now)),
        ..Default::default()
    };
    Entity::update_many().set(row).filter(Column::Id.eq(user.id)).exec(write.transaction()).await?;
    Ok(())
}
