//! Doing something once under a key.

use std::time::Duration;

use shared::problem::{Code, Problem};

use super::answer::Answer;
use super::claim::Claim;
use super::store;
use crate::app::App;
use crate::db::Write;
use crate::passwords::{PasswordHash, Verified};

/// A client that meets its own request still running comes again after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The first answer, when the claim's key has one already.
///
/// # Errors
/// 422 `idempotency_key_reused` when it belongs to another request, 409 `idempotency_not_replayable` when the answer held a
/// secret.
pub async fn replay(app: &App, claim: Option<&Claim>) -> Result<Option<Answer>, Problem> {
    let Some(claim) = claim else { return Ok(None) };
    let Some(stored) = store::find(app.database.read(), claim).await? else { return Ok(None) };
    let same_password = match (&claim.password, &stored.password_hash) {
        (Some(password), Some(hash)) => app.hasher.verify(password, Some(hash)).await? != Verified::No,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    if stored.fingerprint != claim.fingerprint || !same_password {
        return Err(Problem::new(Code::IdempotencyKeyReused));
    }
    stored.answer.map(Some).ok_or_else(|| Problem::new(Code::IdempotencyNotReplayable))
}

/// Runs `work` in one transaction with the claim, so that change and answer are written together or not at all.
/// `hash` is that of the password in the claim. What `work` refuses changes nothing and leaves the key free, so that
/// the request can be mended under it: of refusals, only the ledger's are for good.
///
/// # Errors
/// 409 `idempotency_in_progress` when the key is being worked under for longer than one waits, 422 when it belongs to
/// another request, and what `work` refuses.
pub async fn once<E: Into<Problem>>(
    app: &App,
    claim: Option<&Claim>,
    hash: Option<&PasswordHash>,
    work: impl AsyncFnOnce(&Write) -> Result<Answer, E>,
) -> Result<Answer, Problem> {
    let write = app.database.write().await?;
    if let Some(claim) = claim {
        write.patience(Some(app.config.idempotency.wait.get())).await?;
        match store::claim(&write, claim, hash, app.clock.now_micros()).await {
            // What holds the rows that the work wants is no request under this key.
            Ok(true) => write.patience(None).await?,
            Ok(false) => {
                write.rollback().await;
                let first = replay(app, Some(claim)).await?;
                return first.ok_or_else(in_progress);
            }
            Err(fault) if fault.is_lock_timeout() => return Err(in_progress()),
            Err(fault) => return Err(fault.into()),
        }
    }
    let answer = match work(&write).await {
        Ok(answer) => answer,
        Err(refusal) => {
            write.rollback().await;
            return Err(refusal.into());
        }
    };
    if let Some(claim) = claim.filter(|_| !answer.unrepeatable) {
        store::answer(&write, claim, &answer).await?;
    }
    write.commit().await?;
    Ok(answer)
}

fn in_progress() -> Problem {
    Problem::new(Code::IdempotencyInProgress).retry_after(RETRY_AFTER)
}
