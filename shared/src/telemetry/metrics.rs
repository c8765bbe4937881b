//! Metrics in the Prometheus text format.

use prometheus_client::registry::Registry;

/// The media type of a scrape (OpenMetrics 1.0).
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The whole registry as a scrape's body.
#[must_use]
pub fn encode(registry: &Registry) -> String {
    let mut text = String::new();
    if let Err(error) = prometheus_client::encoding::text::encode(&mut text, registry) {
        tracing::error!(%error, "metrics could not be encoded");
    }
    text
}
