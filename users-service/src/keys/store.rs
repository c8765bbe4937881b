//! The ring and the shared secrets in the database.

use std::cmp::Reverse;
use std::sync::Arc;

use aws_lc_rs::hmac;
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, EntityTrait};
use shared::clock::Clock;

use super::algorithm::Algorithm;
use super::keyring::Keyring;
use super::ring::{Held, Ring, State};
use super::signing::{KeyError, SigningKey};
use crate::config::Config;
use crate::db::entity::{secret, signing_key};
use crate::db::{Counter, Database, Fault, Write};

/// The secret under which refresh tokens are made.
const REFRESH: &str = "refresh-token-mac";
/// The secret under which the audit names whom somebody tried to sign in as.
const AUDIT: &str = "audit-identifier-mac";
/// The secret under which networks that users have signed in from are remembered.
const DEVICES: &str = "known-device-mac";
const SECRET_BYTES: usize = 32;

/// What every instance shares.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Sign and verify access tokens.
    pub signing: Keyring,
    /// Makes and checks refresh tokens.
    pub refresh: hmac::Key,
    /// Names identifiers in the audit.
    pub audit: hmac::Key,
    /// Names networks that users have signed in from.
    pub devices: hmac::Key,
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
    write.commit().await?;
    let signing = Keyring::open(config, database, clock).await?;
    let mac = |secret: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, secret);
    Ok(Keys { signing, refresh: mac(&refresh), audit: mac(&audit), devices: mac(&devices) })
}

/// Every key that this release understands.
pub(super) async fn load<C: ConnectionTrait>(db: &C) -> Result<Ring, Fault> {
    let rows = signing_key::Entity::find().all(db).await?;
    Ok(Ring::of(rows.into_iter().filter_map(held).collect()))
}

fn held(row: signing_key::Model) -> Option<Held> {
    let (Some(algorithm), Some(state)) = (Algorithm::named(&row.algorithm), State::named(&row.state)) else {
        tracing::debug!(row.kid, row.algorithm, row.state, "a signing key of a later release");
        return None;
    };
    let key = SigningKey { kid: row.kid, algorithm, private: row.private_key, public: row.public_key };
    Some(Held {
        key: Arc::new(key),
        state,
        created_at: row.created_at,
        published_at: row.published_at,
        activated_at: row.activated_at,
        gone_at: row.gone_at,
    })
}

/// Writes what makes `before` into `after`. Who leaves a state goes first: in two of them there is room for one.
pub(super) async fn save(write: &Write, before: &Ring, after: &Ring) -> Result<(), Fault> {
    let find = |ring: &Ring, kid: &str| ring.keys().iter().find(|held| held.key.kid == kid).cloned();
    for held in before.keys().iter().filter(|held| find(after, &held.key.kid).is_none()) {
        signing_key::Entity::delete_by_id(held.key.kid.clone()).exec(write.transaction()).await?;
    }
    let mut changed: Vec<_> =
        after.keys().iter().filter(|held| find(before, &held.key.kid).as_ref() != Some(*held)).collect();
    changed.sort_by_key(|held| Reverse(held.state));
    for held in changed {
        let row = row(held);
        if find(before, &held.key.kid).is_some() {
            signing_key::Entity::update(row).exec(write.transaction()).await?;
        } else {
            signing_key::Entity::insert(row).exec_without_returning(write.transaction()).await?;
        }
    }
    Ok(())
}

fn row(held: &Held) -> signing_key::ActiveModel {
    let Held { key, state, created_at, published_at, activated_at, gone_at } = held;
    signing_key::ActiveModel {
        kid: Set(key.kid.clone()),
        algorithm: Set(key.algorithm.as_str().to_owned()),
        private_key: Set(key.private.clone()),
        public_key: Set(key.public.clone()),
        created_at: Set(*created_at),
        state: Set(state.as_str().to_owned()),
        published_at: Set(*published_at),
        activated_at: Set(*activated_at),
        gone_at: Set(*gone_at),
    }
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
