//! Requests that the gateway has refused or answered in an upstream's stead.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use shared::problem::Code;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FallbackLabels {
    route: String,
    code: &'static str,
}

/// The counters.
#[derive(Clone, Debug)]
pub struct Refusals {
    in_flight: Counter,
    certificate: Counter,
    csrf: Counter,
    fallbacks: Family<FallbackLabels, Counter>,
}

impl Refusals {
    /// Counters that a scrape shows.
    pub fn register(registry: &mut Registry) -> Self {
        let reasons = Family::<ReasonLabel, Counter>::default();
        let of = |reason| reasons.get_or_create_owned(&ReasonLabel { reason });
        let counters = Self {
            in_flight: of("in_flight"),
            certificate: of("certificate"),
            csrf: of("csrf"),
            fallbacks: Family::default(),
        };
        registry.register("refused", "Requests refused before any upstream was asked, by reason", reasons);
        let help = "Answers from the configuration in an upstream's stead, by route and the problem they stand for";
        registry.register("fallbacks", help, counters.fallbacks.clone());
        counters
    }

    /// Too many requests of its importance are inside.
    pub fn in_flight(&self) {
        self.in_flight.inc();
    }

    /// Its client's certificate is missing, has expired, or is somebody else's.
    pub fn certificate(&self) {
        self.certificate.inc();
    }

    /// A foreign page may have made a browser send it.
    pub fn csrf(&self) {
        self.csrf.inc();
    }

    /// A fallback was given.
    pub fn fallback(&self, route: &str, code: Code) {
        self.fallbacks.get_or_create(&FallbackLabels { route: route.to_owned(), code: code.as_str() }).inc();
    }
}
