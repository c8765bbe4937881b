//! Queries on transfers, their keys, and the accounts a dry run looks at.

use std::collections::BTreeSet;

use sea_orm::{ColumnTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, Statement, Value};
use serde::Serialize;
use shared::domain::{AccountId, TransferId, UserId};
use shared::problem::Problem;
use uuid::Uuid;

use crate::db::entity::{account, transfer, transfer_key};
use crate::db::{self, Backend, Database};
use crate::posting::{Account, KeyDigest, Kind, State, Status};

/// The accounts of `ids` as last committed.
pub async fn state(db: &Database, ids: impl Iterator<Item = AccountId>) -> Result<State, Problem> {
    let ids: BTreeSet<Uuid> = ids.map(AccountId::as_uuid).collect();
    let rows = account::Entity::find().filter(account::Column::Id.is_in(ids)).all(&db.pool).await;
    let mut state = State::default();
    for row in rows.map_err(db::problem)? {
        state.put(known(&row).ok_or_else(|| Problem::internal("an account that was never written"))?);
    }
    Ok(state)
}

fn known(row: &account::Model) -> Option<Account> {
    Some(Account {
        id: row.id.into(),
        owner: row.owner_id.into(),
        kind: Kind::parse(&row.kind)?,
        currency: row.currency.parse().ok()?,
        status: Status::parse(&row.status)?,
        balance: row.balance,
        held: row.held,
        floor: row.floor,
        ceiling: row.ceiling,
        seq: row.seq,
        version: row.version,
    })
}

/// What was asked under a key, if it has an outcome.
pub async fn fingerprint_of(db: &Database, key: KeyDigest) -> Result<Option<Uuid>, DbErr> {
    let row = transfer_key::Entity::find_by_id(key.0).one(&db.pool).await?;
    Ok(row.map(|row| row.fingerprint))
}

/// A transfer, if `reader` owns a side of it; `None` reads them all.
pub async fn visible(db: &Database, id: TransferId, reader: Option<UserId>) -> Result<Option<transfer::Model>, DbErr> {
    let row = transfer::Entity::find().filter(transfer::Column::Id.eq(id.as_uuid())).one(&db.pool).await?;
    let (Some(row), Some(reader)) = (&row, reader) else { return Ok(row) };
    let sides = account::Column::Id.is_in([row.debit_account_id, row.credit_account_id]);
    let own = account::Column::OwnerId.eq(reader.as_uuid());
    let side = account::Entity::find().filter(sides).filter(own).one(&db.pool).await?;
    Ok(side.map(|_| row.clone()))
}

/// What a list of transfers is narrowed to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Filter {
    /// Only with a side of this user's.
    pub owner: Option<UserId>,
    /// Only with this account on a side.
    pub account: Option<AccountId>,
    /// Only with this reference.
    pub external_ref: Option<String>,
    /// Only of this status.
    pub status: Option<String>,
    /// Only posted then or later, in microseconds since the epoch.
    pub from: Option<i64>,
    /// Only posted before then.
    pub to: Option<i64>,
}

/// A place in the order of commit, and which way to go from it.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Newest first.
    pub descending: bool,
    /// Rows beyond this position only.
    pub beyond: Option<i64>,
    /// At most so many rows.
    pub rows: u32,
}

/// A page in the order of commit.
///
/// By reference through its own index; of one or many accounts through their entries, the newest of each account first,
/// so that a page costs its own size and not the history's; everything through the primary key.
pub async fn list(db: &Database, filter: &Filter, window: Window) -> Result<Vec<transfer::Model>, DbErr> {
    let (compare, sort) = if window.descending { ("<", "DESC") } else { (">", "ASC") };
    let beyond = window.beyond.unwrap_or(if window.descending { i64::MAX } else { 0 });
    let mut values: Vec<Value> = vec![beyond.into(), i64::from(window.rows).into()];
    let mut bind = |value: Value| {
        values.push(value);
        format!("${}", values.len())
    };
    let mut conditions = format!("t.position {compare} $1");
    let mut on_entries = format!("e.position {compare} $1");
    for (column, at) in [(">=", filter.from), ("<", filter.to)] {
        let Some(at) = at else { continue };
        let at = bind(at.into());
        conditions.push_str(&format!(" AND t.posted_at {column} {at}"));
        on_entries.push_str(&format!(" AND e.posted_at {column} {at}"));
    }
    if let Some(status) = &filter.status {
        let status = bind(status.as_str().into());
        conditions.push_str(&format!(" AND t.status = {status}"));
    }
    if let Some(reference) = &filter.external_ref {
        let reference = bind(reference.as_str().into());
        conditions.push_str(&format!(" AND t.external_ref = {reference}"));
    }
    let mut accounts = Vec::new();
    if let Some(id) = filter.account {
        let id = bind(id.as_uuid().into());
        accounts.push(format!("a.id = {id}"));
    }
    if let Some(owner) = filter.owner {
        let owner = bind(owner.as_uuid().into());
        accounts.push(format!("a.owner_id = {owner}"));
    }
    if !accounts.is_empty() {
        let accounts = accounts.join(" AND ");
        let sides = if filter.external_ref.is_some() {
            format!(
                "EXISTS (SELECT 1 FROM accounts a WHERE a.id IN (t.debit_account_id, t.credit_account_id) AND {accounts})"
            )
        } else {
            newest_of_each(&db.backend, &accounts, &on_entries, sort)
        };
        conditions.push_str(&format!(" AND {sides}"));
    }
    let sql = format!("SELECT t.* FROM transfers t WHERE {conditions} ORDER BY t.position {sort} LIMIT $2");
    let statement = Statement::from_sql_and_values(db.pool.get_database_backend(), sql, values);
    transfer::Model::find_by_statement(statement).all(&db.pool).await
}

/// Positions of at most a page of entries per account. SQLite has no LATERAL and walks the accounts' entries instead.
fn newest_of_each(backend: &Backend, accounts: &str, on_entries: &str, sort: &str) -> String {
    match backend {
        Backend::Postgres(_) => format!(
            "t.position IN (SELECT n.position FROM accounts a CROSS JOIN LATERAL (SELECT e.position FROM entries e \
             WHERE e.account_id = a.id AND {on_entries} ORDER BY e.position {sort} LIMIT $2) n WHERE {accounts})"
        ),
        Backend::Sqlite(_) => format!(
            "t.position IN (SELECT e.position FROM accounts a JOIN entries e ON e.account_id = a.id \
             WHERE {accounts} AND {on_entries} ORDER BY e.position {sort} LIMIT $2 * 2)"
        ),
    }
}
