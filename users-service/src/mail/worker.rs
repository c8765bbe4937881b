//! The worker: takes what is due, sends it outside of any transaction, and writes down what came of it.
//!
//! Any number of processes may run one: whoever has leased a mail sends it. One that dies between sending and writing
//! so down has its mail sent again, under the same `Message-ID`: at least once, and in the spool exactly once.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::web;
use futures_util::stream::iter;
use futures_util::{FutureExt, StreamExt};
use shared::domain::MailId;
use tokio::time::timeout;

use super::message;
use super::outbox;
use super::prepare::{Ready, prepare};
use super::template::Template;
use super::transport::{Hindrance, SendError};
use crate::app::App;
use crate::db::entity::mail::Model;
use crate::db::{Fault, Write};
use crate::metrics::Metrics;
use crate::throttle::Ticket;

/// How much longer than the sending itself a lease is: for the writing down, and for clocks that are not quite equal.
const SPARE: Duration = Duration::from_secs(60);

/// Sends until the service stops, and lets what is on its way arrive.
pub async fn run(app: web::Data<App>) {
    let poll = app.config.mail.poll.get();
    while !app.stopping.load(Ordering::Relaxed) {
        match guarded(&app.metrics, round(&app)).await {
            Some(Ok(true)) => {}
            Some(Ok(false)) => drop(timeout(poll, app.mailer.rung()).await),
            Some(Err(error)) => {
                tracing::warn!(%error, "mail waits for the database");
                tokio::time::sleep(poll).await;
            }
            None => tokio::time::sleep(poll).await,
        }
    }
}

/// Sends what is due, at most so much as goes side by side: whether there was anything.
///
/// # Errors
/// When a statement fails; what is leased by then is tried again when the lease is over.
pub(super) async fn round(app: &App) -> Result<bool, Fault> {
    if !outbox::any_due(app.database.read(), app.clock.now_micros()).await? {
        return Ok(false);
    }
    let leased = take(app).await?;
    let any = !leased.is_empty();
    let delivered = iter(leased).map(|mail| async move { guarded(&app.metrics, deliver(app, &mail)).await });
    let delivered: Vec<Option<Result<(), Fault>>> =
        delivered.buffer_unordered(app.config.mail.parallel).collect().await;
    delivered.into_iter().flatten().collect::<Result<Vec<()>, Fault>>()?;
    Ok(any)
}

/// A panic is a mistake of ours: it is told, and stops neither the worker nor the mails beside it. A mail in which it
/// happens is tried again when its lease is over, and given up in the end like one whose sender dies.
async fn guarded<T>(metrics: &Metrics, work: impl Future<Output = T>) -> Option<T> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    if done.is_err() {
        tracing::error!("the mail worker panicked; it goes on");
        metrics.mail("panicked");
    }
    done.ok()
}

/// Leases what is due.
async fn take(app: &App) -> Result<Vec<Model>, Fault> {
    let config = &app.config.mail;
    let write = app.database.write().await?;
    let most = u64::try_from(config.parallel).unwrap_or(u64::MAX);
    let leased = outbox::lease(&write, most, config.timeout.get() + SPARE, &app.clock).await?;
    write.commit().await?;
    Ok(leased)
}

/// Finds out whom a mail goes to, and sends it there.
async fn deliver(app: &App, mail: &Model) -> Result<(), Fault> {
    match address(app, mail).await? {
        Some(ready) => attempt(app, mail, &ready).await,
        None => Ok(()),
    }
}

/// Whom a mail goes to, if to anybody. In a transaction for each mail: it locks a link, and whoever holds one of a user's
/// links and wants another waits for whoever ends them all, who waits for them.
async fn address(app: &App, mail: &Model) -> Result<Option<Ready>, Fault> {
    let write = app.database.write().await?;
    let mut ready = None;
    if attempts(mail) > app.config.mail.attempts {
        give_up(app, &write, mail, &Hindrance::ours("whoever sent it died, each time")).await?;
    } else if let Some(template) = Template::parse(&mail.template) {
        ready = prepare(app, &write, mail, template).await?;
        if ready.is_none() {
            outbox::dropped(&write, mail).await?;
            app.metrics.mail("dropped");
        }
    }
    write.commit().await?;
    Ok(ready)
}

