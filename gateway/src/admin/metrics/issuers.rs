//! How the fetching of each issuer's keys goes, read at each scrape.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use crate::policy::authenticate::{Health, Issuers};

/// Writes it.
///
/// # Errors
/// When the encoder cannot be written to.
pub fn encode(issuers: &Issuers, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    type Read = fn(&Health) -> Option<u64>;
    let (gauge, counter) = (MetricType::Gauge, MetricType::Counter);
    let families: [(&str, &str, MetricType, Read); 4] = [
        ("signing_keys", "Keys that an issuer's tokens are checked with", gauge, |health| {
            u64::try_from(health.keys).ok()
        }),
        ("signing_keys_age_seconds", "How long ago an issuer's keys were fetched", gauge, |health| {
            health.age.map(|age| age.as_secs())
        }),
        ("signing_keys_fetches", "How often an issuer's keys were asked for", counter, |health| Some(health.attempts)),
        ("signing_keys_failures", "How often an issuer's keys were asked for in vain", counter, |health| {
            Some(health.failures)
        }),
    ];
    for (name, help, kind, read) in families {
        let mut family = encoder.encode_descriptor(name, help, None, kind)?;
        for (issuer, keys) in issuers.key_sets() {
            if let Some(value) = read(&keys.health()) {
                super::encode_one(value, kind, family.encode_family(&[("issuer", issuer)])?)?;
            }
        }
    }
    Ok(())
}
