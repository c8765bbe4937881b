//! Waiting for a condition with a deadline, so that no test sleeps and hopes.

use std::time::{Duration, Instant};

/// How long one look at a condition is followed by the next.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks `probe` again and again until it answers `Some`.
///
/// # Panics
/// When `within` has passed: the test fails, naming `what` it waited for.
#[expect(clippy::panic, reason = "a condition that never comes fails the test")]
pub async fn wait_until<T>(what: &str, within: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    match try_until(within, &mut probe).await {
        Some(found) => found,
        None => panic!("waited {within:?} in vain for: {what}"),
    }
}

/// The same, answering `None` when `within` has passed.
pub async fn try_until<T>(within: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = probe().await {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
