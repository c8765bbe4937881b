//! Who calls: the credential of a request, verified with its issuer's keys or by asking, remembered, and held against
//! what was revoked.

mod accepted;
mod again;
mod api_keys;
mod cache;
mod challenge;
mod claims;
pub mod cookie;
mod credential;
mod fetch;
mod introspect;
mod issuers;
mod jwks;
pub mod keys;
mod principal;
mod stranger;
mod verify;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use shared::auth::Signer;
use shared::clock::Clock;
use shared::domain::{Permissions, Roles};
use shared::problem::{Code, Problem};
use shared::store::{RevocationList, Verdict};

pub use accepted::{Accepted, MAX_ISSUERS, Place, STATIC_KEYS, TAKEN};
pub use again::Left;
pub use api_keys::hash;
pub use cache::TokenCache;
pub(super) use challenge::insufficient_scope;
pub use credential::{Carrier, Kept};
pub use issuers::{Issuers, NoSecret, tend};
pub use jwks::{Health, Jwks};
pub use principal::{Principal, Reach, Subject, Verified};
pub use stranger::{Inquiry, Stranger, Strangers};
pub use verify::Refusal;

use credential::Credential;
use introspect::Answer;
use issuers::Source;

use crate::admin::metrics::Metrics;
use crate::config::Auth;

/// What every worker shares.
#[derive(Debug)]
pub struct Authenticator {
    revoked: Arc<RevocationList>,
    clock: Clock,
}

/// What one worker brings along.
pub struct Means<'a> {
    /// What it has verified already.
    pub tokens: &'a RefCell<TokenCache>,
    /// Its connections.
    pub client: &'a reqwest::Client,
    /// What vouches for the gateway itself.
    pub signer: &'a Signer,
    /// Where it is counted.
    pub metrics: &'a Metrics,
    /// On what terms somebody unknown is asked about; `None`: they were let in before, and it is the gateway that asks.
    pub stranger: Option<Stranger<'a>>,
}

/// The moments that count when a credential is looked at, in seconds since the epoch.
#[derive(Clone, Copy, Debug)]
struct When {
    now: i64,
    /// A token that speaks for itself is judged as of this.
    as_of: i64,
    /// What was asked before this is asked again.
    since: i64,
}

/// What a route asks of a caller.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// Whether there has to be one.
    pub auth: Auth,
    /// Whose word is taken.
    pub accepted: Accepted,
}

