//! Queries on entries.

use sea_orm::{ColumnTrait, Condition, DbErr, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect};
use shared::domain::AccountId;

use crate::db::Database;
use crate::db::entity::entry;

/// Entries of an account beyond `seq`, one row more than `limit`.
pub async fn list(
    db: &Database,
    account: AccountId,
    (descending, beyond): (bool, Option<i64>),
    limit: u32,
) -> Result<Vec<entry::Model>, DbErr> {
    use entry::Column::{AccountId as Account, Seq};
    let past = beyond.map(|seq| if descending { Seq.lt(seq) } else { Seq.gt(seq) });
    entry::Entity::find()
        .filter(Account.eq(account.as_uuid()))
        .filter(Condition::all().add_option(past))
        .order_by(Seq, if descending { Order::Desc } else { Order::Asc })
        .limit(u64::from(limit) + 1)
        .all(&db.pool)
        .await
}
