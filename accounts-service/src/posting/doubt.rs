//! What this batch may have committed although the reply was lost: a key found taken by it is a first answer, and one
//! taken by anybody else, before or meanwhile, is a replay.

use std::collections::HashMap;

use super::command::KeyDigest;
use super::error::CommitError;
use super::outcome::Outcome;
use super::rows::{Found, KeyRow};

/// What the attempts of one batch wrote whose end is unknown.
#[derive(Debug, Default)]
pub(super) struct Doubt(HashMap<KeyDigest, Vec<Outcome>>);

impl Doubt {
    /// Remembers what an attempt that ended with `error` had written. Keys it found taken are not among `keys`.
    pub fn remember(&mut self, error: &CommitError, keys: Vec<KeyRow>) {
        if matches!(error, CommitError::Lost(_)) {
            keys.into_iter().for_each(|key| self.0.entry(key.digest).or_default().push(key.outcome));
        }
    }

    /// Whether the key holds what one of those attempts wrote: no one else can have written the same.
    pub fn wrote(&self, found: &Found) -> bool {
        self.0.get(&found.digest).is_some_and(|written| written.iter().any(|outcome| same(outcome, &found.outcome)))
    }
}

/// Transfers have an id of their own; stored bodies hold such ids, or the request's id and the instant.
fn same(one: &Outcome, other: &Outcome) -> bool {
    one.keep() == other.keep()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::posting::error::Moved;
    use crate::posting::outcome::tests::decided;

    fn stored(body: &'static str) -> Outcome {
        Outcome::Stored(422, body.into())
    }

    fn lost() -> CommitError {
        CommitError::Lost(sqlx::Error::WorkerCrashed)
    }

    fn posted(id: u128) -> Outcome {
        Outcome::Posted(decided(id))
    }

    #[test]
    fn only_what_a_lost_attempt_wrote_is_ours() {
        let key = |key: u128| KeyDigest(Uuid::from_u128(key));
        let row = |digest: u128, outcome| KeyRow { digest: key(digest), fingerprint: Uuid::nil(), outcome };
        let mut doubt = Doubt::default();
        doubt.remember(&lost(), vec![row(1, posted(10)), row(2, stored("at 1"))]);
        doubt.remember(&lost(), vec![row(2, stored("at 2"))]);
        doubt.remember(&CommitError::Stale(Moved::Other), vec![row(3, posted(30))]);
        let wrote =
            |digest, outcome| doubt.wrote(&Found { digest: key(digest), fingerprint: Uuid::nil(), outcome, at: 0 });
        assert!(wrote(1, posted(10)) && wrote(2, stored("at 1")) && wrote(2, stored("at 2")));
        // Another's, another key's, one that was rolled back for certain, and one never tried.
        assert!(!wrote(1, posted(11)) && !wrote(2, stored("at 3")) && !wrote(2, posted(10)));
        assert!(!wrote(3, posted(30)) && !wrote(4, posted(10)));
    }
}
