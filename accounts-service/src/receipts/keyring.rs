//! The receipt keys as this process knows them: read again and again, asked by whoever signs, and shown to whoever checks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use prometheus_client::registry::Registry;
use sea_orm::DbErr;
use sha2::{Digest, Sha256};
use shared::auth::{Seal, SealError};
use shared::clock::Clock;
use shared::problem::{Code, Problem};
use tokio::time::MissedTickBehavior;

use super::claims::{Claims, TYPE};
use super::key::{self, KeyError, Made};
use super::metrics::Metrics;
use super::published::KeySet;
use super::ring::Ring;
use super::store;
use crate::config::ReceiptsConfig;
use crate::db::{self, Database};
use crate::transfers::model::Transfer;
use crate::transfers::position_of;

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// Bytes of the digest of the issuer in tags: enough to tell two apart.
const TAG: usize = 8;

/// Makes receipts. Clones share their keys.
#[derive(Clone)]
pub struct Receipts(Arc<Inner>);

struct Inner {
    db: Database,
    clock: Clock,
    seal: Seal,
    issuer: String,
    /// Stands for the issuer in tags.
    issuer_tag: String,
    max_age: Duration,
    reload: Duration,
    seen: ArcSwap<Seen>,
    /// One read at a time: an older one would undo a newer.
    reading: tokio::sync::Mutex<()>,
    metrics: Metrics,
}

/// The keys as last read.
#[derive(Default)]
struct Seen {
    ring: Ring,
    open: BTreeMap<String, Arc<EncodingKey>>,
    /// What cannot be opened, so that it is said once.
    shut: BTreeSet<String>,
}

/// What was signed.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The compact JWS.
    pub jws: String,
    /// The key's name.
    pub kid: String,
}

