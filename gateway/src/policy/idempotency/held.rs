//! A key that has been claimed, until what came of its request is written down.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use shared::problem::Problem;
use shared::store::StoreError;
use shared::store::idempotency::{Claim, Outcome};

use super::answer::Kept;
use super::collect::{Gathered, gather};
use super::hold::Hold;
use super::judge::{self, Verdict};
use super::running::Seat;
use super::{Idempotency, Rule};
use crate::admin::metrics::Event;
use crate::config::OnUnknown;

/// The pause between attempts to write an outcome down.
const AGAIN: Duration = Duration::from_millis(500);

/// What an outcome that waits to be written takes beside its answer, in bytes: its claim, and the task that writes.
const BESIDE: u64 = 1_024;

/// A claimed key.
#[must_use = "a claim that is not settled lapses"]
pub struct Held<'a> {
    keys: Arc<Idempotency>,
    rule: &'a Rule,
    claim: Claim,
    seat: Seat,
    hold: Hold,
}

impl<'a> Held<'a> {
    pub(super) fn new(keys: Arc<Idempotency>, rule: &'a Rule, claim: Claim, (seat, hold): (Seat, Hold)) -> Self {
        Self { keys, rule, claim, seat, hold }
    }

    /// Whether the upstream may be asked once more when nobody knows whether it carried the request out: only where a
    /// client's own retry would be let through.
    #[must_use]
    pub fn makes_safe(&self) -> bool {
        self.rule.on_unknown == OnUnknown::Retry
    }

    /// Writes down what came of the request, and hands it on.
    ///
    /// # Errors
    /// What it was given, and 502 or 504 when the answer broke off before its end.
    pub async fn settle(
        key: Option<Self>,
        answer: Result<HttpResponse<BoxBody>, Problem>,
    ) -> Result<HttpResponse<BoxBody>, Problem> {
        let Some(held) = key else { return answer };
        let (verdict, status) = match &answer {
            Ok(answer) => {
                let verdict = judge::answered(answer.status(), answer.headers(), &held.rule.declines);
                (verdict, answer.status())
            }
            Err(problem) => (judge::failed(problem.code()), problem.status()),
        };
        let (answer, ending) = match (verdict, answer) {
            (Verdict::Final, Ok(answer)) if judge::is_live(answer.headers()) => {
                (Ok(answer), (Event::TooLarge, Some(Kept::TooLarge(status))))
            }
            (Verdict::Final, Ok(answer)) => match Box::pin(gather(answer, held.rule.answer_bytes)).await {
                Gathered::Whole(answer, body) => {
                    let kept = Kept::whole(status, answer.headers(), body);
                    (Ok(answer), (Event::Kept, Some(kept)))
                }
                Gathered::TooLarge(answer) => (Ok(answer), (Event::TooLarge, Some(Kept::TooLarge(status)))),
                Gathered::Broken(problem) => (Err(problem), (Event::Unknown, None)),
            },
            (Verdict::Undone, answer) => (answer, (Event::Freed, None)),
            (Verdict::Unknown | Verdict::Final, answer) => (answer, (Event::Unknown, None)),
        };
        Box::pin(held.write(ending)).await;
        answer
    }

    /// Takes a claim back of which nobody knows whether it was made.
    pub(super) fn withdraw(self) {
        let Self { keys, rule, claim, hold, .. } = self;
        hold.set(false);
        // Whoever comes meanwhile asks the store itself.
        write_later(keys, rule, (claim, Outcome::Free), None);
    }

    async fn write(self, (event, kept): (Event, Option<Kept>)) {
        let Self { keys, rule, claim, seat, hold } = self;
        keys.events.count(event);
        let kept = kept.map(|kept| kept.encode());
        let outcome = match (&kept, event, rule.on_unknown) {
            (Some(kept), ..) => Outcome::Done(kept.clone()),
            (None, Event::Unknown, OnUnknown::Refuse) => Outcome::Unknown,
            (None, ..) => Outcome::Free,
        };
        let written = keys.store.settle(&claim, &outcome).await;
        if let Some(kept) = kept {
            seat.tell(kept);
        }
        if let Err(error) = written {
            said(&error);
            // In this process the answer is known meanwhile.
            write_later(keys, rule, (claim, outcome), Some(seat));
        }
        hold.set(false);
    }
}

/// Goes on writing an outcome that the store has not taken, unless too many wait for that. Then its claim lapses, and the
/// store says by itself that nobody knows.
fn write_later(keys: Arc<Idempotency>, rule: &Rule, (claim, outcome): (Claim, Outcome), seat: Option<Seat>) {
    let share = keys.waiting.share();
    let bytes = match &outcome {
        Outcome::Done(kept) => kept.len() as u64,
        Outcome::Free | Outcome::Unknown => 0,
    };
    if !share.grow(BESIDE + bytes, rule.waiting_bytes) {
        tracing::error!("too many outcomes wait to be written down; this one is not");
        return keys.events.count(Event::Unwritten);
    }
    tokio::spawn(async move {
        keep_writing(&keys, claim, outcome).await;
        drop((seat, share));
    });
}

/// Writes until it succeeds, at most until the claim's lease is over and the store says by itself that nobody knows.
async fn keep_writing(keys: &Idempotency, claim: Claim, outcome: Outcome) {
    let writing = async {
        while keys.store.settle(&claim, &outcome).await.is_err() {
            tokio::time::sleep(AGAIN).await;
        }
    };
    if tokio::time::timeout(claim.lease, writing).await.is_err() {
        tracing::error!("the outcome under an idempotency key was not written down; its retries will not know of it");
    }
}

fn said(error: &StoreError) {
    tracing::warn!(%error, "the outcome under an idempotency key cannot be written down yet");
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use shared::clock::Clock;
    use shared::store::{RedisOptions, Stores};

    use super::*;
    use crate::admin::metrics::KeyEvents;
    use crate::config::KeysDown;

    fn claim(number: u8, lease: Duration) -> Claim {
        Claim { key: [number; 32], fingerprint: [0; 32], owner: 1, lease, keep: lease, take_over: false }
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_outcomes_wait_for_a_store_that_is_away_and_none_for_ever() {
        let options = RedisOptions { first_connection: Duration::ZERO, ..RedisOptions::default() };
        let stores = Stores::redis_with("redis://127.0.0.1:1", Clock::system(), options).await.unwrap();
        let keys = Arc::new(Idempotency::new(stores.idempotency.clone(), KeyEvents::default()));
        let rule = Rule {
            key_required: false,
            on_unknown: OnUnknown::Refuse,
            down: KeysDown::Pass,
            keep: Duration::ZERO,
            wait: Duration::ZERO,
            request_bytes: 0,
            answer_bytes: 0,
            waiting_bytes: 10 * BESIDE,
            declines: Vec::new(),
        };
        let lease = Duration::from_secs(30);
        for number in 0..100 {
            let outcome = Outcome::Done(Bytes::from(vec![0; 1_024]));
            write_later(Arc::clone(&keys), &rule, (claim(number, lease), outcome), None);
            assert!(keys.waiting.bytes() <= rule.waiting_bytes);
        }
        assert_eq!(keys.waiting.bytes(), 10 * BESIDE);
        tokio::time::sleep(2 * lease).await;
        assert_eq!(keys.waiting.bytes(), 0, "a claim that has lapsed needs nothing written");
    }
}
