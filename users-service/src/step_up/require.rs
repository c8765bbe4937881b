//! Whether the caller has proved who they are of late.

use std::time::Duration;

use shared::auth::{SIGN_IN, SignedIn};
use shared::problem::{Code, Problem};

use crate::app::App;
use crate::db::Write;
use crate::mfa::{self, Factor};
use crate::sessions;

/// Lets nobody go on but who has proved of late, in this session, who they are: with a second factor, if they have one. To be asked inside the transaction that
/// makes the change, once it holds the caller's row: whoever ends sessions holds that, too.
///
/// # Errors
/// 401 `step_up_required` when the proof is too old, or lacks the second factor; 401 `token_invalid` when the session has ended; 403 for an API key or a
/// client's token, which cannot prove anything.
pub async fn require(app: &App, write: &Write, caller: &SignedIn) -> Result<(), Problem> {
    let session = caller.user.session.filter(|_| caller.in_session());
    let session = session.ok_or_else(|| Problem::new(Code::Forbidden).detail(SIGN_IN))?;
    let proof = sessions::proof(write.transaction(), session, caller.user.id).await?;
    let proof = proof.ok_or_else(|| Problem::new(Code::TokenInvalid))?;
    let most = app.config.sessions.step_up.get();
    let age = u64::try_from(app.clock.now_micros().saturating_sub(proof.at)).unwrap_or(0);
    let recent = Duration::from_micros(age) <= most;
    let whole = Factor::is_more_than_one(&proof.amr) || !mfa::is_on(write.transaction(), caller.user.id).await?;
    if recent && whole { Ok(()) } else { Err(required(most)) }
}

/// What tells a client to have its user prove who they are, no longer ago than `most`.
#[must_use]
pub fn required(most: Duration) -> Problem {
    let challenge = format!("Bearer error=\"insufficient_user_authentication\", max_age={}", most.as_secs());
    Problem::new(Code::StepUpRequired).challenge(challenge)
}
