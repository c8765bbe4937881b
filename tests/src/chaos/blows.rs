//! What breaks, and how each is healed: one at a time, so that a report can tell them apart.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Plan;
use super::fleet::Fleet;
use crate::backends::BackendError;
use crate::faults::Trouble;
use crate::ledger::generator::Random;
use crate::wait::try_until;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Blow {
    /// `kill -9` of a ledger process.
    KillService,
    /// `kill -9` of PostgreSQL's postmaster.
    KillPostmaster,
    /// SIGSTOP and SIGCONT of the backend that a process posts with.
    PauseBackend,
    /// The same of the postmaster.
    PausePostmaster,
    /// The same of a ledger process.
    PauseService,
    /// The connection ends between a commit and its reply.
    LoseReply,
    /// Every connection to PostgreSQL is cut.
    Cut,
    /// PostgreSQL is asked, and its answers never arrive.
    HalfOpen,
    /// Its answers take their time.
    Delay,
    /// `kill -9` of Redis.
    KillRedis,
    /// The disk of the write-ahead log is full.
    FillDisk,
}

impl Blow {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::KillService,
        Self::KillPostmaster,
        Self::PauseBackend,
        Self::PausePostmaster,
        Self::PauseService,
        Self::LoseReply,
        Self::Cut,
        Self::HalfOpen,
        Self::Delay,
        Self::KillRedis,
        Self::FillDisk,
    ];

    /// In a report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KillService => "kill -9 of a ledger process",
            Self::KillPostmaster => "kill -9 of the postmaster",
            Self::PauseBackend => "SIGSTOP of a posting backend",
            Self::PausePostmaster => "SIGSTOP of the postmaster",
            Self::PauseService => "SIGSTOP of a ledger process",
            Self::LoseReply => "connection cut between COMMIT and its reply",
            Self::Cut => "all connections to PostgreSQL cut",
            Self::HalfOpen => "PostgreSQL's answers lost for a while",
            Self::Delay => "PostgreSQL's answers delayed",
            Self::KillRedis => "kill -9 of Redis",
            Self::FillDisk => "disk of the write-ahead log full",
        }
    }
}

/// What was dealt out.
#[derive(Debug, Clone, Default)]
pub struct Dealt {
    /// How often each did what it should.
    pub done: BTreeMap<Blow, u64>,
    /// What could not be done here, and why.
    pub not_run: BTreeMap<Blow, String>,
}

/// Deals blows until the plan's time is over, and at least each of them once.
pub(super) async fn deal(
    plan: &Plan,
    fleet: &mut Fleet,
    random: &mut Random,
    (least, more): (u64, u64),
) -> Result<Dealt, BackendError> {
    let (mut dealt, deadline) = (Dealt::default(), Instant::now() + plan.lasts);
    let mut left: Vec<Blow> = Vec::new();
    let mut rounds = 0;
    loop {
        if left.is_empty() {
            left.clone_from(&plan.blows);
            rounds += 1;
        }
        if left.is_empty() || (Instant::now() >= deadline && rounds > 1) {
            tokio::time::sleep(deadline.saturating_duration_since(Instant::now())).await;
            return Ok(dealt);
        }
        tokio::time::sleep(Duration::from_millis(least + random.below(more))).await;
        let at = usize::try_from(random.below(left.len() as u64)).unwrap_or_default();
        let blow = left.swap_remove(at);
        match strike(blow, plan, fleet, random).await? {
            Struck::Done => *dealt.done.entry(blow).or_default() += 1,
            Struck::Not(why) => drop(dealt.not_run.insert(blow, why)),
        }
    }
}

enum Struck {
    Done,
    Not(String),
}

