//! The ledger's rows for whoever is not the engine: dry runs read them, and changes of an account that are no transfer
//! write some.

use std::collections::BTreeSet;
use std::sync::Arc;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QueryFilter, Statement,
};
use shared::problem::Problem;
use uuid::Uuid;

use super::core::{Account, Draft, Effect, Kind, Need, State, Status, Stop, decide};
use super::fold::{Judged, judge_items};
pub(crate) use super::rest::read::LAPSED_AT_ONCE;
use super::rest::read::{self, Looked, Wanted};
use super::rest::write::{self, Rest};
use crate::db::entity::account;
use crate::db::{self, Database};

/// Tells `state` what the database holds of `needs`. Accounts first: what else changes is never older than they are.
pub async fn teach<C: ConnectionTrait>(db: &C, state: &mut State, needs: &[Need], now: i64) -> Result<(), Problem> {
    let accounts: BTreeSet<Uuid> = needs.iter().filter_map(account_id).collect();
    if !accounts.is_empty() {
        let rows = account::Entity::find().filter(account::Column::Id.is_in(accounts.iter().copied())).all(db).await;
        accounts.into_iter().for_each(|id| state.accounts.learn(id.into(), None));
        for row in rows.map_err(db::problem)? {
            let account = known(&row).ok_or_else(|| Problem::internal("an account that was never written"))?;
            state.accounts.learn(account.id, Some(account));
        }
    }
    let wanted = Wanted::of(needs, now);
    if wanted.is_empty() {
        return Ok(());
    }
    let backend = db.get_database_backend();
    let sql = if backend == DbBackend::Sqlite { read::SQLITE } else { read::POSTGRES };
    let row = db.query_one_raw(Statement::from_sql_and_values(backend, sql, [wanted.json().into()])).await;
    let row = row.map_err(db::problem)?.ok_or_else(|| Problem::internal("a look that finds no row"))?;
    let json: String = row.try_get_by_index(0).map_err(db::problem)?;
    let looked = Looked::parse(&json).map_err(Problem::internal)?;
    looked.teach(state, needs, now).map_err(Problem::internal)
}

/// Judges a wish on what is committed now, looking up whatever turns out to be missing. All of it is of one moment: what
/// lapses between two looks would count in neither or in both.
pub async fn try_out(db: &Database, draft: &Draft, now: i64) -> Result<Effect, Problem> {
    let db = &db.snapshot().await.map_err(db::problem)?;
    let mut state = State::default();
    let mut needs: Vec<_> = draft.command.needs().collect();
    loop {
        teach(db, &mut state, &needs, now).await?;
        match decide(&state, draft, now) {
            Err(Stop::Missing(need)) if !state.knows(&need) => needs = vec![need],
            judged => return judged.map_err(Problem::from),
        }
    }
}

/// The same for the items of a batch, one after the other, each on what those before it would leave.
pub(crate) async fn try_out_all(
    db: &Database,
    items: &[Result<Arc<Draft>, Problem>],
    now: i64,
) -> Result<Vec<Judged>, Problem> {
    let db = &db.snapshot().await.map_err(db::problem)?;
    let mut state = State::default();
    let drafts = items.iter().filter_map(|item| item.as_ref().ok());
    let mut needs: Vec<_> = drafts.flat_map(|draft| draft.command.needs()).collect();
    loop {
        teach(db, &mut state, &needs, now).await?;
        let before = state.mark();
        match judge_items(&mut state, items, now) {
            Ok(judged) => return Ok(judged),
            Err(missing) if missing.iter().all(|need| state.knows(need)) => {
                return Err(Problem::internal(format!("judged without {missing:?}")));
            }
            Err(missing) => {
                state.undo_to(before);
                needs = missing;
            }
        }
    }
}

/// An account as the core knows it.
#[must_use]
pub fn known(row: &account::Model) -> Option<Account> {
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
        next_expiry: row.next_expiry,
        limited: row.limited,
    })
}

/// Writes what was decided on `state` besides accounts. `take` hands out positions for its events, which takes the
/// chain head's lock, so it comes last.
pub async fn write_rest(
    tx: &DatabaseTransaction,
    state: &State,
    now: i64,
    take: impl AsyncFnOnce(i64) -> Result<i64, DbErr>,
) -> Result<(), DbErr> {
    let Some(rest) = Rest::of(state, 0, now) else { return Ok(()) };
    let base = take(rest.positions()).await? - rest.positions();
    let (backend, json) = (tx.get_database_backend(), rest.json());
    let run = async |sql: &str, values: Vec<sea_orm::Value>| {
        tx.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await.map(drop)
    };
    if backend != DbBackend::Sqlite {
        return run(write::POSTGRES, vec![json.into(), base.into(), now.into()]).await;
    }
    for sql in write::SQLITE_ROWS {
        run(sql, vec![json.as_str().into()]).await?;
    }
    run(write::SQLITE_EVENTS, vec![json.into(), base.into(), now.into()]).await
}

fn account_id(need: &Need) -> Option<Uuid> {
    match need {
        Need::Account(id) => Some(id.as_uuid()),
        Need::Original(_)
        | Need::Hold(_)
        | Need::Reversal(_)
        | Need::Reference(_)
        | Need::Windows(_)
        | Need::Lapsed(..)
        | Need::Rate(_)
        | Need::Carry(_) => None,
    }
}
