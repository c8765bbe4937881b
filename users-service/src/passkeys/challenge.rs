//! Challenges: what an authenticator signs, so that what it has signed is of now, for this, and good once.
//!
//! A challenge carries its own proof that we have made it: a random number, its end, and a MAC over both and over what it
//! is for. Anybody may ask for as many as they like, and not one writes a row; that one was answered is a row, written with
//! what the answer was for.

use aws_lc_rs::{hmac, rand};
use sea_orm::ActiveValue::Set;
use sea_orm::EntityTrait;
use sea_orm::sea_query::OnConflict;
use shared::clock::{Clock, to_micros};
use shared::domain::{SessionId, UserId};
use shared::problem::Problem;

use crate::app::App;
use crate::db::entity::answered_challenge::{ActiveModel, Entity};
use crate::db::{Fault, Write};

const NONCE: usize = 16;
const EXPIRY: usize = 8;
const MAC: usize = 32;

/// What it is for: an answer is good for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Signing in, whoever it is.
    SignIn,
    /// Adding a passkey, from this session.
    Register(UserId, SessionId),
    /// Proving once more, in this session, who one is.
    StepUp(UserId, SessionId),
}

/// One of ours that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    nonce: Vec<u8>,
    expires_at: i64,
}

impl Purpose {
    /// As it is signed: no two have the same text.
    fn text(self) -> Vec<u8> {
        let of = |what: &[u8], user: UserId, session: SessionId| {
            [what, user.as_uuid().as_bytes(), session.as_uuid().as_bytes()].concat()
        };
        match self {
            Self::SignIn => b"tollgate passkey sign-in 1".to_vec(),
            Self::Register(user, session) => of(b"tollgate passkey registration 1", user, session),
            Self::StepUp(user, session) => of(b"tollgate passkey step-up 1", user, session),
        }
    }
}

/// Makes one.
pub(super) fn draw(app: &App, purpose: Purpose) -> Result<Vec<u8>, Problem> {
    let mut nonce = [0; NONCE];
    rand::fill(&mut nonce).map_err(Problem::internal)?;
    let expires_at = to_micros(app.clock.now() + app.config.passkeys.challenge.get());
    let mut bytes = [&nonce[..], &expires_at.to_be_bytes()].concat();
    let mac = hmac::sign(&app.keys.challenges, &signed(purpose, &bytes));
    bytes.extend_from_slice(mac.as_ref());
    Ok(bytes)
}

/// Reads one back; nothing for what we did not make for that, and what has ended.
pub(super) fn open(app: &App, bytes: &[u8], purpose: Purpose) -> Option<Challenge> {
    let (payload, mac) = bytes.split_at_checked(NONCE + EXPIRY)?;
    if mac.len() != MAC {
        return None;
    }
    hmac::verify(&app.keys.challenges, &signed(purpose, payload), mac).ok()?;
    let (nonce, expires_at) = payload.split_at(NONCE);
    let expires_at = i64::from_be_bytes(expires_at.try_into().ok()?);
    (expires_at > app.clock.now_micros()).then(|| Challenge { nonce: nonce.to_vec(), expires_at })
}

fn signed(purpose: Purpose, payload: &[u8]) -> Vec<u8> {
    [payload, &purpose.text()].concat()
}

impl Challenge {
    /// Uses it up: `false` when it was answered before, or has ended while its answer waited to be looked at. Who comes at the
    /// same time waits for this transaction.
    pub async fn answer(&self, write: &Write, clock: &Clock) -> Result<bool, Fault> {
        if self.expires_at <= clock.now_micros() {
            return Ok(false);
        }
        let row = ActiveModel { nonce: Set(self.nonce.clone()), expires_at: Set(self.expires_at) };
        let first = Entity::insert(row).on_conflict(OnConflict::new().do_nothing().to_owned());
        Ok(first.exec_without_returning(write.transaction()).await? == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Backend, Setup};

    #[actix_web::test]
    async fn a_challenge_opens_for_its_purpose_and_with_any_byte_changed_for_none() {
        let service = Setup::on(Backend::Sqlite).start().await;
        let (app, clock) = (&service.app, Clock::system());
        let (ada, bob) = (UserId::generate(&clock), UserId::generate(&clock));
        let (here, there) = (SessionId::generate(&clock), SessionId::generate(&clock));
        let purposes = [
            Purpose::SignIn,
            Purpose::Register(ada, here),
            Purpose::Register(ada, there),
            Purpose::Register(bob, here),
            Purpose::StepUp(ada, here),
        ];
        for made in purposes {
            let bytes = draw(app, made).unwrap();
            for asked in purposes {
                assert_eq!(open(app, &bytes, asked).is_some(), made == asked, "{made:?} as {asked:?}");
            }
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert!(open(app, &changed, made).is_none() && open(app, &bytes[..at], made).is_none(), "{at}");
            }
            assert!(open(app, &[&bytes[..], &[0]].concat(), made).is_none());
            assert_ne!(bytes, draw(app, made).unwrap());
        }
        service.stop().await;
    }
}
