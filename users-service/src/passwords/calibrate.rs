//! How many passwords this machine can hash at once: as many as there are cores for it, and memory.

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::thread;

use crate::config;

/// So much of what there is may go into hashing, unless it is said how much.
const SHARE: u64 = 4;
/// Where neither the machine nor its control group says what there is.
const UNKNOWN: u64 = 1 << 30;
const KIB: u64 = 1024;

/// The workers of a pool: as many as were asked for; if that is left to us, the smaller of the cores and of what fits into
/// the memory, but one at least.
pub(super) fn workers(config: &config::Hashing) -> usize {
    if config.workers > 0 {
        return config.workers;
    }
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let budget = if config.memory == 0 { limit(Path::new("/")) / SHARE } else { config.memory };
    let workers = fitting(cores, budget, config.memory_kib);
    tracing::info!(workers, cores, budget_bytes = budget, "passwords are hashed at once");
    workers
}

fn fitting(cores: usize, budget: u64, memory_kib: u32) -> usize {
    let fit = budget / (u64::from(memory_kib).max(1) * KIB);
    usize::try_from(fit).unwrap_or(usize::MAX).min(cores).max(1)
}

/// The memory that this process may use, in bytes: the least that the machine has, or that a control group above us allows
/// (cgroups(7), versions 2 and 1).
fn limit(root: &Path) -> u64 {
    let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let groups = own.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        match (parts.next()?, parts.next()?) {
            ("", path) => Some(("sys/fs/cgroup", path, "memory.max")),
            (controllers, path) if controllers.split(',').any(|name| name == "memory") => {
                Some(("sys/fs/cgroup/memory", path, "memory.limit_in_bytes"))
            }
            _ => None,
        }
    });
    let limits = groups.flat_map(|(mount, path, file)| {
        let mount = root.join(mount);
        let group = mount.join(path.trim_start_matches('/'));
        // Inside a container the path may be the host's, which is not there: then its own is the mount itself.
        let above: Vec<_> =
            group.ancestors().take_while(|group| group.starts_with(&mount)).map(Path::to_owned).collect();
        above.into_iter().filter_map(move |group| fs::read_to_string(group.join(file)).ok()?.trim().parse().ok())
    });
    let machine = fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
    let machine = machine.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let machine = machine.and_then(|text| text.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    let machine = machine.map(|kib| kib.saturating_mul(KIB));
    limits.chain(machine).min().unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_cores_or_memory_and_never_none() {
        for (cores, mib, workers) in
            [(2, 512, 2), (64, 512, 26), (64, 128, 6), (4, 1, 1), (1, 0, 1), (8, u64::MAX >> 20, 8)]
        {
            assert_eq!(fitting(cores, mib << 20, 19_456), workers, "{cores} cores, {mib} MiB");
        }
        assert_eq!(fitting(8, 1 << 30, 0), 8);
    }

    #[test]
    fn the_least_of_what_the_machine_and_the_groups_allow_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(limit(root.path()), UNKNOWN);
        write("proc/meminfo", "MemTotal:       8388608 kB\nMemFree:  1 kB\n");
        assert_eq!(limit(root.path()), 8 << 30);
        write("proc/self/cgroup", "0::/a/b\n");
        write("sys/fs/cgroup/a/b/memory.max", "max\n");
        assert_eq!(limit(root.path()), 8 << 30);
        write("sys/fs/cgroup/a/memory.max", "2147483648\n");
        assert_eq!(limit(root.path()), 2 << 30, "the one above");
        write("proc/self/cgroup", "12:cpu:/x\n4:hugetlb,memory:/docker/abc\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912");
        assert_eq!(limit(root.path()), 512 << 20, "version 1, seen from inside");
    }
}
