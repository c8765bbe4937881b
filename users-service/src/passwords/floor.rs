//! A floor under failing sign-ins: while hashes of other systems are there, all failures take as long as theirs.
//!
//! Until somebody who was brought over has signed in once, their hash is slower, or faster, than what strangers are
//! compared with, and a stopwatch would tell who is registered. So whoever is refused waits, without a worker, until the
//! slowest of these hashes would have been through, and renewed. Nobody's success waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::web;
use tokio::time::Instant;

use super::pool::Hasher;
use crate::app::App;
use crate::users::{self, Costliest};

/// In microseconds; 0: nobody waits.
#[derive(Debug, Default)]
pub(super) struct Floor(AtomicU64);

/// The moment from which a failure may be told.
#[derive(Clone, Copy, Debug)]
pub struct Due(Option<Instant>);

impl Floor {
    /// For work that began then.
    pub(super) fn since(&self, began: Instant) -> Due {
        let micros = self.0.load(Ordering::Relaxed);
        Due((micros > 0).then(|| began + Duration::from_micros(micros)))
    }

    pub(super) fn set(&self, span: Duration) {
        self.0.store(u64::try_from(span.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Due {
    /// Until then.
    pub async fn wait(self) {
        if let Some(at) = self.0 {
            tokio::time::sleep_until(at).await;
        }
    }
}

/// What the costliest hash of each function takes: by which estimate it was chosen, and how long it was.
type Measured = BTreeMap<&'static str, (i64, Duration)>;

/// Keeps the floor where it has to be, until dropped.
pub async fn watch(app: web::Data<App>) {
    let mut ticks = tokio::time::interval(app.config.import.notice.get());
    let mut measured = Measured::new();
    loop {
        ticks.tick().await;
        match users::costliest_foreign(app.database.read()).await {
            Ok(found) => follow(&app.hasher, &found, &mut measured).await,
            Err(error) => tracing::warn!(%error, "whether there are imported hashes is not known now"),
        }
    }
}

/// Measures what was not there before, and sets the floor a quarter above whatever takes longest. Equal in cost is equal in
/// parameters within one function, or as good as; between two of them the estimate says little, so each is measured.
async fn follow(hasher: &Hasher, found: &[Costliest], measured: &mut Measured) {
    measured.retain(|function, (cost, _)| found.iter().any(|it| it.function == *function && it.cost == *cost));
    hasher.floor().set(highest(found, measured));
    for Costliest { function, cost, hash } in found {
        if measured.contains_key(function) {
            continue;
        }
        match hasher.time(hash).await {
            Ok(took) => {
                tracing::info!(
                    function,
                    millis = took.as_millis(),
                    "failing sign-ins take as long as the slowest imported hash"
                );
                measured.insert(function, (*cost, took));
            }
            Err(problem) => {
                tracing::debug!(function, code = problem.code().as_str(), "an imported hash is not measured yet");
            }
        }
    }
    hasher.floor().set(highest(found, measured));
}

/// The longest of all; what is not measured is guessed at twice its estimate.
fn highest(found: &[Costliest], measured: &Measured) -> Duration {
    let spans = found.iter().map(|Costliest { function, cost, .. }| match measured.get(function) {
        Some((_, took)) => *took * 5 / 4,
        None => Duration::from_micros(u64::try_from(*cost).unwrap_or_default()) * 2,
    });
    spans.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;
    use crate::config::Hashing;
    use crate::passwords::{PasswordHash, Verified};

    #[tokio::test]
    async fn each_function_is_measured_for_estimates_lie() {
        let wait = Duration::from_secs(60).into();
        let config = Hashing { memory_kib: 64, passes: 1, lanes: 1, workers: 1, memory: 0, queue: 9, max_wait: wait };
        let hasher = Hasher::start(&config).unwrap();
        let bcrypt = PasswordHash::stored(bcrypt::hash("nobody's 1", 9).unwrap());
        let quick = "$pbkdf2-sha256$i=1,l=32$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let quick = PasswordHash::stored(quick.to_owned());
        // What is estimated at a second is done at once, and what is estimated at nothing takes longest.
        let lie = |function, cost, hash: &PasswordHash| Costliest { function, cost, hash: hash.clone() };
        let found = [lie("$pbkdf2-sha256$", 1_000_000, &quick), lie("$2", 1, &bcrypt)];
        let mut measured = Measured::new();
        assert_eq!(highest(&found, &measured), Duration::from_secs(2), "a guess, until it is known");
        follow(&hasher, &found, &mut measured).await;
        let took = measured["$2"].1;
        assert!(took > measured["$pbkdf2-sha256$"].1);
        let floor = || Duration::from_micros(hasher.floor().0.load(Ordering::Relaxed));
        assert_eq!(floor().as_micros(), (took * 5 / 4).as_micros());
        // It goes with the last of its function.
        follow(&hasher, &found[..1], &mut measured).await;
        assert!(floor() < took && measured.len() == 1);
        follow(&hasher, &[], &mut measured).await;
        assert_eq!(floor(), Duration::ZERO);
    }

    #[tokio::test]
    async fn who_is_refused_waits_without_a_worker_and_who_is_let_in_does_not() {
        let wait = Duration::from_secs(60).into();
        let config = Hashing { memory_kib: 64, passes: 1, lanes: 1, workers: 1, memory: 0, queue: 9, max_wait: wait };
        let (hasher, password) = (Hasher::start(&config).unwrap(), "nobody's 1".to_owned().into());
        let floor = Duration::from_millis(500);
        hasher.floor().set(floor);
        let began = Instant::now();
        let refused = hasher.judge(&password, None).await.unwrap();
        assert_eq!(refused.verified, Verified::No);
        let waiting = pin!(refused.due.wait());
        // While that one waits, the only worker is free.
        let hash = hasher.hash(&password).await.unwrap();
        assert_eq!(hasher.judge(&password, Some(&hash)).await.unwrap().verified, Verified::Yes);
        waiting.await;
        assert!(began.elapsed() >= floor);
        hasher.floor().set(Duration::ZERO);
        let refused = hasher.judge(&password, None).await.unwrap();
        assert!(refused.due.wait().now_or_never().is_some(), "nobody waits when there is nothing to hide");
    }
}
