//! How a session comes about.

use std::borrow::Cow;
use std::net::IpAddr;

use shared::domain::{SessionId, UserId};
use uuid::Uuid;

use super::agent::Agent;

/// What carries a session's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The client, as it likes.
    Token,
    /// A browser's cookies, which no page can read.
    Cookie,
}

impl Carrier {
    /// As it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Cookie => "cookie",
        }
    }

    /// From what is stored. A later release's word is none of the browsers', whose pages it could reach.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        if word == Self::Cookie.as_str() { Self::Cookie } else { Self::Token }
    }
}

/// Who opens a session, for whom, from where, and how they have proved who they are.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Whose it will be.
    pub user: UserId,
    /// What its tokens may be used for.
    pub scope: String,
    /// How they have just proved who they are, in RFC 8176's words.
    pub amr: Cow<'static, str>,
    /// What will carry its tokens.
    pub carrier: Carrier,
    /// The OAuth client that it is for; none: the user themselves.
    pub client: Option<Uuid>,
    /// The session that it comes from and ends with.
    pub parent: Option<SessionId>,
    /// The address that it is opened from.
    pub client_ip: Option<IpAddr>,
    /// What the client says it is.
    pub user_agent: Option<String>,
    /// Its id, where that was chosen before; none: a new one.
    pub id: Option<SessionId>,
    /// When they proved who they are (microseconds), where that was before; none: now.
    pub authenticated_at: Option<i64>,
}

impl Opening {
    /// By a user, with their password.
    #[must_use]
    pub fn with_password(user: UserId, scope: String, client_ip: Option<IpAddr>) -> Self {
        Self {
            user,
            scope,
            amr: Cow::Borrowed("pwd"),
            carrier: Carrier::Token,
            client: None,
            parent: None,
            client_ip,
            user_agent: None,
            id: None,
            authenticated_at: None,
        }
    }

    /// With this program.
    #[must_use]
    pub fn by(self, agent: &Agent) -> Self {
        Self { carrier: agent.carrier, user_agent: agent.name.clone(), ..self }
    }
}
