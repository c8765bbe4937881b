//! Setting a second factor up, confirming it, taking it away: always the caller's own.

use sea_orm::ActiveValue::Set;
use shared::auth::{InSession, SignedIn};
use shared::clock::{from_micros, to_micros};
use shared::domain::{Permission, UserId};
use shared::problem::{Code, Problem};
use shared::store::Revocation;

use super::codes::{Otp, RECOVERY_CODES, RecoveryCode};
use super::model::{FactorView, Factors, Offer, RecoveryCodes};
use super::store;
use super::totp::Totp;
use crate::app::App;
use crate::audit::{Event, Kind};
use crate::db::entity::totp_factor;
use crate::db::{Fault, Write};
use crate::mail::{self, Owed, Template};
use crate::users::{self, Status, User, UserError};
use crate::{passkeys, revocations, roles, sessions, step_up};

/// What a code adds to how a session was opened, whether by a password or by a passkey.
const ADDED: [&str; 2] = ["otp", "mfa"];

/// What the caller has.
pub(super) async fn read(app: &App, caller: &InSession) -> Result<Factors, UserError> {
    let (db, id) = (app.database.read(), caller.user.id);
    let totp = store::confirmed(db, id).await?.and_then(|row| row.confirmed_at);
    let totp = totp.map(|at| FactorView { kind: "totp", added_at: from_micros(at) });
    let passkeys = passkeys::of_user(db, id).await?.into_iter();
    let passkeys = passkeys.map(|row| FactorView { kind: "passkey", added_at: from_micros(row.created_at) });
    let factors = totp.into_iter().chain(passkeys).collect();
    Ok(Factors { factors, recovery_codes_left: store::codes_left(db, id).await? })
}

/// Makes a secret for an app. Until it is confirmed nothing changes.
pub(super) async fn start(app: &App, write: &Write, caller: &InSession) -> Result<Offer, UserError> {
    let user = locked(write, caller).await?;
    step_up::require(app, write, caller).await?;
    if store::is_on(write.transaction(), user.id).await? {
        return Err(UserError::State("There is an authenticator app already; remove it first."));
    }
    let totp = Totp::generate()?;
    store::offer(write, user.id, totp.sealed(&app.keys.seal, user.id)?, app.clock.now_micros()).await?;
    write.audit(event(app, caller, Kind::FactorStarted));
    Ok(totp.offer(&app.config.mfa.issuer, &user.email)?)
}

/// Turns an app on, by a code of its; from now on a code is asked for at each sign-in.
pub(super) async fn confirm(
    app: &App,
    write: &Write,
    caller: &InSession,
    code: &str,
) -> Result<RecoveryCodes, UserError> {
    let id = locked(write, caller).await?.id;
    let gone = || Problem::new(Code::TokenInvalid);
    let session = caller.user.session.ok_or_else(gone)?;
    // The gateway has vouched for it before the body came.
    if !sessions::strengthen(write, session, id, &ADDED).await? {
        return Err(gone().into());
    }
    let now = app.clock.now();
    let oldest = to_micros(now - app.config.mfa.setup.get());
    let row = store::find(write.transaction(), id).await?;
    let row = row.filter(|row| row.confirmed_at.is_none() && row.created_at >= oldest);
    let row = row.ok_or(UserError::State("No authenticator app is being set up, or its time is over: begin again."))?;

    let (totp, _) = Totp::open(&row.secret, &app.keys.seal, id)?;
    let seconds = u64::try_from(app.clock.now_seconds()).unwrap_or(0);
    let step = match Otp::parse(code) {
        Some(Otp::Code(code)) => totp.step_of(&code, seconds)?,
        Some(Otp::Recovery(_)) | None => None,
    };
    let confirmed = totp_factor::ActiveModel { confirmed_at: Set(Some(to_micros(now))), ..Default::default() };
    let taken = match step {
        Some(step) => store::take(write, id, step, confirmed).await?,
        None => false,
    };
    if !taken {
        return Err(Problem::new(Code::ValidationFailed).error("/code", "incorrect", "not the code of now").into());
    }
    let codes = new_codes(app, write, id).await?;
    write.audit(event(app, caller, Kind::FactorAdded));
    tell(app, write, id, "From now on you are asked for a code of your authenticator app when you sign in.").await?;
    Ok(codes)
}

