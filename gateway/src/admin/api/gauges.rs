//! Metrics that are read from the gateway's state at each scrape instead of being counted along.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::admin::metrics::limits;
use crate::app::Gateway;
use crate::policy::authenticate::{Health, Issuers};
use crate::upstream::Upstream;
use crate::upstream::endpoint::View;

/// The states a breaker can be in; the one it is in has the value 1.
const STATES: [&str; 3] = ["closed", "open", "half_open"];

/// The gateway's state, as long as it is there.
pub struct Gauges(pub Weak<Gateway>);

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(gateway) = self.0.upgrade() else { return Ok(()) };
        let in_flight = i64::try_from(gateway.in_flight.count()).unwrap_or(i64::MAX);
        let revoked = i64::try_from(gateway.revoked.len()).unwrap_or(i64::MAX);
        let counts = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let reloads = gateway.reloads.state();
        let (generation, refused) = (counts(reloads.generation), counts(reloads.refused));
        let tunnels = i64::try_from(gateway.tunnels.count()).unwrap_or(i64::MAX);
        let operations = i64::try_from(gateway.documents.operations().count()).unwrap_or(i64::MAX);
        for (name, help, value) in [
            ("websockets_open", "WebSockets that are open", tunnels),
            ("validated_operations", "Operations of the document that requests are held against", operations),
            ("in_flight", "Requests that are being served", in_flight),
            ("config_generation", "Which configuration is in force, counted from the start", generation),
            ("config_refused", "Configurations that were refused since the start", refused),
            ("revocations", "Sessions and users whose tokens are held against a revocation", revoked),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        issuers(&gateway.tables.load().issuers, &mut encoder)?;
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
        let upstreams = &gateway.tables.load().upstreams;
        for (name, help, value) in [
            (
                "breaker_trips",
                "How often each breaker has opened",
                &(|upstream: &Upstream| counts(upstream.breaker.snapshot(now).trips)) as &dyn Fn(&Upstream) -> i64,
            ),
            ("concurrency_limit", "Calls that may be out at once", &|upstream| {
                i64::from(upstream.concurrency.view().limit)
            }),
            ("concurrency_pending", "Calls that are out, until their answer's head", &|upstream| {
                i64::from(upstream.concurrency.view().pending)
            }),
            ("shed", "Calls refused because too many were out", &|upstream| {
                counts(upstream.concurrency.view().shed.iter().sum())
            }),
            ("retries_left", "Calls that the retry budget allows to be made again", &|upstream| upstream.budget.left()),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for upstream in upstreams {
                let labels = [("upstream", upstream.name.as_str())];
                ConstGauge::new(value(upstream)).encode(family.encode_family(&labels)?)?;
            }
        }
        endpoints(&mut encoder, upstreams, now)?;
        limits::encode(&gateway.limiter, &mut encoder)
    }
}

fn endpoints(encoder: &mut DescriptorEncoder<'_>, upstreams: &[Arc<Upstream>], now: Instant) -> Result<(), fmt::Error> {
    for (name, help, value) in [
        (
            "endpoint_available",
            "1 while an endpoint is healthy and not ejected",
            &(|view: &View| i64::from(view.healthy && view.ejected_ms.is_none())) as &dyn Fn(&View) -> i64,
        ),
        ("endpoint_pending", "Calls of an endpoint that are out, until the end of their answer", &|view| {
            i64::from(view.pending)
        }),
        ("endpoint_latency_micros", "The decaying peak of an endpoint's latency", &|view| {
            i64::try_from(view.latency_micros).unwrap_or(i64::MAX)
        }),
    ] {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for upstream in upstreams {
            for endpoint in upstream.balancer.endpoints().iter() {
                let view = endpoint.view(now, upstream.balancer.settings().decay);
                let labels = [("upstream", upstream.name.as_str()), ("endpoint", view.address.as_str())];
                ConstGauge::new(value(&view)).encode(family.encode_family(&labels)?)?;
            }
        }
    }
    Ok(())
}

/// How the fetching of each issuer's keys goes.
fn issuers(issuers: &Issuers, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    type Reading = fn(&Health) -> Option<u64>;
    let families: [(&str, &str, Reading); 4] = [
        ("signing_keys", "Keys that an issuer's tokens are checked with", |health| u64::try_from(health.keys).ok()),
        ("signing_keys_age_seconds", "How long ago an issuer's keys were fetched", |health| {
            health.age.map(|age| age.as_secs())
        }),
        ("signing_keys_fetches", "How often an issuer's keys were asked for", |health| Some(health.attempts)),
        ("signing_keys_failures", "How often an issuer's keys were asked for in vain", |health| Some(health.failures)),
    ];
    for (name, help, read) in families {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (issuer, keys) in issuers.key_sets() {
            if let Some(value) = read(&keys.health()) {
                let labels = [("issuer", issuer)];
                ConstGauge::new(count(value)).encode(family.encode_family(&labels)?)?;
            }
        }
    }
    Ok(())
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges(…)")
    }
}
