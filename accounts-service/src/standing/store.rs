//! Queries on standing orders and their runs.

use sea_orm::sea_query::{Expr, LockBehavior, LockType};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, DatabaseTransaction, DbErr, EntityTrait,
    IntoActiveModel, Order as Sort, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::Serialize;
use shared::auth::SignedIn;
use shared::domain::{AccountId, StandingOrderId, UserId};
use uuid::Uuid;

use super::error::StandingError;
use crate::accounts::may_see;
use crate::db::Database;
use crate::db::entity::{standing_order, standing_order_run};

/// The order, if `who` may see it; another's is as absent as none.
pub async fn visible(
    db: &Database,
    who: &SignedIn,
    id: StandingOrderId,
) -> Result<standing_order::Model, StandingError> {
    let row = standing_order::Entity::find_by_id(id.as_uuid()).one(&db.pool).await?;
    row.filter(|row| may_see(who, row.owner_id.into())).ok_or(StandingError::NotFound)
}

/// The same, locked until the transaction ends: no attempt is begun or written down meanwhile.
pub async fn locked(
    tx: &DatabaseTransaction,
    who: &SignedIn,
    id: StandingOrderId,
) -> Result<standing_order::Model, StandingError> {
    // Whose it is never changes: nobody waits for a row, or has others wait for it, that is none of their business.
    let row = standing_order::Entity::find_by_id(id.as_uuid()).one(tx).await?;
    row.filter(|row| may_see(who, row.owner_id.into())).ok_or(StandingError::NotFound)?;
    let row = lock(tx, id.as_uuid()).await?;
    row.filter(|row| may_see(who, row.owner_id.into())).ok_or(StandingError::NotFound)
}

/// An order by its id, locked.
pub async fn lock(tx: &DatabaseTransaction, id: Uuid) -> Result<Option<standing_order::Model>, DbErr> {
    standing_order::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(tx).await
}

/// How many orders of an owner may still pay.
pub async fn open(tx: &DatabaseTransaction, owner: UserId) -> Result<u64, DbErr> {
    use standing_order::Column::{OwnerId, Status};
    let open = standing_order::Entity::find().filter(OwnerId.eq(owner.as_uuid()));
    open.filter(Status.is_in(["active", "paused"])).count(tx).await
}

/// Writes everything of an order that may change.
pub async fn save(tx: &DatabaseTransaction, order: standing_order::Model) -> Result<standing_order::Model, DbErr> {
    order.into_active_model().reset_all().update(tx).await
}

/// Active orders that are due by `now` and that nobody works on, the longest due first, locked. A lease that ends later
/// than any lease would was written by a clock that was wrong, and counts for nothing.
pub async fn due(
    tx: &DatabaseTransaction,
    (now, longest): (i64, i64),
    most: u64,
) -> Result<Vec<standing_order::Model>, DbErr> {
    use standing_order::Column::{LeasedUntil, NextAt};
    let free = Condition::any()
        .add(LeasedUntil.is_null())
        .add(LeasedUntil.lte(now))
        .add(LeasedUntil.gt(now.saturating_add(longest)));
    // Only what is active has a next date.
    let due = standing_order::Entity::find().filter(NextAt.lte(now)).filter(free);
    // Nothing to SQLite, which has one writer.
    let due = due.order_by(NextAt, Sort::Asc).limit(most);
    due.lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked).all(tx).await
}

/// Whether anything is due, without a transaction.
pub async fn any_due(db: &Database, now: i64) -> Result<bool, DbErr> {
    let due = standing_order::Entity::find().filter(standing_order::Column::NextAt.lte(now));
    Ok(due.one(&db.pool).await?.is_some())
}

/// What a list of orders is narrowed to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Filter {
    /// Only this user's.
    pub owner: Option<UserId>,
    /// Only of this status.
    pub status: Option<String>,
    /// Only with this account on a side.
    pub account: Option<AccountId>,
}

