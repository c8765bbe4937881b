//! Who calls: the bearer token, verified against the issuer's keys, remembered, and held against what was revoked.

mod bearer;
mod cache;
mod jwks;
pub mod keys;
mod verify;

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use shared::auth::User;
use shared::clock::Clock;
use shared::domain::Roles;
use shared::problem::{Code, Problem};
use shared::store::{RevocationList, Verdict};

pub(super) use bearer::insufficient_scope;
pub use cache::TokenCache;
pub use jwks::Jwks;
pub use verify::{Refusal, Rules, Verified};

use crate::admin::metrics::Metrics;
use crate::config::{Auth, Authentication};

/// What every worker shares.
#[derive(Debug)]
pub struct Authenticator {
    rules: Rules,
    keys: Arc<Jwks>,
    revoked: Arc<RevocationList>,
    clock: Clock,
    max_token_bytes: usize,
}

/// A caller who proved who they are.
#[derive(Clone, Debug)]
pub struct Principal {
    verified: Rc<Verified>,
    /// The token's roles, less those that were taken away since.
    pub roles: Roles,
}

impl Principal {
    /// A caller with these roles and this scope.
    #[cfg(test)]
    pub(in crate::policy) fn sample(roles: Roles, scope: &str) -> Self {
        let clock = Clock::system();
        let (id, session) = (shared::domain::UserId::generate(&clock), shared::domain::SessionId::generate(&clock));
        let user = User { id, session, roles, scope: scope.to_owned(), ver: 1 };
        Self { verified: Rc::new(Verified { user, expires_at: i64::MAX }), roles }
    }

    /// The user as an upstream is told of them.
    #[must_use]
    pub fn user(&self) -> User {
        User { roles: self.roles, ..self.verified.user.clone() }
    }

    /// The user as the token has them; its roles may be out of date.
    #[must_use]
    pub fn token(&self) -> &User {
        &self.verified.user
    }
}

impl Authenticator {
    /// With the issuer's rules, its keys, and the list of what was revoked.
    #[must_use]
    pub fn new(config: &Authentication, keys: Arc<Jwks>, revoked: Arc<RevocationList>, clock: Clock) -> Self {
        Self { rules: Rules::compile(config), keys, revoked, clock, max_token_bytes: config.max_token_bytes }
    }

    /// The caller, or `None` for an anonymous one where that is allowed.
    ///
    /// # Errors
    /// 401 for a token that is missing or does not hold, 503 when there are no keys to check one with.
    pub async fn authenticate(
        &self,
        cache: &RefCell<TokenCache>,
        headers: &HeaderMap,
        need: Auth,
        metrics: &Metrics,
    ) -> Result<Option<Principal>, Problem> {
        let token = match need {
            Auth::None => return Ok(None),
            Auth::Required | Auth::Optional => bearer::token(headers)?,
        };
        let Some(token) = token else {
            return if need == Auth::Required { Err(bearer::required()) } else { Ok(None) };
        };
        let now = self.clock.now_seconds();
        let hit = cache.borrow_mut().get(token, now);
        metrics.token_cache(hit.is_some());
        let verified = match hit {
            Some(verified) => verified,
            None => {
                let verified = Rc::new(self.verify(token, now).await?);
                cache.borrow_mut().put(token, Rc::clone(&verified));
                verified
            }
        };
        self.current(verified).map(Some)
    }

    /// The caller as they are now, if their token still holds; for what lasts longer than a request. That it expires ends
    /// nothing: what ends a session does.
    #[must_use]
    pub fn recheck(&self, principal: &Principal) -> Option<Principal> {
        self.current(Rc::clone(&principal.verified)).ok()
    }

    /// A token that was good is held against what happened since, on every request.
    fn current(&self, verified: Rc<Verified>) -> Result<Principal, Problem> {
        let user = &verified.user;
        match self.revoked.check(user.id, user.session, user.ver) {
            Verdict::Valid => Ok(Principal { roles: user.roles, verified }),
            Verdict::Roles(left) => Ok(Principal { roles: user.roles.intersect(left), verified }),
            Verdict::Revoked => Err(bearer::invalid("The token was revoked.")),
        }
    }

    async fn verify(&self, token: &str, now: i64) -> Result<Verified, Problem> {
        if token.len() > self.max_token_bytes {
            return Err(bearer::invalid("The token is too long."));
        }
        let first = self.attempt(token, now)?;
        let refusal = match first {
            Ok(verified) => return Ok(verified),
            // Perhaps a key that is newer than our copy of the set.
            Err(Refusal::UnknownKey) if self.keys.refetch().await => match self.attempt(token, now)? {
                Ok(verified) => return Ok(verified),
                Err(refusal) => refusal,
            },
            Err(refusal) => refusal,
        };
        Err(bearer::invalid(refusal.detail()))
    }

    fn attempt(&self, token: &str, now: i64) -> Result<Result<Verified, Refusal>, Problem> {
        let keys = self.keys.current().ok_or_else(|| Problem::new(Code::KeysUnavailable))?;
        Ok(self.rules.verify(token, &keys, now))
    }
}
