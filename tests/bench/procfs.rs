//! What the kernel says of a process and its children: CPU time and memory (proc_pid_stat(5), proc_pid_smaps(5)).

use std::fs;
use std::process::Command;

use crate::failure::Failure;

/// A process with all its descendants, and the length of the kernel's tick.
#[derive(Debug, Clone, Copy)]
pub struct ProcessTree {
    root: u32,
    ticks_per_second: f64,
}

impl ProcessTree {
    /// Of a running process.
    pub fn of(root: u32) -> Result<Self, Failure> {
        let answer = Command::new("getconf").arg("CLK_TCK").output()?;
        let ticks = String::from_utf8_lossy(&answer.stdout).trim().parse();
        let ticks_per_second = ticks.map_err(|_| Failure::said("getconf CLK_TCK says nothing"))?;
        Ok(Self { root, ticks_per_second })
    }

    /// CPU seconds spent so far, in user and kernel mode, by all threads.
    pub fn cpu_seconds(&self) -> f64 {
        let ticks: u64 = self.members().iter().filter_map(|pid| Stat::read(*pid)).map(|stat| stat.ticks).sum();
        ticks as f64 / self.ticks_per_second
    }

    /// Resident memory in KiB: (RSS, PSS). Pages shared between processes count in full in the first and once in the second.
    pub fn memory_kib(&self) -> (u64, u64) {
        let sizes = self.members().into_iter().filter_map(|pid| {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            Some((kib(&rollup, "Rss:")?, kib(&rollup, "Pss:")?))
        });
        sizes.fold((0, 0), |(rss, pss), (more_rss, more_pss)| (rss + more_rss, pss + more_pss))
    }

    /// The most that was ever resident, in KiB, each process at its own time.
    pub fn peak_kib(&self) -> u64 {
        let peak = |pid| kib(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmHWM:");
        self.members().into_iter().filter_map(peak).sum()
    }

    /// The root and everything below it that lives now.
    fn members(&self) -> Vec<u32> {
        let all: Vec<Stat> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(Stat::read)
            .collect();
        let mut members = vec![self.root];
        let mut next = 0;
        while let Some(parent) = members.get(next).copied() {
            members.extend(all.iter().filter(|stat| stat.parent == parent).map(|stat| stat.pid));
            next += 1;
        }
        members
    }
}

/// A watch on everybody else on this machine: what they take is missing in every figure.
#[derive(Debug)]
pub struct Others {
    /// Ticks of all CPUs since the machine's start, and those of them that somebody else was busy for.
    since: (u64, u64),
}

impl Others {
    /// Begins to watch.
    pub fn watch() -> Self {
        Self { since: Self::count().unwrap_or_default() }
    }

    /// The share of all CPU time since then that went to processes that are neither us nor ours, in percent.
    pub fn percent(&self) -> f64 {
        let now = Self::count().unwrap_or_default();
        let (all, others) = (now.0.saturating_sub(self.since.0), now.1.saturating_sub(self.since.1));
        100.0 * others as f64 / all.max(1) as f64
    }

    fn count() -> Option<(u64, u64)> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        // user nice system idle iowait irq softirq steal; guest time is part of user time.
        let ticks: Vec<u64> = text.lines().next()?.split_whitespace().skip(1).take(8).flat_map(str::parse).collect();
        let all: u64 = ticks.iter().sum();
        let idle = ticks.get(3)? + ticks.get(4)?;
        let own = ProcessTree { root: std::process::id(), ticks_per_second: 1.0 };
        let own: u64 =
            own.members().iter().filter_map(|pid| Stat::read(*pid)).map(|stat| stat.ticks + stat.ended).sum();
        Some((all, (all - idle).saturating_sub(own)))
    }
}

/// The fields of `/proc/<pid>/stat` that matter here.
struct Stat {
    pid: u32,
    parent: u32,
    /// utime + stime.
    ticks: u64,
    /// The same of children that ended and were waited for.
    ended: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name stands in brackets and may hold blanks: what follows the last bracket is regular.
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            pid,
            parent: u32::try_from(number(1)?).ok()?,
            ticks: number(11)? + number(12)?,
            ended: number(13)? + number(14)?,
        })
    }
}

fn kib(rollup: &str, field: &str) -> Option<u64> {
    rollup.lines().find_map(|line| line.strip_prefix(field))?.trim().strip_suffix(" kB")?.trim().parse().ok()
}
