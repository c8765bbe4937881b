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
            (Verdict::Final, Ok(answer)) => match gather(answer, held.rule.answer_bytes).await {
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
        held.write(ending).await;
        answer
    }

    /// Takes a claim back of which nobody knows whether it was made.
    pub(super) fn withdraw(self) {
        let Self { keys, claim, hold, .. } = self;
        hold.set(false);
        // Whoever comes meanwhile asks the store itself.
        tokio::spawn(async move { keep_writing(&keys, claim, Outcome::Free).await });
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
            tokio::spawn(async move {
                keep_writing(&keys, claim, outcome).await;
                drop(seat);
            });
        }
        hold.set(false);
    }
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
