//! The rows: owed, leased to whoever sends, and what came of it.

use std::time::Duration;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, LockBehavior, LockType};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use shared::clock::{Clock, to_micros};
use shared::domain::{LinkId, MailId, UserId};
use uuid::Uuid;

use super::template::Template;
use crate::db::entity::mail::{ActiveModel, Column, Entity, Model};
use crate::db::{self, Database, Fault, Write};

const WAITING: &str = "waiting";
const SENT: &str = "sent";
const DEAD: &str = "dead";

/// What is kept of a failure, in characters.
const LONGEST_ERROR: usize = 300;

/// A mail to be written down.
#[derive(Clone, Debug)]
pub struct Owed {
    /// Which.
    pub template: Template,
    /// To which address, where that is not the user's own: or by which the user is looked up when it is sent.
    pub recipient: Option<String>,
    /// For whom, where that is known.
    pub user: Option<UserId>,
    /// The link in it, where it is made already.
    pub link: Option<LinkId>,
    /// The other address it speaks of, or what else it has to say.
    pub about: Option<String>,
}

impl Owed {
    /// To a user, at the address they will have then.
    #[must_use]
    pub const fn to_user(template: Template, user: UserId) -> Self {
        Self { template, recipient: None, user: Some(user), link: None, about: None }
    }

    /// To this address, or to whoever has it.
    #[must_use]
    pub const fn to_address(template: Template, address: String) -> Self {
        Self { template, recipient: Some(address), user: None, link: None, about: None }
    }
}

/// Writes a mail down in the transaction of what causes it. [`super::Mailer::wake`] afterwards spares it the wait.
///
/// # Errors
/// When the statement fails.
pub async fn owe(write: &Write, mail: Owed, clock: &Clock) -> Result<(), Fault> {
    let now = clock.now_micros();
    let row = ActiveModel {
        id: Set(MailId::generate(clock).as_uuid()),
        template: Set(mail.template.as_str().to_owned()),
        recipient: Set(mail.recipient),
        user_id: Set(mail.user.map(UserId::as_uuid)),
        link_id: Set(mail.link.map(LinkId::as_uuid)),
        about: Set(mail.about),
        status: Set(WAITING.to_owned()),
        attempts: Set(0),
        due_at: Set(now),
        last_error: Set(None),
        created_at: Set(now),
        ended_at: Set(None),
    };
    Entity::insert(row).exec_without_returning(write.transaction()).await?;
    Ok(())
}

/// What a newer release has written waits for one that knows it, however long that is.
fn due_at(now: i64) -> Condition {
    let known = Column::Template.is_in(Template::ALL.map(Template::as_str));
    Condition::all().add(Column::Status.eq(WAITING)).add(Column::DueAt.lte(now)).add(known)
}

/// Whether there is anything to send: asked often, so without a writing transaction.
pub(super) async fn any_due<C: ConnectionTrait>(db: &C, now: i64) -> Result<bool, Fault> {
    let id = Entity::find().select_only().column(Column::Id).filter(due_at(now)).limit(1);
    Ok(id.into_tuple::<Uuid>().one(db).await?.is_some())
}

/// Takes up to `most` mails that are due, for `lease`: until it is over nobody else takes them, and it counts as an
/// attempt whatever becomes of whoever took them.
pub(super) async fn lease(write: &Write, most: u64, lease: Duration, clock: &Clock) -> Result<Vec<Model>, Fault> {
    let due = Entity::find().filter(due_at(clock.now_micros())).order_by_asc(Column::DueAt).limit(most);
    // Whoever else leases passes over what is being leased here.
    let due = due.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    let mut rows = due.all(write.transaction()).await?;
    let until = to_micros(clock.now() + lease);
    Entity::update_many()
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .col_expr(Column::DueAt, Expr::value(until))
        .filter(Column::Id.is_in(rows.iter().map(|row| row.id)))
        .exec(write.transaction())
        .await?;
    for row in &mut rows {
        row.attempts += 1;
        row.due_at = until;
    }
    Ok(rows)
}

/// Notes whom a mail turned out to be for, and with which link, so that the next attempt sends the same.
pub(super) async fn addressed(write: &Write, mail: &Model, user: UserId, link: LinkId) -> Result<(), Fault> {
    let row =
        ActiveModel { user_id: Set(Some(user.as_uuid())), link_id: Set(Some(link.as_uuid())), ..Default::default() };
    change(write, mail, row).await
}

/// It was sent: the row forgets to whom.
pub(super) async fn sent(write: &Write, mail: &Model, now: i64) -> Result<(), Fault> {
    let row = ActiveModel {
        status: Set(SENT.to_owned()),
        recipient: Set(None),
        about: Set(None),
        last_error: Set(None),
        ended_at: Set(Some(now)),
        ..Default::default()
    };
    change(write, mail, row).await
}

/// There is nobody to send it to, or nothing left to say. Nothing is kept of it: strangers can have any number of them.
pub(super) async fn dropped(write: &Write, mail: &Model) -> Result<(), Fault> {
    let ours = Entity::delete_many().filter(Column::Id.eq(mail.id)).filter(Column::DueAt.eq(mail.due_at));
    ours.filter(Column::Status.eq(WAITING)).exec(write.transaction()).await?;
    Ok(())
}

/// It is tried again at `at`.
pub(super) async fn failed(write: &Write, mail: &Model, at: i64, error: &str) -> Result<(), Fault> {
    let row = ActiveModel { due_at: Set(at), last_error: Set(Some(shortened(error))), ..Default::default() };
    change(write, mail, row).await
}

/// It is given up. The row keeps to whom, for whoever wants it sent after all.
pub(super) async fn dead(write: &Write, mail: &Model, now: i64, error: &str) -> Result<(), Fault> {
    let row = ActiveModel {
        status: Set(DEAD.to_owned()),
        last_error: Set(Some(shortened(error))),
        ended_at: Set(Some(now)),
        ..Default::default()
    };
    change(write, mail, row).await
}

/// Only as long as the lease is ours: whose lease ran out has nothing to say any more.
async fn change(write: &Write, mail: &Model, row: ActiveModel) -> Result<(), Fault> {
    let ours = Entity::update_many().set(row).filter(Column::Id.eq(mail.id)).filter(Column::DueAt.eq(mail.due_at));
    ours.filter(Column::Status.eq(WAITING)).exec(write.transaction()).await?;
    Ok(())
}

fn shortened(error: &str) -> String {
    // PostgreSQL cannot hold it, and a server may say anything.
    error.chars().filter(|c| !c.is_control()).take(LONGEST_ERROR).collect()
}

/// Removes what was sent or given up before `before`.
///
/// # Errors
/// When a statement fails.
pub async fn sweep(database: &Database, before: i64) -> Result<(), Fault> {
    db::remove::<Entity>(database, Column::Id, Condition::all().add(Column::EndedAt.lt(before))).await
}

/// Removes everything that was ever written for a user, or to their addresses, for the day they are purged.
///
/// # Errors
/// When the statement fails.
pub async fn forget<C: ConnectionTrait>(db: &C, user: Uuid, addresses: [&str; 2]) -> Result<(), Fault> {
    let theirs = Condition::any().add(Column::UserId.eq(user)).add(Column::Recipient.is_in(addresses));
    Entity::delete_many().filter(theirs).exec(db).await?;
    Ok(())
}
