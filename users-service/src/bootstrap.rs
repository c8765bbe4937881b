//! The first administrator: made at a start that finds none, by one process even when two start together.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use shared::clock::Clock;
use shared::config::{Report, Secret};
use shared::domain::{Role, Roles, UserId};
use shared::problem::Problem;

use crate::audit::{By, Event, Kind};
use crate::config::Config;
use crate::db::{Counter, Database, Fault};
use crate::passwords::{Hasher, Password};
use crate::users::{self, Email, Inserted, NewUser, Refused, Username};

/// Bytes of randomness in a generated password.
const RANDOM: usize = 18;

const ADMIN_EMAIL: &str = "bootstrap.admin_email";
const ADMIN_PASSWORD: &str = "bootstrap.admin_password";

/// An administrator whose password was generated; shown once.
#[derive(Clone, Debug)]
pub struct BootstrapAdmin {
    /// E-mail address to sign in with.
    pub email: String,
    /// Password.
    pub password: Secret,
}

/// Why there is no administrator.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Fault),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] Problem),
    /// The configured address breaks a rule.
    #[error("{ADMIN_EMAIL}: {0}")]
    Address(Refused),
    /// No password could be generated.
    #[error("{ADMIN_PASSWORD}: no randomness")]
    NoRandomness,
    /// Somebody who is no administrator has the configured e-mail address or its user name.
    #[error("bootstrap.admin_email: taken by somebody who is no administrator")]
    Taken,
}

/// Makes the administrator if there is none; tells the password if it was generated.
///
/// # Errors
/// When they cannot be made.
pub async fn bootstrap(
    config: &Config,
    database: &Database,
    hasher: &Hasher,
    clock: &Clock,
) -> Result<Option<BootstrapAdmin>, BootstrapError> {
    if users::administrators(database.read()).await? > 0 {
        return Ok(None);
    }
    let given = &config.bootstrap.admin_password;
    let password = if given.is_empty() { Secret::from(generated()?) } else { given.clone() };
    let (email, username) = who(config).map_err(BootstrapError::Address)?;
    let roles = Roles::NONE.with(Role::User).with(Role::Admin);
    let user = NewUser { email, username, name: None, phone: None, roles };
    let hash = hasher.hash(&password).await?;

    let write = database.write().await?;
    write.next(Counter::Setup).await?;
    if users::administrators(write.transaction()).await? > 0 {
        write.rollback().await;
        return Ok(None);
    }
    match users::insert(&write, UserId::generate(clock), &user, &hash, clock.now()).await? {
        Inserted::Created(made) => {
            // Whoever runs the service has given the address; asked to confirm it first, nobody could let anybody in.
            users::prove(&write, &made, clock.now()).await?;
            write.audit(Event::new(Kind::AdministratorMade, By::system(), clock).about(made.id));
            write.commit().await?;
        }
        Inserted::EmailTaken | Inserted::UsernameTaken => return Err(BootstrapError::Taken),
    }
    let email = user.email.as_str().to_owned();
    tracing::info!(email, "the first administrator was made");
    Ok(given.is_empty().then_some(BootstrapAdmin { email, password }))
}

/// What keeps the configured administrator from being made: reported with the other mistakes of the configuration,
/// before anything is migrated. An empty password is none: it is generated.
pub fn check(config: &Config, report: &mut Report<'_>) {
    let who = who(config).map_err(|fault| report.error(ADMIN_EMAIL, fault.detail)).ok();
    let names = who.as_ref().map(|(email, username)| [email.local(), username.as_str()]);
    let password = config.bootstrap.admin_password.expose();
    let names = names.as_ref().map_or(&[][..], |names| names);
    if !password.is_empty()
        && let Err(fault) = Password::parse(password, &config.passwords, names)
    {
        report.error(ADMIN_PASSWORD, fault.detail);
    }
}

/// Address and user name of the administrator.
fn who(config: &Config) -> Result<(Email, Username), Refused> {
    let email = Email::parse(&config.bootstrap.admin_email)?;
    let username = Username::parse(email.local()).or_else(|_| Username::parse("administrator"))?;
    Ok((email, username))
}

/// 144 random bits, and a digit for the rule that wants one.
fn generated() -> Result<String, BootstrapError> {
    let mut bytes = [0; RANDOM];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| BootstrapError::NoRandomness)?;
    Ok(format!("{}7", BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}
