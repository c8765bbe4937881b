//! The rows of users.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QuerySelect, Select};
use shared::clock::{from_micros, to_micros};
use shared::domain::{Role, UserId};
use time::OffsetDateTime;

use super::error::UserError;
use super::fields::{Email, Identifier, Looks, fold};
use super::looks;
use super::model::{Changes, Credentials, NewUser, Status, User};
use super::profile::{Address, Profile};
use crate::db::entity::user::{ActiveModel, Column, Entity, Model};
use crate::db::{self, Counter, Database, Fault, Write};
use crate::passwords::PasswordHash;
use crate::roles::{parse_permissions, parse_roles, write_permissions, write_roles};

impl From<Model> for User {
    fn from(row: Model) -> Self {
        let status = match (row.deleted_at, row.disabled_at) {
            (Some(_), _) => Status::Deleted,
            (None, Some(_)) => Status::Disabled,
            (None, None) => Status::Active,
        };
        let address = match (row.street, row.city, row.state, row.zip_code) {
            (Some(street), Some(city), Some(state), Some(zip_code)) => Some(Address { street, city, state, zip_code }),
            (_, _, _, _) => None,
        };
        let (first_name, last_name) = (row.first_name, row.last_name);
        let profile = Profile { first_name, last_name, birth_date: row.birth_date, phone: row.phone, address };
        Self {
            id: row.id.into(),
            seq: row.seq,
            email: row.email,
            username: row.username,
            name: row.name,
            profile,
            roles: parse_roles(&row.roles),
            custom_roles: row.custom_roles.split_whitespace().map(str::to_owned).collect(),
            permissions: parse_permissions(&row.permissions),
            status,
            email_verified: row.email_verified,
            ver: row.ver,
            revision: row.revision,
            created_at: from_micros(row.created_at),
            updated_at: from_micros(row.updated_at),
        }
    }
}

impl From<Model> for Credentials {
    fn from(row: Model) -> Self {
        Self { password: PasswordHash::stored(row.password_hash.clone()), user: row.into() }
    }
}

/// What `q` looks into.
fn search(email: &str, username: &str, name: Option<&str>) -> String {
    fold(&[email, username, name.unwrap_or_default()].join("\n"))
}

/// What came of inserting somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// They are registered.
    Created(Box<User>),
    /// Somebody has the address.
    EmailTaken,
    /// Somebody has the user name.
    UsernameTaken,
}

/// Registers somebody, unless somebody else has their e-mail address or user name, be it since this very moment.
///
/// # Errors
/// When a statement fails.
pub async fn insert(
    write: &Write,
    id: UserId,
    new: &NewUser,
    password: &PasswordHash,
    now: OffsetDateTime,
) -> Result<Inserted, Fault> {
    let seq = write.next(Counter::Users).await?;
    // Not by catching the violation: on PostgreSQL that would end the transaction, and the answer could not be frozen.
    let row = row_of(write, id, seq, new, password, now).await?;
    Entity::insert(row).on_conflict(unless_taken()).exec_without_returning(write.transaction()).await?;
    // One look, whatever came of it: where it is not disclosed who is registered, time must not tell either.
    let holder = Entity::find().filter(Column::EmailNorm.eq(new.email.normal())).one(write.transaction()).await?;
    Ok(match holder {
        Some(row) if row.id == id.as_uuid() => Inserted::Created(Box::new(row.into())),
        Some(_) => Inserted::EmailTaken,
        None => Inserted::UsernameTaken,
    })
}

