//! Metrics that are read from the gateway's state at each scrape instead of being counted along.

use std::fmt;
use std::sync::Weak;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use crate::admin::metrics::upstreams::Upstreams;
use crate::admin::metrics::{encode_one, issuers, limits};
use crate::app::Gateway;

/// The gateway's state, as long as it is there.
pub struct Gauges(pub Weak<Gateway>);

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(gateway) = self.0.upgrade() else { return Ok(()) };
        let (tables, reloads) = (gateway.tables.load(), gateway.reloads.state());
        let (gauge, counter) = (MetricType::Gauge, MetricType::Counter);
        let operations = gateway.documents.operations().count();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        for (name, help, kind, value) in [
            (
                "validated_operations",
                "Operations of the document that requests are held against",
                gauge,
                count(operations),
            ),
            ("in_flight", "Requests that are being served", gauge, count(gateway.in_flight.count())),
            ("config_generation", "Which configuration is in force, counted from the start", gauge, reloads.generation),
            ("config_refused", "Configurations that were refused since the start", counter, reloads.refused),
            (
                "revocations",
                "Sessions and users whose tokens are held against a revocation",
                gauge,
                count(gateway.revoked.len()),
            ),
        ] {
            encode_one(value, kind, encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        issuers::encode(&tables.issuers, &mut encoder)?;
        Upstreams { all: &tables.upstreams, now: Instant::now() }.encode(&mut encoder)?;
        limits::encode(&gateway.limiter, &mut encoder)
    }
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges(…)")
    }
}
