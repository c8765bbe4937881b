//! What is read from the listeners' state at each scrape: how many connections are open, and when certificates end.

use std::fmt;
use std::sync::Weak;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::app::Gateway;

/// The gateway's listeners, as long as they are there.
pub struct Listeners(pub Weak<Gateway>);

impl Collector for Listeners {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(gateway) = self.0.upgrade() else { return Ok(()) };
        let open = i64::try_from(gateway.connections.count()).unwrap_or(i64::MAX);
        let help = "Client connections that are open";
        ConstGauge::new(open).encode(encoder.encode_descriptor("connections", help, None, MetricType::Gauge)?)?;
        let presented = gateway.tls.presented();
        if presented.is_empty() {
            return Ok(());
        }
        let (name, help) = ("tls_certificate_not_after_seconds", "When each certificate ends, in seconds since 1970");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for certificate in presented {
            let name = certificate.leaf.dns.first().map_or("", String::as_str);
            let labels = [("file", certificate.file.as_str()), ("name", name)];
            ConstGauge::new(certificate.leaf.not_after).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listeners(…)")
    }
}
