//! The rows: appended to the chain, and what a purge and time take from them.

use std::collections::HashSet;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, Statement,
};
use serde_json::Value;
use shared::domain::{EventId, UserId};
use uuid::Uuid;

use super::chain::{self, Sealed};
use super::event::{EXTERNAL, Event, NOBODY, REQUEST_ID};
use super::kind::Kind;
use crate::db::entity::audit_event::{ActiveModel, Column, Entity, Model};
use crate::db::entity::audit_head;
use crate::db::{Database, Fault, Write};

/// Rows in one statement: 16 values each stay under what either back-end takes (32,766 and 65,535).
const ROWS: usize = 500;

/// Rows swept in one transaction: a flood's worth of them must not hold up everybody else.
const SWEPT: u64 = 1_000;

/// The kind of a purge.
const PURGED: &str = Kind::UserPurged.as_str();

/// The one row of the head.
const HEAD: i16 = 1;

/// Where the chain ends: the number of the last row, and its hash; nothing when somebody has removed that.
pub(super) async fn head<C: ConnectionTrait>(db: &C) -> Result<Option<(i64, [u8; 32])>, Fault> {
    let row = audit_head::Entity::find_by_id(HEAD).one(db).await?;
    row.map(|row| read(Some(row))).transpose()
}

fn read(row: Option<audit_head::Model>) -> Result<(i64, [u8; 32]), Fault> {
    let row = row.ok_or_else(|| DbErr::RecordNotFound("the head of the audit".to_owned()))?;
    let hash = row.hash.try_into().map_err(|_| DbErr::Type("the head of the audit".to_owned()))?;
    Ok((row.seq, hash))
}

/// Appends to the chain. To be called last in a transaction: whoever appends waits here for whoever does already, and
/// holds nothing that the other could want.
///
/// # Errors
/// When a statement fails.
pub async fn append<C: ConnectionTrait>(db: &C, events: &[Event]) -> Result<(), Fault> {
    let head = audit_head::Entity::find_by_id(HEAD).lock_exclusive().one(db).await?;
    let (mut seq, mut hash) = read(head)?;
    for events in events.chunks(ROWS) {
        let mut rows = Vec::with_capacity(events.len());
        for event in events {
            seq += 1;
            let mut row = row(seq, event);
            hash = chain::link(&hash, &row);
            row.hash = hash.to_vec();
            rows.push(row.into_active_model().reset_all());
        }
        write(db, rows, seq, &hash).await?;
    }
    Ok(())
}

/// The rows, and the head that they end in: where it can be in one statement, because everybody waits meanwhile.
async fn write<C: ConnectionTrait>(db: &C, rows: Vec<ActiveModel>, seq: i64, hash: &[u8; 32]) -> Result<(), Fault> {
    let (insert, backend) = (Entity::insert_many(rows), db.get_database_backend());
    if backend == DbBackend::Postgres {
        let Statement { sql, values, .. } = insert.build(backend);
        let mut values = values.map_or_else(Vec::new, |values| values.0);
        let (number, text) = (values.len() + 1, values.len() + 2);
        let head = format!("UPDATE audit_head SET seq = ${number}, hash = ${text} WHERE id = {HEAD}");
        values.extend([seq.into(), hash.to_vec().into()]);
        let sql = format!("WITH written AS ({sql}) {head}");
        db.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await?;
        return Ok(());
    }
    insert.exec_without_returning(db).await?;
    let head = audit_head::ActiveModel { seq: Set(seq), hash: Set(hash.to_vec()), ..Default::default() };
    audit_head::Entity::update_many().set(head).filter(audit_head::Column::Id.eq(HEAD)).exec(db).await?;
    Ok(())
}

/// Everything but the hash.
fn row(seq: i64, event: &Event) -> Model {
    let origin = Sealed::new(event.origin().map_or_else(String::new, |address| address.to_string()));
    let mut detail = event.detail.clone();
    detail.extend(event.request_id.clone().map(|id| (REQUEST_ID.to_owned(), Value::from(id))));
    let detail = Sealed::new(Value::Object(detail).to_string());
    Model {
        seq,
        id: event.id.as_uuid(),
        at: event.at,
        kind: event.kind.as_str().to_owned(),
        outcome: event.kind.outcome().as_str().to_owned(),
        actor_kind: event.actor().kind().to_owned(),
        actor: event.actor().name(),
        subject_id: event.subject.map(UserId::as_uuid),
        session_id: event.session().map(Into::into),
        origin_salt: Some(origin.salt),
        origin: Some(origin.text),
        origin_digest: origin.digest.to_vec(),
        detail_salt: Some(detail.salt),
        detail: Some(detail.text),
        detail_digest: detail.digest.to_vec(),
        hash: Vec::new(),
    }
}

