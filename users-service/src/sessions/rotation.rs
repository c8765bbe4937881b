//! The state machine of refreshing, pure: what a token with some counter gets, given the session's counter and time.
//!
//! Rotation detects theft (RFC 9700, section 4.14.2): a token is good once. But an answer can get lost and a browser can
//! refresh in two tabs at once, so for a short grace the last token still gets the very successor it got before.

use std::time::Duration;

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

/// Decides what the token with `presented` gets at `now` (microseconds).
#[must_use]
pub fn decide(state: &State, presented: i64, now: i64, grace: Duration) -> Step {
    let grace = i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
    let is_last = presented == state.counter.saturating_sub(1);
    if state.ended || now >= state.expires_at {
        Step::Refuse
    } else if presented == state.counter {
        Step::Rotate(state.counter.saturating_add(1))
    } else if is_last && now.saturating_sub(state.rotated_at) <= grace {
        Step::Repeat(state.counter)
    } else if presented < state.counter {
        Step::Replayed
    } else {
        // Ahead of us: made by us, but after a backup that was restored since.
        Step::Refuse
    }
}
