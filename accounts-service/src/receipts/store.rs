//! The rows of receipt keys, and where a transfer stands in the chain.

use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, FromQueryResult, Statement};

use super::key::ALGORITHM;
use super::ring::{Held, Ring};
use crate::db::entity::{receipt_key, receipt_seal};
use crate::db::{Backend, Database, Month};

/// "tollgrk" in hexadecimal: one process at a time changes the keys. SQLite has one writer.
const LOCK: i64 = 0x0074_6f6c_6c67_726b;

/// Bytes of the secret that seals where the settings name none.
const SECRET: usize = 32;

/// The one row of secrets.
const OWN: i16 = 1;

/// The batch that a position lies in, of one month, and the key that signs at an instant: in one statement, so that nothing
/// is signed with a key after it was revoked. What it says of keys is what [`Ring::signer`] says.
const PLACE: &str = "SELECT b.batch_no, b.first_position, b.last_position, b.hash, b.format, $2 AS position, \
                     (SELECT k.kid FROM receipt_keys k WHERE k.private_key IS NOT NULL AND k.signs_from <= $3 \
                     AND (k.retired_at IS NULL OR k.retired_at > $3) \
                     ORDER BY k.signs_from DESC, k.created_at DESC, k.kid LIMIT 1) AS signer \
                     FROM ledger_batches b WHERE b.first_position >= $1 AND b.first_position <= $2 \
                     ORDER BY b.first_position DESC LIMIT 1";

/// Where a transfer stands in the chain, and who signs now.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Place {
    /// The transfer's.
    pub position: i64,
    /// Its batch.
    pub batch_no: i64,
    /// The batch's first place.
    pub first_position: i64,
    /// Its last.
    pub last_position: i64,
    /// The chain's hash with it.
    pub hash: Vec<u8>,
    /// How that was computed.
    pub format: i16,
    /// The name of the key that signs, if there is one.
    pub signer: Option<String>,
}

/// The place of a transfer at this position, and who signs at `now`; none: no batch has it.
pub async fn place(db: &Database, position: i64, now: i64) -> Result<Option<Place>, DbErr> {
    let values = [Month::of(position).base().into(), position.into(), now.into()];
    let statement = Statement::from_sql_and_values(db.pool.get_database_backend(), PLACE, values);
    let place = Place::find_by_statement(statement).one(&db.pool).await?;
    Ok(place.filter(|place| position <= place.last_position))
}

/// Every key.
pub async fn load<C: ConnectionTrait>(db: &C) -> Result<Ring, DbErr> {
    let rows = receipt_key::Entity::find().all(db).await?;
    let held = |row: receipt_key::Model| Held {
        kid: row.kid,
        public: row.public_key,
        sealed: row.private_key,
        created_at: row.created_at,
        signs_from: row.signs_from,
        retired_at: row.retired_at,
        revoked_at: row.revoked_at,
    };
    Ok(Ring::of(rows.into_iter().map(held).collect()))
}

/// Now by the database's clock, which is one for all processes.
pub async fn now<C: ConnectionTrait>(db: &C, backend: &Backend) -> Result<i64, DbErr> {
    let sql = match backend {
        Backend::Postgres(_) => "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now",
        Backend::Sqlite(_) => "SELECT CAST(unixepoch('now', 'subsec') * 1000000 AS integer) AS now",
    };
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("now".to_owned()))?.try_get("", "now")
}

/// Begins to change the keys: nobody else does meanwhile.
pub async fn begin(db: &Database) -> Result<DatabaseTransaction, DbErr> {
    let transaction = db.write().await?;
    if matches!(db.backend, Backend::Postgres(_)) {
        transaction.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
    }
    Ok(transaction)
}

/// Writes what makes `before` into `after`. No key ever goes.
pub async fn save(transaction: &DatabaseTransaction, before: &Ring, after: &Ring) -> Result<(), DbErr> {
    for held in after.keys() {
        let known = before.keys().iter().find(|known| known.kid == held.kid);
        let row = receipt_key::ActiveModel {
            kid: Set(held.kid.clone()),
            algorithm: Set(ALGORITHM.to_owned()),
            public_key: Set(held.public.clone()),
            private_key: Set(held.sealed.clone()),
            created_at: Set(held.created_at),
            signs_from: Set(held.signs_from),
            retired_at: Set(held.retired_at),
            revoked_at: Set(held.revoked_at),
        };
        match known {
            None => drop(receipt_key::Entity::insert(row).exec_without_returning(transaction).await?),
            Some(known) if known != held => drop(receipt_key::Entity::update(row).exec(transaction).await?),
            Some(_) => {}
        }
    }
    Ok(())
}

/// The secret that lies in the database, if one does.
pub async fn own_secret<C: ConnectionTrait>(db: &C) -> Result<Option<Vec<u8>>, DbErr> {
    Ok(receipt_seal::Entity::find_by_id(OWN).one(db).await?.map(|row| row.secret))
}

/// Makes it. Whoever changes the keys does.
pub async fn make_own_secret(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    let mut secret = vec![0; SECRET];
    let failed = |_| DbErr::Custom("there is no randomness".to_owned());
    aws_lc_rs::rand::fill(&mut secret).map_err(failed)?;
    let row = receipt_seal::ActiveModel { id: Set(OWN), secret: Set(secret) };
    receipt_seal::Entity::insert(row).exec_without_returning(transaction).await.map(drop)
}
