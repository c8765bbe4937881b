//! Queries on accounts, and the events that go with their changes.

use sea_orm::sea_query::LockType;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, Order as Sort,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select, Statement,
};
use serde::Serialize;
use shared::auth::SignedIn;
use shared::clock::Clock;
use shared::domain::paging::{Order, PageRequest};
use shared::domain::{AccountId, EventId, Permission, UserId};

use super::error::AccountError;
use crate::db::Database;
use crate::db::entity::{account, outbox_event};

/// Whether `who` may see all accounts.
#[must_use]
pub fn may_see_all(who: &SignedIn) -> bool {
    who.may(Permission::AccountsRead)
}

/// Whether `who` may see an account of `owner`.
#[must_use]
pub fn may_see(who: &SignedIn, owner: UserId) -> bool {
    who.user.id == owner || may_see_all(who)
}

/// The account, if `who` may see it; another's is as absent as none.
pub async fn visible(db: &Database, who: &SignedIn, id: AccountId) -> Result<account::Model, AccountError> {
    let row = account::Entity::find_by_id(id.as_uuid()).one(&db.pool).await?;
    row.filter(|row| may_see(who, row.owner_id.into())).ok_or(AccountError::NotFound)
}

/// The same, locked until the transaction ends: no transfer moves it meanwhile.
pub async fn locked(tx: &DatabaseTransaction, who: &SignedIn, id: AccountId) -> Result<account::Model, AccountError> {
    let row = account::Entity::find_by_id(id.as_uuid()).lock(LockType::NoKeyUpdate).one(tx).await?;
    row.filter(|row| may_see(who, row.owner_id.into())).ok_or(AccountError::NotFound)
}

/// What a list of accounts is narrowed to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Filter {
    /// Only this user's.
    pub owner: Option<UserId>,
    /// Only of this status.
    pub status: Option<String>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only in this currency.
    pub currency: Option<String>,
}

impl Filter {
    fn select(&self) -> Select<account::Entity> {
        let all = Condition::all()
            .add_option(self.owner.map(|owner| account::Column::OwnerId.eq(owner.as_uuid())))
            .add_option(self.status.as_deref().map(|status| account::Column::Status.eq(status)))
            .add_option(self.kind.as_deref().map(|kind| account::Column::Kind.eq(kind)))
            .add_option(self.currency.as_deref().map(|currency| account::Column::Currency.eq(currency)));
        account::Entity::find().filter(all)
    }
}

/// One numbered page and the number of all rows.
pub async fn page(db: &Database, filter: &Filter, page: &PageRequest) -> Result<(Vec<account::Model>, u64), DbErr> {
    let sort = match page.order {
        Order::Asc => Sort::Asc,
        Order::Desc => Sort::Desc,
    };
    let column = match page.sort_by.as_str() {
        "name" => account::Column::Name,
        "balance" => account::Column::Balance,
        _ => account::Column::CreatedAt,
    };
    let total = filter.select().count(&db.pool).await?;
    let rows = filter.select().order_by(column, sort.clone()).order_by(account::Column::Id, sort);
    let rows = rows.offset(page.offset).limit(u64::from(page.limit)).all(&db.pool).await?;
    Ok((rows, total))
}

/// Newest first, from below `before` (opened at, id), one row more than `limit`.
pub async fn cursor(
    db: &Database,
    filter: &Filter,
    before: Option<(i64, AccountId)>,
    limit: u32,
) -> Result<Vec<account::Model>, DbErr> {
    use account::Column::{CreatedAt, Id};
    let below = before.map(|(at, id)| {
        let same = Condition::all().add(CreatedAt.eq(at)).add(Id.lt(id.as_uuid()));
        Condition::any().add(CreatedAt.lt(at)).add(same)
    });
    let rows = filter.select().filter(Condition::all().add_option(below));
    let rows = rows.order_by(CreatedAt, Sort::Desc).order_by(Id, Sort::Desc);
    rows.limit(u64::from(limit) + 1).all(&db.pool).await
}

/// Writes an event with the change it tells of, at the next position of the order of commit. Takes the chain head's
/// lock, so it comes last in its transaction.
pub async fn record(
    tx: &DatabaseTransaction,
    clock: &Clock,
    kind: &str,
    of: AccountId,
    data: &str,
) -> Result<(), DbErr> {
    let next = "UPDATE ledger_head SET position = position + 1 WHERE id = 1 RETURNING position";
    let head = tx.query_one_raw(Statement::from_string(tx.get_database_backend(), next)).await?;
    let head = head.ok_or_else(|| DbErr::RecordNotFound("ledger_head".to_owned()))?;
    let event = outbox_event::ActiveModel {
        position: Set(head.try_get_by_index(0)?),
        id: Set(EventId::generate(clock).as_uuid()),
        kind: Set(kind.to_owned()),
        subject: Set(of.as_uuid()),
        data: Set(Some(data.to_owned())),
        recorded_at: Set(clock.now_micros()),
    };
    outbox_event::Entity::insert(event).exec_without_returning(tx).await.map(drop)
}
