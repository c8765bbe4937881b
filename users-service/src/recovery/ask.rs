//! Asking for a link: the same work whoever is asked for. Only the worker looks the address up.

use std::net::IpAddr;

use shared::problem::{Code, Problem};

use crate::app::App;
use crate::mail::{self, Owed, Template};
use crate::throttle::Ticket;
use crate::users::{Email, Identifier};

/// Has a link sent to whoever has this address.
///
/// # Errors
/// 422 for what is no address, 429 for whoever asks too often, 503 when the database is gone.
pub(super) async fn ask(app: &App, email: &str, client_ip: Option<IpAddr>, template: Template) -> Result<(), Problem> {
    let email = Email::parse(email)
        .map_err(|fault| Problem::new(Code::ValidationFailed).error("/email", fault.code, fault.detail))?;
    let identifier = Identifier::Email(email.normal().to_owned());
    let throttled = |wait| Problem::new(Code::RateLimited).retry_after(wait);
    app.throttle.admit(&Ticket::asking(&identifier, client_ip)).await.map_err(throttled)?;
    if let Some(address) = client_ip {
        app.mailing_limit.admit(&Ticket::mails_from(address)).await.map_err(throttled)?;
    }
    let write = app.database.write().await?;
    mail::owe(&write, Owed::to_address(template, email.normal().to_owned()), &app.clock).await?;
    write.commit().await?;
    app.mailer.wake();
    Ok(())
}