async fn strike(blow: Blow, plan: &Plan, fleet: &mut Fleet, random: &mut Random) -> Result<Struck, BackendError> {
    let (from, to) = plan.pauses;
    let pause = Duration::from_millis(from * 1_000 + random.below((to - from) * 1_000));
    let moment = Duration::from_millis(random.below(800));
    let service = usize::try_from(random.below(2)).unwrap_or_default();
    match blow {
        Blow::KillService => {
            fleet.services[service].kill();
            tokio::time::sleep(moment).await;
            fleet.services[service].start().await;
        }
        Blow::KillPostmaster => {
            fleet.cluster.kill()?;
            tokio::time::sleep(moment).await;
            fleet.cluster.revive().await?;
        }
        Blow::PauseBackend => {
            let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'tollgate-posting' ORDER BY pid";
            let pids: Vec<i32> = sqlx::query_scalar(sql).fetch_all(&mut fleet.connection().await?).await?;
            let Some(pid) = random.pick(&pids) else { return Ok(Struck::Not("no process posts".to_owned())) };
            return pause_of(u32::try_from(*pid).unwrap_or_default(), pause).await;
        }
        Blow::PausePostmaster => return pause_of(fleet.cluster.process(), pause).await,
        Blow::PauseService => {
            let process = fleet.services[service].process();
            return pause_of(process.unwrap_or_default(), pause).await;
        }
        Blow::LoseReply => {
            let before = fleet.proxy.lost();
            fleet.proxy.lose_the_next_commits_reply();
            let lost = try_until(pause, async || (fleet.proxy.lost() > before).then_some(())).await;
            return Ok(lost.map_or_else(|| Struck::Not("nobody committed".to_owned()), |()| Struck::Done));
        }
        Blow::Cut => trouble(fleet, Trouble::Cut, moment).await,
        Blow::HalfOpen => trouble(fleet, Trouble::HalfOpen, pause).await,
        Blow::Delay => trouble(fleet, Trouble::Delay(moment / 4), pause).await,
        Blow::KillRedis => {
            if let Err(error) = fleet.redis().kill() {
                return Ok(Struck::Not(error.to_string()));
            }
            tokio::time::sleep(pause).await;
            fleet.redis().revive().await?;
        }
        Blow::FillDisk => return fill(fleet, pause).await,
    }
    Ok(Struck::Done)
}

async fn trouble(fleet: &Fleet, trouble: Trouble, lasts: Duration) {
    fleet.proxy.set(trouble);
    tokio::time::sleep(lasts).await;
    fleet.proxy.set(Trouble::None);
}

async fn pause_of(process: u32, lasts: Duration) -> Result<Struck, BackendError> {
    let signal = |name: &str| Command::new("kill").args([name, &process.to_string()]).output();
    if !signal("-STOP")?.status.success() {
        return Ok(Struck::Not(format!("there is no process {process}")));
    }
    tokio::time::sleep(lasts).await;
    // It may have been ended meanwhile by whoever waited for it.
    drop(signal("-CONT")?);
    Ok(Struck::Done)
}

/// Fills the small disk to its last byte, and frees it again. PostgreSQL stops where it cannot write its log.
async fn fill(fleet: &mut Fleet, lasts: Duration) -> Result<Struck, BackendError> {
    let Some(small) = &fleet.small else { return Ok(Struck::Not("no file system can be mounted here".to_owned())) };
    let ballast = small.folder.join("ballast");
    let mut file = File::create(&ballast)?;
    let chunk = vec![0x55; 64 * 1024];
    while file.write_all(&chunk).is_ok() {}
    drop(file);
    // A log segment that is there already can still be filled.
    let url = fleet.cluster.url.clone();
    let full = try_until(lasts * 4, async || {
        let mut connection = crate::backends::connect(&url).await.ok();
        let Some(connection) = &mut connection else { return Some(()) };
        let written = sqlx::query("SELECT pg_switch_wal()").execute(connection).await;
        written.is_err().then_some(())
    });
    let full = full.await.is_some();
    tokio::time::sleep(lasts).await;
    std::fs::remove_file(&ballast)?;
    fleet.cluster.revive().await?;
    Ok(if full { Struck::Done } else { Struck::Not("the log went on without new room".to_owned()) })
}