/// Whether an event is in the chain: what to ask after a commit of which nobody knows what came.
pub(super) async fn has<C: ConnectionTrait>(db: &C, id: EventId) -> Result<bool, Fault> {
    Ok(Entity::find().filter(Column::Id.eq(id.as_uuid())).one(db).await?.is_some())
}

/// Takes what is about somebody, and from where they did anything; that they did it stays, and so does the chain.
///
/// # Errors
/// When a statement fails.
pub async fn forget(write: &Write, user: UserId) -> Result<(), Fault> {
    let about = Column::SubjectId.eq(user.as_uuid());
    take_detail(write, Condition::all().add(about.clone())).await?;
    // Where an administrator was when they changed somebody's roles is that administrator's.
    let unknown = Condition::any().add(Column::Actor.is_null()).add(Column::ActorKind.eq(EXTERNAL));
    let strangers = Condition::all().add(about).add(unknown);
    take_origin(write, Condition::any().add(Column::Actor.eq(user.to_string())).add(strangers)).await
}

/// Takes the same from what nobody in particular did to nobody in particular (a failed sign-in), and whom
/// another issuer vouches for did at all, before `before` (microseconds): no purge would.
///
/// # Errors
/// When a statement fails.
pub async fn sweep(database: &Database, before: i64) -> Result<(), Fault> {
    loop {
        let write = database.write().await?;
        let rows: Vec<i64> = strangers(before).into_tuple().all(write.transaction()).await?;
        if rows.is_empty() {
            write.rollback().await;
            return Ok(());
        }
        let these = Condition::all().add(Column::Seq.is_in(rows));
        take_origin(&write, these.clone()).await?;
        take_detail(&write, these).await?;
        write.commit().await?;
    }
}

/// The next rows to be swept. The kind of actor stands in the statement as it does in the index, which is not looked at
/// for a value that comes later.
pub(super) fn strangers(before: i64) -> Select<Entity> {
    let of = Condition::all()
        .add(Expr::cust(format!("(actor_kind = '{EXTERNAL}' OR (actor_kind = '{NOBODY}' AND subject_id IS NULL))")))
        .add(Column::DetailSalt.is_not_null())
        .add(Column::At.lt(before));
    Entity::find().select_only().column(Column::Seq).filter(of).limit(SWEPT)
}

async fn take_detail(write: &Write, of: Condition) -> Result<(), Fault> {
    let row = ActiveModel { detail: Set(None), detail_salt: Set(None), ..Default::default() };
    let of = of.add(Column::DetailSalt.is_not_null());
    Entity::update_many().set(row).filter(of).exec(write.transaction()).await?;
    Ok(())
}

async fn take_origin(write: &Write, of: Condition) -> Result<(), Fault> {
    let row = ActiveModel { origin: Set(None), origin_salt: Set(None), ..Default::default() };
    let of = Condition::all().add(of).add(Column::OriginSalt.is_not_null());
    Entity::update_many().set(row).filter(of).exec(write.transaction()).await?;
    Ok(())
}

/// The first row that lies beyond the head: in one statement, because both move on.
pub(super) async fn beyond<C: ConnectionTrait>(db: &C) -> Result<Option<i64>, Fault> {
    let sql = "SELECT min(seq) AS seq FROM audit_events WHERE seq > (SELECT seq FROM audit_head)";
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    Ok(row.map(|row| row.try_get("", "seq")).transpose()?.flatten())
}

/// The first row up to `end` that no chain has: before the first, or a second with its number.
pub(super) async fn odd<C: ConnectionTrait>(db: &C, end: i64) -> Result<Option<i64>, Fault> {
    let sql = "SELECT seq FROM audit_events WHERE seq <= $1 GROUP BY seq HAVING seq < 1 OR count(*) > 1 \
               ORDER BY seq LIMIT 1";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [end.into()]);
    let row = db.query_one_raw(statement).await?;
    Ok(row.map(|row| row.try_get("", "seq")).transpose()?)
}

/// Everybody who was purged.
pub(super) async fn purged<C: ConnectionTrait>(db: &C) -> Result<HashSet<Uuid>, Fault> {
    let rows = Entity::find().select_only().column(Column::SubjectId).filter(Column::Kind.eq(PURGED));
    let rows: Vec<Option<Uuid>> = rows.into_tuple().all(db).await?;
    Ok(rows.into_iter().flatten().collect())
}

/// The row with this number.
pub(super) async fn find<C: ConnectionTrait>(db: &C, seq: i64) -> Result<Option<Model>, Fault> {
    Ok(Entity::find_by_id(seq).one(db).await?)
}

/// The next rows after a number, up to and with another.
pub(super) async fn between<C: ConnectionTrait>(db: &C, after: i64, to: i64, limit: u64) -> Result<Vec<Model>, Fault> {
    let rows = Entity::find().filter(Column::Seq.gt(after)).filter(Column::Seq.lte(to));
    Ok(rows.order_by_asc(Column::Seq).limit(limit).all(db).await?)
}