/// Sends one, and writes down what came of it.
async fn attempt(app: &App, mail: &Model, ready: &Ready) -> Result<(), Fault> {
    let id = MailId::from(mail.id);
    if !has_room(app, mail, ready).await {
        return withhold(app, mail).await;
    }
    let sent = match message::write(app, ready, id, mail.created_at) {
        Ok(message) => app.mailer.transport.send(id, message).await,
        Err(error) => Err(SendError::Never(Hindrance::ours(error.to_string()))),
    };
    let write = app.database.write().await?;
    let now = app.clock.now_micros();
    match sent {
        Ok(()) => {
            outbox::sent(&write, mail, now).await?;
            app.metrics.mail("sent");
        }
        Err(SendError::Later(Hindrance { kind, said })) if attempts(mail) < app.config.mail.attempts => {
            tracing::warn!(%id, template = mail.template, attempt = mail.attempts, kind, "a mail was not sent yet");
            let wait = i64::try_from(pause(app, attempts(mail)).as_micros()).unwrap_or(i64::MAX);
            outbox::failed(&write, mail, now.saturating_add(wait), &said).await?;
            app.metrics.mail("failed");
        }
        Err(SendError::Later(hindrance) | SendError::Never(hindrance)) => {
            give_up(app, &write, mail, &hindrance).await?
        }
    }
    write.commit().await
}

/// Counts a mail that strangers can have sent, now that it is known to go somewhere: one to nobody uses up nothing. To an
/// address that nobody has shown to be theirs that is every mail: whoever registers it can have each of them sent. Not in
/// the transaction that leased it, for the counters may be elsewhere; and once, however often it is tried.
async fn has_room(app: &App, mail: &Model, ready: &Ready) -> bool {
    let counted = (ready.template.by_strangers() || !ready.proven) && attempts(mail) == 1;
    let (claim, mailbox) = ready.counted_as();
    !counted || app.mail_limit.admit(&Ticket::mail(ready.template, claim, mailbox)).await.is_ok()
}

/// Whoever asked too often for something of their own has had the same mail, with links that are still good. Operators
/// see it, strangers do not.
async fn withhold(app: &App, mail: &Model) -> Result<(), Fault> {
    let id = MailId::from(mail.id);
    tracing::warn!(%id, template = mail.template, "a mail was withheld: its address was sent too many of the kind");
    app.metrics.mail("withheld");
    let write = app.database.write().await?;
    outbox::dropped(&write, mail).await?;
    write.commit().await
}

async fn give_up(app: &App, write: &Write, mail: &Model, Hindrance { kind, said }: &Hindrance) -> Result<(), Fault> {
    let id = MailId::from(mail.id);
    tracing::error!(%id, template = mail.template, attempts = mail.attempts, kind, "a mail was given up");
    app.metrics.mail("dead");
    outbox::dead(write, mail, app.clock.now_micros(), said).await
}

fn attempts(mail: &Model) -> u32 {
    u32::try_from(mail.attempts).unwrap_or(u32::MAX)
}

/// Three times as long after each failure, up to the longest.
fn pause(app: &App, attempts: u32) -> Duration {
    let config = &app.config.mail;
    let grown =
        3_u32.checked_pow(attempts.saturating_sub(1)).and_then(|times| config.retry_first.get().checked_mul(times));
    grown.unwrap_or(Duration::MAX).min(config.retry_longest.get())
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::audit::Tally;

    #[actix_web::test]
    async fn a_panic_is_told_and_stops_nothing() {
        let metrics = Metrics::new(&Tally::default());
        assert!(guarded(&metrics, ready(()).map(|()| -> u8 { panic!("on purpose") })).await.is_none());
        assert_eq!(guarded(&metrics, ready(1)).await, Some(1));
        assert!(metrics.scrape(0, (0, false)).contains("mails_total{outcome=\"panicked\"} 1"));
    }
}
