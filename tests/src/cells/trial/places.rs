//! The same without chance: one errand after the other, and each answer of a coordinator's is the one that it dies of.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::judge::{Verdict, judge};
use super::payers::Sent;
use super::world::World;
use crate::backends::{Backend, BackendError};
use crate::cells::addressed;
use crate::client::fresh_key;
use crate::{Answer, wait_until};

/// No errand takes longer.
const LIMIT: Duration = Duration::from_secs(30);

/// What a payer wants, and what has to come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Errand {
    /// A payment that the payee takes.
    Pay,
    /// One that the payee does not take: it is let go.
    Release,
    /// The same, but the payer has posted it before anybody asked the payee: it is given back.
    GiveBack,
    /// The same, and the payer's account has been closed since: it is kept for somebody to look after.
    Keep,
}

impl Errand {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pay, Self::Release, Self::GiveBack, Self::Keep];

    /// The answers of either cell that it takes until its end, about: its own, and those to looks at lists. What is kept goes
    /// through every step of what is given back, and one more.
    const fn answers(self) -> u32 {
        match self {
            Self::Pay => 3,
            Self::Release | Self::GiveBack => 2,
            Self::Keep => 6,
        }
    }
}

/// In how many places a coordinator died with an errand that had not ended, by errand, and what became of all.
///
/// # Errors
/// [`BackendError`] when something does not come back that has to.
///
/// # Panics
/// When an errand does not end, or leaves what it must not.
pub async fn each_answer_lost(backend: Backend) -> Result<(BTreeMap<Errand, u32>, Verdict), BackendError> {
    let world = World::lay(backend).await?;
    let mut log = BTreeMap::new();
    let mut struck: BTreeMap<Errand, u32> = BTreeMap::new();
    for errand in Errand::ALL {
        for cell in [0, 1] {
            for nth in 1..=errand.answers() {
                run(errand, &world, &mut log).await;
                let ended = dies_at(&world, (cell, nth), &log).await?;
                *struck.entry(errand).or_default() += u32::from(!ended);
            }
        }
    }
    let verdict = judge(&world.records().await?, &world.names(), &log);
    world.fold().await?;
    Ok((struck, verdict))
}

/// A coordinator dies of the `nth` answer from that cell, and another goes on; whether the errand had ended before.
async fn dies_at(world: &World, (cell, nth): (usize, u32), log: &BTreeMap<String, Sent>) -> Result<bool, BackendError> {
    let [mut first, mut second] = world.coordinators().await?;
    let way = &world.0[cell].way;
    let before = way.lost();
    way.lose_answer(nth);
    first.start();
    wait_until("an answer is lost", LIMIT, async || (way.lost() > before).then_some(())).await;
    first.kill();
    let ended = world.is_at_rest(log).await;
    // As another treasurer: no key of the first one's helps.
    second.start();
    world.come_to_rest(log).await?;
    second.kill();
    Ok(ended)
}

/// Whatever the payer does, before any coordinator looks.
async fn run(errand: Errand, world: &World, log: &mut BTreeMap<String, Sent>) {
    let [a, b] = &world.0;
    let client = &a.payer.client;
    let amount = 7;
    let debit = match errand {
        Errand::Pay | Errand::Release | Errand::GiveBack => a.places[0].clone(),
        Errand::Keep => a.stack.account_with(&a.payer, amount).await,
    };
    let payee = if errand == Errand::Pay { b.places[0].clone() } else { b.unable[0].clone() };
    let body = json!({
        "debit_account_id": debit, "credit_account_id": a.clearing, "amount": amount, "currency": "USD",
        "pending": true, "metadata": addressed(b.name, &payee),
    });
    let post = async |path: &str, body: serde_json::Value, status: u16| -> Answer {
        client.call(reqwest::Method::POST, path).key(&fresh_key()).json(body).send().await.expect(status)
    };
    let hold = post("/api/v1/transfers", body, 201).await.text("/id");
    if matches!(errand, Errand::GiveBack | Errand::Keep) {
        drop(post(&format!("/api/v1/transfers/{hold}/post"), json!({}), 201).await);
    }
    if errand == Errand::Keep {
        drop(post(&format!("/api/v1/accounts/{debit}/close"), json!({}), 200).await);
    }
    log.insert(hold, Sent { from: a.name, debit, payee, amount, meddled: errand == Errand::GiveBack });
}
