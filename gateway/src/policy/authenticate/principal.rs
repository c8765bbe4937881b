//! Who a credential stands for, as every other policy sees them.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use shared::auth::{Caller, External, User};
use shared::domain::{ApiKeyId, Permissions, Roles, SessionId};

use super::accepted::Place;
use super::keys::Key;

/// A credential that holds, and all that follows from it. Remembered, so that it is worked out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whom it stands for.
    pub subject: Subject,
    /// What tells the subject apart from all others; see [`Principal::who`].
    pub who: Box<str>,
    /// The API key's id, if it is one.
    pub api_key: Option<Box<str>>,
    /// The API key's id if it is one of users-service's, which may revoke it.
    pub revocable_key: Option<ApiKeyId>,
    /// The session of somebody who is no user of ours, which we may revoke: that of an OAuth client's own tokens.
    pub client_session: Option<SessionId>,
    /// What it is signed with, if it speaks for itself.
    pub signed_with: Option<Arc<Key>>,
    /// What its scope means.
    pub reach: Reach,
    /// Whether what was revoked is asked for.
    pub watched: bool,
    /// When its issuer was asked about it, in seconds since the epoch; `None`: it speaks for itself.
    pub asked_at: Option<i64>,
    /// Which of the configuration's issuers it comes from.
    pub place: Place,
    /// Until when this may be believed, in seconds since the epoch: the credential's end, or that of what its issuer
    /// was last asked, whichever comes first.
    pub good_until: i64,
    /// When the credential itself ends, in seconds since the epoch.
    pub ends_at: i64,
}

/// Whom a credential stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A user of ours.
    User(User),
    /// Somebody else: our services are never told that this is one of our users.
    External(External),
}

/// What a credential's scope means on a route that names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It may do everything that its subject may, and has every scope.
    Everything,
    /// The scope says nothing about routes that name none.
    Unbounded,
    /// It may do no more than its scope says: `<upstream>:read` and `<upstream>:write` where the route names none.
    Bounded,
}

/// A caller who proved who they are.
#[derive(Clone, Debug)]
pub struct Principal {
    pub(super) verified: Rc<Verified>,
    /// The credential's roles, less those that were taken away since.
    pub roles: Roles,
    /// What the credential's custom roles add, less what was taken away since.
    pub permissions: Permissions,
    /// Whether the browser sent the credential by itself.
    pub by_cookie: bool,
}

impl Subject {
    /// The roles that the credential states.
    #[must_use]
    pub const fn roles(&self) -> Roles {
        match self {
            Self::User(user) => user.roles,
            Self::External(external) => external.roles,
        }
    }

    /// What custom roles add to that, by the credential's word. Nobody but our own users has any.
    #[must_use]
    pub const fn permissions(&self) -> Permissions {
        match self {
            Self::User(user) => user.permissions,
            Self::External(_) => Permissions::NONE,
        }
    }

    /// The words of its scope, separated by spaces.
    #[must_use]
    pub fn scope(&self) -> &str {
        match self {
            Self::User(user) => &user.scope,
            Self::External(external) => &external.scope,
        }
    }

    /// A name that no other subject has: our user's id, or issuer and subject. An issuer has no `#` in it, a UUID neither.
    #[must_use]
    pub fn name(&self) -> Box<str> {
        match self {
            Self::User(user) => user.id.to_string().into(),
            Self::External(external) => [external.issuer.as_str(), "#", &external.subject].concat().into(),
        }
    }
}

impl Principal {
    /// Who this is in one word: the same for every credential of one subject, different for any two subjects. For
    /// counters, keys and logs.
    #[must_use]
    pub fn who(&self) -> &str {
        &self.verified.who
    }

    /// The id of the API key that was used, if it was one.
    #[must_use]
    pub fn api_key(&self) -> Option<&str> {
        self.verified.api_key.as_deref()
    }

    /// Whether this is a user of ours.
    #[must_use]
    pub fn is_user(&self) -> bool {
        matches!(self.verified.subject, Subject::User(_))
    }

    /// What the scope means where a route names none.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.verified.reach
    }

    /// Whether the scope has this word.
    #[must_use]
    pub fn has_scope(&self, wanted: &str) -> bool {
        self.verified.reach == Reach::Everything || self.verified.subject.scope().split(' ').any(|word| word == wanted)
    }

    /// What an upstream is told of whoever this is, at this address.
    #[must_use]
    pub fn vouched(principal: Option<&Self>, ip: IpAddr) -> Caller {
        Caller { client_ip: Some(ip), ..principal.map(Self::caller).unwrap_or_default() }
    }

    /// As an upstream is told of them.
    #[must_use]
    pub fn caller(&self) -> Caller {
        match &self.verified.subject {
            Subject::User(user) => {
                let user = User { roles: self.roles, permissions: self.permissions, ..user.clone() };
                Caller { user: Some(user), ..Caller::default() }
            }
            Subject::External(external) => {
                Caller { external: Some(External { roles: self.roles, ..external.clone() }), ..Caller::default() }
            }
        }
    }

    /// A user of ours with these roles and this scope.
    #[cfg(test)]
    pub(crate) fn sample(roles: Roles, scope: &str) -> Self {
        let clock = shared::clock::Clock::system();
        let (id, session) = (shared::domain::UserId::generate(&clock), shared::domain::SessionId::generate(&clock));
        let (session, permissions, scope) = (Some(session), Permissions::NONE, scope.to_owned());
        let user = User { id, session, api_key: None, roles, permissions, scope, ver: 1 };
        let verified = Rc::new(Verified::of(Subject::User(user), i64::MAX));
        Self { verified, roles, permissions, by_cookie: false }
    }

    /// The same with what a custom role adds.
    #[cfg(test)]
    pub(crate) fn permitted(self, permissions: Permissions) -> Self {
        Self { permissions, ..self }
    }

    /// The same by way of an API key.
    #[cfg(test)]
    pub(crate) fn with_key(self, id: &str) -> Self {
        Self { verified: Rc::new(Verified { api_key: Some(id.into()), ..(*self.verified).clone() }), ..self }
    }

    /// The same with another reach, as a key or a client has it.
    #[cfg(test)]
    pub(crate) fn reaching(self, reach: Reach) -> Self {
        Self { verified: Rc::new(Verified { reach, ..(*self.verified).clone() }), ..self }
    }
}

impl Verified {
    /// Whether there is a session that goes on when its token expires, and whose end we are told of.
    #[must_use]
    pub fn has_session(&self) -> bool {
        matches!(&self.subject, Subject::User(user) if user.session.is_some()) && self.watched
    }

    /// Whether this may be believed at `now` as it is; if not, the credential is looked at anew. That its key is gone
    /// ends what was remembered: a key that was stolen signs tokens that never expire.
    #[must_use]
    pub fn is_good(&self, now: i64) -> bool {
        self.good_until > now && !self.signed_with.as_ref().is_some_and(|key| key.is_gone())
    }

    /// A subject without a bound, until `good_until`.
    #[must_use]
    pub fn of(subject: Subject, good_until: i64) -> Self {
        let who = subject.name();
        Self {
            subject,
            who,
            api_key: None,
            revocable_key: None,
            client_session: None,
            signed_with: None,
            reach: Reach::Unbounded,
            watched: true,
            asked_at: None,
            place: Place::OURS,
            good_until,
            ends_at: good_until,
        }
    }
}
