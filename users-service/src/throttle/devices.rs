//! Known devices: networks that a user has signed in from before.
//!
//! From there, what strangers have tried elsewhere does not count against them. It spares the counter of the identifier
//! and no other, so it is no way around the counter of the pair. A row is an HMAC over user and network: whoever has a copy
//! of the table learns neither where somebody lives nor who lives together.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::hmac;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use shared::clock::Clock;
use shared::domain::UserId;
use uuid::Uuid;

use super::network::network;
use crate::db::entity::known_device::{Column, Entity, Model};
use crate::db::{self, Database, Fault, Write};
use crate::users::{self, Identifier};

/// Signed together with the rest, so that the key can serve another purpose one day.
const PURPOSE: &[u8] = b"tollgate known network 1";

/// Remembered of one user; the one seen longest ago is forgotten first.
const MOST: u64 = 100;

/// The book of them.
#[derive(Clone, Debug)]
pub struct Devices {
    key: hmac::Key,
    memory: Duration,
    clock: Clock,
}

impl Devices {
    /// Remembered for `memory` after they were last seen.
    #[must_use]
    pub const fn new(key: hmac::Key, memory: Duration, clock: Clock) -> Self {
        Self { key, memory, clock }
    }

    /// Whether whoever signs in with this identifier has done so from there before. Names that nobody has cost the same
    /// two looks.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn know<C: ConnectionTrait>(
        &self,
        db: &C,
        identifier: &Identifier,
        address: Option<IpAddr>,
    ) -> Result<bool, Fault> {
        let user = users::id_of(db, identifier).await?.map_or(Uuid::nil(), UserId::as_uuid);
        let Some(address) = address else { return Ok(false) };
        let row = Entity::find_by_id((user, self.digest(user, address))).filter(Column::LastSeen.gt(self.since()));
        Ok(row.one(db).await?.is_some())
    }

    /// Notes that a user has shown who they are from there.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn remember(&self, write: &Write, user: UserId, address: Option<IpAddr>) -> Result<(), Fault> {
        let Some(address) = address else { return Ok(()) };
        let (user_id, now) = (user.as_uuid(), self.clock.now_micros());
        let row = Model { user_id, digest: self.digest(user_id, address), first_seen: now, last_seen: now };
        let again = OnConflict::columns([Column::UserId, Column::Digest]).update_column(Column::LastSeen).to_owned();
        let insert = Entity::insert(row.into_active_model().reset_all()).on_conflict(again);
        insert.exec_without_returning(write.transaction()).await?;
        let of_user = Column::UserId.eq(user_id);
        let too_many = Entity::find().select_only().column(Column::Digest).filter(of_user.clone());
        let too_many = too_many.order_by_desc(Column::LastSeen).order_by_asc(Column::Digest).offset(MOST).limit(MOST);
        let too_many: Vec<Vec<u8>> = too_many.into_tuple().all(write.transaction()).await?;
        if !too_many.is_empty() {
            let these = Entity::delete_many().filter(of_user).filter(Column::Digest.is_in(too_many));
            these.exec(write.transaction()).await?;
        }
        Ok(())
    }

    fn since(&self) -> i64 {
        let memory = i64::try_from(self.memory.as_micros()).unwrap_or(i64::MAX);
        self.clock.now_micros().saturating_sub(memory)
    }

    fn digest(&self, user: Uuid, address: IpAddr) -> Vec<u8> {
        let text = [PURPOSE, user.as_bytes(), network(address).as_bytes()].concat();
        hmac::sign(&self.key, &text).as_ref().to_vec()
    }
}

/// Forgets what was not seen since `before` (microseconds).
///
/// # Errors
/// When the statement fails.
pub async fn sweep(database: &Database, before: i64) -> Result<(), Fault> {
    db::remove_where(database, ("known_devices", "user_id, digest"), "last_seen <= $1", &[before]).await
}
