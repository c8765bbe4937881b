//! How the rate limiter's counters are doing, read at each scrape.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::policy::rate_limit::RateLimiter;

/// Writes them.
///
/// # Errors
/// When the encoder cannot be written to.
pub fn encode(limiter: &RateLimiter, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let stats = limiter.stats();
    let keys = i64::try_from(stats.keys).unwrap_or(i64::MAX);
    for (name, help, value) in [
        ("rate_limit_keys", "Keys whose counters this process holds or mirrors", keys),
        (
            "rate_limit_alone",
            "1 while the shared counters do not answer and this instance decides alone",
            stats.down.into(),
        ),
    ] {
        ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
    }
    for (name, help, value) in [
        ("rate_limit_questions", "Questions put to the shared counters", stats.questions),
        ("rate_limit_round_trips", "Calls that carried questions to the shared counters", stats.calls),
        ("rate_limit_lost_calls", "Calls to the shared counters that were given up", stats.lost),
    ] {
        ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
    }
    Ok(())
}
