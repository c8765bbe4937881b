//! An event before it is chained: what happened, by whom, to whom, from where.

use std::net::IpAddr;

use serde_json::{Map, Value};
use shared::auth::{Caller, External, SignedIn};
use shared::clock::Clock;
use shared::domain::{ApiKeyId, EventId, SessionId, UserId};
use shared::problem::Context;

use super::kind::Kind;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A user.
    User(UserId),
    /// A user's API key.
    ApiKey(UserId, ApiKeyId),
    /// Somebody whom another issuer vouches for: the issuer, its name for them, and what they are called here, which
    /// stays when that name goes.
    External { issuer: String, subject: String, name: String },
    /// Nobody who showed who they are.
    Nobody,
    /// The service itself.
    System,
}

impl Actor {
    /// Which of these it is, as stored and shown.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::ApiKey(..) => "api_key",
            Self::External { .. } => EXTERNAL,
            Self::Nobody => NOBODY,
            Self::System => "system",
        }
    }

    /// The name it is found by. A key's is its user's: the key itself stands in the detail.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::User(user) | Self::ApiKey(user, _) => Some(user.to_string()),
            Self::External { issuer, name, .. } => Some(format!("{issuer} {name}")),
            Self::Nobody | Self::System => None,
        }
    }
}

/// The word for whoever another issuer vouches for.
pub(super) const EXTERNAL: &str = "external";

/// The member of the detail that names the request: sealed with it, because clients choose it.
pub(super) const REQUEST_ID: &str = "request_id";

/// The word for whoever showed nothing.
pub(super) const NOBODY: &str = "nobody";

/// Who does something, in which session, from where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct By {
    actor: Actor,
    session: Option<SessionId>,
    origin: Option<IpAddr>,
}

impl By {
    /// From which address, where that is known.
    #[must_use]
    pub const fn origin(&self) -> Option<IpAddr> {
        self.origin
    }

    /// The service itself.
    #[must_use]
    pub const fn system() -> Self {
        Self { actor: Actor::System, session: None, origin: None }
    }

    /// Whoever is at this address.
    #[must_use]
    pub const fn nobody(origin: Option<IpAddr>) -> Self {
        Self { actor: Actor::Nobody, session: None, origin }
    }

    /// A user, in a session that is being opened or ended.
    #[must_use]
    pub const fn user(user: UserId, session: SessionId, origin: Option<IpAddr>) -> Self {
        Self { actor: Actor::User(user), session: Some(session), origin }
    }
}

impl From<&SignedIn> for By {
    fn from(caller: &SignedIn) -> Self {
        let user = &caller.user;
        let actor = user.api_key.map_or(Actor::User(user.id), |key| Actor::ApiKey(user.id, key));
        Self { actor, session: user.session, origin: caller.client_ip }
    }
}

impl By {
    /// A caller, whoever they are; `name` is what somebody's name at another issuer is called here.
    pub(super) fn caller(caller: Caller, name: impl FnOnce(&str) -> String) -> Self {
        let origin = caller.client_ip;
        match (caller.user, caller.external) {
            (Some(user), _) => Self::from(&SignedIn { user, client_ip: origin }),
            (None, Some(External { issuer, subject, .. })) => {
                let name = name(&format!("{issuer} {subject}"));
                Self { actor: Actor::External { issuer, subject, name }, session: None, origin }
            }
            (None, None) => Self::nobody(origin),
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub(super) id: EventId,
    pub(super) at: i64,
    pub(super) kind: Kind,
    pub(super) by: By,
    pub(super) subject: Option<UserId>,
    pub(super) request_id: Option<String>,
    pub(super) detail: Map<String, Value>,
}

impl Event {
    /// That this happens now, in the request that is being served, if one is.
    #[must_use]
    pub fn new(kind: Kind, by: By, clock: &Clock) -> Self {
        let request_id = Some(Context::current().request_id).filter(|id| !id.is_empty());
        let (id, at) = (EventId::generate(clock), clock.now_micros());
        let event = Self { id, at, kind, subject: None, request_id, detail: Map::new(), by };
        match &event.by.actor {
            Actor::ApiKey(_, key) => {
                let key = key.to_string();
                event.with("api_key", key)
            }
            Actor::External { subject, .. } => {
                let subject = subject.clone();
                event.with("external", subject)
            }
            Actor::User(_) | Actor::Nobody | Actor::System => event,
        }
    }

    /// To whom.
    #[must_use]
    pub const fn about(mut self, user: UserId) -> Self {
        self.subject = Some(user);
        self
    }

    /// In another session than the actor's own.
    #[must_use]
    pub const fn in_session(mut self, session: SessionId) -> Self {
        self.by.session = Some(session);
        self
    }

    /// A detail. Never a secret; personal data only of the subject, whose purge takes it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    pub(super) const fn actor(&self) -> &Actor {
        &self.by.actor
    }

    pub(super) const fn session(&self) -> Option<SessionId> {
        self.by.session
    }

    pub(super) const fn origin(&self) -> Option<IpAddr> {
        self.by.origin
    }

    /// What happened.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}
