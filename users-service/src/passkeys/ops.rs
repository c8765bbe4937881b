//! Making passkeys, in a session that has proved itself of late; naming them and taking them away: always the caller's own.

use shared::auth::{InSession, SignedIn};
use shared::domain::{PasskeyId, SessionId, UserId};
use shared::http::Conditions;
use shared::problem::{Code, Problem};

use super::challenge::{self, Challenge, Purpose};
use super::cose::OFFERED;
use super::model::{
    Account, CreationOptions, Descriptor, Parameters, Party, PasskeyPatch, PasskeyView, PasskeysView, RequestOptions,
    Selection, named,
};
use super::party::party;
use super::registration::{Made, NewPasskey};
use super::{rows, settings, store};
use crate::app::App;
use crate::audit::{Event, Kind};
use crate::db::entity::passkey::Model;
use crate::db::{Fault, Write};
use crate::mail::{self, Owed, Template};
use crate::step_up;
use crate::users::{self, Status, User, UserError};

const REQUIRED: &str = "required";
const NO_MORE: UserError = UserError::State("There are as many passkeys as one may have: remove one first.");

/// A passkey that was verified, and the challenge that it has answered.
pub(super) struct Verified {
    new: NewPasskey,
    challenge: Challenge,
}

/// What the caller's browser is asked to make.
pub(super) async fn creation(app: &App, caller: &InSession) -> Result<CreationOptions, UserError> {
    let write = app.database.write().await?;
    let user = locked(&write, caller).await?;
    step_up::require(app, &write, caller).await?;
    let there = rows::of_user(write.transaction(), user.id).await?;
    write.rollback().await;
    if there.len() >= most(app) {
        return Err(NO_MORE);
    }
    let challenge = challenge::draw(app, Purpose::Register(user.id, session(caller)?))?;
    Ok(CreationOptions {
        rp: Party { id: settings::site(&app.config).rp_id, name: app.config.mfa.issuer.clone() },
        user: Account {
            id: passki::Passki::base64_encode(user.id.as_uuid().as_bytes()),
            display_name: user.name.unwrap_or(user.username),
            name: user.email,
        },
        challenge: passki::Passki::base64_encode(&challenge),
        pub_key_cred_params: OFFERED.map(|alg| Parameters { r#type: "public-key", alg }).to_vec(),
        timeout: timeout(app),
        exclude_credentials: there.iter().map(Descriptor::from).collect(),
        authenticator_selection: Selection {
            resident_key: REQUIRED,
            require_resident_key: true,
            user_verification: REQUIRED,
        },
        attestation: "none",
    })
}

/// What anybody's browser is asked to sign in with. It says nothing about who there is.
pub(super) fn anybodys(app: &App) -> Result<RequestOptions, Problem> {
    request(app, Purpose::SignIn, Vec::new())
}

/// What the caller's browser is asked to prove itself with.
pub(super) async fn own(app: &App, caller: &InSession) -> Result<RequestOptions, UserError> {
    let there = rows::of_user(app.database.read(), caller.user.id).await?;
    if there.is_empty() {
        return Err(UserError::State("There is no passkey."));
    }
    let purpose = Purpose::StepUp(caller.user.id, session(caller)?);
    Ok(request(app, purpose, there.iter().map(Descriptor::from).collect())?)
}

fn request(app: &App, purpose: Purpose, allow_credentials: Vec<Descriptor>) -> Result<RequestOptions, Problem> {
    Ok(RequestOptions {
        challenge: passki::Passki::base64_encode(&challenge::draw(app, purpose)?),
        timeout: timeout(app),
        rp_id: settings::site(&app.config).rp_id,
        allow_credentials,
        user_verification: REQUIRED,
    })
}

/// Holds what the caller's browser has made against what it was asked.
///
/// # Errors
/// 422 under `/credential`; which of it is wrong, is in the log.
pub(super) fn verified(app: &App, caller: &InSession, credential: &str) -> Result<Verified, Problem> {
    let refused = |code, detail| Problem::new(Code::ValidationFailed).error("/credential", code, detail);
    let made = Made::parse(credential)
        .ok_or_else(|| refused("format", "what JSON.stringify() makes of a credential that was just made as asked"))?;
    let challenge = challenge::open(app, &made.challenge, Purpose::Register(caller.user.id, session(caller)?));
    let challenge =
        challenge.ok_or_else(|| refused("challenge", "over, or not of this session: ask for options again"))?;
    let new = made.verify(&party(&app.config));
    let new = new.ok_or_else(|| refused("incorrect", "not made for this site, or without looking who is there"))?;
    Ok(Verified { new, challenge })
}

/// Keeps it.
pub(super) async fn keep(
    app: &App,
    write: &Write,
    caller: &InSession,
    (name, verified): (&str, &Verified),
) -> Result<PasskeyView, UserError> {
    const KNOWN: UserError = UserError::State("This passkey is kept already.");
    let id = locked(write, caller).await?.id;
    step_up::require(app, write, caller).await?;
    // Whosever it is: two users whom one key signs in, nobody could tell apart.
    if store::called(write.transaction(), &verified.new.credential_id).await?.is_some() {
        return Err(KNOWN);
    }
    let there = store::count(write.transaction(), id).await?;
    if usize::try_from(there).is_ok_and(|there| there >= most(app)) {
        return Err(NO_MORE);
    }
    if !verified.challenge.answer(write, &app.clock).await? {
        return Err(UserError::State("Another passkey was made with these options: ask for them again."));
    }
    let kept = store::insert(write, id, name, &verified.new, &app.clock).await;
    let row = kept.map_err(|fault| if fault.violates("credential_id") { KNOWN } else { UserError::Database(fault) })?;
    write.audit(event(app, caller, Kind::PasskeyAdded, &row));
    tell(app, write, id, "A passkey was added to your account: whoever has it can sign in without your password.")
        .await?;
    Ok(row.into())
}

/// All of the caller's.
pub(super) async fn list(app: &App, caller: &InSession) -> Result<PasskeysView, Fault> {
    let rows = rows::of_user(app.database.read(), caller.user.id).await?;
    Ok(PasskeysView { data: rows.into_iter().map(PasskeyView::from).collect() })
}

/// One of them.
pub(super) async fn read(app: &App, caller: &InSession, id: PasskeyId) -> Result<PasskeyView, UserError> {
    let row = store::one(app.database.read(), caller.user.id, id).await?;
    Ok(row.ok_or(UserError::NotFound)?.into())
}

/// Gives one another name.
pub(super) async fn patch(
    app: &App,
    caller: &InSession,
    id: PasskeyId,
    conditions: &Conditions,
    patch: PasskeyPatch,
) -> Result<PasskeyView, UserError> {
    let name = patch.name.required("/name")?;
    let name = name.as_deref().map(named).transpose()?;
    let write = app.database.write().await?;
    let user = locked(&write, caller).await?;
    users::may_change(&write, caller, &user).await?;
    let row = store::one(write.transaction(), user.id, id).await?.ok_or(UserError::NotFound)?;
    conditions.require(&PasskeyView::from(row.clone()).tag()?)?;
    let Some(name) = name.filter(|name| *name != row.name) else { return Ok(row.into()) };
    store::rename(&write, &row, name).await?;
    write.audit(event(app, caller, Kind::PasskeyRenamed, &row));
    write.commit().await?;
    Ok(Model { name: name.to_owned(), ..row }.into())
}

/// Takes one away: it signs nobody in any more.
pub(super) async fn remove(
    app: &App,
    caller: &InSession,
    id: PasskeyId,
    conditions: &Conditions,
) -> Result<(), UserError> {
    let write = app.database.write().await?;
    let user = locked(&write, caller).await?.id;
    let row = store::one(write.transaction(), user, id).await?.ok_or(UserError::NotFound)?;
    conditions.require(&PasskeyView::from(row.clone()).tag()?)?;
    step_up::require(app, &write, caller).await?;
    store::delete(&write, &row).await?;
    write.audit(event(app, caller, Kind::PasskeyRemoved, &row));
    tell(app, &write, user, "A passkey was removed from your account: it signs nobody in any more.").await?;
    write.commit().await?;
    app.mailer.wake();
    Ok(())
}

async fn locked(write: &Write, caller: &InSession) -> Result<User, UserError> {
    let found = users::lock(write, caller.user.id).await?.map(|found| found.user);
    found.filter(|user| user.status == Status::Active).ok_or_else(|| Problem::new(Code::TokenInvalid).into())
}

fn session(caller: &SignedIn) -> Result<SessionId, Problem> {
    caller.user.session.ok_or_else(|| Problem::new(Code::TokenInvalid))
}

fn most(app: &App) -> usize {
    usize::from(app.config.passkeys.per_user)
}

/// As long as the challenge lasts, in milliseconds.
fn timeout(app: &App) -> u64 {
    u64::try_from(app.config.passkeys.challenge.get().as_millis()).unwrap_or(u64::MAX)
}

fn event(app: &App, caller: &InSession, kind: Kind, row: &Model) -> Event {
    let event = Event::new(kind, (&**caller).into(), &app.clock).about(caller.user.id);
    event.with("passkey", row.id.to_string())
}

/// Not by its name, which whoever holds the session has chosen: this is a mail of ours.
async fn tell(app: &App, write: &Write, user: UserId, what: &str) -> Result<(), Fault> {
    let told = Owed { about: Some(what.to_owned()), ..Owed::to_user(Template::FactorChanged, user) };
    mail::owe(write, told, &app.clock).await
}
