//! How far a streamed request body has come, told across tasks, so that a failed call is held against the right side.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where the body is, or what ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// The next piece is the client's to send.
    AwaitsClient,
    /// A piece is the upstream's to take.
    AwaitsUpstream,
    /// All of it has been handed over, or the upstream wanted no more.
    Over,
    /// It is larger than the route allows.
    TooLarge,
    /// The client went away in the middle of it, or framed it wrongly.
    BrokenOff,
    /// Its sender may not go on.
    Revoked,
}

const STAGES: [Stage; 6] =
    [Stage::AwaitsClient, Stage::AwaitsUpstream, Stage::Over, Stage::TooLarge, Stage::BrokenOff, Stage::Revoked];

/// One body's stage: written by the task that feeds it, read by the call.
#[derive(Debug)]
pub struct Progress {
    stage: AtomicU8,
    begun: Instant,
    /// When the stage was entered, in microseconds after `begun`.
    entered: AtomicU64,
}

impl Progress {
    /// The first piece is here and wants to be taken.
    pub fn begun() -> Self {
        let stage = AtomicU8::new(Stage::AwaitsUpstream as u8);
        Self { stage, begun: Instant::now(), entered: AtomicU64::new(0) }
    }

    /// Moves on.
    pub fn enter(&self, stage: Stage) {
        let entered = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.entered.store(entered, Ordering::Release);
        self.stage.store(stage as u8, Ordering::Release);
    }

    /// Since when it has been there.
    pub fn since(&self) -> Instant {
        self.begun + Duration::from_micros(self.entered.load(Ordering::Acquire))
    }

    /// Where it is now.
    pub fn stage(&self) -> Stage {
        STAGES[usize::from(self.stage.load(Ordering::Acquire))]
    }
}
