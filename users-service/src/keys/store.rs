//! What every instance shares: rings of keys, and secrets in the database.

use aws_lc_rs::hmac;
use sea_orm::ActiveValue::Set;
use sea_orm::EntityTrait;
use shared::auth::{Seal, SealError};
use shared::clock::Clock;

use super::keyring::Keyring;
use super::purpose::Purpose;
use super::signing::KeyError;
use crate::config::Config;
use crate::db::entity::secret;
use crate::db::{Counter, Database, Fault, Write};

/// The secret under which refresh tokens are made.
const REFRESH: &str = "refresh-token-mac";
/// The secret under which the audit names whom somebody tried to sign in as.
const AUDIT: &str = "audit-identifier-mac";
/// The secret under which networks that users have signed in from are remembered.
const DEVICES: &str = "known-device-mac";
/// The secret under which challenges for passkeys are made.
#[cfg(feature = "passkeys")]
const CHALLENGES: &str = "passkey-challenge-mac";
/// The secret under which what has to be read again is sealed, where the settings have none.
const SEAL: &str = "seal";
const SECRET_BYTES: usize = 32;

/// What every instance shares.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Sign and verify access tokens.
    pub signing: Keyring,
    /// Sign ID tokens.
    pub id: Keyring,
    /// Makes and checks refresh tokens.
    pub refresh: hmac::Key,
    /// Names identifiers in the audit.
    pub audit: hmac::Key,
    /// Names networks that users have signed in from.
    pub devices: hmac::Key,
    /// Makes and checks challenges for passkeys.
    #[cfg(feature = "passkeys")]
    pub challenges: hmac::Key,
    /// Seals what has to be read again.
    pub seal: Seal,
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
    /// The same, of the seal.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Loads the keys, making those that are missing. The row lock lets one process make them and the other find them.
///
/// # Errors
/// When the database or the crypto library fails.
pub async fn load_or_create(config: &Config, database: &Database, clock: &Clock) -> Result<Keys, KeysError> {
    let write = database.write().await?;
    write.next(Counter::Setup).await?;
    let refresh = secret(&write, REFRESH, clock).await?;
    let audit = secret(&write, AUDIT, clock).await?;
    let devices = secret(&write, DEVICES, clock).await?;
    #[cfg(feature = "passkeys")]
    let challenges = secret(&write, CHALLENGES, clock).await?;
    let own = secret(&write, SEAL, clock).await?;
    write.commit().await?;
    let signing = Keyring::open(config, database, clock, Purpose::Access).await?;
    let id = Keyring::open(config, database, clock, Purpose::Id).await?;
    let mac = |secret: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, secret);
    // What was sealed before there was a setting still opens.
    let set = [&config.keys.seal_secret, &config.keys.previous_seal_secret].map(|secret| secret.expose().as_bytes());
    let secrets = set.into_iter().chain([own.as_slice()]).filter(|secret| !secret.is_empty());
    let seal = Seal::of(&secrets.collect::<Vec<_>>())?;
    Ok(Keys {
        signing,
        id,
        refresh: mac(&refresh),
        audit: mac(&audit),
        devices: mac(&devices),
        #[cfg(feature = "passkeys")]
        challenges: mac(&challenges),
        seal,
    })
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
