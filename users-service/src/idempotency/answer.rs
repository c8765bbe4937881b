//! An answer as bytes, so that it can be stored and told again.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use shared::domain::UserId;
use shared::problem::Problem;
use shared::wire::idempotency::REPLAYED_HEADER;

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) replayed: bool,
    /// Whether it holds a secret that is shown once: then only that it was given is kept.
    pub(super) unrepeatable: bool,
    /// Whom it tells of; their purge takes it.
    pub(super) subject: Option<UserId>,
}

impl Answer {
    /// A JSON body that no cache may keep.
    ///
    /// # Errors
    /// 500 when the value cannot be written as JSON.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(body).map_err(Problem::internal)?;
        Ok(Self::of(status, body).header("content-type", "application/json").header("cache-control", "no-store"))
    }

    /// No body.
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        Self::of(status, Vec::new()).header("cache-control", "no-store")
    }

    fn of(status: StatusCode, body: Vec<u8>) -> Self {
        Self { status: status.as_u16(), headers: Vec::new(), body, replayed: false, unrepeatable: false, subject: None }
    }

    /// The same, with a secret in it that nothing stored may hold: a replay is told that it was carried out (409).
    #[must_use]
    pub fn unrepeatable(self) -> Self {
        Self { unrepeatable: true, ..self }
    }

    /// It tells of this user.
    #[must_use]
    pub const fn about(mut self, user: UserId) -> Self {
        self.subject = Some(user);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

impl From<Answer> for HttpResponse {
    fn from(answer: Answer) -> Self {
        let mut response = Self::build(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK));
        for (name, value) in answer.headers {
            response.insert_header((name, value));
        }
        if answer.replayed {
            response.insert_header((REPLAYED_HEADER, "true"));
        }
        response.body(answer.body)
    }
}
