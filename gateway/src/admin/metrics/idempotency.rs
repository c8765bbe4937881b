//! What came of requests with a key that the gateway keeps.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// One thing that can happen to such a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Carried out, and its answer kept.
    Kept,
    /// Carried out, and its answer too large to be kept.
    TooLarge,
    /// Not carried out: the key is free again.
    Freed,
    /// Nobody knows whether it was carried out.
    Unknown,
    /// The first answer again.
    Replayed,
    /// Refused: the key belongs to another request.
    Reused,
    /// Refused: the first is running.
    InProgress,
    /// Refused: nobody knows what came of the first, or its answer was not kept.
    NoAnswer,
    /// Refused: keys cannot be kept at the moment.
    Unavailable,
    /// Passed on although keys cannot be kept at the moment.
    Unprotected,
    /// Carried out or freed, and not written down: too many outcomes wait for the store.
    Unwritten,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// The counters; clones count together.
#[derive(Clone, Debug, Default)]
pub struct KeyEvents(Family<ResultLabel, Counter>);

impl KeyEvents {
    /// Counts one.
    pub fn count(&self, event: Event) {
        let result = match event {
            Event::Kept => "kept",
            Event::TooLarge => "too_large",
            Event::Freed => "freed",
            Event::Unknown => "unknown",
            Event::Replayed => "replayed",
            Event::Reused => "reused",
            Event::InProgress => "in_progress",
            Event::NoAnswer => "no_answer",
            Event::Unavailable => "unavailable",
            Event::Unprotected => "unprotected",
            Event::Unwritten => "unwritten",
        };
        self.0.get_or_create(&ResultLabel { result }).inc();
    }

    pub(super) fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        registry.register("idempotency", "Requests with a key kept at the edge, by what came of them", self.0.clone());
    }
}
