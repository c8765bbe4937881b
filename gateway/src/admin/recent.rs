//! The last requests that failed, for an operator who asks what is going on.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::Serialize;

/// So many are remembered.
const CAPACITY: usize = 200;

/// The longest path that is kept, in characters.
const PATH: usize = 256;

/// One request that was answered with a 5xx.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// When, RFC 3339.
    pub at: String,
    /// As the client was told.
    pub request_id: String,
    /// As the client said.
    pub method: String,
    /// Without its query, cut where it is very long.
    pub path: String,
    /// The row that served it.
    pub route: Option<String>,
    /// Whose answer it was to be.
    pub upstream: Option<String>,
    /// The status.
    pub status: u16,
    /// The problem's code; `None`: the upstream's own answer.
    pub code: Option<&'static str>,
    /// Until the answer's head.
    pub took_micros: u64,
}

/// The last of them.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<Failure>>);

impl Recent {
    /// Remembers one, and forgets the oldest when there are too many.
    pub fn add(&self, mut failure: Failure) {
        if let Some((end, _)) = failure.path.char_indices().nth(PATH) {
            failure.path.truncate(end);
        }
        let mut failures = self.0.lock();
        if failures.len() == CAPACITY {
            failures.pop_back();
        }
        failures.push_front(failure);
    }

    /// The newest first.
    #[must_use]
    pub fn list(&self) -> Vec<Failure> {
        self.0.lock().iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(path: String) -> Failure {
        let (at, request_id, method) = (String::new(), String::new(), "GET".to_owned());
        let (route, upstream, code) = (None, None, None);
        Failure { at, request_id, method, path, route, upstream, status: 502, code, took_micros: 1 }
    }

    #[test]
    fn the_last_ones_are_kept_and_none_is_large() {
        let recent = Recent::default();
        (0..500).for_each(|n| recent.add(failure(format!("/{n}"))));
        recent.add(failure("/é".repeat(10_000)));
        let list = recent.list();
        assert_eq!((list.len(), list[0].path.chars().count(), list[1].path.as_str()), (CAPACITY, PATH, "/499"));
    }
}
