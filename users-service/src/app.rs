//! The one state struct that handlers share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use shared::clock::Clock;
use shared::store::Stores;
use time::OffsetDateTime;

use crate::api_keys::Usage;
use crate::audit::Journal;
use crate::avatar::Avatars;
use crate::config::Config;
use crate::db::Database;
use crate::keys::Keys;
use crate::mail::Mailer;
use crate::metrics::Metrics;
use crate::passwords::Hasher;
use crate::revocations::Relay;
use crate::sessions::Rotator;
use crate::throttle::{Devices, Proofs, Throttle, Windows};
use crate::tokens::Issuer;
use crate::users::UserCache;

/// How long a gateway may believe what it was told of an API key; its `authentication.introspection.remember` is no longer.
const LONGEST_BELIEF: Duration = Duration::from_secs(300);

/// What every handler sees.
#[derive(Debug)]
pub struct App {
    /// Settings.
    pub config: Config,
    /// Time.
    pub clock: Clock,
    /// Users, sessions, keys.
    pub database: Database,
    /// Users as they are shown, as they were a moment ago.
    pub cache: UserCache,
    /// What instances share besides.
    pub stores: Stores,
    /// Keys and secrets.
    pub keys: Keys,
    /// Access tokens.
    pub issuer: Issuer,
    /// Password hashing.
    pub hasher: Hasher,
    /// Carries sessions on.
    pub rotator: Rotator,
    /// Counts attempts to sign in.
    pub windows: Windows,
    /// Counts proofs within sessions.
    pub proofs: Proofs,
    /// Knows where users have signed in from.
    pub devices: Devices,
    /// Counts other attempts, each on its own.
    pub throttle: Throttle,
    /// Counts codes of second factors.
    pub otp_limit: Throttle,
    /// Counts the mails that strangers have sent to one address.
    pub mail_limit: Throttle,
    /// Counts the mails that one network has sent to anybody.
    pub mailing_limit: Throttle,
    /// Images on their way in.
    pub avatars: Avatars,
    /// Sends mail.
    pub mailer: Mailer,
    /// When API keys were used.
    pub usage: Usage,
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
    /// When the last access token issued until now will have expired everywhere, and no gateway believes any more what it
    /// was told of an API key: how long a revocation matters.
    #[must_use]
    pub fn tokens_die_at(&self) -> OffsetDateTime {
        let tokens = &self.config.tokens;
        let life = tokens.access_lifetime.get().max(LONGEST_BELIEF);
        self.clock.now() + life + tokens.leeway.get()
    }
}