/// Holds the user name of a registration of which nobody is told what came of it: it is taken afterwards whether or not
/// the address was, or whoever asks for the name next would learn of the address. Where the registration was made it has
/// the name already, and nothing happens here. What holds the name is a row like that of somebody purged: nobody.
///
/// # Errors
/// When a statement fails.
pub async fn hold_name(write: &Write, id: UserId, new: &NewUser, now: OffsetDateTime) -> Result<(), Fault> {
    let seq = write.next(Counter::Users).await?;
    let row = ActiveModel {
        email: Set(String::new()),
        // What no address can be.
        email_norm: Set(format!("held {}", id.as_uuid())),
        name: Set(None),
        phone: Set(None),
        search: Set(String::new()),
        roles: Set(String::new()),
        purged_at: Set(Some(to_micros(now))),
        ..row_of(write, id, seq, new, &PasswordHash::stored(String::new()), now).await?
    };
    Entity::insert(row).on_conflict(unless_taken()).exec_without_returning(write.transaction()).await?;
    Ok(())
}

/// Frees the names that [`hold_name`] has held since before `before` (microseconds): else whoever registers with another's
/// address takes a name for good, one each time, and so does whoever has forgotten that they are there.
///
/// # Errors
/// When a statement fails; what was freed before stays free.
pub async fn free_held_names(database: &Database, before: i64) -> Result<(), Fault> {
    // Nothing refers to such a row: it is nobody's.
    let due = "purged_at < $1 AND email_norm LIKE 'held %'";
    db::remove_where(database, ("users", "id"), due, &[before]).await
}

fn unless_taken() -> OnConflict {
    OnConflict::new().do_nothing().to_owned()
}

/// Somebody new.
async fn row_of(
    write: &Write,
    id: UserId,
    seq: i64,
    new: &NewUser,
    password: &PasswordHash,
    now: OffsetDateTime,
) -> Result<ActiveModel, Fault> {
    // Who would look like somebody is refused by the index as they would be: by the same statements.
    let like = looks::like(write, &new.username, None).await?;
    let Looks { small, large, .. } = new.username.looks();
    let (email, username) = (new.email.as_str(), new.username.as_str());
    let name = new.name.as_ref().map(super::fields::Name::as_str);
    Ok(ActiveModel {
        id: Set(id.as_uuid()),
        seq: Set(seq),
        email: Set(email.to_owned()),
        email_norm: Set(new.email.normal().to_owned()),
        username: Set(username.to_owned()),
        username_norm: Set(like.unwrap_or_else(|| new.username.normal().to_owned())),
        username_skeleton: Set(Some(small)),
        username_skeleton_upper: Set(Some(large)),
        name: Set(name.map(str::to_owned)),
        phone: Set(new.phone.as_ref().map(|phone| phone.as_str().to_owned())),
        search: Set(search(email, username, name)),
        password_hash: Set(password.as_str().to_owned()),
        foreign_cost: Set(None),
        roles: Set(write_roles(new.roles)),
        custom_roles: Set(String::new()),
        permissions: Set(String::new()),
        email_verified: Set(false),
        ver: Set(1),
        revision: Set(1),
        created_at: Set(to_micros(now)),
        updated_at: Set(to_micros(now)),
        disabled_at: Set(None),
        deleted_at: Set(None),
        purged_at: Set(None),
        ..Default::default()
    })
}

/// Whoever signs in with this e-mail address or user name.
///
/// # Errors
/// When the statement fails.
pub async fn by_identifier<C: ConnectionTrait>(db: &C, identifier: &Identifier) -> Result<Option<Credentials>, Fault> {
    Ok(named(identifier).one(db).await?.map(Credentials::from))
}

fn named(identifier: &Identifier) -> Select<Entity> {
    let filter = match identifier {
        Identifier::Email(normal) => Column::EmailNorm.eq(normal),
        Identifier::Username(normal) => Column::UsernameNorm.eq(normal),
    };
    Entity::find().filter(filter).filter(Column::PurgedAt.is_null())
}

/// The id of whoever signs in with this e-mail address or user name.
///
/// # Errors
/// When the statement fails.
pub async fn id_of<C: ConnectionTrait>(db: &C, identifier: &Identifier) -> Result<Option<UserId>, Fault> {
    let row = named(identifier).select_only().column(Column::Id).into_tuple::<uuid::Uuid>().one(db).await?;
    Ok(row.map(UserId::from))
}

