//! A floor under failing sign-ins: while hashes of other systems are there, all failures take as long as theirs.
//!
//! Until somebody who was brought over has signed in once, their hash is slower, or faster, than what strangers are
//! compared with, and a stopwatch would tell who is registered. So whoever is refused waits, without a worker, until the
//! costliest of these hashes would have been through, and renewed. Nobody's success waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::web;
use tokio::time::Instant;

use super::hash::PasswordHash;
use super::pool::Hasher;
use crate::app::App;
use crate::users;

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

/// Keeps the floor where it has to be, until dropped.
pub async fn watch(app: web::Data<App>) {
    let mut ticks = tokio::time::interval(app.config.import.notice.get());
    let mut measured = None;
    loop {
        ticks.tick().await;
        match users::costliest_foreign(app.database.read()).await {
            Ok(None) => {
                app.hasher.floor().set(Duration::ZERO);
                measured = None;
            }
            // Equal in cost is equal in parameters, or as good as.
            Ok(Some((cost, _))) if measured == Some(cost) => {}
            Ok(Some((cost, hash))) => measured = raise(&app.hasher, cost, &hash).await.then_some(cost),
            Err(error) => tracing::warn!(%error, "whether there are imported hashes is not known now"),
        }
    }
}

/// Measures one, and sets the floor a quarter above: whether it could be measured. Until then it is guessed.
async fn raise(hasher: &Hasher, cost: i64, hash: &PasswordHash) -> bool {
    hasher.floor().set(Duration::from_micros(u64::try_from(cost).unwrap_or_default()) * 2);
    match hasher.time(hash).await {
        Ok(took) => {
            let floor = took * 5 / 4;
            hasher.floor().set(floor);
            tracing::info!(millis = floor.as_millis(), "failing sign-ins take as long as the slowest imported hash");
            true
        }
        Err(problem) => {
            tracing::debug!(code = problem.code().as_str(), "the slowest imported hash is not measured yet");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;
    use crate::config::Hashing;
    use crate::passwords::Verified;

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
