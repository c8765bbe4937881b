//! Queries on accounts, and the events that go with their changes.

use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait, Func, LockType, Query, SimpleExpr};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    FromQueryResult, Order as Sort, PaginatorTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect, Select,
    Statement,
};
use serde::Serialize;
use shared::auth::SignedIn;
use shared::clock::Clock;
use shared::domain::paging::{Order, PageRequest};
use shared::domain::{AccountId, EventId, Permission, UserId};
use shared::http::entity_tag;

use super::error::AccountError;
use super::labels::{LabelFilter, Labels};
use crate::db::entity::{account, account_label, outbox_event};
use crate::db::{Backend, Database, Month};
use crate::events::KINDS;

/// An account with what of its `held` has lapsed by now, though nobody has written it down yet.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its row.
    pub account: account::Model,
    /// Minor units.
    pub lapsed: i64,
}

impl Shown {
    /// What is held at this moment.
    #[must_use]
    pub const fn held(&self) -> i64 {
        self.account.held - self.lapsed
    }

    /// Its entity tag: of the row, and of what time has done to it.
    #[must_use]
    pub fn etag(&self) -> String {
        match self.lapsed {
            0 => entity_tag(self.account.version),
            lapsed => entity_tag(format_args!("{}-{lapsed}", self.account.version)),
        }
    }
}

/// Where nothing can have lapsed.
impl From<account::Model> for Shown {
    fn from(account: account::Model) -> Self {
        Self { account, lapsed: 0 }
    }
}

impl FromQueryResult for Shown {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self { account: account::Model::from_query_result(row, prefix)?, lapsed: row.try_get(prefix, "lapsed")? })
    }
}

/// Accounts with what of `held` has lapsed by `now`, in one snapshot. Few accounts have anything to look for; what lapsed
/// before `next_expiry` is in `held` no more.
fn as_of(select: Select<account::Entity>, now: i64) -> Select<account::Entity> {
    // `now` is a value: in the text it would make each question a statement of its own, to be parsed and planned once.
    let sum = Query::select()
        .expr(Expr::cust("CAST(coalesce(sum(h.amount - h.posted - h.released), 0) AS bigint)"))
        .from_as("holds", "h")
        .and_where(Expr::cust("h.debit_account_id = accounts.id AND h.state = 'open'"))
        .and_where(Expr::cust("h.expires_at >= accounts.next_expiry"))
        .and_where(Expr::col(("h", "expires_at")).lte(now))
        .take();
    let due = account::Column::NextExpiry.into_expr().lte(now);
    let lapsed = CaseStatement::new().case(due, sum).finally(Expr::cust("CAST(0 AS bigint)"));
    select.column_as(Expr::Case(Box::new(lapsed)), "lapsed")
}

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

/// The same, as it is shown at `now`.
pub async fn shown(db: &Database, who: &SignedIn, id: AccountId, now: i64) -> Result<Shown, AccountError> {
    let select = as_of(account::Entity::find_by_id(id.as_uuid()), now);
    let row = select.into_model::<Shown>().one(&db.pool).await?;
    row.filter(|row| may_see(who, row.account.owner_id.into())).ok_or(AccountError::NotFound)
}

/// The same, locked until the transaction ends: no transfer moves it meanwhile.
pub async fn locked(tx: &DatabaseTransaction, who: &SignedIn, id: AccountId, now: i64) -> Result<Shown, AccountError> {
    // Whose it is never changes: nobody waits for a row, or has others wait for it, that is none of their business.
    let find = account::Entity::find_by_id(id.as_uuid());
    let row = find.clone().one(tx).await?;
    row.filter(|row| may_see(who, row.owner_id.into())).ok_or(AccountError::NotFound)?;
    let row = find.lock(LockType::NoKeyUpdate).one(tx).await?;
    let row = row.filter(|row| may_see(who, row.owner_id.into())).ok_or(AccountError::NotFound)?;
    if row.next_expiry.is_none_or(|next| next > now) {
        return Ok(row.into());
    }
    // In a statement of its own, which sees what the lock had to wait for.
    let select = as_of(account::Entity::find_by_id(id.as_uuid()), now);
    select.into_model::<Shown>().one(tx).await?.ok_or(AccountError::NotFound)
}

/// Whether `owner` has as many user accounts as `most`. Closed ones count: lists walk them, too.
pub async fn has(tx: &DatabaseTransaction, owner: UserId, most: u32) -> Result<bool, DbErr> {
    let own = account::Entity::find().select_only().column(account::Column::Id);
    let own = own.filter(account::Column::OwnerId.eq(owner.as_uuid())).filter(account::Column::Kind.eq("user"));
    let own: Vec<uuid::Uuid> = own.limit(u64::from(most)).into_tuple().all(tx).await?;
    Ok(u32::try_from(own.len()).is_ok_and(|own| own >= most))
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
    /// Only with this label.
    pub label: Option<LabelFilter>,
    /// Only with this in the name, letters of ASCII in any case.
    pub q: Option<String>,
}

impl Filter {
    fn select(&self, backend: &Backend) -> Select<account::Entity> {
        let all = Condition::all()
            .add_option(self.owner.map(|owner| account::Column::OwnerId.eq(owner.as_uuid())))
            .add_option(self.status.as_deref().map(|status| account::Column::Status.eq(status)))
            .add_option(self.kind.as_deref().map(|kind| account::Column::Kind.eq(kind)))
            .add_option(self.currency.as_deref().map(|currency| account::Column::Currency.eq(currency)))
            .add_option(self.label.as_ref().map(labelled))
            .add_option(self.q.as_deref().map(|text| named(text, backend)));
        account::Entity::find().filter(all)
    }
}

