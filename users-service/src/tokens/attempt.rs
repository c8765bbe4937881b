//! An attempt to sign in, by whatever way: counted before any work, and on record however it comes out.

use std::net::IpAddr;

use shared::problem::{Code, Problem};

use super::error::GrantError;
use crate::app::App;
use crate::audit::{By, Event, Kind, Refusal};
use crate::throttle::Visit;

/// Does `look` for a visit that is not one too many. `name` is what whoever tries says they are, as the audit has it.
///
/// # Errors
/// Why nobody is signed in.
pub async fn attempted<T>(
    app: &App,
    visit: &Visit,
    name: String,
    client_ip: Option<IpAddr>,
    look: impl AsyncFnOnce() -> Result<T, GrantError>,
) -> Result<T, GrantError> {
    let turned_away = |kind, identifier, origin| Refusal { kind, subject: None, identifier, by: By::nobody(origin) };
    if let Err(wait) = app.windows.admit(visit).await {
        app.journal.count(turned_away(Kind::SignInThrottled, Some(name), client_ip));
        return Err(GrantError::Throttled(wait));
    }
    // The same for everybody, whether or not there is such a user: no subject, and a place taken before any work.
    let failed = Event::new(Kind::SignInFailed, By::nobody(client_ip), &app.clock).with("identifier", name);
    let shed = |problem: &Problem| {
        if problem.code() == Code::Overloaded {
            app.journal.count(turned_away(Kind::SignInShed, None, None));
        }
    };
    let attempt = app.journal.attempt(failed).inspect_err(shed)?;
    let opened = look().await;
    match &opened {
        Ok(_) => {
            app.metrics.sign_in(true);
            app.windows.welcome(visit).await;
        }
        Err(
            GrantError::Invalid
            | GrantError::Changed
            | GrantError::NotActive(_)
            | GrantError::EmailNotVerified
            | GrantError::MfaRequired
            // Not by the window, which has turned nobody away here, but by the count of codes: the password was right.
            | GrantError::Throttled(_),
        ) => {
            attempt.record().await?;
            app.metrics.sign_in(false);
        }
        // What it was for was over; the password was right.
        Err(GrantError::Other(problem)) if problem.code() == Code::InvalidRequest => attempt.record().await?,
        // Nothing was found out about the password.
        Err(GrantError::Other(problem)) => shed(problem),
        Err(
            GrantError::UnsupportedType
            | GrantError::Scope
            | GrantError::Database(_)
            | GrantError::InvalidClient { .. }
            | GrantError::UnauthorizedClient,
        ) => {}
    }
    opened
}
