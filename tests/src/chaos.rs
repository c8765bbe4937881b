//! The whole system under a load while everything beneath it breaks: afterwards every answer has to fit what is there.

mod blows;
mod fleet;
mod orders;
mod outcome;
mod sampler;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use shared::clock::Clock;

pub use self::blows::Blow;
pub use self::orders::Tally;
pub use self::outcome::Outcome;

use self::fleet::Fleet;
use self::orders::{Orders, Watch};
use self::outcome::outage;
use self::sampler::Sampler;
use crate::backends::BackendError;
use crate::ledger::checker::attempts;
use crate::ledger::driver::{self, Door, Patience};
use crate::ledger::generator::{Random, Stage};
use crate::ledger::{Command, Features, Generator, Record, Recorder, Report, Request, check, disproved};

/// What is done to the system, and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides what is asked and what breaks, as far as many clients and a real clock let it.
    pub seed: u64,
    /// How long things break.
    pub lasts: Duration,
    /// Clients at once.
    pub clients: u64,
    /// What may break; one after the other, all of them before any of them again.
    pub blows: Vec<Blow>,
    /// How long a pause of a process is, in seconds: from, to.
    pub pauses: (u64, u64),
    /// What is asked.
    pub features: Features,
    /// Sets of standing orders that come due meanwhile.
    pub sets: usize,
    /// After how long an order's lease counts no more, and whoever else comes by carries out the same payment; none: it runs
    /// out by itself, after a minute.
    pub lease: Option<Duration>,
}

/// The customers' accounts; two of them are hot.
const ACCOUNTS: usize = 40;
/// Between two blows, in milliseconds: from, and so much more at most.
const REST: (u64, u64) = (700, 1_500);
/// An answer that takes longer is none. Short, so that clients often do not know.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long clients may take to learn what became of their last requests, when all is well again.
const DRAIN: Duration = Duration::from_secs(90);

/// Runs a plan; every blow has been healed when it returns.
///
/// # Errors
/// [`BackendError`] when something does not come back that has to.
///
/// # Panics
/// When the system does not even start.
pub async fn run(plan: &Plan) -> Result<Outcome, BackendError> {
    let mut fleet = Fleet::launch().await?;
    let (cast, badge) = fleet.cast().await;
    let door = Door::new(vec![fleet.gateway()], badge, PATIENCE);
    let stage = driver::set(&door, &cast, ACCOUNTS).await;
    let orders = Orders::make(&door, &stage, plan.sets).await;
    let opening = Record::read(fleet.ledger()).await?;

    let recorder = Arc::new(Recorder::begin(Clock::system().now_micros()).mediated());
    let sampler = Sampler::start(fleet.ledger());
    orders.release(&fleet, plan.lasts).await?;
    let watch = Watch::start(fleet.ledger(), plan.lease);
    let on = Arc::new(AtomicBool::new(true));
    let mut random = Random::new(plan.seed);
    let clients = clients(plan, &door, &recorder, &stage, (&on, &mut random));
    let blows = blows::deal(plan, &mut fleet, &mut random, REST).await?;
    on.store(false, Ordering::SeqCst);
    for client in clients {
        let ended = tokio::time::timeout(DRAIN, client).await;
        ended.expect("clients come to an end when all is well").expect("the client runs");
    }
    // Before orders are waited for: then nobody asks for anything.
    let outage = outage(&recorder.history());
    watch.settle(&orders).await;
    read_all(&door, &recorder, &stage).await;
    let (samples, mut wrong) = sampler.stop().await;
    wrong.extend(disproved(fleet.ledger()).await);
    let closing = Record::read(fleet.ledger()).await?;
    let done = orders.read(fleet.ledger()).await?;
    let version = fleet.postgres_version().await?;
    fleet.land().await?;
    let history = recorder.history();
    // Whatever is asked for by nobody else is a client's: what clients did is counted without the runs of orders.
    let checked = check(&opening, &orders.told(&history, &done), &closing);
    let mut report = Report { attempts: attempts(&history), ..checked };
    let (tally, found) = orders.judge(&done, &closing);
    report.violations.extend(found);
    Ok(Outcome::of(plan, blows, (history, report, tally), (samples, wrong), (outage, version)))
}

type Client = tokio::task::JoinHandle<()>;

fn clients(
    plan: &Plan,
    door: &Door,
    recorder: &Arc<Recorder>,
    stage: &Stage,
    (on, random): (&Arc<AtomicBool>, &mut Random),
) -> Vec<Client> {
    let client = |number: u64| {
        let (door, recorder, on) = (door.clone(), Arc::clone(recorder), Arc::clone(on));
        let mut generator = Generator::new(random.next(), &format!("c{number}"), stage.clone(), plan.features);
        tokio::spawn(async move {
            let patience = Patience { retries: 400, pause: Duration::from_millis(200), gives_up: true };
            door.drive(&recorder, &mut generator, patience, |_| on.load(Ordering::SeqCst)).await;
        })
    };
    (0..plan.clients).map(client).collect()
}

/// Every balance once more, when nothing moves any longer.
async fn read_all(door: &Door, recorder: &Recorder, stage: &Stage) {
    let deadline = Instant::now() + DRAIN;
    let own = stage.places.iter().chain([&stage.changing, &stage.full]);
    let own = own.chain(stage.market.foreign.iter().map(|(place, _)| place)).map(|place| &place.id);
    let banks = stage.market.tills.iter().flat_map(|till| till.rounding.iter().chain([&till.drawer]));
    for account in own.chain(banks) {
        let command = Command::Balance { account: account.clone() };
        let request = Request { who: stage.admin.clone(), key: None, dry_run: false, seen: None, command };
        while door.ask(recorder, &request).await.is_none() {
            assert!(Instant::now() < deadline, "balances are not answered when all is well");
        }
    }
}
