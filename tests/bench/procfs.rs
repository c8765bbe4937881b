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

/// The fields of `/proc/<pid>/stat` that matter here.
struct Stat {
    pid: u32,
    parent: u32,
    /// utime + stime.
    ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name stands in brackets and may hold blanks: what follows the last bracket is regular.
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self { pid, parent: u32::try_from(number(1)?).ok()?, ticks: number(11)? + number(12)? })
    }
}

fn kib(rollup: &str, field: &str) -> Option<u64> {
    rollup.lines().find_map(|line| line.strip_prefix(field))?.trim().strip_suffix(" kB")?.trim().parse().ok()
}
