//! Which keys are most active, and which are limited most: a sketch of bounded size over the last minute or two.
//!
//! Space-saving (Metwally, Agrawal, El Abbadi, 2005): of `PLACES` counters the smallest is given to whoever has none, and
//! its count becomes the newcomer's possible error. Whoever makes up more than a hundredth of what was counted is in it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

use super::Policy;

/// Keys that a sketch counts.
const PLACES: usize = 100;
/// One in so many requests is looked at for activity; refusals all are.
const SAMPLE: u64 = 16;
/// How long a sketch counts before it becomes the one before.
const TURN: Duration = Duration::from_secs(60);
/// Keys that a view lists.
const LISTED: usize = 20;

#[derive(Debug)]
pub(super) struct TopKeys {
    requests: AtomicU64,
    active: Mutex<Minutes>,
    limited: Mutex<Minutes>,
}

/// The busiest keys, as operators see them.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct TopView {
    /// Over how many seconds.
    pub seconds: u64,
    /// By requests, of which one in sixteen is looked at.
    pub active: Vec<KeyView>,
    /// By refusals.
    pub limited: Vec<KeyView>,
}

/// One key.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct KeyView {
    /// The policy's name, and the route's where each has its own.
    pub policy: String,
    /// What the key is: `address`, `user`, `api_key`, `role`, `header`, `all`.
    pub by: String,
    /// Who: an address, an id, a role, a header's hash.
    pub key: String,
    /// How often it was seen, at most.
    pub count: u64,
    /// By how much that may be too high.
    pub error: u64,
}

impl TopKeys {
    pub fn new(now: Instant) -> Self {
        let minutes = || Mutex::new(Minutes::new(now));
        Self { requests: AtomicU64::new(0), active: minutes(), limited: minutes() }
    }

    /// Whether this request is one of those that are looked at.
    pub fn samples(&self) -> bool {
        self.requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(SAMPLE)
    }

    /// Counts a key. While another thread does the same, this one is not worth waiting for.
    pub fn note(&self, policy: &Policy, counter: &str, limited: bool, sampled: bool) {
        let (now, label) = (Instant::now(), Label::of(policy, counter));
        if sampled && let Some(mut active) = self.active.try_lock() {
            active.count(&label, SAMPLE, now);
        }
        if limited && let Some(mut sketch) = self.limited.try_lock() {
            sketch.count(&label, 1, now);
        }
    }

    pub fn view(&self, now: Instant) -> TopView {
        let (seconds, active) = self.active.lock().view(now);
        let (_, limited) = self.limited.lock().view(now);
        TopView { seconds, active, limited }
    }
}

/// A key, in the words of a view.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Label {
    policy: String,
    by: String,
    key: String,
}

impl Label {
    fn of(policy: &Policy, counter: &str) -> Self {
        let rest = counter.strip_prefix(&policy.counter).and_then(|rest| rest.strip_prefix(':'));
        let (by, key) = rest.and_then(|rest| rest.split_once(':')).unwrap_or(("all", ""));
        Self { policy: policy.counter.clone(), by: by.to_owned(), key: key.to_owned() }
    }
}

/// The sketch that counts now, and the one before.
#[derive(Debug)]
struct Minutes {
    since: Instant,
    now: Sketch,
    /// With how long it counted.
    before: Option<(Duration, Sketch)>,
}

impl Minutes {
    fn new(since: Instant) -> Self {
        Self { since, now: Sketch::default(), before: None }
    }

    fn turn(&mut self, now: Instant) {
        let counted = now.saturating_duration_since(self.since);
        if counted >= TURN {
            let ended = std::mem::take(&mut self.now);
            // After a longer silence the one before says nothing about lately.
            self.before = (counted < 2 * TURN).then_some((counted, ended));
            self.since = now;
        }
    }

    fn count(&mut self, label: &Label, times: u64, now: Instant) {
        self.turn(now);
        self.now.count(label, times);
    }

    fn view(&mut self, now: Instant) -> (u64, Vec<KeyView>) {
        self.turn(now);
        let mut sums: HashMap<&Label, Count> = HashMap::new();
        let before = self.before.as_ref();
        for (label, count) in self.now.0.iter().chain(before.into_iter().flat_map(|(_, sketch)| &sketch.0)) {
            let sum = sums.entry(label).or_default();
            sum.seen += count.seen;
            sum.error += count.error;
        }
        let mut keys: Vec<KeyView> = sums.into_iter().map(|(label, count)| label.view(count)).collect();
        keys.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
        keys.truncate(LISTED);
        let over = now.saturating_duration_since(self.since) + before.map_or(Duration::ZERO, |(counted, _)| *counted);
        (over.as_secs(), keys)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    seen: u64,
    error: u64,
}

#[derive(Debug, Default)]
struct Sketch(HashMap<Label, Count>);

impl Sketch {
    fn count(&mut self, label: &Label, times: u64) {
        if let Some(known) = self.0.get_mut(label) {
            known.seen += times;
            return;
        }
        let mut count = Count { seen: times, error: 0 };
        if self.0.len() >= PLACES {
            let least = self.0.iter().min_by_key(|(_, count)| count.seen);
            if let Some((least, Count { seen, .. })) = least.map(|(label, count)| (label.clone(), *count)) {
                self.0.remove(&least);
                count = Count { seen: seen + times, error: seen };
            }
        }
        self.0.insert(label.clone(), count);
    }
}

impl Label {
    fn view(&self, count: Count) -> KeyView {
        let Self { policy, by, key } = self.clone();
        KeyView { policy, by, key, count: count.seen, error: count.error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(key: &str) -> Label {
        Label { policy: "address".to_owned(), by: "address".to_owned(), key: key.to_owned() }
    }

    #[test]
    fn who_is_frequent_is_found_among_a_crowd() {
        let start = Instant::now();
        let mut minutes = Minutes::new(start);
        for n in 0..20_000_u32 {
            minutes.count(&label(&n.to_string()), 1, start);
            if n % 20 == 0 {
                minutes.count(&label("often"), 1, start);
            }
        }
        let (_, keys) = minutes.view(start);
        assert_eq!(minutes.now.0.len(), PLACES);
        let often = keys.iter().find(|key| key.key == "often").unwrap();
        assert!(often.count >= 1_000 && often.count - often.error <= 1_000, "{often:?}");
    }

    #[test]
    fn what_was_a_while_ago_is_forgotten() {
        let start = Instant::now();
        let mut minutes = Minutes::new(start);
        let count = |minutes: &mut Minutes, at| {
            let (over, keys) = minutes.view(start + Duration::from_secs(at));
            (over, keys.first().map_or(0, |key| key.count))
        };
        minutes.count(&label("x"), 5, start);
        assert_eq!(count(&mut minutes, 59), (59, 5));
        assert_eq!(count(&mut minutes, 61), (61, 5), "it is the minute before now");
        minutes.count(&label("x"), 1, start + Duration::from_secs(70));
        assert_eq!(count(&mut minutes, 71), (71, 6));
        assert_eq!(count(&mut minutes, 130), (69, 1));
        assert_eq!(count(&mut minutes, 500), (0, 0));
    }
}
