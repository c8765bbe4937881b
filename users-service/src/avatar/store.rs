//! The rows: what was sent last, and what is shown of it or of what was sent before.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, LockBehavior, LockType, OnConflict};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use shared::clock::{Clock, to_micros};
use shared::domain::{EventId, UserId};
use uuid::Uuid;

use super::model::{Kind, Progress, Size};
use super::picture::Small;
use crate::db::entity::avatar::{ActiveModel, Column, Entity};
use crate::db::{Fault, Write};

/// What somebody's row says, without its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// How far what was sent last has come.
    pub(super) status: Option<Progress>,
    /// Names the images that are shown.
    pub(super) shown: Option<Uuid>,
}

/// Images that are shown.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) version: Uuid,
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
}

/// An image that somebody has taken to make it small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leased {
    pub(super) user: Uuid,
    pub(super) version: Uuid,
    pub(super) attempts: u32,
    until: i64,
}

/// Somebody's row, if they have one.
pub(super) async fn standing<C: ConnectionTrait>(db: &C, user: UserId) -> Result<Option<Standing>, Fault> {
    let row = Entity::find_by_id(user.as_uuid()).select_only().columns([Column::Status, Column::Shown]);
    let row: Option<(String, Option<Uuid>)> = row.into_tuple().one(db).await?;
    Ok(row.map(|(status, shown)| Standing { status: Progress::parse(&status), shown }))
}

/// Version, media type and bytes of what is shown, if anything is.
type Row = (Option<Uuid>, Option<String>, Option<Vec<u8>>);

/// Somebody's image in this size.
pub(super) async fn shown<C: ConnectionTrait>(db: &C, user: UserId, size: Size) -> Result<Option<Shown>, Fault> {
    let column = match size {
        Size::Thumb => Column::Thumb,
        Size::Medium => Column::Medium,
        Size::Large => Column::Large,
    };
    let row = Entity::find_by_id(user.as_uuid()).select_only().columns([Column::Shown, Column::ShownType, column]);
    let row: Option<Row> = row.into_tuple().one(db).await?;
    Ok(row.and_then(|(version, kind, bytes)| {
        let (version, kind, bytes) = (version?, Kind::of(&kind?)?, bytes?);
        Some(Shown { version, kind, bytes })
    }))
}

/// Notes an image that was sent: it takes the place of whatever waits, and what is shown stays until it is ready.
pub(super) async fn begin(write: &Write, user: UserId, kind: Kind, bytes: Vec<u8>, clock: &Clock) -> Result<(), Fault> {
    let now = clock.now_micros();
    let row = ActiveModel {
        user_id: Set(user.as_uuid()),
        version: Set(EventId::generate(clock).as_uuid()),
        status: Set(Progress::Processing.as_str().to_owned()),
        content_type: Set(kind.as_str().to_owned()),
        original: Set(Some(bytes)),
        attempts: Set(0),
        due_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let anew = [
        Column::Version,
        Column::Status,
        Column::ContentType,
        Column::Original,
        Column::Attempts,
        Column::DueAt,
        Column::UpdatedAt,
    ];
    let instead = OnConflict::column(Column::UserId).update_columns(anew).to_owned();
    Entity::insert(row).on_conflict(instead).exec_without_returning(write.transaction()).await?;
    Ok(())
}

fn due_at(now: i64) -> Condition {
    Condition::all().add(Column::Status.eq(Progress::Processing.as_str())).add(Column::DueAt.lte(now))
}

/// Whether there is anything to do: asked often, so without a writing transaction.
pub(super) async fn any_due<C: ConnectionTrait>(db: &C, now: i64) -> Result<bool, Fault> {
    let user = Entity::find().select_only().column(Column::UserId).filter(due_at(now)).limit(1);
    Ok(user.into_tuple::<Uuid>().one(db).await?.is_some())
}

/// Takes one that is due until `until`: nobody else takes it before, and it counts as an attempt whatever becomes of
/// whoever took it.
pub(super) async fn lease(write: &Write, now: i64, until: i64) -> Result<Option<Leased>, Fault> {
    let due = Entity::find().select_only().columns([Column::UserId, Column::Version, Column::Attempts]);
    let due = due.filter(due_at(now)).order_by_asc(Column::DueAt).limit(1);
    let due = due.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    let row: Option<(Uuid, Uuid, i32)> = due.into_tuple().one(write.transaction()).await?;
    let Some((user, version, attempts)) = row else { return Ok(None) };
    Entity::update_many()
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .col_expr(Column::DueAt, Expr::value(until))
        .filter(Column::UserId.eq(user))
        .exec(write.transaction())
        .await?;
    let attempts = u32::try_from(attempts).unwrap_or(u32::MAX).saturating_add(1);
    Ok(Some(Leased { user, version, attempts, until }))
}

/// The image itself.
pub(super) async fn original<C: ConnectionTrait>(db: &C, leased: &Leased) -> Result<Option<(Kind, Vec<u8>)>, Fault> {
    let row = Entity::find_by_id(leased.user).select_only().columns([Column::ContentType, Column::Original]);
    let row: Option<(String, Option<Vec<u8>>)> =
        row.filter(Column::Version.eq(leased.version)).into_tuple().one(db).await?;
    Ok(row.and_then(|(kind, bytes)| Some((Kind::of(&kind)?, bytes?))))
}

/// It is shown from now on: whether it still was what was wanted.
pub(super) async fn ready(write: &Write, leased: &Leased, small: Small, clock: &Clock) -> Result<bool, Fault> {
    let [thumb, medium, large] = small.sizes;
    let row = ActiveModel {
        status: Set(Progress::Ready.as_str().to_owned()),
        original: Set(None),
        shown: Set(Some(leased.version)),
        shown_type: Set(Some(small.kind.as_str().to_owned())),
        thumb: Set(Some(thumb)),
        medium: Set(Some(medium)),
        large: Set(Some(large)),
        updated_at: Set(clock.now_micros()),
        ..Default::default()
    };
    change(write, leased, row).await
}

/// It is given up; what was shown stays.
pub(super) async fn failed(write: &Write, leased: &Leased, clock: &Clock) -> Result<bool, Fault> {
    let row = ActiveModel {
        status: Set(Progress::Failed.as_str().to_owned()),
        original: Set(None),
        updated_at: Set(clock.now_micros()),
        ..Default::default()
    };
    change(write, leased, row).await
}

/// It is tried again then.
pub(super) async fn later(write: &Write, leased: &Leased, at: time::OffsetDateTime) -> Result<bool, Fault> {
    change(write, leased, ActiveModel { due_at: Set(to_micros(at)), ..Default::default() }).await
}

/// Only what was leased, and as long as the lease is ours: another image may have been sent, or this one deleted.
async fn change(write: &Write, leased: &Leased, row: ActiveModel) -> Result<bool, Fault> {
    let ours = Entity::update_many().set(row).filter(Column::UserId.eq(leased.user));
    let ours = ours.filter(Column::Version.eq(leased.version)).filter(Column::DueAt.eq(leased.until));
    let done = ours.filter(Column::Status.eq(Progress::Processing.as_str())).exec(write.transaction()).await?;
    Ok(done.rows_affected > 0)
}

/// Removes everything of somebody's: whether there was anything.
pub(super) async fn forget<C: ConnectionTrait>(db: &C, user: Uuid) -> Result<bool, Fault> {
    Ok(Entity::delete_by_id(user).exec(db).await?.rows_affected > 0)
}
