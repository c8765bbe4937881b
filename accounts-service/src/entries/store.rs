//! Queries on entries.

use sea_orm::{ColumnTrait, Condition, DbErr, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect};
use shared::domain::AccountId;

use super::narrow::{Direction, Filter, Stretch};
use crate::db::Database;
use crate::db::entity::entry;

/// Entries of an account within a stretch of it, one row more than `limit`.
pub async fn list(
    db: &Database,
    account: AccountId,
    (filter, stretch): (&Filter, Stretch),
    (descending, limit): (bool, u32),
) -> Result<Vec<entry::Model>, DbErr> {
    use entry::Column::{AccountId as Account, Amount, Seq, TransferId};
    let side = filter.direction.map(|direction| match direction {
        Direction::Debit => Amount.lt(0),
        Direction::Credit => Amount.gt(0),
    });
    let transfer = filter.transfer.map(|id| TransferId.eq(id.as_uuid()));
    entry::Entity::find()
        .filter(Account.eq(account.as_uuid()))
        .filter(Seq.gt(stretch.above))
        .filter(Seq.lte(stretch.upto))
        .filter(Condition::all().add_option(side).add_option(transfer))
        .order_by(Seq, if descending { Order::Desc } else { Order::Asc })
        .limit(u64::from(limit) + 1)
        .all(&db.pool)
        .await
}
