//! The state machine of refreshing, pure: what a token with some counter gets, given the session's counter and time.
//!
//! Rotation detects theft (RFC 9700, section 4.14.2): a token is good once. But an answer can get lost and a browser can
//! refresh in two tabs at once, so for a short grace the last token still gets the very successor it got before.

use std::time::Duration;

use crate::config;

/// What the session remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The counter of the token that is good now.
    pub counter: i64,
    /// When it became so, in microseconds.
    pub rotated_at: i64,
    /// When the session ends whatever happens, in microseconds.
    pub expires_at: i64,
    /// Whether it has ended already.
    pub ended: bool,
}

impl State {
    /// Whether the session has ended, for whatever reason.
    #[must_use]
    pub fn is_over(&self, now: i64, idle: Duration) -> bool {
        self.ended || now >= self.expires_at || now.saturating_sub(self.rotated_at) >= micros(idle)
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// How long things hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long the last token still gets its successor once more.
    pub grace: Duration,
    /// How long a session lasts that nobody refreshes.
    pub idle: Duration,
}

/// What a refresh does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Compare and swap the counter to this one, and hand out its token.
    Rotate(i64),
    /// Hand out the token with this counter again; change nothing.
    Repeat(i64),
    /// An old token was used again: somebody has a copy. End the session.
    Replayed,
    /// Not a token of a living session.
    Refuse,
}

impl Limits {
    /// As they are configured.
    #[must_use]
    pub fn of(sessions: &config::Sessions) -> Self {
        Self { grace: sessions.refresh_grace.get(), idle: sessions.idle.get() }
    }
}

/// Decides what the token with `presented` gets at `now` (microseconds).
#[must_use]
pub fn decide(state: &State, presented: i64, now: i64, limits: Limits) -> Step {
    let is_last = presented == state.counter.saturating_sub(1);
    if state.is_over(now, limits.idle) {
        Step::Refuse
    } else if presented == state.counter {
        Step::Rotate(state.counter.saturating_add(1))
    } else if is_last && now.saturating_sub(state.rotated_at) <= micros(limits.grace) {
        Step::Repeat(state.counter)
    } else if presented < state.counter {
        Step::Replayed
    } else {
        // Ahead of us: made by us, but after a backup that was restored since.
        Step::Refuse
    }
}
