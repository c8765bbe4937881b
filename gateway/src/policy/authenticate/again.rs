//! A caller judged again, of something that lasts, or whose body took its time: by what was revoked since, by what their
//! issuer says now, and by the settings that have come into force.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use shared::problem::{Code, Problem};

use super::accepted::Place;
use super::credential::Kept;
use super::verify::Refusal;
use super::{Accepted, Authenticator, Failure, Issuers, Means, Principal, Verified, When, challenge, kind};

/// What is left of a caller's leave.
#[derive(Clone, Debug)]
pub enum Left {
    /// All of it, or what roles are left.
    Holds(Principal),
    /// Nothing.
    Over,
    /// That can only be told by looking at the credential again.
    Unsure,
    /// Nobody was asked, because too much else is being asked.
    Unasked,
}

impl Authenticator {
    /// The caller as they are now. That the token of a session expires ends nothing: what ends the session does. Whatever
    /// has no session ends with its credential, and what an issuer has said is believed for no longer than for a request.
    #[must_use]
    pub fn recheck(&self, principal: &Principal) -> Left {
        self.left(principal, false)
    }

    /// `is_fresh`: its issuer was asked just now. That is an answer even if it is never believed for longer than a request
    /// (`remember = "0s"`), and what was revoked is revoked whatever it says.
    fn left(&self, principal: &Principal, is_fresh: bool) -> Left {
        let (verified, now) = (&principal.verified, self.clock.now_seconds());
        let is_believed = is_fresh || verified.good_until > now;
        if !verified.has_session() && verified.ends_at <= now {
            return Left::Over;
        }
        match (self.current(verified), verified.asked_at) {
            // What was revoked may be older than what its issuer would say now: a key outlives its user's password.
            (Err(_), Some(asked_at)) if !is_fresh && asked_at < now && !self.is_revoked_key(verified) => Left::Unsure,
            (Err(_), _) => Left::Over,
            (Ok(_), Some(_)) if !is_believed => Left::Unsure,
            (Ok((roles, permissions)), _) => Left::Holds(Principal { roles, permissions, ..principal.clone() }),
        }
    }

    /// The caller of a request whose body is here by now: only what was revoked since then counts. A credential that has
    /// expired meanwhile was good when the request came.
    #[must_use]
    pub fn still(&self, principal: &Principal) -> Left {
        let verified = &principal.verified;
        match (self.current(verified), verified.asked_at) {
            (Ok((roles, permissions)), _) => Left::Holds(Principal { roles, permissions, ..principal.clone() }),
            (Err(_), Some(asked_at)) if asked_at < self.clock.now_seconds() && !self.is_revoked_key(verified) => {
                Left::Unsure
            }
            (Err(_), _) => Left::Over,
        }
    }

    /// The same, with whoever has to be asked.
    ///
    /// # Errors
    /// 401 for who has been revoked, 503 when their issuer is asked in vain.
    pub async fn once_more(
        &self,
        issuers: &Arc<Issuers>,
        headers: &HeaderMap,
        principal: &Principal,
        means: &Means<'_>,
    ) -> Result<Principal, Problem> {
        // What was let in by this head can be found in it again.
        let shown = Kept::of(headers, issuers).ok_or_else(|| Problem::new(Code::TokenInvalid))?;
        let left = match self.still(principal) {
            Left::Unsure => self.renew(issuers, &shown, principal, means).await,
            left => left,
        };
        let (carrier, is_key) = (shown.credential().carrier, shown.credential().is_key);
        let count = |why| means.metrics.unauthenticated(kind(carrier, is_key), why);
        match left {
            Left::Holds(principal) => Ok(principal),
            Left::Over => {
                count(Refusal::Revoked.word());
                Err(challenge::refused(Refusal::Revoked, carrier, is_key))
            }
            Left::Unsure | Left::Unasked => {
                count("unavailable");
                Err(Problem::new(Code::IssuerUnavailable))
            }
        }
    }

    /// Looks at the credential again, under the settings that hold now.
    pub async fn renew(&self, issuers: &Arc<Issuers>, shown: &Kept, principal: &Principal, means: &Means<'_>) -> Left {
        let (before, now) = (&principal.verified, self.clock.now_seconds());
        // Nobody needs to be asked about a key that has gone from the configuration: it was none of theirs.
        if before.place == Place::STATIC_KEYS && !issuers.keys.is_fixed(shown.credential().text) {
            return Left::Over;
        }
        // A token of a session is judged as of when it was good.
        let as_of = now.min(before.ends_at.saturating_sub(1));
        let since = match self.current(before) {
            Ok(_) => before.asked_at.map_or(i64::MIN, |asked_at| asked_at.saturating_add(1)),
            // What was said before the revocation says nothing about it.
            Err(_) => now,
        };
        match self.learn(issuers, shown.credential(), When { now, as_of, since }, means).await {
            Ok(verified) if verified.who == before.who => self.left(&Principal { verified, ..principal.clone() }, true),
            // It stands for somebody else now, and the upstream was told of this one.
            Ok(_) | Err(Failure::Refused(_)) => Left::Over,
            Err(Failure::Unavailable(_) | Failure::TurnedAway(_)) => Left::Unsure,
            Err(Failure::Crowded) => Left::Unasked,
        }
    }
}

impl Principal {
    /// The same under other settings, if these would vouch for it just as those `before` did; `None`: that must be looked
    /// at again.
    #[must_use]
    pub fn moved(&self, before: &Issuers, after: &Issuers) -> Option<Self> {
        let place = after.place_of(before, self.verified.place)?;
        let verified = Rc::new(Verified { place, ..(*self.verified).clone() });
        Some(Self { verified, ..self.clone() })
    }

    /// Whose word is taken for this.
    #[must_use]
    pub fn place(&self) -> Place {
        self.verified.place
    }

    /// Whether a route that takes these issuers takes this.
    #[must_use]
    pub fn is_accepted(&self, accepted: Accepted) -> bool {
        accepted.has(self.verified.place)
    }
}
