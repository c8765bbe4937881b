//! Proving who one is with a passkey: at sign-in, and at step-up.
//!
//! What a stranger can send costs no transaction: only an assertion that is right in itself takes the user's row. Under it is
//! looked whether the challenge was answered before and whether the key has a twin, and both are noted together with what
//! the assertion is for.

use std::net::IpAddr;
use std::time::Duration;

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use shared::auth::InSession;
use shared::problem::{Code, Problem};

use super::assertion::{Assertion, Told};
use super::challenge::{self, Challenge, Purpose};
use super::party::party;
use super::store;
use crate::app::App;
use crate::audit::{By, Event, Kind};
use crate::db::entity::audit_event;
use crate::db::entity::passkey::Model;
use crate::db::{Fault, Write};
use crate::mail::{self, Owed, Template};
use crate::sessions::{self, Agent};
use crate::throttle::Visit;
use crate::tokens::{self, GrantError, Granted, Proven};
use crate::users::{self, Status, User};

/// A key that one has, somebody who is there, and by what the device knows them: two factors (RFC 8176). Nobody has shown
/// that the key cannot leave its device, so it is not called `hwk`.
const AMR: &str = "pop user mfa";

/// How long an owner is told of no other copy of the same passkey.
const A_DAY: Duration = Duration::from_hours(24);

/// What came of using an assertion.
enum Used {
    Rightly,
    /// The challenge was answered before, or the passkey was taken away meanwhile.
    Never,
    /// It was signed by a twin of the key that signed before, or the other way round. That is noted.
    Cloned,
}

/// Signs in by a passkey, and opens a session, whose tokens are for this program. Whoever it is, nobody names themselves: the
/// authenticator does.
///
/// # Errors
/// What is not right, of whatever kind, and too many attempts.
pub async fn sign_in(
    app: &App,
    assertion: &Assertion,
    client_ip: Option<IpAddr>,
    agent: &Agent,
) -> Result<Granted, GrantError> {
    let signer = app.issuer.signer()?;
    let visit = Visit::with_passkey(&assertion.credential_id, client_ip);
    let name = app.journal.name(&hex::encode(&assertion.credential_id));
    let look = async || check(app, assertion, client_ip, agent).await;
    let (session, user) = tokens::attempted(app, &visit, name, client_ip, look).await?;
    let tokens = tokens::tokens_for(app, &signer, &session, &user, 1)?;
    Ok(Granted { session, tokens })
}

async fn check(
    app: &App,
    assertion: &Assertion,
    client_ip: Option<IpAddr>,
    agent: &Agent,
) -> Result<(sessions::Session, User), GrantError> {
    // Where nobody has named themselves, the authenticator has to.
    assertion.user_handle.as_ref().ok_or(GrantError::Invalid)?;
    let (challenge, row, told) = right(app, assertion, Purpose::SignIn).await?.ok_or(GrantError::Invalid)?;
    let write = app.database.write().await?;
    let user = users::lock(&write, row.user_id.into()).await?.ok_or(GrantError::Invalid)?.user;
    tokens::may_enter(app, &user)?;
    match using(app, &write, (&challenge, &row, told), client_ip).await? {
        Used::Rightly => {}
        Used::Never => return Err(GrantError::Invalid),
        Used::Cloned => {
            write.commit().await?;
            return Err(GrantError::Invalid);
        }
    }
    app.devices.remember(&write, user.id, client_ip).await?;
    let opened = tokens::open(app, &write, Proven { user, amr: AMR }, client_ip, agent).await?;
    write.commit().await?;
    Ok(opened)
}

/// Notes in the caller's session that they have just proved who they are; `false` for what is not right, of whatever kind.
///
/// # Errors
/// 401 when the session ends meanwhile.
pub async fn again(app: &App, caller: &InSession, assertion: &Assertion) -> Result<bool, Problem> {
    let (id, gone) = (caller.user.id, || Problem::new(Code::TokenInvalid));
    let session = caller.user.session.ok_or_else(gone)?;
    let right = right(app, assertion, Purpose::StepUp(id, session)).await?;
    let Some((challenge, row, told)) = right.filter(|(_, row, _)| row.user_id == id.as_uuid()) else {
        return Ok(false);
    };
    let write = app.database.write().await?;
    let current = users::lock(&write, id).await?.filter(|current| current.user.status == Status::Active);
    current.ok_or_else(gone)?;
    match using(app, &write, (&challenge, &row, told), caller.client_ip).await? {
        Used::Rightly => {}
        Used::Never => return Ok(false),
        Used::Cloned => {
            write.commit().await?;
            return Ok(false);
        }
    }
    if !sessions::prove(&write, session, id, AMR, app.clock.now_micros()).await? {
        return Err(gone());
    }
    write.audit(Event::new(Kind::StepUpSucceeded, (&**caller).into(), &app.clock).about(id));
    write.commit().await?;
    Ok(true)
}

/// Everything about an assertion that needs no lock: the challenge, whose key it is, and the signature.
async fn right(app: &App, assertion: &Assertion, purpose: Purpose) -> Result<Option<(Challenge, Model, Told)>, Fault> {
    let Some(challenge) = challenge::open(app, &assertion.challenge, purpose) else { return Ok(None) };
    let Some(row) = store::called(app.database.read(), &assertion.credential_id).await? else { return Ok(None) };
    if !assertion.is_of(row.user_id.into()) {
        return Ok(None);
    }
    Ok(assertion.verify(&party(&app.config), &row).map(|told| (challenge, row, told)))
}

/// Uses a right assertion up. The caller holds the user's row, and commits what it is for together with its use.
async fn using(
    app: &App,
    write: &Write,
    (challenge, row, told): (&Challenge, &Model, Told),
    origin: Option<IpAddr>,
) -> Result<Used, Fault> {
    let user = row.user_id.into();
    let Some(row) = store::one(write.transaction(), user, row.id.into()).await? else { return Ok(Used::Never) };
    if !challenge.answer(write, &app.clock).await? {
        return Ok(Used::Never);
    }
    let counts = told.sign_count != 0 || row.sign_count != 0;
    if counts && told.sign_count <= row.sign_count {
        warn(app, write, &row).await?;
        let event = Event::new(Kind::PasskeyCloned, By::nobody(origin), &app.clock).about(user);
        write.audit(event.with("passkey", row.id.to_string()));
        return Ok(Used::Cloned);
    }
    store::used(write, &row, told, app.clock.now_micros()).await?;
    Ok(Used::Rightly)
}

/// Tells the owner, who alone can say whose the other one is: once a day and passkey, for whoever has the twin can go on as
/// long as they like. The caller holds the user's row, so no two are told at once.
async fn warn(app: &App, write: &Write, row: &Model) -> Result<(), Fault> {
    const TEXT: &str =
        "A passkey of yours was refused, because there seems to be a copy of it. Remove it, and make another.";
    let since = app.clock.now_micros().saturating_sub(i64::try_from(A_DAY.as_micros()).unwrap_or(i64::MAX));
    let told = audit_event::Entity::find()
        .filter(audit_event::Column::SubjectId.eq(row.user_id))
        .filter(audit_event::Column::Kind.eq(Kind::PasskeyCloned.as_str()))
        .filter(audit_event::Column::At.gt(since))
        .filter(audit_event::Column::Detail.contains(row.id.to_string()))
        .count(write.transaction())
        .await?;
    if told > 0 {
        return Ok(());
    }
    let mail = Owed { about: Some(TEXT.to_owned()), ..Owed::to_user(Template::FactorChanged, row.user_id.into()) };
    mail::owe(write, mail, &app.clock).await
}
