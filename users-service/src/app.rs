//! The one state struct that handlers share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use shared::clock::Clock;
use shared::store::Stores;
use time::OffsetDateTime;

use crate::audit::Journal;
use crate::avatar::Avatars;
use crate::config::Config;
use crate::db::Database;
use crate::keys::Keys;
use crate::mail::Mailer;
use crate::metrics::Metrics;
use crate::passwords::Hasher;
use crate::revocations::Relay;
use crate::throttle::Throttle;
use crate::tokens::Issuer;

/// What every handler sees.
#[derive(Debug)]
pub struct App {
    /// Settings.
    pub config: Config,
    /// Time.
    pub clock: Clock,
    /// Users, sessions, keys.
    pub database: Database,
    /// What instances share besides.
    pub stores: Stores,
    /// Keys and secrets.
    pub keys: Keys,
    /// Access tokens.
    pub issuer: Issuer,
    /// Password hashing.
    pub hasher: Hasher,
    /// Counts attempts to sign in.
    pub throttle: Throttle,
    /// Counts the mails that strangers have sent to one address.
    pub mail_limit: Throttle,
    /// Counts the mails that one network has sent to anybody.
    pub mailing_limit: Throttle,
    /// Images on their way in.
    pub avatars: Avatars,
    /// Sends mail.
    pub mailer: Mailer,
    /// Tells gateways what ended.
    pub relay: Relay,
    /// The way to the audit for what changes nothing else.
    pub journal: Journal,
    /// What a scrape shows.
    pub metrics: Metrics,
    /// Set when the service is about to stop: readiness fails from then on.
    pub stopping: Arc<AtomicBool>,
}

impl App {
    /// When the last access token issued until now will have expired everywhere: how long a revocation matters.
    #[must_use]
    pub fn tokens_die_at(&self) -> OffsetDateTime {
        let tokens = &self.config.tokens;
        self.clock.now() + tokens.access_lifetime.get() + tokens.leeway.get()
    }
}
