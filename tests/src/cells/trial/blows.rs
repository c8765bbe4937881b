//! What is lost while payments are under way: coordinators, ledgers, connections, answers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::world::World;
use crate::cells::CoordinatorProcess;
use crate::faults::Fault;
use crate::ledger::generator::Random;
use crate::wait::try_until;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blow {
    /// `kill -9` of a coordinator; another starts at once.
    KillCoordinator,
    /// `kill -9` of a cell's ledger.
    KillLedger,
    /// The coordinators' connections to a cell are cut.
    Cut,
    /// A cell did what a coordinator asked, and its answer is lost.
    LoseAnswer,
    /// The second coordinator's treasurer is none any more in one of the cells.
    Demote,
}

impl Blow {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::KillCoordinator, Self::KillLedger, Self::Cut, Self::LoseAnswer, Self::Demote];

    /// How often it has to have happened for a run to show anything.
    #[must_use]
    pub const fn least(self) -> u64 {
        match self {
            Self::KillCoordinator => 6,
            Self::KillLedger => 2,
            Self::Cut | Self::LoseAnswer => 3,
            Self::Demote => 1,
        }
    }
}

/// What was dealt out.
#[derive(Debug, Clone, Default)]
pub struct Dealt(BTreeMap<Blow, u64>);

impl Dealt {
    /// How often it happened.
    #[must_use]
    pub fn count(&self, blow: Blow) -> u64 {
        self.0.get(&blow).copied().unwrap_or_default()
    }
}

/// How much more time than was planned may pass until every blow has been dealt often enough.
const MORE: Duration = Duration::from_secs(30);

/// Deals blows until the time is over and each has been dealt often enough.
pub(super) async fn deal(
    world: &mut World,
    coordinators: &mut [CoordinatorProcess; 2],
    random: &mut Random,
    lasts: Duration,
) -> Dealt {
    // Coordinators die more often than anything else.
    const DICE: [Blow; 8] = [
        Blow::KillCoordinator,
        Blow::KillCoordinator,
        Blow::KillCoordinator,
        Blow::KillLedger,
        Blow::Cut,
        Blow::LoseAnswer,
        Blow::LoseAnswer,
        Blow::Demote,
    ];
    let (mut dealt, start) = (Dealt::default(), Instant::now());
    loop {
        let enough = Blow::ALL.iter().all(|blow| dealt.count(*blow) >= blow.least());
        if start.elapsed() > lasts + MORE || (start.elapsed() > lasts && enough) {
            return dealt;
        }
        tokio::time::sleep(Duration::from_millis(20 + random.below(230))).await;
        let blow = *random.pick(&DICE).expect("there are some");
        if strike(blow, (world, coordinators), random, dealt.count(Blow::Demote)).await {
            *dealt.0.entry(blow).or_default() += 1;
        }
    }
}

/// Whether it did what it should.
async fn strike(
    blow: Blow,
    (world, coordinators): (&mut World, &mut [CoordinatorProcess; 2]),
    random: &mut Random,
    demoted: u64,
) -> bool {
    let which = usize::try_from(random.below(2)).unwrap_or_default();
    match blow {
        Blow::KillCoordinator => {
            coordinators[which].kill();
            coordinators[which].start();
        }
        Blow::KillLedger => {
            let moment = Duration::from_millis(random.below(150));
            world.0[which].accounts.kill();
            tokio::time::sleep(moment).await;
            world.0[which].accounts.start().await;
        }
        Blow::Cut => {
            let moment = Duration::from_millis(5 + random.below(60));
            world.0[which].way.set(Fault::Cut);
            tokio::time::sleep(moment).await;
            world.0[which].way.set(Fault::None);
        }
        Blow::LoseAnswer => {
            let way = &world.0[which].way;
            let before = way.lost();
            way.lose_answer(1 + u32::try_from(random.below(8)).unwrap_or_default());
            return try_until(Duration::from_secs(1), async || (way.lost() > before).then_some(())).await.is_some();
        }
        Blow::Demote if demoted > 0 => return false,
        Blow::Demote => world.demote_the_second().await,
    }
    true
}
