//! The task that removes what is past its time: revocations, keys, sessions, and deleted users' personal data.

use std::time::Duration;

use actix_web::web;

use crate::app::App;
use crate::db::Fault;
use crate::{api_keys, audit, idempotency, links, mail, mfa, oauth, passkeys, revocations, sessions, throttle, users};

/// How long links are kept beyond their time: a mail that is tried again gives its link a new one.
const LINKS_KEPT: Duration = Duration::from_secs(86_400);

/// How long it is known that a code was used: one that comes again is a theft.
const CODES_KEPT: Duration = Duration::from_secs(86_400);

/// Sweeps until dropped.
pub async fn run(app: web::Data<App>) {
    let mut ticks = tokio::time::interval(app.config.retention.sweep_every.get());
    loop {
        ticks.tick().await;
        if let Err(error) = sweep(&app).await {
            tracing::warn!(%error, "sweeping failed; it will be tried again");
        }
    }
}

/// Removes what is due now.
///
/// # Errors
/// When a statement fails.
pub async fn sweep(app: &App) -> Result<(), Fault> {
    let now = app.clock.now_micros();
    let ago = |span: Duration| now.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX));
    let retention = &app.config.retention;
    // Each by itself, so many rows at a time, and past whatever somebody holds: nobody waits for a sweep, nor it for them.
    revocations::sweep(&app.database, now).await?;
    idempotency::sweep(&app.database, ago(retention.idempotency_keys.get())).await?;
    oauth::sweep(&app.database, now, ago(CODES_KEPT)).await?;
    throttle::sweep(&app.database, ago(app.config.throttle.device_memory.get())).await?;
    mfa::sweep(&app.database, ago(app.config.mfa.setup.get())).await?;
    passkeys::sweep(&app.database, now).await?;
    api_keys::sweep(&app.database, ago(retention.api_keys.get())).await?;
    users::free_held_names(&app.database, ago(retention.held_names.get())).await?;
    links::sweep(&app.database, ago(LINKS_KEPT)).await?;
    mail::sweep(&app.database, ago(retention.mails.get())).await?;
    // Not before their last token is dead everywhere: a password change has to find them.
    let tokens = &app.config.tokens;
    sessions::sweep(&app.database, ago(tokens.access_lifetime.get() + tokens.leeway.get())).await?;
    // An instance of the release before may have let somebody in since this one started.
    users::fill_looks(&app.database).await?;
    audit::sweep(&app.database, ago(retention.failed_sign_ins.get())).await?;
    users::purge(&app.database, ago(retention.deleted_users.get()), &app.clock).await
}

#[cfg(test)]
mod tests;
