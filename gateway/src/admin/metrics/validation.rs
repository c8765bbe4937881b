//! What became of requests that were held against the document.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// An outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The document allows it.
    Valid,
    /// The document does not say, or the body is too large, or the service is to say it.
    Unjudged,
    /// Refused.
    Refused,
    /// It would have been refused.
    Reported,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabels {
    route: String,
    outcome: &'static str,
}

/// The counters.
#[derive(Debug)]
pub struct Validations {
    outcomes: [Counter; 4],
    faults: Family<FaultLabels, Counter>,
}

impl Validations {
    /// Registered, at zero.
    pub fn new(registry: &mut Registry) -> Self {
        let by_outcome = Family::<OutcomeLabel, Counter>::default();
        let outcomes = [Judged::Valid, Judged::Unjudged, Judged::Refused, Judged::Reported]
            .map(|judged| by_outcome.get_or_create_owned(&OutcomeLabel { outcome: judged.word() }));
        let faults = Family::<FaultLabels, Counter>::default();
        registry.register("validations", "Requests held against the document, by outcome", by_outcome);
        registry.register("validation_faults", "Requests that the document does not allow, by route", faults.clone());
        Self { outcomes, faults }
    }

    /// Counts a request of a route.
    pub fn count(&self, route: &str, judged: Judged) {
        self.outcomes[judged as usize].inc();
        match judged {
            Judged::Valid | Judged::Unjudged => {}
            Judged::Refused | Judged::Reported => {
                let labels = FaultLabels { route: route.to_owned(), outcome: judged.word() };
                self.faults.get_or_create(&labels).inc();
            }
        }
    }
}

impl Judged {
    const fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Unjudged => "unjudged",
            Self::Refused => "refused",
            Self::Reported => "reported",
        }
    }
}
