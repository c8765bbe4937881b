//! Seals are shared, and go only where nothing is sealed yet.

use futures_util::future::join_all;
use shared::clock::Clock;
use uuid::Uuid;

use super::{History, Unanswered};
use crate::db::Database;

#[tokio::test]
async fn whoever_asks_at_once_shares_a_seal_and_what_is_settled_needs_none() {
    let file = std::env::temp_dir().join(format!("tollgate-seals-{}.db", Uuid::new_v4().simple()));
    let db = Database::connect(&format!("sqlite://{}", file.display()), 4).await.unwrap();
    db.migrate().await.unwrap();
    let clock = Clock::system();
    let history = History::new(db.clone(), clock.clone());
    let now = clock.now_micros();
    let asked = (0..100).map(|n| history.position_at(now - n));
    assert!(join_all(asked).await.into_iter().all(|answer| answer.unwrap() == 0));
    // The first, and one for everybody who asked while it was on its way.
    let seals = history.sealer.so_far();
    assert!((1..=2).contains(&seals), "{seals}");
    for settled in [now, now - 1_000_000, 0, i64::MIN] {
        history.position_at(settled).await.unwrap();
    }
    assert!(matches!(history.position_at(i64::MAX).await, Err(Unanswered::Future)));
    assert_eq!(history.sealer.so_far(), seals);
    db.pool.close().await.unwrap();
    for name in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(format!("{}{name}", file.display())));
    }
}
