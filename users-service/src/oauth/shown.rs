//! What a client shows for itself (RFC 6749, section 2.3): its id and secret by HTTP Basic or in the form, or its bare id.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use shared::config::Secret;
use shared::domain::ClientId;
use shared::http::Form;
use shared::problem::{Code, Problem};
use url::form_urlencoded;

use super::scope::Scope;
use crate::app::App;
use crate::audit::{By, Event, Kind, Refusal};
use crate::clients::{self, Client};
use crate::throttle::Ticket;
use crate::tokens::GrantError;

const SCHEME: &str = "Basic ";

/// What a request shows. Nothing of it is believed yet.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// An id.
    Id(String),
    /// An id and a secret.
    Secret {
        /// The id.
        id: String,
        /// The secret.
        secret: Secret,
        /// Whether by HTTP Basic.
        basic: bool,
    },
    /// Something that is no id with a secret.
    Malformed {
        /// Whether by HTTP Basic.
        basic: bool,
    },
    /// Two ways at once, or two clients.
    Twice,
}

/// Who asks for a token, for what, from where.
#[derive(Clone, Debug)]
pub struct Asking {
    /// What the client shows for itself.
    pub shown: Shown,
    /// What for, if that is said.
    pub scope: Option<Scope>,
    /// From where.
    pub client_ip: Option<IpAddr>,
}

impl Shown {
    /// Of a request. Another scheme than Basic is somebody else's.
    #[must_use]
    pub fn of(request: &HttpRequest, form: &Form) -> Self {
        let mut headers = request.headers().get_all(AUTHORIZATION);
        let (first, second) = (headers.next(), headers.next());
        let text = first.map(|value| value.to_str().unwrap_or_default());
        let basic = text.and_then(|text| text.split_at_checked(SCHEME.len()));
        let basic = basic.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(SCHEME)).map(|(_, rest)| rest.trim());
        let (id, secret) = (form.get("client_id"), form.get("client_secret"));
        match (basic, id, secret) {
            _ if second.is_some() => Self::Twice,
            (Some(_), _, Some(_)) => Self::Twice,
            (Some(basic), named, None) => match pair(basic) {
                // Some clients name themselves in the form as well.
                Some((id, _)) if named.is_some_and(|named| named != id) => Self::Twice,
                Some((id, secret)) => Self::Secret { id, secret: Secret::from(secret), basic: true },
                None => Self::Malformed { basic: true },
            },
            (None, Some(id), Some(secret)) => {
                Self::Secret { id: id.to_owned(), secret: Secret::from(secret.to_owned()), basic: false }
            }
            (None, Some(id), None) => Self::Id(id.to_owned()),
            (None, None, Some(_)) => Self::Malformed { basic: false },
            (None, None, None) => Self::Nothing,
        }
    }

    /// Whether a client is named, or something in its place, in whatever way.
    #[must_use]
    pub const fn names_somebody(&self) -> bool {
        match self {
            Self::Id(_) | Self::Secret { .. } | Self::Malformed { .. } | Self::Twice => true,
            Self::Nothing => false,
        }
    }

    const fn basic(&self) -> bool {
        match self {
            Self::Secret { basic, .. } | Self::Malformed { basic } => *basic,
            Self::Nothing | Self::Id(_) | Self::Twice => false,
        }
    }

    fn id(&self) -> Option<&str> {
        match self {
            Self::Id(id) | Self::Secret { id, .. } => Some(id),
            Self::Nothing | Self::Malformed { .. } | Self::Twice => None,
        }
    }
}

/// Both halves, each form-encoded (RFC 6749, section 2.3.1).
fn pair(basic: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64_STANDARD.decode(basic).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decoded(id)?, decoded(secret)?))
}

fn decoded(half: &str) -> Option<String> {
    if half.is_empty() || half.contains(['&', '=']) {
        return None;
    }
    let (text, _) = form_urlencoded::parse(half.as_bytes()).next()?;
    (!text.contains('\0')).then(|| text.into_owned())
}

/// The client that shows itself: with its secret if it has one, and with nothing else if it has none. Only failures are
/// counted: nobody guesses 256 bits, and a client of many processes asks often.
///
/// # Errors
/// 401 whatever is wrong, recorded; 400 for a client that shows itself twice; 429 for who failed too often.
pub async fn authenticate(app: &App, asking: &Asking) -> Result<Client, GrantError> {
    let Asking { shown, .. } = asking;
    if matches!(shown, Shown::Twice) {
        let twice = Problem::new(Code::InvalidRequest).detail("The client shows itself in two ways.");
        return Err(twice.oauth("invalid_request").into());
    }
    let id = shown.id().and_then(|id| id.parse::<ClientId>().ok());
    let found = match id {
        Some(id) => clients::find(app.database.read(), id).await?,
        None => None,
    };
    let now = app.clock.now_micros();
    let client = found.filter(|client| match (shown, client.kind) {
        _ if client.disabled => false,
        (Shown::Secret { secret, .. }, clients::Kind::Confidential) => client.knows(secret.expose(), now),
        (Shown::Id(_), clients::Kind::Public) => true,
        (Shown::Secret { .. }, clients::Kind::Public) | (Shown::Id(_), clients::Kind::Confidential) => false,
        (Shown::Nothing | Shown::Malformed { .. } | Shown::Twice, _) => false,
    });
    match client {
        Some(client) => Ok(client),
        None => Err(refuse(app, asking).await),
    }
}

async fn refuse(app: &App, asking: &Asking) -> GrantError {
    let Asking { shown, client_ip, .. } = asking;
    let invalid = GrantError::InvalidClient { basic: shown.basic() };
    // Who shows nothing has not tried anything.
    if matches!(shown, Shown::Nothing) {
        return invalid;
    }
    // An HMAC: people paste secrets into the field of the id.
    let name = app.journal.name(shown.id().unwrap_or_default());
    let by = By::nobody(*client_ip);
    if let Err(wait) = app.throttle.admit(&Ticket::client(*client_ip)).await {
        let kind = Kind::ClientThrottled;
        app.journal.count(Refusal { kind, subject: None, identifier: Some(name), by });
        return GrantError::Throttled(wait);
    }
    let event = Event::new(Kind::ClientRefused, by, &app.clock).with("client", name);
    match app.journal.attempt(event) {
        Ok(attempt) => attempt.record().await.map_or_else(GrantError::from, |()| invalid),
        Err(problem) => problem.into(),
    }
}
