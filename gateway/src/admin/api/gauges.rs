//! Metrics that are read from the gateway's state at each scrape instead of being counted along.

use std::fmt;
use std::sync::Weak;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::app::Gateway;

/// The states a breaker can be in; the one it is in has the value 1.
const STATES: [&str; 3] = ["closed", "open", "half_open"];

/// The gateway's state, as long as it is there.
pub struct Gauges(pub Weak<Gateway>);

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(gateway) = self.0.upgrade() else { return Ok(()) };
        let in_flight = i64::try_from(gateway.in_flight.count()).unwrap_or(i64::MAX);
        let keys = gateway.keys.current().map_or(0, |keys| i64::try_from(keys.len()).unwrap_or(i64::MAX));
        let revoked = i64::try_from(gateway.revoked.len()).unwrap_or(i64::MAX);
        for (name, help, value) in [
            ("in_flight", "Requests that are being served", in_flight),
            ("signing_keys", "Keys that tokens are checked with", keys),
            ("revocations", "Sessions and users whose tokens are held against a revocation", revoked),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        let now = Instant::now();
        let mut family = encoder.encode_descriptor(
            "breaker_state",
            "1 for the state each breaker is in",
            None,
            MetricType::Gauge,
        )?;
        for upstream in &gateway.tables.load().upstreams {
            let current = upstream.breaker.snapshot(now).state;
            for state in STATES {
                let labels = [("upstream", upstream.name.as_str()), ("state", state)];
                ConstGauge::new(i64::from(state == current)).encode(family.encode_family(&labels)?)?;
            }
        }
        let mut trips =
            encoder.encode_descriptor("breaker_trips", "How often each breaker has opened", None, MetricType::Gauge)?;
        for upstream in &gateway.tables.load().upstreams {
            let count = i64::try_from(upstream.breaker.snapshot(now).trips).unwrap_or(i64::MAX);
            ConstGauge::new(count).encode(trips.encode_family(&[("upstream", upstream.name.as_str())])?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges(…)")
    }
}
