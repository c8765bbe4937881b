//! What an operator may order: show the signing keys, let the next one sign, take one out of use.

use std::fmt::Write as _;

use shared::clock::{Clock, from_micros, rfc3339};
use shared::store::{MAX_LIFE, Revocation};

use super::keyring::{Keyring, generate};
use super::purpose::Purpose;
use super::ring::{Held, Irrevocable, Ring, State};
use super::rows;
use super::signing::KeyError;
use super::store::KeysError;
use crate::audit::Kind;
use crate::config::Config;
use crate::db::{Database, Fault};
use crate::revocations;

/// Why something happens, as the audit has it.
const COMMAND: &str = "command";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOrder {
    /// Nothing: show them.
    Show,
    /// Let the next key sign. `force`: even if some verifier may not know it yet.
    Rotate {
        /// Of which ring.
        purpose: Purpose,
        /// Whether to wait for nobody.
        force: bool,
    },
    /// Believe nothing any more that the key of this name has signed.
    Revoke(String),
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says what failed")]
pub enum OrderError {
    #[error("database: {0}")]
    Database(#[from] Fault),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(
        "the next key was published only just now: it may sign from {0} on, when every verifier knows it (--force does not wait)"
    )]
    Unripe(String),
    #[error("there is no next key yet; a running service makes one")]
    NoNextKey,
    #[error("there is no signing key `{0}`; `users-service keys` shows those there are")]
    Unknown(String),
    #[error("the signing key `{0}` was revoked already")]
    Already(String),
}

/// Does it; what the keys are afterwards, as text. Running services follow within `keys.reload`, and do what is due after it.
///
/// # Errors
/// Why it was not done; then nothing has changed.
pub async fn obey(config: &Config, clock: &Clock, order: KeyOrder) -> Result<String, OrderError> {
    let database = Database::connect(&config.database).await?;
    let done = carry_out(config, &database, clock, order).await;
    database.close().await;
    done
}

async fn carry_out(config: &Config, database: &Database, clock: &Clock, order: KeyOrder) -> Result<String, OrderError> {
    match order {
        KeyOrder::Show => {
            let access = rows::load(database.read(), Purpose::Access).await?;
            return Ok(table(&access, &rows::load(database.read(), Purpose::Id).await?));
        }
        KeyOrder::Rotate { purpose, force } => {
            rotate(&Keyring::open(config, database, clock, purpose).await?, force).await?;
        }
        // Whatever else is due may fail, and waits until it is out of use.
        KeyOrder::Revoke(kid) => {
            let access = Keyring::look(config, database, clock, Purpose::Access).await?;
            let id = Keyring::look(config, database, clock, Purpose::Id).await?;
            let has = |keyring: &Keyring| keyring.ring().keys().iter().any(|held| held.key.kid == kid);
            revoke(if has(&id) { &id } else { &access }, clock, &kid).await?;
        }
    }
    // It is done, whatever fails now: an operator who is told otherwise would do it again.
    let access = Keyring::open(config, database, clock, Purpose::Access).await;
    let id = Keyring::open(config, database, clock, Purpose::Id).await;
    let shown = match (access, id) {
        (Ok(access), Ok(id)) => table(&access.ring(), &id.ring()),
        (Err(error), _) | (_, Err(error)) => format!("done; the keys cannot be shown now: {error}\n"),
    };
    Ok(shown)
}

async fn rotate(keyring: &Keyring, force: bool) -> Result<(), OrderError> {
    let (mut draft, rules) = (keyring.draft().await?, keyring.rules());
    let ripe_at = draft.ring.ripe_at(rules).ok_or(OrderError::NoNextKey)?;
    if ripe_at > draft.now && !force {
        return Err(OrderError::Unripe(instant(ripe_at)));
    }
    draft.ring.activate(rules, draft.now);
    draft.note(Kind::SigningKeyRotated, COMMAND, None);
    Ok(draft.commit().await?)
}

async fn revoke(keyring: &Keyring, clock: &Clock, kid: &str) -> Result<(), OrderError> {
    let spare = match keyring.ring().the(State::Standby) {
        Some(_) => None,
        None => Some(generate(keyring.rules()).await?),
    };
    let mut draft = keyring.draft().await?;
    draft.ring.revoke(kid, spare, draft.now).map_err(|why| match why {
        Irrevocable::Unknown => OrderError::Unknown(kid.to_owned()),
        Irrevocable::Already => OrderError::Already(kid.to_owned()),
    })?;
    // Not only until its last token has expired: whoever has the key makes new ones, and a gateway may still have it.
    let revocation = Revocation::SigningKey { kid: kid.to_owned(), expires_at: clock.now() + MAX_LIFE };
    revocations::record(&draft.write, &revocation).await?;
    draft.note(Kind::SigningKeyRevoked, COMMAND, Some(kid));
    Ok(draft.commit().await?)
}

/// A line for each key, in the order in which they are published.
fn table(access: &Ring, id: &Ring) -> String {
    let mut text = lines(access, "");
    text.push_str(&lines(id, ", of ID tokens"));
    text
}

fn lines(ring: &Ring, of: &str) -> String {
    let mut text = String::new();
    for held in ring.keys() {
        let Held { key, state, .. } = held;
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "{:<8}  {:<5}  {}  {}{of}", state.as_str(), key.algorithm.as_str(), key.kid, times(held));
    }
    text
}

fn times(held: &Held) -> String {
    let at = |micros: Option<i64>| micros.map_or_else(|| "?".to_owned(), instant);
    match held.state {
        State::Standby => format!("published since {}", instant(held.published_at)),
        State::Active => format!("signs since {}", at(held.activated_at)),
        State::Previous => format!("verifies until {}", at(held.gone_at)),
        State::Revoked => format!("revoked {}", at(held.gone_at)),
    }
}

fn instant(micros: i64) -> String {
    rfc3339(from_micros(micros))
}