/// A user, deleted or not, but not purged.
///
/// # Errors
/// When the statement fails.
pub async fn find<C: ConnectionTrait>(db: &C, id: UserId) -> Result<Option<User>, Fault> {
    let row = Entity::find_by_id(id.as_uuid()).filter(Column::PurgedAt.is_null()).one(db).await?;
    Ok(row.map(User::from))
}

/// The same with the hash of their password.
///
/// # Errors
/// When the statement fails.
pub async fn credentials<C: ConnectionTrait>(db: &C, id: UserId) -> Result<Option<Credentials>, Fault> {
    let row = Entity::find_by_id(id.as_uuid()).filter(Column::PurgedAt.is_null()).one(db).await?;
    Ok(row.map(Credentials::from))
}

/// Whether there was such a user until their data was removed.
///
/// # Errors
/// When the statement fails.
pub(super) async fn was_purged(write: &Write, id: UserId) -> Result<bool, Fault> {
    let row = Entity::find_by_id(id.as_uuid()).filter(Column::PurgedAt.is_not_null());
    Ok(row.one(write.transaction()).await?.is_some())
}

/// The same with the row locked until the end of the transaction.
///
/// # Errors
/// When the statement fails.
pub async fn lock(write: &Write, id: UserId) -> Result<Option<Credentials>, Fault> {
    let row = Entity::find_by_id(id.as_uuid()).filter(Column::PurgedAt.is_null()).lock_exclusive();
    Ok(row.one(write.transaction()).await?.map(Credentials::from))
}

/// How many active administrators there are.
///
/// # Errors
/// When the statement fails.
pub async fn administrators<C: ConnectionTrait>(db: &C) -> Result<u64, Fault> {
    let active = Column::DisabledAt.is_null().and(Column::DeletedAt.is_null());
    Ok(Entity::find().filter(Column::Roles.contains(Role::Admin.as_str())).filter(active).count(db).await?)
}

/// Replaces a password hash.
///
/// # Errors
/// When the statement fails.
pub async fn store_password(write: &Write, id: UserId, hash: &PasswordHash) -> Result<(), Fault> {
    let password_hash = Set(hash.as_str().to_owned());
    let row = ActiveModel { password_hash, foreign_cost: Set(None), ..Default::default() };
    update(write, id, row).await
}

/// Notes that the address has been shown to be theirs. The caller holds the row.
///
/// # Errors
/// When the statement fails.
pub async fn prove(write: &Write, user: &User, now: OffsetDateTime) -> Result<(), Fault> {
    let row = ActiveModel { email_verified: Set(true), ..touched(user, now) };
    update(write, user.id, row).await
}

/// Gives somebody an address that has been shown to be theirs. The caller holds the row.
///
/// # Errors
/// When somebody else has it, or the statement fails.
pub async fn move_to(write: &Write, user: &User, email: &Email, now: OffsetDateTime) -> Result<(), UserError> {
    change(write, user, &Changes { email: Some(email.clone()), ..Changes::default() }, now).await?;
    Ok(prove(write, user, now).await?)
}

/// Replaces a password hash whose owner could not sign in, by a link that was mailed to their address: that is theirs, and
/// every token issued so far is void. The caller holds the row.
///
/// # Errors
/// When the statement fails.
pub async fn reset_password(write: &Write, user: &User, hash: &PasswordHash, now: OffsetDateTime) -> Result<(), Fault> {
    let password_hash = Set(hash.as_str().to_owned());
    let ver = Set(user.ver + 1);
    let row =
        ActiveModel { password_hash, foreign_cost: Set(None), email_verified: Set(true), ver, ..touched(user, now) };
    update(write, user.id, row).await
}

