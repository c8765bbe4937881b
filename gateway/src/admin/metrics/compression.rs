//! How often answers are compressed, and what it brings.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::config::Coding;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodingLabel {
    coding: &'static str,
}

/// The counters of every coding.
#[derive(Clone, Debug)]
pub struct Counters {
    zstd: Counter,
    brotli: Counter,
    gzip: Counter,
}

/// The counters of one coding.
#[derive(Clone, Debug)]
pub struct Counter {
    answers: counter::Counter,
    taken: counter::Counter,
    given: counter::Counter,
}

impl Counters {
    /// Counters that a scrape shows.
    pub fn register(registry: &mut Registry) -> Self {
        let [answers, taken, given] = [(); 3].map(|()| Family::<CodingLabel, counter::Counter>::default());
        let of = |coding: Coding| {
            let label = CodingLabel { coding: coding.name() };
            Counter {
                answers: answers.get_or_create_owned(&label),
                taken: taken.get_or_create_owned(&label),
                given: given.get_or_create_owned(&label),
            }
        };
        let counters = Self { zstd: of(Coding::Zstd), brotli: of(Coding::Brotli), gzip: of(Coding::Gzip) };
        registry.register("compressed_answers", "Answers compressed for clients, by coding", answers);
        registry.register("compression_input_bytes", "Bytes of answers before their compression", taken);
        registry.register("compression_output_bytes", "Bytes of answers after their compression", given);
        counters
    }

    /// Those of one coding.
    #[must_use]
    pub const fn of(&self, coding: Coding) -> &Counter {
        match coding {
            Coding::Zstd => &self.zstd,
            Coding::Brotli => &self.brotli,
            Coding::Gzip => &self.gzip,
        }
    }
}

impl Counter {
    /// An answer compressed in one go.
    pub fn count(&self, taken: usize, given: usize) {
        self.begin();
        self.taken(taken);
        self.given(given);
    }

    /// An answer is going to be compressed.
    pub fn begin(&self) {
        self.answers.inc();
    }

    /// So many bytes of it went in.
    pub fn taken(&self, bytes: usize) {
        self.taken.inc_by(bytes as u64);
    }

    /// So many came out.
    pub fn given(&self, bytes: usize) {
        self.given.inc_by(bytes as u64);
    }
}
