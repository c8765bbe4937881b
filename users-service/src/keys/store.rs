//! Keys in the database: made at the first start, by one process even when two start together.

use aws_lc_rs::hmac;
use sea_orm::ActiveValue::Set;
use sea_orm::{EntityTrait, QueryOrder};
use shared::clock::Clock;

use super::signing::{ALGORITHM, KeyError, KeySet, SigningKey};
use crate::db::entity::{secret, signing_key};
use crate::db::{Counter, Database, Fault, Write};

/// The secret under which refresh tokens are made.
const REFRESH: &str = "refresh-token-mac";
/// The secret under which the audit names whom somebody tried to sign in as.
const AUDIT: &str = "audit-identifier-mac";
const SECRET_BYTES: usize = 32;

/// What every instance loads at its start.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The newest first: that one signs.
    signing: Vec<SigningKey>,
    /// Makes and checks refresh tokens.
    pub refresh: hmac::Key,
    /// Names identifiers in the audit.
    pub audit: hmac::Key,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Fault),
    /// The crypto library failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Keys {
    /// The key that signs, if there is any.
    #[must_use]
    pub fn current(&self) -> Option<&SigningKey> {
        self.signing.first()
    }

    /// The key with this name.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&SigningKey> {
        self.signing.iter().find(|key| key.kid == kid)
    }

    /// What the world may see.
    #[must_use]
    pub fn public(&self) -> KeySet {
        KeySet { keys: self.signing.iter().map(SigningKey::jwk).collect() }
    }
}

/// Loads the keys, making those that are missing. The row lock lets one process make them and the other find them.
///
/// # Errors
/// When the database or the crypto library fails.
pub async fn load_or_create(database: &Database, clock: &Clock) -> Result<Keys, KeysError> {
    let write = database.write().await?;
    write.next(Counter::Setup).await?;
    let signing = signing_keys(&write, clock).await?;
    let refresh = secret(&write, REFRESH, clock).await?;
    let audit = secret(&write, AUDIT, clock).await?;
    write.commit().await?;
    let mac = |secret: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, secret);
    Ok(Keys { signing, refresh: mac(&refresh), audit: mac(&audit) })
}

async fn signing_keys(write: &Write, clock: &Clock) -> Result<Vec<SigningKey>, KeysError> {
    let rows = signing_key::Entity::find().order_by_desc(signing_key::Column::CreatedAt);
    let rows = rows.all(write.transaction()).await.map_err(Fault::from)?;
    if !rows.is_empty() {
        let key =
            |row: signing_key::Model| SigningKey { kid: row.kid, private: row.private_key, public: row.public_key };
        return Ok(rows.into_iter().map(key).collect());
    }
    let key = SigningKey::generate()?;
    let row = signing_key::ActiveModel {
        kid: Set(key.kid.clone()),
        algorithm: Set(ALGORITHM.to_owned()),
        private_key: Set(key.private.clone()),
        public_key: Set(key.public.clone()),
        created_at: Set(clock.now_micros()),
    };
    signing_key::Entity::insert(row).exec_without_returning(write.transaction()).await.map_err(Fault::from)?;
    Ok(vec![key])
}

async fn secret(write: &Write, name: &str, clock: &Clock) -> Result<Vec<u8>, KeysError> {
    let found = secret::Entity::find_by_id(name).one(write.transaction()).await.map_err(Fault::from)?;
    if let Some(row) = found {
        return Ok(row.value);
    }
    let mut value = vec![0; SECRET_BYTES];
    aws_lc_rs::rand::fill(&mut value).map_err(|_| KeyError)?;
    let row = secret::ActiveModel {
        name: Set(name.to_owned()),
        value: Set(value.clone()),
        created_at: Set(clock.now_micros()),
    };
    secret::Entity::insert(row).exec_without_returning(write.transaction()).await.map_err(Fault::from)?;
    Ok(value)
}
