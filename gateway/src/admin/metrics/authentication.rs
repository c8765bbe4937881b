//! What is counted of authentication: how credentials fared, and how those do who vouch for them.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::Metrics;
use crate::policy::authenticate::Carrier;

/// Upper bounds of the time that asking about a credential takes, in seconds.
const BUCKETS: [f64; 8] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0];

/// What a held credential is counted as.
const OK: &str = "ok";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AskedLabels {
    issuer: String,
    outcome: &'static str,
}

/// The counters. Those of success are looked up once: they are touched by every request.
pub struct Authentications {
    results: Family<ResultLabels, Counter>,
    tokens: Counter,
    keys: Counter,
    cookies: Counter,
    asked: Family<AskedLabels, Histogram, fn() -> Histogram>,
}

impl Authentications {
    /// Registered under their names.
    pub fn register(registry: &mut Registry) -> Self {
        let results = Family::<ResultLabels, Counter>::default();
        let ok = |kind| results.get_or_create_owned(&ResultLabels { kind, result: OK });
        let asked = Family::<_, _, fn() -> Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        let counters = Self { tokens: ok("token"), keys: ok("api_key"), cookies: ok("cookie"), results, asked };
        let help = "Credentials by kind, and whether they held or why not";
        registry.register("authentications", help, counters.results.clone());
        let help = "Time to an issuer's answer about a credential, by outcome";
        registry.register("introspection_duration_seconds", help, counters.asked.clone());
        counters
    }
}

impl Metrics {
    /// A credential that holds.
    pub fn authenticated(&self, carrier: Carrier, is_key: bool) {
        let counters = &self.authentications;
        let counter = match (carrier, is_key) {
            (Carrier::Cookie, _) => &counters.cookies,
            (Carrier::Bearer | Carrier::KeyHeader, true) => &counters.keys,
            (Carrier::Bearer | Carrier::KeyHeader, false) => &counters.tokens,
        };
        counter.inc();
    }

    /// A request whose credential is missing, does not hold, or could not be checked.
    pub fn unauthenticated(&self, kind: &'static str, result: &'static str) {
        self.authentications.results.get_or_create(&ResultLabels { kind, result }).inc();
    }

    /// One question to an issuer about a credential.
    pub fn introspected(&self, issuer: &str, outcome: &'static str, took: Duration) {
        let labels = AskedLabels { issuer: issuer.to_owned(), outcome };
        self.authentications.asked.get_or_create(&labels).observe(took.as_secs_f64());
    }
}
