//! A flood of sign-ins: no more is hashed at once than there are permits, and the rest is told to come again.

use futures_util::future::join_all;

use crate::testing::{Backend, Setup, on_both};

on_both! {
    a_flood_hashes_no_more_than_permits,
}

const FLOOD: usize = 80;
const PERMITS: usize = 2;
/// What a hash takes by default.
const COST_KIB: usize = 19_456;
/// Both ends of them, and the pool of the database.
const EIGHTY_CALLS_KIB: usize = 65_536;

/// The most memory that this process has had so far; nothing where the system does not say.
fn peak_kib() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
}

async fn a_flood_hashes_no_more_than_permits(backend: Backend) {
    let setup = Setup::on(backend).set("hashing.workers", "2").set("hashing.queue", "4");
    let service = setup.set("hashing.memory_kib", &COST_KIB.to_string()).set("hashing.passes", "1").start().await;
    // What everything else takes is taken before: connections, buffers, and a worker's memory once.
    service.password_grant("nobody", "wrong horse 9").await.expect(400);
    let resting = peak_kib();
    let before = service.app.hasher.work().0;
    let answers = join_all((0..FLOOD).map(|number| {
        let service = &service;
        async move { service.password_grant(&format!("nobody{number}"), "wrong horse 9").await }
    }))
    .await;
    let (hashes, most) = service.app.hasher.work();
    let failed = answers.iter().filter(|answer| answer.status == 400).count();
    let shed: Vec<_> = answers.into_iter().filter(|answer| answer.status != 400).collect();
    assert!(usize::try_from(most).unwrap() <= PERMITS, "{most} at once");
    // As much as the permits say, and what eighty calls take; eighty hashes at once would be 1.5 GiB.
    if let (Some(before), Some(after)) = (resting, peak_kib()) {
        let bound = PERMITS * COST_KIB + EIGHTY_CALLS_KIB;
        assert!(after - before <= bound, "{} KiB more, of {bound}", after - before);
    }
    assert_eq!(hashes - before, failed as u64, "who is turned away costs no hash");
    assert!(!shed.is_empty() && failed >= 6, "{failed} had their turn");
    for answer in shed {
        let answer = answer.expect_problem(503, "overloaded");
        assert_eq!(answer.header("retry-after"), "1");
    }
    let scrape = service.app.metrics.scrape(0, (0, false));
    for shown in ["hash_permits 2", "hashes_shed_total", "hash_wait_seconds_count", "hashes_most_at_once"] {
        assert!(scrape.contains(&format!("tollgate_users_{shown}")), "{shown} in {scrape}");
    }
    service.stop().await;
}
