//! How upstreams, their breakers and their endpoints are doing, read at each scrape.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::upstream::Upstream;
use crate::upstream::endpoint::View;

/// The states a breaker can be in; the one it is in has the value 1.
const STATES: [&str; 3] = ["closed", "open", "half_open"];

/// What of a set of upstreams is written, at one time.
pub struct Upstreams<'a> {
    /// All of them.
    pub all: &'a [Arc<Upstream>],
    /// The time.
    pub now: Instant,
}

/// A number of an upstream, or several with what tells them apart.
type Numbers<'a> = Box<dyn Iterator<Item = (&'static str, u64)> + 'a>;

impl Upstreams<'_> {
    /// Writes everything.
    ///
    /// # Errors
    /// When the encoder cannot be written to.
    pub fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        self.gauges(encoder)?;
        self.counters(encoder)?;
        self.endpoints(encoder)
    }

    fn gauges(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1 for the state each breaker is in";
        let mut family = encoder.encode_descriptor("breaker_state", help, None, MetricType::Gauge)?;
        for upstream in self.all {
            let current = upstream.breaker.snapshot(self.now).state;
            for state in STATES {
                let labels = [("upstream", upstream.name.as_str()), ("state", state)];
                ConstGauge::new(i64::from(state == current)).encode(family.encode_family(&labels)?)?;
            }
        }
        let forced = |upstream: &Upstream| i64::from(upstream.breaker.snapshot(self.now).forced.is_some());
        type Read<'r> = &'r dyn Fn(&Upstream) -> i64;
        for (name, help, read) in [
            ("breaker_forced", "1 while an operator holds a breaker open or closed", &forced as Read<'_>),
            ("concurrency_limit", "Calls that may be out at once", &|upstream| {
                i64::from(upstream.concurrency.view().limit)
            }),
            ("concurrency_pending", "Calls that are out, until their answer's head", &|upstream| {
                i64::from(upstream.concurrency.view().pending)
            }),
            ("retries_left", "Calls that the retry budget allows to be made again", &|upstream| upstream.budget.left()),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for upstream in self.all {
                let labels = [("upstream", upstream.name.as_str())];
                ConstGauge::new(read(upstream)).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn counters(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "How often each breaker has opened";
        let mut family = encoder.encode_descriptor("breaker_trips", help, None, MetricType::Counter)?;
        for upstream in self.all {
            let labels = [("upstream", upstream.name.as_str())];
            let trips = upstream.breaker.snapshot(self.now).trips;
            ConstCounter::new(trips).encode(family.encode_family(&labels)?)?;
        }
        type Read = for<'u> fn(&'u Upstream) -> Numbers<'u>;
        let families: [(&str, &str, &str, Read); 3] = [
            (
                "upstream_requests",
                "Requests that an upstream was asked, by the class of its answer; none: no answer came; gone: its client did not wait",
                "outcome",
                |upstream| Box::new(upstream.counts.requests()),
            ),
            (
                "breaker_refusals",
                "Calls that an open breaker refused, by whether an operator holds it open",
                "forced",
                |upstream| Box::new(upstream.counts.refusals().into_iter()),
            ),
            ("shed", "Calls refused because too many were out, by their priority", "priority", |upstream| {
                Box::new(["high", "normal", "low"].into_iter().zip(upstream.concurrency.view().shed))
            }),
        ];
        for (name, help, label, read) in families {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for upstream in self.all {
                for (which, count) in read(upstream) {
                    let labels = [("upstream", upstream.name.as_str()), (label, which)];
                    ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }

    fn endpoints(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Read = fn(&View) -> u64;
        let families: [(&str, &str, MetricType, Read); 4] = [
            ("endpoint_available", "1 while an endpoint is healthy and not ejected", MetricType::Gauge, |view| {
                u64::from(view.healthy && view.ejected_ms.is_none())
            }),
            (
                "endpoint_pending",
                "Calls of an endpoint that are out, until the end of their answer",
                MetricType::Gauge,
                |view| u64::from(view.pending),
            ),
            ("endpoint_latency_micros", "The decaying peak of an endpoint's latency", MetricType::Gauge, |view| {
                view.latency_micros
            }),
            (
                "endpoint_ejections",
                "How often an endpoint was left out for its failures",
                MetricType::Counter,
                |view| view.ejections,
            ),
        ];
        for (name, help, kind, read) in families {
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for upstream in self.all {
                for endpoint in upstream.balancer.endpoints().iter() {
                    let view = endpoint.view(self.now, upstream.balancer.settings().decay);
                    let labels = [("upstream", upstream.name.as_str()), ("endpoint", view.address.as_str())];
                    super::encode_one(read(&view), kind, family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}