/// Newest first, from below `before`, one row more than `limit`.
pub async fn list(
    db: &Database,
    filter: &Filter,
    before: Option<StandingOrderId>,
    limit: u32,
) -> Result<Vec<standing_order::Model>, DbErr> {
    use standing_order::Column::{CreditAccountId, DebitAccountId, Id, OwnerId, Status};
    let side = filter
        .account
        .map(|id| Condition::any().add(DebitAccountId.eq(id.as_uuid())).add(CreditAccountId.eq(id.as_uuid())));
    let all = Condition::all()
        .add_option(filter.owner.map(|owner| OwnerId.eq(owner.as_uuid())))
        .add_option(filter.status.as_deref().map(|status| Status.eq(status)))
        .add_option(side)
        .add_option(before.map(|id| Id.lt(id.as_uuid())));
    let rows = standing_order::Entity::find().filter(all).order_by(Id, Sort::Desc);
    rows.limit(u64::from(limit) + 1).all(&db.pool).await
}

/// The runs of an order, the latest date first, from below `before`, one row more than `limit`.
pub async fn runs(
    db: &Database,
    id: StandingOrderId,
    before: Option<(String, i32)>,
    limit: u32,
) -> Result<Vec<standing_order_run::Model>, DbErr> {
    use standing_order_run::Column::{Attempt, DueOn, OrderId};
    let below = before.map(|(on, attempt)| {
        let same = Condition::all().add(DueOn.eq(on.as_str())).add(Attempt.lt(attempt));
        Condition::any().add(DueOn.lt(on)).add(same)
    });
    let rows = standing_order_run::Entity::find().filter(OrderId.eq(id.as_uuid()));
    let rows = rows.filter(Condition::all().add_option(below)).order_by(DueOn, Sort::Desc);
    rows.order_by(Attempt, Sort::Desc).limit(u64::from(limit) + 1).all(&db.pool).await
}

/// The attempt of an order that is under way.
pub async fn running(tx: &DatabaseTransaction, id: Uuid) -> Result<Option<standing_order_run::Model>, DbErr> {
    // Written out, so that the index of these alone is seen to fit.
    let running = Expr::cust("state = 'running'");
    let of_order = standing_order_run::Column::OrderId.eq(id);
    standing_order_run::Entity::find().filter(of_order).filter(running).one(tx).await
}

/// How many attempts at a date were declined.
pub async fn declined(tx: &DatabaseTransaction, id: Uuid, on: &str) -> Result<u64, DbErr> {
    use standing_order_run::Column::{DueOn, OrderId, State};
    let of_date = standing_order_run::Entity::find().filter(OrderId.eq(id)).filter(DueOn.eq(on));
    of_date.filter(State.eq("declined")).count(tx).await
}

/// The last attempt at a date; 0 when there was none.
pub async fn last_attempt(tx: &DatabaseTransaction, id: Uuid, on: &str) -> Result<i32, DbErr> {
    use standing_order_run::Column::{Attempt, DueOn, OrderId};
    let of_date = standing_order_run::Entity::find().filter(OrderId.eq(id)).filter(DueOn.eq(on));
    Ok(of_date.order_by(Attempt, Sort::Desc).one(tx).await?.map_or(0, |run| run.attempt))
}

/// The latest date that anything came of.
pub async fn last_date(tx: &DatabaseTransaction, id: Uuid) -> Result<Option<String>, DbErr> {
    use standing_order_run::Column::{DueOn, OrderId, State};
    let runs = standing_order_run::Entity::find().filter(OrderId.eq(id)).filter(State.ne("withdrawn"));
    Ok(runs.order_by(DueOn, Sort::Desc).one(tx).await?.map(|run| run.due_on))
}

/// Writes a new run.
pub async fn begin(tx: &DatabaseTransaction, run: standing_order_run::Model) -> Result<(), DbErr> {
    let row = run.into_active_model().reset_all();
    standing_order_run::Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

/// Writes how a run ended.
pub async fn finish(
    tx: &DatabaseTransaction,
    run: standing_order_run::Model,
    (state, code, transfer): (&str, Option<String>, Option<Uuid>),
    now: i64,
) -> Result<standing_order_run::Model, DbErr> {
    let mut run = run.into_active_model();
    run.state = Set(state.to_owned());
    run.code = Set(code);
    run.transfer_id = Set(transfer);
    run.ended_at = Set(Some(now));
    run.update(tx).await
}
