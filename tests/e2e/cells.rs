//! Two cells, each a complete ledger: whoever dies on the way, a payment between them is whole or not at all.

use std::time::Duration;

use tests::Backend;
use tests::cells::trial::{self, Errand};

journeys!(a_payment_is_whole_whoever_dies, each_answer_lost_once);

/// How long things break.
const LASTS: Duration = Duration::from_secs(8);

async fn a_payment_is_whole_whoever_dies(backend: Backend) {
    let seed = seed();
    tests::say(format_args!("cells: TOLLGATE_SEED={seed}"));
    let outcome = trial::run(backend, seed, LASTS).await.expect("everything comes back");
    tests::say(format_args!("{outcome:?}"));
    assert!(outcome.verdict.faults.is_empty(), "{outcome:#?}");
    assert_eq!(outcome.verdict.in_flight, 0, "{outcome:#?}");
    assert_eq!(outcome.void(), None, "{outcome:#?}");
}

async fn each_answer_lost_once(backend: Backend) {
    let (struck, verdict) = trial::each_answer_lost(backend).await.expect("everything comes back");
    tests::say(format_args!("{struck:?} {verdict:?}"));
    assert!(verdict.faults.is_empty() && verdict.in_flight == 0, "{verdict:#?}");
    // Each way of ending was met, as often as a coordinator died on it, and mostly before its end.
    assert_eq!([verdict.paid, verdict.released, verdict.returned, verdict.unclaimed], [6, 4, 4, 12], "{verdict:#?}");
    assert!(Errand::ALL.iter().all(|errand| struck.get(errand).is_some_and(|times| *times > 0)), "{struck:?}");
    assert!(struck.values().sum::<u32>() >= 10, "{struck:?}");
}

/// `TOLLGATE_SEED` runs the same again, as far as processes can.
fn seed() -> u64 {
    let given = shared::config::process_env().into_iter().find(|(name, _)| name == "TOLLGATE_SEED");
    given.and_then(|(_, text)| text.parse().ok()).unwrap_or_else(rand::random)
}
