//! A flood of sign-ins: no more is hashed at once than there are permits, and the rest is told to come again.

use futures_util::future::join_all;

use crate::testing::{Backend, Setup, on_both};

on_both! {
    a_flood_hashes_no_more_than_permits,
}

const FLOOD: usize = 80;

async fn a_flood_hashes_no_more_than_permits(backend: Backend) {
    let setup = Setup::on(backend).set("hashing.workers", "2").set("hashing.queue", "4");
    let service = setup.set("hashing.memory_kib", "8192").set("hashing.passes", "2").start().await;
    let before = service.app.hasher.work().0;
    let answers = join_all((0..FLOOD).map(|number| {
        let service = &service;
        async move { service.password_grant(&format!("nobody{number}"), "wrong horse 9").await }
    }))
    .await;
    let (hashes, most) = service.app.hasher.work();
    let failed = answers.iter().filter(|answer| answer.status == 400).count();
    let shed: Vec<_> = answers.into_iter().filter(|answer| answer.status != 400).collect();
    assert!(most <= 2, "{most} at once");
    assert_eq!(hashes - before, failed as u64, "who is turned away costs no hash");
    assert!(!shed.is_empty() && failed >= 6, "{failed} had their turn");
    for answer in shed {
        let answer = answer.expect_problem(503, "overloaded");
        assert_eq!(answer.header("retry-after"), "1");
    }
    let scrape = service.app.metrics.scrape(0, 0);
    for shown in ["hash_permits 2", "hashes_shed_total", "hash_wait_seconds_count", "hashes_most_at_once"] {
        assert!(scrape.contains(&format!("tollgate_users_{shown}")), "{shown} in {scrape}");
    }
    service.stop().await;
}
