//! Nobody gets a user name that cannot be told apart from somebody else's.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};
use shared::domain::UserId;

use super::fields::{Looks, Username};
use crate::db::entity::user::{ActiveModel, Column, Entity, Model};
use crate::db::{Counter, Database, Fault, Write};

/// Rows filled in one transaction, while which nobody registers.
const BATCH: u64 = 200;

/// The normal form of a name that looks like this one, and is somebody else's than `own`. Two that are ASCII never look
/// alike, or `modem` would shut `modern` out. The caller holds [`Counter::Users`], so nobody gets one meanwhile.
pub(super) async fn like(write: &Write, name: &Username, own: Option<UserId>) -> Result<Option<String>, Fault> {
    let Looks { small, large, written } = name.looks();
    let alike = Column::UsernameSkeleton.is_in([small, written]).or(Column::UsernameSkeletonUpper.eq(large));
    let not_ascii =
        name.normal().is_ascii().then(|| Expr::cust("octet_length(username_norm) <> length(username_norm)"));
    let others = Condition::all().add(alike).add_option(own.map(|own| Column::Id.ne(own.as_uuid())));
    let names = Entity::find().select_only().column(Column::UsernameNorm).filter(others.add_option(not_ascii)).limit(1);
    Ok(names.into_tuple().one(write.transaction()).await?)
}

/// Writes down what the names look like of those who have registered with a release that did not care. Any number of
/// instances may do so at once, and start over at any time.
///
/// # Errors
/// When a statement fails; what is written stays.
pub async fn fill(database: &Database) -> Result<(), Fault> {
    while some_without(database.read()).await? {
        let write = database.write().await?;
        write.hold(Counter::Users).await?;
        for user in without().limit(BATCH).all(write.transaction()).await? {
            let Looks { small, large, .. } = Looks::of(&user.username_norm, &user.username);
            let looks = ActiveModel {
                username_skeleton: Set(Some(small)),
                username_skeleton_upper: Set(Some(large)),
                ..Default::default()
            };
            Entity::update_many().set(looks).filter(Column::Id.eq(user.id)).exec(write.transaction()).await?;
        }
        write.commit().await?;
    }
    Ok(())
}

async fn some_without<C: ConnectionTrait>(db: &C) -> Result<bool, Fault> {
    let row: Option<Model> = without().limit(1).one(db).await?;
    Ok(row.is_some())
}

fn without() -> Select<Entity> {
    let missing = Column::UsernameSkeleton.is_null().and(Column::PurgedAt.is_null());
    Entity::find().filter(missing).order_by_asc(Column::Seq)
}
