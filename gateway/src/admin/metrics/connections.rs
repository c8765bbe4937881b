//! What is counted of connections: who was refused, who was too slow, and what became of handshakes.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WaitedForLabel {
    waited_for: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// What a client was too slow with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// Sending a request's head.
    Head,
    /// Sending a request's body.
    Body,
    /// Taking an answer.
    Answer,
}

/// What became of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// There is a session.
    Done,
    /// Client and gateway do not fit together, or the client's certificate does not hold.
    Failed,
    /// It took too long.
    TimedOut,
    /// The client spoke plain HTTP.
    PlainHttp,
}

/// The counters of everything below requests. Cheap to clone; clones count together.
#[derive(Clone, Debug, Default)]
pub struct ConnectionMetrics {
    refused: Family<ReasonLabel, Counter>,
    slow: Family<WaitedForLabel, Counter>,
    handshakes: Family<ResultLabel, Counter>,
    reloads: Family<ResultLabel, Counter>,
}

impl ConnectionMetrics {
    /// Makes them part of what is scraped.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("connections_refused", "Connections closed at once, by reason", self.refused.clone());
        registry.register("slow_clients", "Clients that were left for being too slow", self.slow.clone());
        registry.register("tls_handshakes", "TLS handshakes by result", self.handshakes.clone());
        registry.register("tls_reloads", "Changes of certificate files by result", self.reloads.clone());
    }

    /// A connection that was not wanted: there are too many in `all`, or from its `address`.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// A client that was left.
    pub fn slow(&self, waited_for: Slow) {
        let waited_for = match waited_for {
            Slow::Head => "head",
            Slow::Body => "body",
            Slow::Answer => "answer",
        };
        self.slow.get_or_create(&WaitedForLabel { waited_for }).inc();
    }

    /// The end of a handshake.
    pub fn handshake(&self, result: Handshake) {
        let result = match result {
            Handshake::Done => "done",
            Handshake::Failed => "failed",
            Handshake::TimedOut => "timed_out",
            Handshake::PlainHttp => "plain_http",
        };
        self.handshakes.get_or_create(&ResultLabel { result }).inc();
    }

    /// Certificate files have changed: whether they are presented now.
    pub fn reloaded(&self, taken: bool) {
        let result = if taken { "taken" } else { "refused" };
        self.reloads.get_or_create(&ResultLabel { result }).inc();
    }
}
