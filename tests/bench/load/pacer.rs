//! Turns at an even rate.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// Hands out turns from a thread of its own, since the runtime's timers tick in whole milliseconds. Turns that nobody
/// takes do not pile up beyond one for each connection. Dropping it ends the thread.
#[derive(Debug)]
pub struct Pacer(Arc<Semaphore>);

impl Pacer {
    /// `rate` turns a second, shared by so many connections.
    pub fn start(rate: f64, connections: usize) -> Self {
        let turns = Arc::new(Semaphore::new(0));
        let held = Arc::downgrade(&turns);
        let gap = Duration::from_secs_f64(1.0 / rate);
        thread::spawn(move || {
            let mut due = Instant::now();
            while let Some(turns) = held.upgrade() {
                if turns.available_permits() < connections {
                    turns.add_permits(1);
                }
                drop(turns);
                due += gap;
                #[expect(clippy::disallowed_methods, reason = "this thread does nothing else")]
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        Self(turns)
    }

    /// Waits for one's turn.
    pub async fn turn(&self) {
        if let Ok(turn) = self.0.acquire().await {
            turn.forget();
        }
    }
}