/// Writes a patch. The caller holds the row, and before it [`Counter::Users`] if the patch has a user name.
pub(super) async fn change(
    write: &Write,
    user: &User,
    changes: &Changes,
    now: OffsetDateTime,
) -> Result<(), UserError> {
    let mut row = touched(user, now);
    let email = changes.email.as_ref().map_or(user.email.as_str(), Email::as_str);
    let username = changes.username.as_ref().map_or(user.username.as_str(), super::fields::Username::as_str);
    let name = match &changes.name {
        Some(name) => name.as_ref().map(super::fields::Name::as_str),
        None => user.name.as_deref(),
    };
    row.search = Set(search(email, username, name));
    row.name = Set(name.map(str::to_owned));
    if let Some(email) = &changes.email {
        row.email = Set(email.as_str().to_owned());
        row.email_norm = Set(email.normal().to_owned());
        if user.moves_to(email) {
            row.email_verified = Set(false);
        }
    }
    if let Some(username) = &changes.username {
        // Also another way of writing the same: small letters may look like nobody's, and large ones like somebody's.
        let other = user.username != username.as_str();
        if other && looks::like(write, username, Some(user.id)).await?.is_some() {
            return Err(UserError::UsernameTaken);
        }
        let Looks { small, large, .. } = username.looks();
        row.username = Set(username.as_str().to_owned());
        row.username_norm = Set(username.normal().to_owned());
        row.username_skeleton = Set(Some(small));
        row.username_skeleton_upper = Set(Some(large));
    }
    tell(&mut row, changes.profile.on(&user.profile));
    update(write, user.id, row).await.map_err(|fault| match () {
        () if fault.violates("email_norm") => UserError::EmailTaken,
        () if fault.violates("username_norm") => UserError::UsernameTaken,
        () => UserError::Database(fault),
    })
}

/// What they tell about themselves.
fn tell(row: &mut ActiveModel, profile: Profile) {
    let Profile { first_name, last_name, birth_date, phone, address } = profile;
    row.first_name = Set(first_name);
    row.last_name = Set(last_name);
    row.birth_date = Set(birth_date);
    row.phone = Set(phone);
    let (street, city, state, zip_code) = match address {
        Some(Address { street, city, state, zip_code }) => (Some(street), Some(city), Some(state), Some(zip_code)),
        None => (None, None, None, None),
    };
    row.street = Set(street);
    row.city = Set(city);
    row.state = Set(state);
    row.zip_code = Set(zip_code);
}

/// Writes roles, status and version. The caller holds the row.
pub(super) async fn save_standing(write: &Write, user: &User, now: OffsetDateTime) -> Result<(), Fault> {
    let mut row = touched(user, now);
    row.roles = Set(write_roles(user.roles));
    row.custom_roles = Set(user.custom_roles.join(" "));
    row.permissions = Set(write_permissions(user.permissions));
    row.ver = Set(user.ver);
    let now = to_micros(now);
    match user.status {
        Status::Active => {
            row.disabled_at = Set(None);
            row.deleted_at = Set(None);
        }
        Status::Disabled => {
            row.disabled_at = Set(Some(now));
            row.deleted_at = Set(None);
        }
        // What they were before stays, for the day they are restored.
        Status::Deleted => row.deleted_at = Set(Some(now)),
    }
    update(write, user.id, row).await
}

/// Takes the deletion back: they are what they were before. The caller holds the row.
pub(super) async fn undelete(write: &Write, user: &User, now: OffsetDateTime) -> Result<(), Fault> {
    let mut row = touched(user, now);
    row.deleted_at = Set(None);
    update(write, user.id, row).await
}

fn touched(user: &User, now: OffsetDateTime) -> ActiveModel {
    ActiveModel { revision: Set(user.revision + 1), updated_at: Set(to_micros(now)), ..Default::default() }
}

async fn update(write: &Write, id: UserId, row: ActiveModel) -> Result<(), Fault> {
    write.touched(id);
    Entity::update_many().set(row).filter(Column::Id.eq(id.as_uuid())).exec(write.transaction()).await?;
    Ok(())
}
