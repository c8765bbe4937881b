//! Proving once more who one is: as at sign-in, but no new session.

use shared::auth::InSession;
use shared::config::Secret;
use shared::problem::{Code, Problem};

use super::guesses;
use crate::app::App;
use crate::audit::{Event, Kind};
use crate::mfa::{self, Refused};
#[cfg(feature = "passkeys")]
use crate::passkeys::{self, Assertion};
use crate::passwords::Verified;
use crate::sessions;
use crate::users::{self, Status};

/// By what somebody proves it.
pub(super) enum Shown {
    /// Their password, and a code where there is a second factor.
    Password(Secret, Option<String>),
    /// A passkey, which is two factors at once.
    #[cfg(feature = "passkeys")]
    Passkey(Box<Assertion>),
}

/// What came of one look.
enum Looked {
    Proved,
    /// What this points to is wrong.
    Wrong(&'static str),
    /// The password was right, and there is more to prove.
    Refused(Refused),
    /// The hash was replaced meanwhile: by a password change, or only renewed by a sign-in.
    Replaced,
}

/// Checks the password, and a code where there is a second factor, and notes in the caller's session that they have just proved who they are.
///
/// # Errors
/// 422 for a wrong password or code, 403 without a code where one is needed, 429 after too many, 401 when the session ends meanwhile or for them, 409 when the password is replaced
/// meanwhile, 503 when there is no room for the hash.
pub(super) async fn prove(app: &App, caller: &InSession, shown: &Shown) -> Result<(), Problem> {
    let id = caller.user.id;
    // What finds no room is not counted: it would be a guess that nobody has looked at.
    let attempt = app.journal.attempt(Event::new(Kind::StepUpFailed, (&**caller).into(), &app.clock).about(id))?;
    if matches!(shown, Shown::Password(..)) {
        app.hasher.has_room()?;
    }
    let counted = guesses::admit(app, caller, Kind::StepUpThrottled).await?;
    let looked = match look(app, caller, shown).await? {
        // The second look decides.
        Looked::Replaced => look(app, caller, shown).await?,
        looked @ (Looked::Proved | Looked::Wrong(_) | Looked::Refused(_)) => looked,
    };
    match looked {
        Looked::Proved => {
            app.proofs.forgive(&counted).await;
            Ok(())
        }
        Looked::Wrong(pointer) => {
            attempt.record().await?;
            Err(Problem::new(Code::ValidationFailed).error(pointer, "incorrect", "not the right one"))
        }
        Looked::Refused(refused) => {
            if matches!(refused, Refused::Missing | Refused::Throttled(_)) {
                attempt.record().await?;
            }
            Err(refused.into())
        }
        Looked::Replaced => {
            Err(Problem::new(Code::StateConflict).detail("The password is being replaced by other requests."))
        }
    }
}

async fn look(app: &App, caller: &InSession, shown: &Shown) -> Result<Looked, Problem> {
    match shown {
        Shown::Password(password, otp) => by_password(app, caller, password, otp.as_deref()).await,
        #[cfg(feature = "passkeys")]
        Shown::Passkey(assertion) => {
            let proved = passkeys::again(app, caller, assertion).await?;
            Ok(if proved { Looked::Proved } else { Looked::Wrong("/credential") })
        }
    }
}

/// Notes the proof only if the user still is who was checked: the row is locked, so a password change, a disabling or a
/// deletion comes wholly before or wholly after.
async fn by_password(app: &App, caller: &InSession, password: &Secret, otp: Option<&str>) -> Result<Looked, Problem> {
    let (id, gone) = (caller.user.id, || Problem::new(Code::TokenInvalid));
    let session = caller.user.session.ok_or_else(gone)?;
    let checked = users::credentials(app.database.read(), id).await?.ok_or_else(gone)?;
    let renewed = match app.hasher.verify(password, Some(&checked.password)).await? {
        Verified::No => return Ok(Looked::Wrong("/password")),
        Verified::Yes => None,
        Verified::Renewed(hash) => Some(hash),
    };
    if let Err(refused) = mfa::admit(app, id, otp).await {
        return Ok(Looked::Refused(refused));
    }
    let write = app.database.write().await?;
    let current = users::lock(&write, id).await?.filter(|current| current.user.status == Status::Active);
    if current.ok_or_else(gone)?.password != checked.password {
        return Ok(Looked::Replaced);
    }
    if let Some(hash) = renewed {
        users::store_password(&write, id, &hash).await?;
    }
    let factor = match mfa::prove(app, &write, id, otp, caller.client_ip).await {
        Ok(factor) => factor,
        Err(Refused::Wrong) => return Ok(Looked::Wrong("/otp")),
        Err(refused) => return Ok(Looked::Refused(refused)),
    };
    if !sessions::prove(&write, session, id, factor.amr(), app.clock.now_micros()).await? {
        return Err(gone());
    }
    write.audit(Event::new(Kind::StepUpSucceeded, (&**caller).into(), &app.clock).about(id));
    write.commit().await?;
    app.mailer.wake();
    mfa::forgive(app, id, factor).await;
    Ok(Looked::Proved)
}
