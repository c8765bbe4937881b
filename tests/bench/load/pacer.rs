//! Turns at an even rate.

use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often turns are handed out: the finest that the runtime's timers know.
const TICK: Duration = Duration::from_millis(1);

/// Hands out turns, those of a millisecond together. Turns that nobody takes do not pile up beyond one for each
/// connection. Dropping it ends it.
#[derive(Debug)]
pub struct Pacer(Rc<Semaphore>);

impl Pacer {
    /// `rate` turns a second, shared by so many connections. Must be called on a `LocalSet`.
    pub fn start(rate: f64, connections: usize) -> Self {
        let turns = Rc::new(Semaphore::new(0));
        spawn_local(hand_out(Rc::downgrade(&turns), rate, connections));
        Self(turns)
    }

    /// Waits for one's turn.
    pub async fn turn(&self) {
        if let Ok(turn) = self.0.acquire().await {
            turn.forget();
        }
    }
}

/// A task on the generator's thread: another thread that woke up for each turn, to wake the generator, would take the time of
/// whoever is measured beside it, thousands of times a second.
async fn hand_out(turns: Weak<Semaphore>, rate: f64, connections: usize) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let begun = Instant::now();
    let mut given = 0;
    while let Some(turns) = turns.upgrade() {
        let due = (begun.elapsed().as_secs_f64() * rate) as usize;
        turns.add_permits((due - given).min(connections.saturating_sub(turns.available_permits())));
        given = due;
        drop(turns);
        ticks.tick().await;
    }
}
