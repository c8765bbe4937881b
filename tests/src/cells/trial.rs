//! The trial of two cells: payers at work while coordinators, ledgers and answers are lost, and every payment judged.

mod blows;
mod judge;
mod payers;
mod places;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::backends::{Backend, BackendError};
use crate::ledger::generator::Random;

pub use self::blows::{Blow, Dealt};
pub use self::judge::Verdict;
pub use self::places::{Errand, each_answer_lost};

use self::judge::judge;
use self::payers::{Log, Payer};
use self::world::World;

/// Payers: in which cell, and under which name.
const PAYERS: [(usize, &str); 6] = [(0, "one"), (1, "two"), (0, "three"), (1, "four"), (0, "five"), (1, "six")];

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// What is random about it.
    pub seed: u64,
    /// What was done to the system.
    pub dealt: Dealt,
    /// What became of every payment.
    pub verdict: Verdict,
    /// How often payers settled their own holds.
    pub meddled: u64,
}

/// Lets payers pay from cell to cell for as long as `lasts` says and longer, until every blow was dealt; then everything is
/// healed, and whatever is under way has to come to its end.
///
/// # Errors
/// [`BackendError`] when something does not come back that has to.
///
/// # Panics
/// When what is under way does not end.
pub async fn run(backend: Backend, seed: u64, lasts: Duration) -> Result<Outcome, BackendError> {
    let mut world = World::lay(backend).await?;
    let mut random = Random::new(seed);
    let (log, on) = (Log::default(), Arc::new(AtomicBool::new(true)));
    let mut payers = Vec::new();
    for (at, name) in PAYERS {
        let payer = Payer::new(&world, at, name, random.next());
        payers.push(tokio::spawn(payer.pay(Arc::clone(&log), Arc::clone(&on))));
    }
    let mut coordinators = world.coordinators().await?;
    coordinators.iter_mut().for_each(super::CoordinatorProcess::start);
    let dealt = blows::deal(&mut world, &mut coordinators, &mut random, lasts).await;
    on.store(false, Ordering::SeqCst);
    for payer in payers {
        payer.await.expect("the payer runs");
    }
    let log = log.lock().clone();
    world.come_to_rest(&log).await?;
    drop(coordinators);
    let verdict = judge(&world.records().await?, &world.names(), &log);
    world.fold().await?;
    let meddled = log.values().filter(|sent| sent.meddled).count() as u64;
    Ok(Outcome { seed, dealt, verdict, meddled })
}

impl Outcome {
    /// Why the run shows nothing, if it does not: too little was paid, or too little broke.
    #[must_use]
    pub fn void(&self) -> Option<String> {
        let Verdict { paid, returned, released, .. } = self.verdict;
        let enough = [
            ("paid", paid, 30),
            ("given back", returned, 1),
            ("released", released, 3),
            ("meddled with", self.meddled, 3),
        ];
        let little = enough.into_iter().find(|(_, there, least)| there < least);
        if let Some((what, there, least)) = little {
            return Some(format!("only {there} payments were {what}; {least} would be little"));
        }
        let never = Blow::ALL.into_iter().find(|blow| self.dealt.count(*blow) < blow.least());
        never
            .map(|blow| format!("{blow:?} happened {} times; {} would be little", self.dealt.count(blow), blow.least()))
    }
}
