//! What a scrape shows of this service.

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use shared::telemetry::metrics::encode;

use crate::audit::Tally;
use crate::keys::KeyMetrics;
use crate::sessions::RefreshMetrics;
use crate::users::Looked;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Found {
    result: &'static str,
}

/// The counters, and the registry they are in.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    sign_ins: Family<Outcome, Counter>,
    registrations: Counter,
    mails: Family<Outcome, Counter>,
    avatars: Family<Outcome, Counter>,
    api_keys_asked: Family<Outcome, Counter>,
    cache: Family<Found, Counter>,
    hashes_waiting: Gauge,
    audit_queue: Gauge,
    audit_stuck: Gauge,
    /// Of the signing keys.
    pub keys: KeyMetrics,
    /// Of refreshes.
    pub refreshes: RefreshMetrics,
}

impl Metrics {
    /// With the tally of security events among them.
    #[must_use]
    pub fn new(audit: &Tally) -> Self {
        let mut registry = Registry::with_prefix("tollgate_users");
        let (sign_ins, registrations, hashes_waiting) = (Family::default(), Counter::default(), Gauge::default());
        registry.register("sign_ins", "Password grants, by outcome", Family::clone(&sign_ins));
        let mails = Family::<Outcome, Counter>::default();
        registry.register("mails", "Attempts to send a mail, by what came of them", Family::clone(&mails));
        // Shown as 0 from the start, so that whoever watches sees the first one.
        for outcome in ["sent", "failed", "dead"] {
            drop(mails.get_or_create(&Outcome { outcome }));
        }
        let avatars = Family::default();
        registry.register("avatars", "Images made small, by what came of them", Family::clone(&avatars));
        let api_keys_asked = Family::default();
        let asked = "Questions of gateways about API keys, by what they were told";
        registry.register("api_keys_asked", asked, Family::clone(&api_keys_asked));
        registry.register("registrations", "Registrations answered", registrations.clone());
        registry.register(
            "hashes_waiting",
            "Requests waiting for their turn to hash a password",
            hashes_waiting.clone(),
        );
        let cache = Family::default();
        registry.register("cache", "Reads of one user, by what the cache had", Family::clone(&cache));
        let (keys, refreshes) = (KeyMetrics::register(&mut registry), RefreshMetrics::default());
        refreshes.register(&mut registry);
        let audit_queue = Gauge::default();
        registry.register(
            "audit_queue",
            "Security events waiting to be written, and places kept for them",
            audit_queue.clone(),
        );
        let audit_stuck = Gauge::default();
        registry.register(
            "audit_stuck",
            "1 while security events cannot be written, and what they would tell of is refused",
            audit_stuck.clone(),
        );
        audit.register(&mut registry);
        let registry = Mutex::new(registry);
        Self {
            registry,
            sign_ins,
            registrations,
            mails,
            avatars,
            cache,
            api_keys_asked,
            hashes_waiting,
            audit_queue,
            audit_stuck,
            keys,
            refreshes,
        }
    }

    /// With what somebody else counts among them.
    #[must_use]
    pub fn with(self, register: impl FnOnce(&mut Registry)) -> Self {
        register(&mut self.registry.lock());
        self
    }

    /// Counts a sign-in.
    pub fn sign_in(&self, succeeded: bool) {
        let outcome = if succeeded { "succeeded" } else { "refused" };
        self.sign_ins.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a registration.
    pub fn registered(&self) {
        self.registrations.inc();
    }

    /// Counts what came of an attempt to send a mail: `sent`, `failed` (it is tried again), `dead`,
    /// `dropped` (it was for nobody), `withheld` (there were too many), or `panicked` (a mistake of ours).
    pub fn mail(&self, outcome: &'static str) {
        self.mails.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts what came of an image: `ready`, `replaced` (another one came, or it was deleted), `broken_off` (it is tried
    /// again) or `failed`.
    pub fn avatar(&self, outcome: &'static str) {
        self.avatars.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts what a gateway was told of an API key: `active`, `unknown` (or revoked, or expired), `malformed`, or `shut_out`
    /// (its user).
    pub fn api_key_asked(&self, outcome: &'static str) {
        self.api_keys_asked.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a read of one user.
    pub fn cache(&self, looked: Looked) {
        self.cache.get_or_create(&Found { result: looked.as_str() }).inc();
    }

    /// The scrape's body.
    #[must_use]
    pub fn scrape(&self, hashes_waiting: usize, (audit_queue, audit_stuck): (usize, bool)) -> String {
        self.hashes_waiting.set(i64::try_from(hashes_waiting).unwrap_or(i64::MAX));
        self.audit_queue.set(i64::try_from(audit_queue).unwrap_or(i64::MAX));
        self.audit_stuck.set(i64::from(audit_stuck));
        encode(&self.registry.lock())
    }
}
