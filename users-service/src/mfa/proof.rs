//! Proving a second factor: at sign-in, and at step-up. Only who has shown the right password comes here.

use std::net::IpAddr;
use std::time::Duration;

use sea_orm::ActiveValue::Set;
use shared::domain::UserId;
use shared::problem::{Code, Problem};

use super::codes::Otp;
use super::store;
use super::totp::Totp;
use crate::app::App;
use crate::audit::{By, Event, Kind};
use crate::db::entity::totp_factor;
use crate::db::{Fault, Write};
use crate::mail::{self, Owed, Template};
use crate::throttle::Ticket;

/// How somebody has proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// The password alone, which is enough for who has no more.
    Password,
    /// The password, and a code.
    PasswordAndCode,
}

impl Factor {
    /// In RFC 8176's words.
    #[must_use]
    pub const fn amr(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::PasswordAndCode => "pwd otp mfa",
        }
    }

    /// Whether these words tell of more than one factor.
    #[must_use]
    pub fn is_more_than_one(amr: &str) -> bool {
        amr.split(' ').any(|word| word == "mfa")
    }
}

/// Why the password alone does not let somebody in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No code was sent.
    #[error("a second factor is needed")]
    Missing,
    /// It is wrong, or was used before.
    #[error("the second factor is wrong")]
    Wrong,
    /// Too many were wrong.
    #[error("too many codes")]
    Throttled(Duration),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Fault),
    /// A fault of ours.
    #[error(transparent)]
    Other(#[from] Problem),
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Missing => Self::new(Code::MfaRequired),
            Refused::Wrong => Self::new(Code::ValidationFailed).error("/otp", "incorrect", "not the code of now"),
            Refused::Throttled(wait) => {
                Self::new(Code::RateLimited).detail("Too many codes; wait before the next.").retry_after(wait)
            }
            Refused::Database(fault) => Self::from(fault),
            Refused::Other(problem) => problem,
        }
    }
}

/// Counts a code before anybody looks at it. To be asked before the transaction, for the counters may be elsewhere.
///
/// # Errors
/// When the user has a second factor and no code was sent, or too many were.
pub async fn admit(app: &App, user: UserId, otp: Option<&str>) -> Result<(), Refused> {
    if !store::is_on(app.database.read(), user).await? {
        return Ok(());
    }
    if otp.is_none() {
        return Err(Refused::Missing);
    }
    app.otp_limit.admit(&Ticket::otp(user)).await.map_err(Refused::Throttled)
}

/// Forgets the codes that were tried, once one has led to a success.
pub async fn forgive(app: &App, user: UserId, factor: Factor) {
    match factor {
        Factor::Password => {}
        Factor::PasswordAndCode => app.otp_limit.forgive(&Ticket::otp(user)).await,
    }
}

/// Uses a code up, if the user has a second factor, and says how they have proved who they are. The caller holds their row,
/// and commits what the proof is for together with its use.
///
/// # Errors
/// When there is no code, or a wrong one.
pub async fn prove(
    app: &App,
    write: &Write,
    user: UserId,
    otp: Option<&str>,
    origin: Option<IpAddr>,
) -> Result<Factor, Refused> {
    let Some(row) = store::confirmed(write.transaction(), user).await? else { return Ok(Factor::Password) };
    let proved = match Otp::parse(otp.ok_or(Refused::Missing)?).ok_or(Refused::Wrong)? {
        Otp::Code(code) => by_code(app, write, &row, &code).await?,
        Otp::Recovery(code) => by_recovery(app, write, user, code.digest(user), origin).await?,
    };
    if proved { Ok(Factor::PasswordAndCode) } else { Err(Refused::Wrong) }
}

async fn by_code(app: &App, write: &Write, row: &totp_factor::Model, code: &str) -> Result<bool, Refused> {
    let user = row.user_id.into();
    let (totp, outdated) = Totp::open(&row.secret, &app.keys.seal, user)?;
    let now = u64::try_from(app.clock.now_seconds()).unwrap_or(0);
    let Some(step) = totp.step_of(code, now)? else { return Ok(false) };
    let mut changes = totp_factor::ActiveModel::default();
    if outdated {
        changes.secret = Set(totp.sealed(&app.keys.seal, user)?);
    }
    Ok(store::take(write, user, step, changes).await?)
}

async fn by_recovery(
    app: &App,
    write: &Write,
    user: UserId,
    digest: Vec<u8>,
    origin: Option<IpAddr>,
) -> Result<bool, Refused> {
    if !store::use_code(write, user, digest, app.clock.now_micros()).await? {
        return Ok(false);
    }
    let left = store::codes_left(write.transaction(), user).await?;
    // Whoever it was had shown no more than the password until now.
    let event = Event::new(Kind::RecoveryCodeUsed, By::nobody(origin), &app.clock).about(user);
    write.audit(event.with("left", left));
    let told = format!("A recovery code was used in place of your authenticator app's; {left} are left.");
    mail::owe(write, Owed { about: Some(told), ..Owed::to_user(Template::FactorChanged, user) }, &app.clock).await?;
    Ok(true)
}
