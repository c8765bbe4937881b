//! What an operator may order: show the receipt keys, have another one sign, or no longer believe one.

use shared::auth::Seal;
use shared::clock::{Clock, from_micros, rfc3339};
use time::OffsetDateTime;

use super::key::{self, KeyError, Made};
use super::keyring::{KeyringError, prepare};
use super::ring::{Irrevocable, Ring};
use super::store;
use crate::config::Config;
use crate::db::{Database, DatabaseError};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// How long a key that is believed goes on signing after the order that another takes over at once. What it has signed by the
/// commit of that order, by whichever clock, was signed before its end: the order takes its time, and clocks differ.
const LASTS: i64 = 10 * SECOND;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOrder {
    /// Nothing: show them.
    Show,
    /// Have a successor sign, once everybody may be taken to know it. `force`: in a few seconds.
    Rotate {
        /// Whether to wait for nobody.
        force: bool,
    },
    /// Believe nothing that this key has signed since then, or from now on.
    Revoke {
        /// Its name.
        kid: String,
        /// Since when.
        since: Option<OffsetDateTime>,
    },
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says what failed")]
pub enum OrderError {
    #[error(transparent)]
    Connect(#[from] DatabaseError),
    #[error("database: {0}")]
    Database(#[from] sea_orm::DbErr),
    #[error(transparent)]
    Keys(#[from] KeyringError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("a successor is there already: {0} signs from {1} on (--force does not wait)")]
    Waiting(String, String),
    #[error("there is no receipt key `{0}`; `accounts-service receipt-keys` shows those there are")]
    Unknown(String),
    #[error("the receipt key `{0}` is not believed since then, or since before, already")]
    Already(String),
    #[error("{0} is yet to come: a key is revoked from an instant on that has been")]
    Future(String),
    #[error("the keys cannot be shown: {0}")]
    Shown(#[from] serde_json::Error),
}

/// Does it; the published key set afterwards, as JSON. Running services follow within `receipts.reload`.
///
/// # Errors
/// Why it was not done; then nothing has changed.
pub async fn obey(config: &Config, clock: &Clock, order: KeyOrder) -> Result<String, OrderError> {
    let db = Database::connect(config.database.url.expose(), 1).await?;
    let done = carry_out(config, &db, clock, order).await;
    db.pool.close().await?;
    done
}

async fn carry_out(config: &Config, db: &Database, clock: &Clock, order: KeyOrder) -> Result<String, OrderError> {
    if order != KeyOrder::Show {
        let seal = prepare(&config.receipts, db, clock).await?;
        let wait = i64::try_from(config.receipts.publish_before.get().as_micros()).unwrap_or(i64::MAX);
        let transaction = store::begin(db).await?;
        // Whoever waited for another order would else go by an instant that has long been; and by the database's clock, so that
        // it makes no difference which machine the order is given on.
        let now = if clock.is_manual() { clock.now_micros() } else { store::now(&transaction, &db.backend).await? };
        let before = store::load(&transaction).await?;
        let mut after = before.clone();
        change(&mut after, &seal, &order, (now, wait))?;
        store::save(&transaction, &before, &after).await?;
        transaction.commit().await?;
    }
    let published = store::load(&db.pool).await?.published(clock.now_micros());
    Ok(serde_json::to_string_pretty(&published)? + "\n")
}

fn change(ring: &mut Ring, seal: &Seal, order: &KeyOrder, (now, wait): (i64, i64)) -> Result<(), OrderError> {
    match order {
        KeyOrder::Show => {}
        KeyOrder::Rotate { force: true } => replace(ring, seal, (now, whole(now.saturating_add(LASTS))))?,
        KeyOrder::Rotate { force: false } => match ring.next(now) {
            Some(next) => return Err(OrderError::Waiting(next.kid.clone(), instant(next.signs_from))),
            // By then everybody may be taken to know it.
            None => ring.succeed(Made::new(seal)?, now, whole(now.saturating_add(wait))),
        },
        KeyOrder::Revoke { kid, since } => {
            let since = since.map_or(now, shared::clock::to_micros);
            if since > now {
                return Err(OrderError::Future(instant(since)));
            }
            ring.revoke(kid, since, now).map_err(|why| match why {
                Irrevocable::Unknown => OrderError::Unknown(kid.clone()),
                Irrevocable::Already => OrderError::Already(kid.clone()),
            })?;
            // Whatever it did by this clock: somebody has to sign.
            if ring.signer(now).is_none() {
                // Nothing that the revoked one has signed in the second of the order is believed anyway.
                replace(ring, seal, (now, now))?;
            }
        }
    }
    Ok(())
}

/// Has the next key sign from then on, if it can be opened, and else a new one.
fn replace(ring: &mut Ring, seal: &Seal, (now, from): (i64, i64)) -> Result<(), KeyError> {
    let opens = ring.next(now).is_some_and(|held| {
        held.sealed.as_ref().is_some_and(|sealed| key::open(seal, &held.kid, &held.public, sealed).is_ok())
    });
    let spare = if opens { None } else { Some(Made::new(seal)?) };
    ring.take_over(spare, now, from);
    Ok(())
}

/// The first whole second that is not before `at`.
const fn whole(at: i64) -> i64 {
    at.saturating_add(SECOND - 1).div_euclid(SECOND) * SECOND
}

fn instant(micros: i64) -> String {
    rfc3339(from_micros(micros))
}