/// Why there are no receipt keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// A key can be neither made nor opened.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The crypto library failed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl Receipts {
    /// Reads the keys, making the first one where there is none.
    ///
    /// # Errors
    /// When the database fails, or a key that signs, or is going to, cannot be opened.
    pub async fn open(
        config: &ReceiptsConfig,
        db: Database,
        clock: Clock,
        registry: &mut Registry,
    ) -> Result<Self, KeyringError> {
        let seal = prepare(config, &db, &clock).await?;
        let this = Self(Arc::new(Inner {
            db,
            clock,
            seal,
            issuer: config.issuer.clone(),
            issuer_tag: hex::encode(&Sha256::digest(&config.issuer)[..TAG]),
            max_age: config.max_age.get(),
            reload: config.reload.get(),
            seen: ArcSwap::default(),
            reading: tokio::sync::Mutex::default(),
            metrics: Metrics::register(registry),
        }));
        this.read(|_| false).await?;
        let (seen, now) = (this.0.seen.load(), this.0.clock.now_micros());
        let used = [seen.ring.signer(now), seen.ring.next(now)].into_iter().flatten();
        match used.map(|held| &held.kid).find(|kid| seen.shut.contains(*kid)) {
            Some(kid) => Err(KeyError::Sealed(kid.clone()).into()),
            None => Ok(this),
        }
    }

    /// Keeps them up to date until dropped.
    pub async fn run(self) {
        let mut ticks = tokio::time::interval(self.0.reload);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            if let Err(error) = self.keep().await {
                tracing::warn!(%error, "the receipt keys could not be looked after; it will be tried again");
            }
        }
    }

    /// What the world may see.
    #[must_use]
    pub fn published(&self) -> KeySet {
        self.0.seen.load().ring.published(self.0.clock.now_micros())
    }

    /// For how long the world may keep that.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        self.0.max_age
    }

    /// The name of the key that would sign now. To be asked before what a receipt is wanted of is done: whoever would get none
    /// is refused while nothing has happened yet.
    ///
    /// # Errors
    /// 503 when there is none that can.
    pub async fn ready(&self) -> Result<String, Problem> {
        if let Some(kid) = self.signer() {
            return Ok(kid);
        }
        self.read(|_| false).await.map_err(db::problem)?;
        self.signer().ok_or_else(|| {
            self.0.metrics.count(false);
            unavailable("no receipt key signs now, or it cannot be opened")
        })
    }

    /// What sets receipts by this key, and of our issuer, apart from others in tags.
    #[must_use]
    pub fn tag(&self, kid: &str) -> String {
        format!("{kid}-{}", self.0.issuer_tag)
    }

    /// Whether that key signs by what the database has now. To be asked before a receipt that a client has is said to be as good
    /// as a new one: this process may not know yet that the key was revoked.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn still_signs(&self, kid: &str) -> Result<bool, Problem> {
        let ring = store::load(&self.0.db.pool).await.map_err(db::problem)?;
        Ok(ring.signer(self.0.clock.now_micros()).is_some_and(|held| held.kid == kid))
    }

    /// A receipt of a recorded transfer, at its place if that is known.
    ///
    /// # Errors
    /// 503 when the database cannot be reached or no key signs: the transfer stands, and the receipt can be had later.
    pub async fn of(&self, transfer: &Transfer, position: Option<i64>) -> Result<Receipt, Problem> {
        let receipt = self.sign(transfer, position).await;
        self.0.metrics.count(receipt.is_ok());
        receipt
    }

    async fn sign(&self, transfer: &Transfer, position: Option<i64>) -> Result<Receipt, Problem> {
        let db = &self.0.db;
        let position = match position {
            Some(position) => Some(position),
            None => position_of(db, transfer.decided.record.id).await.map_err(db::problem)?,
        };
        let position = position.ok_or_else(|| Problem::internal("a transfer that has no place"))?;
        let now = self.0.clock.now_micros();
        let place = store::place(db, position, now).await.map_err(db::problem)?;
        let place = place.ok_or_else(|| Problem::internal(format!("no batch has the place {position}")))?;
        let kid = place.signer.clone().ok_or_else(|| unavailable("no receipt key signs now"))?;
        let key = self.key(&kid).await?;
        let claims = Claims::of(transfer, &place, &self.0.issuer, now.div_euclid(SECOND));
        let header = Header { typ: Some(TYPE.to_owned()), kid: Some(kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let jws = jsonwebtoken::encode(&header, &claims, &key).map_err(Problem::internal)?;
        Ok(Receipt { jws, kid })
    }

    /// The key of this name; looked for in the database if it is not known here yet.
    async fn key(&self, kid: &str) -> Result<Arc<EncodingKey>, Problem> {
        let known = |seen: &Seen| seen.open.get(kid).cloned();
        if let Some(key) = known(&self.0.seen.load()) {
            return Ok(key);
        }
        self.read(|seen| seen.open.contains_key(kid)).await.map_err(db::problem)?;
        known(&self.0.seen.load()).ok_or_else(|| unavailable("the receipt key that signs cannot be opened"))
    }

    fn signer(&self) -> Option<String> {
        let seen = self.0.seen.load();
        let held = seen.ring.signer(self.0.clock.now_micros())?;
        seen.open.contains_key(&held.kid).then(|| held.kid.clone())
    }

    async fn keep(&self) -> Result<(), DbErr> {
        self.read(|_| false).await?;
        let (db, is_over) = (&self.0.db, |now| self.0.seen.load().ring.clone().erase(now));
        let now = self.0.clock.now_micros();
        if !is_over(now) {
            return Ok(());
        }
        // Nothing brings it back: a clock that is ahead would take from all others what they sign with.
        let now = now.min(store::now(&db.pool, &db.backend).await?);
        if !is_over(now) {
            return Ok(());
        }
        let transaction = store::begin(db).await?;
        let before = store::load(&transaction).await?;
        let mut after = before.clone();
        after.erase(now);
        store::save(&transaction, &before, &after).await?;
        transaction.commit().await?;
        self.read(|_| false).await
    }

    /// Reads the keys, unless somebody has done so meanwhile and it is `enough`.
    async fn read(&self, enough: impl Fn(&Seen) -> bool) -> Result<(), DbErr> {
        let _turn = self.0.reading.lock().await;
        let before = self.0.seen.load();
        if enough(&before) {
            return Ok(());
        }
        let ring = store::load(&self.0.db.pool).await?;
        let mut seen = Seen::default();
        for held in ring.keys() {
            let Some(sealed) = &held.sealed else { continue };
            let opened = match before.open.get(&held.kid) {
                Some(key) => Ok(Arc::clone(key)),
                None => key::open(&self.0.seal, &held.kid, &held.public, sealed).map(Arc::new),
            };
            match opened {
                Ok(key) => drop(seen.open.insert(held.kid.clone(), key)),
                Err(error) => {
                    if !before.shut.contains(&held.kid) {
                        tracing::error!(%error, "receipts cannot be signed with a key");
                    }
                    seen.shut.insert(held.kid.clone());
                }
            }
        }
        self.0.seen.store(Arc::new(Seen { ring, ..seen }));
        Ok(())
    }
}

/// What seals, and with it the first key, where there is none. Of any number of processes one makes it and the others find it.
///
/// # Errors
/// When the database or the crypto library fails.
pub async fn prepare(config: &ReceiptsConfig, db: &Database, clock: &Clock) -> Result<Seal, KeyringError> {
    let now = clock.now_micros();
    let lacks = |ring: &Ring| ring.signer(now).is_none() && ring.next(now).is_none();
    if let Some(own) = store::own_secret(&db.pool).await?
        && !lacks(&store::load(&db.pool).await?)
    {
        return seal(config, &own);
    }
    let transaction = store::begin(db).await?;
    if store::own_secret(&transaction).await?.is_none() {
        store::make_own_secret(&transaction).await?;
    }
    let seal = seal(config, &store::own_secret(&transaction).await?.unwrap_or_default())?;
    let before = store::load(&transaction).await?;
    if lacks(&before) {
        let mut after = before.clone();
        after.succeed(Made::new(&seal)?, now, now);
        store::save(&transaction, &before, &after).await?;
    }
    transaction.commit().await?;
    Ok(seal)
}

/// Of the secrets in the settings, and of the one in the database: what it sealed before there was a setting still opens.
fn seal(config: &ReceiptsConfig, own: &[u8]) -> Result<Seal, KeyringError> {
    let set = [&config.seal_secret, &config.previous_seal_secret].map(|secret| secret.expose().as_bytes());
    let secrets = set.into_iter().chain([own]).filter(|secret| !secret.is_empty());
    Ok(Seal::of(&secrets.collect::<Vec<_>>())?)
}

fn unavailable(why: &str) -> Problem {
    Problem::unavailable(Code::ReceiptsUnavailable, why)
}
