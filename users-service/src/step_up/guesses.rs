//! Who shows a password in a session is counted before it is looked at, and has only so many guesses in one.

use shared::auth::SignedIn;
use shared::domain::SessionId;
use shared::problem::{Code, Problem};

use crate::app::App;
use crate::audit::{By, Event, Kind, Refusal};
use crate::sessions;
use crate::throttle::{Held, Proof};
use crate::users;

/// Counts a password that is about to be looked at: for a step-up and for a change of it together, for both tell whether it
/// is right. Whoever comes too fast is on record as `throttled`; a session in which too many were wrong ends.
///
/// # Errors
/// 429 to come later, 401 where the session is over.
pub async fn admit(app: &App, caller: &SignedIn, throttled: Kind) -> Result<Proof, Problem> {
    let session = caller.user.session.ok_or_else(|| Problem::new(Code::TokenInvalid))?;
    let proof = Proof::new(caller.user.id, session, caller.client_ip);
    match app.proofs.admit(&proof).await {
        Ok(()) => Ok(proof),
        Err(Held::For(wait)) => {
            let (subject, by) = (Some(caller.user.id), By::from(caller));
            app.journal.count(Refusal { kind: throttled, subject, identifier: None, by });
            Err(Problem::new(Code::RateLimited).retry_after(wait))
        }
        Err(Held::Spent) => {
            end(app, caller, session).await?;
            Err(Problem::new(Code::TokenInvalid))
        }
    }
}

/// Whoever holds it goes on guessing, so it is not its user's any more, or not only theirs.
async fn end(app: &App, caller: &SignedIn, session: SessionId) -> Result<(), Problem> {
    let write = app.database.write().await?;
    users::lock(&write, caller.user.id).await?;
    let event = |_: &_| Event::new(Kind::SessionGuessedIn, caller.into(), &app.clock);
    sessions::close(app, &write, &[session], event).await?;
    write.commit().await?;
    app.relay.flush().await;
    Ok(())
}
