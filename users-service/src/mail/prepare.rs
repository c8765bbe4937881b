//! Whom a mail goes to and with which link, decided when it is sent: on the path of a request nobody is looked up.

use shared::domain::{LinkId, UserId};

use super::outbox;
use super::template::Template;
use crate::app::App;
use crate::db::entity::mail::Model;
use crate::db::{Fault, Write};
use crate::links::{self, Purpose};
use crate::throttle::Claim;
use crate::users::{self, Email, Identifier, Status, User};

/// A mail as it can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    pub template: Template,
    /// Where to.
    pub to: Email,
    /// Whether they have shown that it is theirs.
    pub proven: bool,
    /// By which name they are greeted. Nobody who has not shown that the address is theirs chooses what we write to it.
    pub name: Option<String>,
    /// The link in it.
    pub link: Option<(LinkId, Purpose)>,
    /// The other address it speaks of, or what else it has to say.
    pub about: Option<String>,
}

impl Ready {
    /// As what it is counted. Whoever registers `ada+x@`, or asks for it, has mail sent to `ada@`: only so much, but none of
    /// what is Ada's own, whether or not she has shown `ada@` to be hers.
    pub(super) fn counted_as(&self) -> (Claim, String) {
        let (mailbox, normal) = (self.to.without_detail(), self.to.normal());
        match (self.proven, mailbox == normal) {
            (true, _) => (Claim::Proven, normal.to_owned()),
            (false, true) => (Claim::Made, mailbox),
            (false, false) => (Claim::WithDetail, mailbox),
        }
    }
}

/// Reads and writes what the mail needs; nothing when there is nobody to send it to, or nothing left to say.
pub(super) async fn prepare(
    app: &App,
    write: &Write,
    mail: &Model,
    template: Template,
) -> Result<Option<Ready>, Fault> {
    match template {
        Template::VerifyEmail => {
            let user = addressee(write, mail).await?.filter(|user| !user.email_verified);
            with_link(app, write, mail, user, (template, Purpose::VerifyEmail)).await
        }
        Template::ResetPassword => {
            let user = addressee(write, mail).await?;
            with_link(app, write, mail, user, (template, Purpose::ResetPassword)).await
        }
        Template::ConfirmEmail => confirmation(app, write, mail).await,
        Template::PasswordChanged | Template::AlreadyRegistered => {
            Ok(addressee(write, mail).await?.and_then(|user| to_own(template, &user)))
        }
        Template::FactorChanged => {
            let ready = addressee(write, mail).await?.and_then(|user| to_own(template, &user));
            Ok(ready.map(|ready| Ready { about: mail.about.clone(), ..ready }))
        }
        Template::EmailChangeAsked | Template::EmailChanged | Template::UsernameTaken => {
            let to = mail.recipient.as_deref().and_then(|address| Email::parse(address).ok());
            let about = mail.about.clone();
            // The other address is named only to who has shown this one to be theirs: that tells the two apart here.
            Ok(to.map(|to| Ready { template, to, proven: about.is_some(), name: None, link: None, about }))
        }
    }
}

/// The active user with the row's id, or else with its address.
async fn addressee(write: &Write, mail: &Model) -> Result<Option<User>, Fault> {
    let user = match (mail.user_id, &mail.recipient) {
        (Some(id), _) => users::find(write.transaction(), UserId::from(id)).await?,
        (None, Some(normal)) => {
            let found = users::by_identifier(write.transaction(), &Identifier::Email(normal.clone())).await?;
            found.map(|found| found.user)
        }
        (None, None) => None,
    };
    Ok(user.filter(|user| user.status == Status::Active))
}

/// To the address as it is stored, never as somebody has just typed it.
fn to_own(template: Template, user: &User) -> Option<Ready> {
    let to = Email::parse(&user.email).ok()?;
    let name = user.name.clone().filter(|_| user.email_verified);
    Some(Ready { template, to, proven: user.email_verified, name, link: None, about: None })
}

/// With a new link, or with the one of the attempt before.
async fn with_link(
    app: &App,
    write: &Write,
    mail: &Model,
    user: Option<User>,
    (template, purpose): (Template, Purpose),
) -> Result<Option<Ready>, Fault> {
    let Some((user, ready)) = user.and_then(|user| to_own(template, &user).map(|ready| (user, ready))) else {
        return Ok(None);
    };
    let lifetime = app.config.links.of(purpose);
    let id = match mail.link_id {
        Some(id) => match links::renew(write, id.into(), lifetime, &app.clock).await? {
            Some(link) if Email::parse(&link.email).is_ok_and(|email| email.same_mailbox(&ready.to)) => link.id,
            // Used or ended meanwhile, or the address is another.
            Some(_) | None => return Ok(None),
        },
        None => {
            let id = links::make(write, purpose, user.id, &ready.to, lifetime, &app.clock).await?;
            outbox::addressed(write, mail, user.id, id).await?;
            id
        }
    };
    Ok(Some(Ready { link: Some((id, purpose)), ..ready }))
}

/// To the address that somebody wants to move to, unless it has become somebody's.
async fn confirmation(app: &App, write: &Write, mail: &Model) -> Result<Option<Ready>, Fault> {
    let purpose = Purpose::ChangeEmail;
    let Some(id) = mail.link_id else { return Ok(None) };
    let Some(link) = links::renew(write, id.into(), app.config.links.of(purpose), &app.clock).await? else {
        return Ok(None);
    };
    let active = users::find(write.transaction(), link.user).await?.is_some_and(|user| user.status == Status::Active);
    let holder = users::by_identifier(write.transaction(), &Identifier::Email(link.email_norm)).await?;
    // Their own address, written so that it may be another mailbox, is not somebody else's.
    let taken = holder.is_some_and(|holder| holder.user.id != link.user);
    let to = Email::parse(&link.email).ok().filter(|_| active && !taken);
    let link = Some((link.id, purpose));
    Ok(to.map(|to| Ready { template: Template::ConfirmEmail, to, proven: false, name: None, link, about: None }))
}
