//! Whether a transfer still stands as its caller has seen it: what its entity tag is made of (RFC 9110, section 13.1.1).

use std::sync::Arc;

use super::decline::{Decline, Stop};
use super::draft::Decided;
use super::effect::Recorded;
use super::holds::HoldState;
use super::state::State;

/// How a transfer looks at an instant. One that was posted or voided looks like a claim that ended so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// What it is by then.
    pub state: HoldState,
    /// What is still held of a pending one, and what can still be paid back of a posted one, in minor units.
    pub remaining: Option<i64>,
}

/// As what a caller has seen the transfer that they want something done to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    /// They do not say.
    #[default]
    Anyhow,
    /// As one of these; none of them: as something that it never was.
    As(Arc<[Look]>),
}

impl Seen {
    /// Declines what its caller has seen otherwise.
    pub(super) fn judge(&self, state: &State, original: &Decided, now: i64) -> Result<(), Stop> {
        let Self::As(looks) = self else { return Ok(()) };
        if looks.contains(&look(state, original, now)?) { Ok(()) } else { Err(Decline::Stale.into()) }
    }
}

/// How a transfer looks now, as reads show it.
fn look(state: &State, original: &Decided, now: i64) -> Result<Look, Stop> {
    let record = &original.record;
    Ok(match record.status {
        Recorded::Voided => Look { state: HoldState::Voided, remaining: None },
        Recorded::Posted if record.reversal_of.is_some() => Look { state: HoldState::Posted, remaining: None },
        Recorded::Posted => {
            let reversed = state.reversal(record.id)?.map_or(0, |reversal| reversal.reversed);
            Look { state: HoldState::Posted, remaining: Some(record.amount.get() - reversed) }
        }
        Recorded::Pending => {
            let hold = state.hold(record.id)?.ok_or(Decline::TransferNotPending)?;
            let shown = hold.shown(now);
            let remaining = if shown == HoldState::Open { hold.remaining() } else { 0 };
            Look { state: shown, remaining: Some(remaining) }
        }
    })
}
