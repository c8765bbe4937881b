//! Another e-mail address: one's own takes effect when the new one is confirmed, and the old one is told.

use shared::auth::SignedIn;
use shared::clock::to_micros;
use shared::domain::UserId;
use shared::problem::{Code, Problem};

use super::error::UserError;
use super::fields::{Email, Identifier};
use super::model::{Changes, User};
use super::store;
use crate::app::App;
use crate::audit::{Event, Kind};
use crate::db::{Fault, Write};
use crate::links::{self, Purpose};
use crate::mail::{self, Owed, Template};
use crate::step_up;
use crate::throttle::Ticket;

/// Counts how often somebody asks for a mail to a new address of their choice. Before the transaction, for the
/// counters may be elsewhere.
pub(super) async fn admit(app: &App, caller: &SignedIn, id: UserId, changes: &Changes) -> Result<(), UserError> {
    // Who may not move anything is refused later, and has nothing counted against the user.
    let own = id == caller.user.id && caller.in_session();
    let Some(email) = changes.email.as_ref().filter(|_| own) else { return Ok(()) };
    let user = store::find(app.database.read(), id).await?.ok_or(UserError::NotFound)?;
    if !user.moves_to(email) {
        return Ok(());
    }
    let throttled = |wait| Problem::new(Code::RateLimited).retry_after(wait);
    let asking = Ticket::asking(&Identifier::of(&id.to_string()), None);
    app.throttle.admit(&asking).await.map_err(throttled)?;
    if let Some(address) = caller.client_ip {
        app.mailing_limit.admit(&Ticket::mails_from(address)).await.map_err(throttled)?;
    }
    Ok(())
}

/// Takes out of a patch of one's own what waits for a confirmation, and has it asked for.
pub(super) async fn held_back(
    app: &App,
    write: &Write,
    caller: &SignedIn,
    user: &User,
    mut changes: Changes,
) -> Result<Changes, UserError> {
    let own = user.id == caller.user.id;
    if let Some(email) = changes.email.take_if(|email| own && user.moves_to(email)) {
        step_up::require(app, write, caller).await?;
        ask(app, write, user, &email).await?;
        let event = Event::new(Kind::EmailChangeAsked, caller.into(), &app.clock).about(user.id);
        write.audit(event.with("before", user.email.as_str()).with("after", email.as_str()));
    }
    Ok(changes)
}

/// Sends the new address a link, and tells the old one. What was asked for before is void; who asks for the same again is
/// sent the same link, for if that mail is withheld, the link of the one before has to be good.
async fn ask(app: &App, write: &Write, user: &User, email: &Email) -> Result<(), UserError> {
    // Where nobody learns who is registered, the worker finds out, and sends nothing.
    if app.config.registration.disclose_existing {
        let normal = Identifier::Email(email.normal().to_owned());
        let holder = store::by_identifier(write.transaction(), &normal).await?;
        if holder.is_some_and(|holder| holder.user.id != user.id) {
            return Err(UserError::EmailTaken);
        }
    }
    let purpose = Purpose::ChangeEmail;
    let now = app.clock.now_micros();
    let open = links::latest(write, user.id, purpose, now).await?;
    let open = open.filter(|open| open.email == email.as_str());
    let link = match open {
        Some(open) => open.id,
        None => {
            links::end_open(write, user.id, &[purpose], now).await?;
            links::make(write, purpose, user.id, email, app.config.links.of(purpose), &app.clock).await?
        }
    };
    let confirm = Owed { link: Some(link), ..Owed::to_user(Template::ConfirmEmail, user.id) };
    mail::owe(write, confirm, &app.clock).await?;
    Ok(tell(app, write, Template::EmailChangeAsked, user, email).await?)
}

/// What follows from a move that is done: links to the old address open nothing any more, and it is told. An address that
/// an administrator wrote down is asked to be confirmed.
///
/// # Errors
/// When a statement fails.
pub async fn moved(app: &App, write: &Write, before: &User, to: &Email, confirmed: bool) -> Result<(), Fault> {
    links::end_open(write, before.id, &Purpose::ALL, to_micros(app.clock.now())).await?;
    tell(app, write, Template::EmailChanged, before, to).await?;
    if !confirmed {
        mail::owe(write, Owed::to_user(Template::VerifyEmail, before.id), &app.clock).await?;
    }
    Ok(())
}

/// The same for a patch that has just been written: nothing, unless it moved them.
pub(super) async fn after(app: &App, write: &Write, before: &User, changes: &Changes) -> Result<(), UserError> {
    match changes.email.as_ref().filter(|email| before.moves_to(email)) {
        Some(email) => Ok(moved(app, write, before, email, false).await?),
        None => Ok(()),
    }
}

/// Writes to the address that the account has, or had until now. Who has not shown it to be theirs is not told the other
/// one: whoever registers somebody else's address would write them a line of their choice.
async fn tell(app: &App, write: &Write, template: Template, user: &User, other: &Email) -> Result<(), Fault> {
    let recipient = Some(user.email.clone());
    let about = user.email_verified.then(|| other.masked());
    let told = Owed { recipient, about, ..Owed::to_user(template, user.id) };
    mail::owe(write, told, &app.clock).await
}
