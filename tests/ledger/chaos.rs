//! The short edition of `make chaos`: kills, cuts and lost replies for some seconds, and every answer judged.

use std::time::Duration;

use tests::chaos::{Blow, Plan, run};
use tests::ledger::Features;

mod real {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whatever_breaks_no_answer_is_wrong() {
        super::whatever_breaks().await;
    }
}

async fn whatever_breaks() {
    let blows =
        vec![Blow::KillService, Blow::LoseReply, Blow::Cut, Blow::KillRedis, Blow::LoseReply, Blow::KillPostmaster];
    let plan = Plan {
        seed: rand::random(),
        lasts: Duration::from_secs(15),
        clients: 16,
        blows,
        pauses: (1, 2),
        features: Features::ALL,
        sets: 10,
        // A lease of somebody who died would outlast all of this.
        lease: Some(Duration::from_secs(1)),
    };
    let outcome = run(&plan).await.expect("everything comes back");
    assert_eq!(outcome.violations(), 0, "{}", outcome.page());
    assert_eq!(outcome.void(), None, "{}", outcome.page());
}