/// Takes the caller's second factor away: their password is enough again.
pub(super) async fn remove(app: &App, write: &Write, caller: &InSession) -> Result<(), UserError> {
    let id = locked(write, caller).await?.id;
    if !store::is_on(write.transaction(), id).await? {
        return Err(UserError::NotFound);
    }
    step_up::require(app, write, caller).await?;
    store::remove_app(write, id).await?;
    write.audit(event(app, caller, Kind::FactorRemoved));
    Ok(tell(app, write, id, "You are no longer asked for a code of your authenticator app when you sign in.").await?)
}

/// New recovery codes in place of the old ones.
pub(super) async fn renew(app: &App, write: &Write, caller: &InSession) -> Result<RecoveryCodes, UserError> {
    let id = locked(write, caller).await?.id;
    step_up::require(app, write, caller).await?;
    if !store::is_on(write.transaction(), id).await? {
        return Err(UserError::State("There is no second factor that the codes could stand for."));
    }
    let codes = new_codes(app, write, id).await?;
    write.audit(event(app, caller, Kind::RecoveryCodesMade));
    tell(app, write, id, "New recovery codes were made for your account; the old ones are void.").await?;
    Ok(codes)
}

/// Takes every second factor from somebody who has lost theirs, at an administrator's word, and ends their sessions: whoever
/// holds one may be why.
pub(super) async fn reset(app: &App, write: &Write, caller: &SignedIn, id: UserId) -> Result<(), UserError> {
    let user = users::lock(write, id).await?.ok_or(UserError::NotFound)?.user;
    roles::outranks(write, caller, Permission::UsersManage, &user).await?;
    if user.status == Status::Deleted {
        return Err(UserError::State("The user is deleted."));
    }
    let (app_on, passkeys) =
        (store::is_on(write.transaction(), id).await?, passkeys::of_user(write.transaction(), id).await?);
    if !app_on && passkeys.is_empty() {
        return Ok(());
    }
    // It makes a password enough: also for one's own, which has a call of its own, and so no way round the proof.
    step_up::require(app, write, caller).await?;
    store::remove_app(write, id).await?;
    let passkeys = passkeys::remove_all(write, id).await?;
    for sid in sessions::end_others(write, id, None, app.clock.now_micros()).await? {
        revocations::record(write, &Revocation::Session { sid, expires_at: app.tokens_die_at() }).await?;
    }
    write.audit(Event::new(Kind::FactorRemoved, caller.into(), &app.clock).about(id).with("passkeys", passkeys));
    let what = "An administrator has taken away your second factors and passkeys: your password is enough to sign in, \
                until you set one up.";
    Ok(tell(app, write, id, what).await?)
}

async fn locked(write: &Write, caller: &InSession) -> Result<User, UserError> {
    let found = users::lock(write, caller.user.id).await?.map(|found| found.user);
    found.filter(|user| user.status == Status::Active).ok_or_else(|| Problem::new(Code::TokenInvalid).into())
}

async fn new_codes(app: &App, write: &Write, user: UserId) -> Result<RecoveryCodes, UserError> {
    let codes = (0..RECOVERY_CODES).map(|_| RecoveryCode::generate()).collect::<Result<Vec<_>, _>>()?;
    let digests = codes.iter().map(|code| code.digest(user));
    store::replace_codes(write, user, digests, app.clock.now_micros()).await?;
    Ok(RecoveryCodes { recovery_codes: codes.iter().map(RecoveryCode::show).collect() })
}

fn event(app: &App, caller: &InSession, kind: Kind) -> Event {
    Event::new(kind, (&**caller).into(), &app.clock).about(caller.user.id)
}

async fn tell(app: &App, write: &Write, user: UserId, what: &str) -> Result<(), Fault> {
    let told = Owed { about: Some(what.to_owned()), ..Owed::to_user(Template::FactorChanged, user) };
    mail::owe(write, told, &app.clock).await
}