fn labelled(label: &LabelFilter) -> Condition {
    let (name, value) = label.texts();
    let with = Query::select()
        .column(account_label::Column::AccountId)
        .from(account_label::Entity)
        .and_where(account_label::Column::Name.eq(name))
        .and_where(account_label::Column::Value.eq(value))
        .to_owned();
    Condition::all().add(account::Column::Id.in_subquery(with))
}

/// Letters of ASCII in any case, and no others: those the databases fold each in its own way, one not at all and one by its
/// locale.
fn named(text: &str, backend: &Backend) -> SimpleExpr {
    let column = Expr::col((account::Entity, account::Column::Name));
    let (place, name) = match backend {
        Backend::Postgres(_) => ("strpos", Func::lower(Expr::cust_with_expr("$1 COLLATE \"C\"", column))),
        Backend::Sqlite(_) => ("instr", Func::lower(column)),
    };
    let found = Func::cust(place).args([Expr::from(name), Expr::val(text.to_ascii_lowercase())]);
    Expr::from(found).gt(0)
}

/// One numbered page and the number of all rows.
pub async fn page(db: &Database, filter: &Filter, page: &PageRequest, now: i64) -> Result<(Vec<Shown>, u64), DbErr> {
    let sort = match page.order {
        Order::Asc => Sort::Asc,
        Order::Desc => Sort::Desc,
    };
    let column = match page.sort_by.as_str() {
        "name" => account::Column::Name,
        "balance" => account::Column::Balance,
        _ => account::Column::CreatedAt,
    };
    let total = filter.select(&db.backend).count(&db.pool).await?;
    let rows =
        as_of(filter.select(&db.backend), now).order_by(column, sort.clone()).order_by(account::Column::Id, sort);
    let rows = rows.offset(page.offset).limit(u64::from(page.limit)).into_model().all(&db.pool).await?;
    Ok((rows, total))
}

/// Newest first, from below `before` (opened at, id), one row more than `limit`.
pub async fn cursor(
    db: &Database,
    filter: &Filter,
    before: Option<(i64, AccountId)>,
    (limit, now): (u32, i64),
) -> Result<Vec<Shown>, DbErr> {
    use account::Column::{CreatedAt, Id};
    let below = before.map(|(at, id)| {
        let same = Condition::all().add(CreatedAt.eq(at)).add(Id.lt(id.as_uuid()));
        Condition::any().add(CreatedAt.lt(at)).add(same)
    });
    let rows = as_of(filter.select(&db.backend), now).filter(Condition::all().add_option(below));
    let rows = rows.order_by(CreatedAt, Sort::Desc).order_by(Id, Sort::Desc);
    rows.limit(u64::from(limit) + 1).into_model().all(&db.pool).await
}

/// Replaces an account's labels, as they are looked for.
pub async fn label(tx: &DatabaseTransaction, id: AccountId, labels: &Labels) -> Result<(), DbErr> {
    account_label::Entity::delete_many().filter(account_label::Column::AccountId.eq(id.as_uuid())).exec(tx).await?;
    let row = |(name, value): (&str, &str)| account_label::ActiveModel {
        account_id: Set(id.as_uuid()),
        name: Set(name.to_owned()),
        value: Set(value.to_owned()),
    };
    let rows: Vec<_> = labels.iter().map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    account_label::Entity::insert_many(rows).exec_without_returning(tx).await.map(drop)
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
    let position = take_positions(tx, 1, clock.now_micros()).await?;
    record_at(tx, clock, position, (kind, of, data)).await
}

/// The same, at a position that was taken.
pub async fn record_at(
    tx: &DatabaseTransaction,
    clock: &Clock,
    position: i64,
    (kind, of, data): (&str, AccountId, &str),
) -> Result<(), DbErr> {
    // Else nobody could ask for it by name.
    debug_assert!(KINDS.contains(&kind), "{kind} is no kind of event");
    let now = clock.now_micros();
    let event = outbox_event::ActiveModel {
        position: Set(position),
        id: Set(EventId::generate(clock).as_uuid()),
        kind: Set(kind.to_owned()),
        subject: Set(of.as_uuid()),
        data: Set(Some(data.to_owned())),
        recorded_at: Set(now),
    };
    outbox_event::Entity::insert(event).exec_without_returning(tx).await.map(drop)
}

/// Takes the next `count` positions of the order of commit, and the chain head's lock with them. The last one. Whatever
/// commits after it has a later instant, too: a position names its month, and may name none that is still to come.
pub async fn take_positions(tx: &DatabaseTransaction, count: i64, now: i64) -> Result<i64, DbErr> {
    let backend = tx.get_database_backend();
    // A month without tables takes its positions from the one before.
    let (from, most) = match backend {
        DbBackend::Sqlite => ("max(position, $1 << 40)", "max"),
        _ => ("greatest(position, open_base($1))", "greatest"),
    };
    let next = format!(
        "UPDATE ledger_head SET position = {from} + $2, committed_at = {most}(committed_at, $3) WHERE id = 1 \
         RETURNING position"
    );
    let values = [Month::at(now).number().into(), count.into(), now.into()];
    let next = Statement::from_sql_and_values(backend, next, values);
    let head = tx.query_one_raw(next).await?.ok_or_else(|| DbErr::RecordNotFound("ledger_head".to_owned()))?;
    head.try_get_by_index(0)
}

#[cfg(test)]
mod tests {
    use sea_orm::QueryTrait;

    use super::*;

    #[test]
    fn the_instant_is_no_part_of_the_text() {
        for backend in [DbBackend::Postgres, DbBackend::Sqlite] {
            let [early, late] = [1, 2].map(|now| as_of(account::Entity::find(), now).build(backend));
            assert_eq!(early.sql, late.sql);
            assert_ne!(early.values, late.values);
        }
    }
}