/// Why there is no principal.
enum Failure {
    /// The credential does not hold: the client's fault.
    Refused(Refusal),
    /// Nobody can tell whether it does: not the client's fault.
    Unavailable(Code),
    /// Nobody was asked, because too much else is being asked: nor is that its issuer's fault.
    Crowded,
    /// Nobody was asked, because too much is asked already.
    TurnedAway(Problem),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Authenticator {
    /// With the list of what was revoked.
    #[must_use]
    pub const fn new(revoked: Arc<RevocationList>, clock: Clock) -> Self {
        Self { revoked, clock }
    }

    /// The caller, or `None` for an anonymous one where that is allowed.
    ///
    /// # Errors
    /// 401 for a credential that is missing or does not hold, 400 for two of them, 503 when nobody can tell whether it
    /// holds, 429 for whoever has shown too many that did not.
    pub async fn authenticate(
        &self,
        issuers: &Arc<Issuers>,
        headers: &HeaderMap,
        need: Need,
        means: Means<'_>,
    ) -> Result<Option<Principal>, Problem> {
        if need.auth == Auth::None {
            return Ok(None);
        }
        let found = match credential::find(headers, &issuers.keys, issuers.cookie.as_deref()) {
            // A cookie that is none is nobody's claim: the browser sends it by itself.
            Err(fault) if fault.carrier == Carrier::Cookie && need.auth == Auth::Optional => None,
            found => found?,
        };
        let Some(credential) = found else {
            return match need.auth {
                Auth::Required => {
                    means.metrics.unauthenticated("none", "missing");
                    Err(challenge::required(issuers.keys.header.is_some()))
                }
                Auth::Optional | Auth::None => Ok(None),
            };
        };
        let Credential { carrier, is_key, .. } = credential;
        match self.principal(issuers, credential, need.accepted, &means).await {
            Ok(principal) => {
                means.metrics.authenticated(carrier, is_key);
                if let Some(stranger) = means.stranger {
                    stranger.is_known();
                }
                Ok(Some(principal))
            }
            // Nor is one that is out of date.
            Err(Failure::Refused(_)) if carrier == Carrier::Cookie && need.auth == Auth::Optional => Ok(None),
            Err(Failure::Refused(refusal)) => {
                means.metrics.unauthenticated(kind(carrier, is_key), refusal.word());
                Err(challenge::refused(refusal, carrier, is_key))
            }
            Err(Failure::Unavailable(code)) => {
                means.metrics.unauthenticated(kind(carrier, is_key), "unavailable");
                Err(Problem::new(code))
            }
            Err(Failure::Crowded) => {
                means.metrics.unauthenticated(kind(carrier, is_key), "unavailable");
                Err(Problem::new(Code::IssuerUnavailable))
            }
            Err(Failure::TurnedAway(problem)) => {
                means.metrics.unauthenticated(kind(carrier, is_key), "turned_away");
                Err(problem)
            }
        }
    }

    async fn principal(
        &self,
        issuers: &Arc<Issuers>,
        credential: Credential<'_>,
        accepted: Accepted,
        means: &Means<'_>,
    ) -> Result<Principal, Failure> {
        let now = self.clock.now_seconds();
        let known = means.tokens.borrow_mut().under(issuers).get(credential.text, now);
        // A token is no key, whatever header it comes in.
        let known = known.filter(|verified| verified.api_key.is_some() == credential.is_key);
        means.metrics.token_cache(known.is_some());
        let verified = match known {
            Some(verified) => verified,
            None => {
                let when = When { now, as_of: now, since: i64::MIN };
                Box::pin(self.learn(issuers, credential, when, means)).await?
            }
        };
        let by_cookie = credential.carrier == Carrier::Cookie;
        let (verified, (roles, permissions)) = match (self.current(&verified), verified.asked_at) {
            (Ok(rights), _) => (verified, rights),
            // What was revoked may be older than what its issuer would say now: a key outlives its user's password.
            (Err(_), Some(asked_at)) if asked_at < now && !self.is_revoked_key(&verified) => {
                let when = When { now, as_of: now, since: now };
                let verified = Box::pin(self.learn(issuers, credential, when, means)).await?;
                let rights = self.current(&verified)?;
                (verified, rights)
            }
            (Err(refusal), _) => return Err(refusal.into()),
        };
        if !accepted.has(verified.place) {
            return Err(Refusal::NotHere.into());
        }
        Ok(Principal { verified, roles, permissions, by_cookie })
    }

    /// What was good is held against what happened since, on every request: the roles and permissions that are left.
    fn current(&self, verified: &Verified) -> Result<(Roles, Permissions), Refusal> {
        if self.is_signed_with_a_revoked_key(verified) {
            return Err(Refusal::Revoked);
        }
        let stated = (verified.subject.roles(), verified.subject.permissions());
        if verified.client_session.is_some_and(|session| self.revoked.has_session(session)) {
            return Err(Refusal::Revoked);
        }
        let Subject::User(user) = &verified.subject else { return Ok(stated) };
        if !verified.watched {
            return Ok(stated);
        }
        if self.is_revoked_key(verified) {
            return Err(Refusal::Revoked);
        }
        match self.revoked.check(user.id, user.session, user.ver) {
            Verdict::Valid => Ok(stated),
            Verdict::Roles(roles, permissions) => Ok((stated.0.intersect(roles), stated.1.intersect(permissions))),
            Verdict::Revoked => Err(Refusal::Revoked),
        }
    }

    /// Our own issuer's keys only: what another calls by the same name is another key.
    fn is_signed_with_a_revoked_key(&self, verified: &Verified) -> bool {
        let key = verified.signed_with.as_ref().filter(|_| verified.place == Place::OURS);
        key.is_some_and(|key| self.revoked.has_signing_key(&key.id))
    }

    fn is_revoked_key(&self, verified: &Verified) -> bool {
        verified.revocable_key.is_some_and(|key| self.revoked.has_key(key))
    }

    /// Verifies a credential and remembers it.
    async fn learn(
        &self,
        issuers: &Arc<Issuers>,
        credential: Credential<'_>,
        when: When,
        means: &Means<'_>,
    ) -> Result<Rc<Verified>, Failure> {
        let text = credential.text;
        if text.len() > issuers.max_bytes {
            return Err(Refusal::TooLong.into());
        }
        let verified = if credential.is_key {
            known(issuers.keys.about(text, when, means).await?)?
        } else {
            let issuer = issuers.of(text)?;
            let verified = match &issuer.source {
                Source::Keys(keys) => issuer.verify(text, keys, when.as_of, means).await?,
                Source::Asked { introspector, .. } => known(introspector.about(text, when, means).await?)?,
            };
            Verified { place: issuer.place, ..verified }
        };
        let verified = Rc::new(verified);
        means.tokens.borrow_mut().under(issuers).put(text, Rc::clone(&verified));
        Ok(verified)
    }
}

impl issuers::Issuer {
    async fn verify(&self, token: &str, keys: &Jwks, as_of: i64, means: &Means<'_>) -> Result<Verified, Failure> {
        let attempt = || {
            let keys = keys.current().ok_or(Failure::Unavailable(Code::KeysUnavailable))?;
            Ok::<_, Failure>(self.rules.verify(token, &keys, as_of))
        };
        if keys.is_starting() {
            // We have only just started: the first keys are on their way, and no question is asked for anybody.
            let _place = means.admit()?;
            keys.arrival().await;
        }
        match attempt()? {
            // Perhaps a key that is newer than our copy of the set.
            Err(Refusal::UnknownKey) if keys.would_wait() => {
                let _place = means.admit()?;
                means.leave_to_ask().await?;
                // Whether we fetch or another has done so meanwhile: the key may be there now.
                let _ = keys.refetch().await;
                Ok(attempt()??)
            }
            verified => Ok(verified?),
        }
    }
}

impl Means<'_> {
    /// A place to wait in, for somebody whom nobody knows yet.
    fn admit(&self) -> Result<Option<stranger::Place>, Failure> {
        self.stranger.map(|stranger| stranger.wait()).transpose().map_err(Failure::TurnedAway)
    }

    /// Whether a question may be asked on their behalf.
    async fn leave_to_ask(&self) -> Result<(), Failure> {
        match self.stranger {
            Some(stranger) => stranger.ask().await.map_err(Failure::TurnedAway),
            None => Ok(()),
        }
    }
}

fn known(answer: Answer) -> Result<Verified, Failure> {
    match answer {
        Answer::Active(verified) => Ok(*verified),
        Answer::Refused(refusal) => Err(refusal.into()),
        Answer::Unavailable => Err(Failure::Unavailable(Code::IssuerUnavailable)),
        Answer::Crowded => Err(Failure::Crowded),
    }
}

/// What a credential is counted as.
const fn kind(carrier: Carrier, is_key: bool) -> &'static str {
    match (carrier, is_key) {
        (Carrier::Cookie, _) => "cookie",
        (Carrier::Bearer | Carrier::KeyHeader, true) => "api_key",
        (Carrier::Bearer | Carrier::KeyHeader, false) => "token",
    }
}
