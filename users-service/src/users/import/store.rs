//! What import reads and writes of users beside what registration does.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect};
use shared::clock::to_micros;
use shared::domain::UserId;
use shared::problem::FieldError;

use super::entry::Entry;
use super::{Outcome, fault};
use crate::db::entity::user::{ActiveModel, Column, Entity};
use crate::db::{Fault, Write};
use crate::passwords::PasswordHash;
use crate::users::model::NewUser;

/// Who has somebody's address and user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody.
    Free,
    /// One who has both: they are there already, whatever they have changed since.
    Present,
    /// Somebody else has the address.
    EmailTaken,
    /// Somebody else has the user name.
    UsernameTaken,
}

impl Standing {
    pub(super) async fn of<C: ConnectionTrait>(db: &C, user: &NewUser) -> Result<Self, Fault> {
        let (email, username) = (user.email.normal(), user.username.normal());
        let taken = Column::EmailNorm.eq(email).or(Column::UsernameNorm.eq(username));
        let columns = Entity::find().select_only().columns([Column::EmailNorm, Column::UsernameNorm]).filter(taken);
        let rows: Vec<(String, String)> = columns.into_tuple().all(db).await?;
        let has_both = rows.iter().any(|(theirs, name)| theirs == email && name == username);
        let has_email = rows.iter().any(|(theirs, _)| theirs == email);
        Ok(match (rows.is_empty(), has_both, has_email) {
            (true, _, _) => Self::Free,
            (false, true, _) => Self::Present,
            (false, false, true) => Self::EmailTaken,
            (false, false, false) => Self::UsernameTaken,
        })
    }

    /// What comes of it; nothing where nobody is in the way.
    pub(super) fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Free => None,
            Self::Present => Some(Outcome::Present),
            Self::EmailTaken => Some(Outcome::Refused(Self::email_taken())),
            Self::UsernameTaken => Some(Outcome::Refused(Self::username_taken())),
        }
    }

    pub(super) const fn email_taken() -> FieldError {
        fault("/email", "email_taken", "somebody with another user name has it")
    }

    pub(super) const fn username_taken() -> FieldError {
        fault("/username", "username_taken", "somebody with another address has it, or one that looks like it")
    }
}

/// Writes what registration does not ask for.
pub(super) async fn complete(write: &Write, id: UserId, entry: &Entry) -> Result<(), Fault> {
    let row = ActiveModel {
        email_verified: Set(entry.email_verified),
        foreign_cost: Set(entry.hash.cost),
        created_at: entry.created_at.map_or(NotSet, |at| Set(to_micros(at))),
        ..Default::default()
    };
    write.touched(id);
    Entity::update_many().set(row).filter(Column::Id.eq(id.as_uuid())).exec(write.transaction()).await?;
    Ok(())
}

/// How the hashes of each function begin. What they cost is estimated, and between functions that is several times off.
const FUNCTIONS: [&str; 6] = ["$argon2", "$2", "$scrypt$", "$pbkdf2-sha1$", "$pbkdf2-sha256$", "$pbkdf2-sha512$"];

/// A hash of another system's than which none of its function costs more.
#[derive(Clone, Debug)]
pub struct Costliest {
    /// How it begins.
    pub function: &'static str,
    /// The estimate, in microseconds.
    pub cost: i64,
    /// Itself.
    pub hash: PasswordHash,
}

/// Those of every function of which there is one. None where nobody was brought over, which one look in an index says.
///
/// # Errors
/// When a statement fails.
pub async fn costliest<C: ConnectionTrait>(db: &C) -> Result<Vec<Costliest>, Fault> {
    let foreign = Entity::find().select_only().columns([Column::ForeignCost, Column::PasswordHash]);
    let foreign = foreign.filter(Column::ForeignCost.is_not_null()).order_by_desc(Column::ForeignCost).limit(1);
    let any: Option<(i64, String)> = foreign.clone().into_tuple().one(db).await?;
    let mut found = Vec::new();
    for function in FUNCTIONS.into_iter().filter(|_| any.is_some()) {
        let of_it = foreign.clone().filter(Column::PasswordHash.starts_with(function));
        let row: Option<(i64, String)> = of_it.into_tuple().one(db).await?;
        found.extend(row.map(|(cost, hash)| Costliest { function, cost, hash: PasswordHash::stored(hash) }));
    }
    Ok(found)
}
