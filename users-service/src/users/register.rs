//! Registering: every fault of the body at once, one hash, one transaction.

use std::net::IpAddr;

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::domain::{Role, Roles, UserId};
use shared::problem::{Code, Problem};

use super::error::UserError;
use super::fields::{Email, Identifier, Name, Phone, Refused, Username};
use super::model::{NewUser, Registration};
use super::representation::Representation;
use super::store::{Inserted, hold_name, insert};
use crate::app::App;
use crate::audit::{By, Event, Kind};
use crate::config::Passwords;
use crate::db::Write;
use crate::idempotency::{Answer, IdempotencyKey, once, registration, replay};
use crate::mail::{self, Owed, Template};
use crate::passwords::{Password, PasswordHash};
use crate::throttle::Ticket;

/// Who registers, as it is sent.
#[derive(Clone, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// E-mail address.
    #[schema(example = "ada@example.com", max_length = 254)]
    pub email: String,
    /// 3 to 32 letters and digits, with `.`, `_` and `-` inside.
    #[schema(example = "ada", min_length = 3, max_length = 32)]
    pub username: String,
    /// 10 to 128 characters with at least one digit; no control characters, no common password, none of one's own
    /// names, no word that everybody here would think of.
    #[schema(example = "correct horse battery 9 staple", min_length = 10, max_length = 128)]
    pub password: String,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Ada Lovelace", max_length = 100)]
    pub name: Option<String>,
    /// Telephone number (E.164).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "+14155550123")]
    pub phone: Option<String>,
}

/// What is answered where it is not disclosed who is registered.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct Accepted {
    /// Always `accepted`.
    #[schema(example = "accepted")]
    pub status: &'static str,
}

/// Notes a fault under its member and goes on.
pub(super) fn noted<T>(
    faults: &mut Vec<(&'static str, Refused)>,
    at: &'static str,
    read: Result<T, Refused>,
) -> Option<T> {
    read.map_err(|fault| faults.push((at, fault))).ok()
}

/// 422 with every fault.
pub(super) fn invalid(faults: Vec<(&'static str, Refused)>) -> Problem {
    let problem = Problem::new(Code::ValidationFailed);
    faults.into_iter().fold(problem, |problem, (at, fault)| problem.error(at, fault.code, fault.detail))
}

impl RegisterRequest {
    fn parse(&self, rules: &Passwords) -> Result<Registration, Problem> {
        let mut faults = Vec::new();
        let email = noted(&mut faults, "/email", Email::parse(&self.email));
        let username = noted(&mut faults, "/username", Username::parse(&self.username));
        let name = self.name.as_deref().and_then(|name| noted(&mut faults, "/name", Name::parse(name)));
        let phone = self.phone.as_deref().and_then(|phone| noted(&mut faults, "/phone", Phone::parse(phone)));
        let local = email.as_ref().map_or("", Email::local);
        let names = [self.username.as_str(), local, self.name.as_deref().unwrap_or_default()];
        let password = noted(&mut faults, "/password", Password::parse(&self.password, rules, &names));
        match (email, username, password, faults.is_empty()) {
            (Some(email), Some(username), Some(password), true) => {
                let roles = Roles::NONE.with(Role::User);
                let user = NewUser { email, username, name, phone, roles };
                Ok(Registration { user, password: password.secret().clone() })
            }
            (_, _, _, _) => Err(invalid(faults)),
        }
    }

    /// What the idempotency fingerprint covers: everything but the password, which its hash stands for.
    fn without_password(&self) -> serde_json::Value {
        json!({"email": self.email, "username": self.username, "name": self.name, "phone": self.phone})
    }
}

/// Registers, once under a key scoped to the e-mail address.
pub(super) async fn register<V: Representation>(
    app: &App,
    request: &RegisterRequest,
    key: IdempotencyKey,
    by: By,
) -> Result<Answer, Problem> {
    let Registration { user, password } = request.parse(&app.config.passwords)?;
    let claim = key.claim(registration(user.email.normal()), &request.without_password(), Some(&password));
    if let Some(first) = replay(app, claim.as_ref()).await? {
        return Ok(first);
    }
    let hash = app.hasher.hash(&password).await?;
    let mailed = has_room(app, by.origin()).await;
    let answer = once(app, claim.as_ref(), Some(&hash), async |write: &Write| {
        insert_and_show::<V>(app, write, &user, &hash, (by, mailed)).await
    });
    let answer = answer.await?;
    app.metrics.registered();
    app.mailer.wake();
    Ok(answer)
}

/// Whether the client's network may have another mail sent. If not it registers all the same, for many people may share it;
/// the mail can be asked for later.
async fn has_room(app: &App, client_ip: Option<IpAddr>) -> bool {
    let Some(address) = client_ip else { return true };
    let room = app.mailing_limit.admit(&Ticket::mails_from(address)).await.is_ok();
    if !room {
        tracing::warn!("a registration goes without its mail: its network had too many sent");
        app.metrics.mail("withheld");
    }
    room
}

async fn insert_and_show<V: Representation>(
    app: &App,
    write: &Write,
    new: &NewUser,
    hash: &PasswordHash,
    (by, mailed): (By, bool),
) -> Result<Answer, UserError> {
    let inserted = insert(write, UserId::generate(&app.clock), new, hash, app.clock.now()).await?;
    let silent = !app.config.registration.disclose_existing;
    if silent {
        hold_name(write, UserId::generate(&app.clock), new, app.clock.now()).await?;
    }
    if mailed {
        mail::owe(write, word_of(new, &inserted), &app.clock).await?;
    }
    // An event either way, of the same size: where it is not disclosed who is registered, time must not tell either.
    let (kind, whom) = match &inserted {
        Inserted::Created(user) => (Kind::UserRegistered, Some(user.id)),
        Inserted::EmailTaken | Inserted::UsernameTaken => (Kind::RegistrationDeclined, None),
    };
    let name = app.journal.name(Identifier::of(new.email.as_str()).as_str());
    let event = Event::new(kind, by, &app.clock).with("identifier", name);
    write.audit(whom.into_iter().fold(event, Event::about));
    if silent {
        let answer = Answer::json(StatusCode::ACCEPTED, &Accepted { status: "accepted" })?;
        return Ok(whom.into_iter().fold(answer, Answer::about));
    }
    match inserted {
        Inserted::Created(user) => {
            let (location, tag) = (V::VERSION.location(&user), V::VERSION.tag(&user));
            let (id, answer) = (user.id, Answer::json(StatusCode::CREATED, &V::View::from(*user))?);
            Ok(answer.about(id).header("location", location).header("etag", tag))
        }
        Inserted::EmailTaken => Err(UserError::EmailTaken),
        Inserted::UsernameTaken => Err(UserError::UsernameTaken),
    }
}

/// What whoever has the address is written. Whatever came of it there is one mail, so that the work is the same; where
/// a refusal is answered, the mail goes with it.
fn word_of(new: &NewUser, inserted: &Inserted) -> Owed {
    match inserted {
        Inserted::Created(user) => Owed::to_user(Template::VerifyEmail, user.id),
        Inserted::EmailTaken => Owed::to_address(Template::AlreadyRegistered, new.email.normal().to_owned()),
        Inserted::UsernameTaken => Owed::to_address(Template::UsernameTaken, new.email.as_str().to_owned()),
    }
}
