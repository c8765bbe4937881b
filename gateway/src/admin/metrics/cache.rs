//! What the response cache answers, keeps and forgets.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// How a request on a cached route came by its answer, each with its counter.
#[derive(Clone, Debug)]
pub struct Counters {
    /// From the cache, fresh.
    pub hit: Counter,
    /// From the cache, stale, while a newer one was fetched.
    pub stale: Counter,
    /// From the cache, stale, because no newer one could be had.
    pub stale_on_error: Counter,
    /// From the cache, after the upstream said that nothing had changed.
    pub revalidated: Counter,
    /// From another request's call.
    pub coalesced: Counter,
    /// From the upstream.
    pub miss: Counter,
    /// From the upstream, because the request is none for a cache.
    pub bypass: Counter,
    /// Nothing: the client wanted only what was kept.
    pub absent: Counter,
    /// Bytes of bodies that were kept.
    pub stored_bytes: Counter,
    /// Answers that were kept.
    pub stored: Counter,
    /// Answers that were not kept because too many were on their way.
    pub crowded: Counter,
    /// Tags that were purged.
    pub purged: Counter,
    /// Calls of the store that failed or took too long.
    pub store_failures: Counter,
}

impl Counters {
    /// Counters that a scrape shows.
    pub fn register(registry: &mut Registry) -> Self {
        let results = Family::<ResultLabel, Counter>::default();
        let of = |result| results.get_or_create_owned(&ResultLabel { result });
        let counters = Self {
            hit: of("hit"),
            stale: of("stale"),
            stale_on_error: of("stale_on_error"),
            revalidated: of("revalidated"),
            coalesced: of("coalesced"),
            miss: of("miss"),
            bypass: of("bypass"),
            absent: of("absent"),
            stored_bytes: Counter::default(),
            stored: Counter::default(),
            crowded: Counter::default(),
            purged: Counter::default(),
            store_failures: Counter::default(),
        };
        registry.register("response_cache", "Requests on cached routes, by where their answer came from", results);
        let mut add = |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
        add("response_cache_stored", "Answers that were kept", &counters.stored);
        add("response_cache_stored_bytes", "Bytes of bodies that were kept", &counters.stored_bytes);
        add("response_cache_crowded", "Answers not kept because too many were on their way", &counters.crowded);
        add("response_cache_purged_tags", "Tags whose answers were purged", &counters.purged);
        add("response_cache_store_failures", "Calls of the cache's store that failed", &counters.store_failures);
        counters
    }
}
