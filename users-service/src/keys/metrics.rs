//! What a scrape shows of the signing keys.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::keyring::Keyring;
use super::ring::State;

const MICROS_PER_SECOND: i64 = 1_000_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    state: &'static str,
}

/// The keys' metrics.
#[derive(Debug, Default)]
pub struct KeyMetrics {
    keys: Family<OfState, Gauge>,
    age: Gauge,
    rotations: Counter,
}

impl KeyMetrics {
    /// Registered there.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("signing_keys", "Signing keys, by state", Family::clone(&metrics.keys));
        registry.register_with_unit(
            "signing_key_age",
            "How long the active signing key has been signing; -1: there is none",
            Unit::Seconds,
            metrics.age.clone(),
        );
        registry.register(
            "signing_key_rotations",
            "Times that another key began to sign, by schedule or command",
            metrics.rotations.clone(),
        );
        metrics
    }

    /// Brought up to date.
    pub fn show(&self, keyring: &Keyring, now: i64) {
        for state in State::ALL {
            let count = i64::try_from(keyring.count(state)).unwrap_or(i64::MAX);
            self.keys.get_or_create(&OfState { state: state.as_str() }).set(count);
        }
        let health = keyring.health();
        let age = |since: i64| now.saturating_sub(since).max(0) / MICROS_PER_SECOND;
        self.age.set(health.active_since.map_or(-1, age));
        self.rotations.inc_by(health.rotations.saturating_sub(self.rotations.get()));
    }
}
