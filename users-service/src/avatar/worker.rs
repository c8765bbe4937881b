//! The worker: takes what is due, makes it small outside of any transaction, and writes down what came of it.
//!
//! Any number of processes may run one; each does one image at a time, on a thread that gives way to everything else.
//! One that dies over an image leaves it to the next, and an image that kills each of them is given up.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use actix_web::web;
use shared::clock::to_micros;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::model::Kind;
use super::picture::{self, Small, Unreadable};
use super::store::{self, Leased};
use crate::app::App;
use crate::db::Fault;
use crate::passwords::give_way;

/// Works until the service stops. What it leaves is taken up again when its lease is over.
pub async fn run(app: web::Data<App>) {
    let poll = app.config.avatars.poll.get();
    while !app.stopping.load(Ordering::Relaxed) {
        match round(&app).await {
            Ok(true) => {}
            Ok(false) => drop(timeout(poll, app.avatars.bell.notified()).await),
            Err(error) => {
                tracing::warn!(%error, "avatars wait for the database");
                tokio::time::sleep(poll).await;
            }
        }
    }
}

/// Does one image: whether there was any.
///
/// # Errors
/// When a statement fails; what is leased by then is tried again when the lease is over.
async fn round(app: &App) -> Result<bool, Fault> {
    let now = app.clock.now_micros();
    if !store::any_due(app.database.read(), now).await? {
        return Ok(false);
    }
    let write = app.database.write().await?;
    let until = to_micros(app.clock.now() + app.config.avatars.lease.get());
    let Some(leased) = store::lease(&write, now, until).await? else {
        write.rollback().await;
        return Ok(false);
    };
    if leased.attempts > app.config.avatars.attempts {
        give_up(app, &leased, "whoever worked on it died, each time");
        store::failed(&write, &leased, &app.clock).await?;
        write.commit().await?;
        return Ok(true);
    }
    write.commit().await?;
    // Replaced or deleted since, it is nobody's any more.
    let Some((kind, bytes)) = store::original(app.database.read(), &leased).await? else { return Ok(true) };
    let made = shrink(kind, bytes, app.config.avatars.max_pixels).await;
    finish(app, &leased, made).await?;
    Ok(true)
}

/// What came of the work itself.
enum Made {
    Small(Small),
    /// It will be no better the next time.
    Never(Unreadable),
    /// The work broke off.
    BrokenOff,
}

/// On a thread of its own, which takes its memory along when it ends.
async fn shrink(kind: Kind, bytes: Vec<u8>, max_pixels: u64) -> Made {
    let (done, made) = oneshot::channel();
    let work = move || {
        give_way();
        drop(done.send(picture::shrink(kind, &bytes, max_pixels)));
    };
    if let Err(error) = thread::Builder::new().name("avatar".to_owned()).spawn(work) {
        tracing::warn!(%error, "there is no thread for an avatar");
        return Made::BrokenOff;
    }
    match made.await {
        Ok(Ok(small)) => Made::Small(small),
        Ok(Err(unreadable)) => Made::Never(unreadable),
        // A decoder panicked: over this image it may do so again, and then the attempts run out.
        Err(_) => Made::BrokenOff,
    }
}

async fn finish(app: &App, leased: &Leased, made: Made) -> Result<(), Fault> {
    let write = app.database.write().await?;
    match made {
        Made::Small(small) => {
            let shown = store::ready(&write, leased, small, &app.clock).await?;
            app.metrics.avatar(if shown { "ready" } else { "replaced" });
        }
        Made::Never(unreadable) => {
            give_up(app, leased, &unreadable.to_string());
            store::failed(&write, leased, &app.clock).await?;
        }
        Made::BrokenOff if leased.attempts < app.config.avatars.attempts => {
            app.metrics.avatar("broken_off");
            store::later(&write, leased, app.clock.now() + pause(app, leased.attempts)).await?;
        }
        Made::BrokenOff => {
            give_up(app, leased, "the work broke off, each time");
            store::failed(&write, leased, &app.clock).await?;
        }
    }
    write.commit().await
}

fn give_up(app: &App, leased: &Leased, why: &str) {
    tracing::warn!(user = %leased.user, attempts = leased.attempts, why, "an avatar was given up");
    app.metrics.avatar("failed");
}

/// Three times as long after each attempt, up to the longest.
fn pause(app: &App, attempts: u32) -> Duration {
    let config = &app.config.avatars;
    let grown =
        3_u32.checked_pow(attempts.saturating_sub(1)).and_then(|times| config.retry_first.get().checked_mul(times));
    grown.unwrap_or(Duration::MAX).min(config.retry_longest.get())
}
