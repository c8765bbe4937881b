//! What a route answers when its upstream cannot: a body that stands in the configuration.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use shared::problem::{Code, Problem};

use crate::config;

/// Says that an answer is not the upstream's (its value: the code of the problem that it stands for).
const FALLBACK: HeaderName = HeaderName::from_static("x-tollgate-fallback");

/// A prepared answer.
#[derive(Debug)]
pub struct Fallback {
    /// Its status.
    pub status: StatusCode,
    content_type: HeaderValue,
    body: Bytes,
}

impl Fallback {
    /// The configuration has been checked.
    #[must_use]
    pub fn compile(config: &config::Fallback) -> Self {
        Self {
            status: StatusCode::from_u16(config.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            content_type: HeaderValue::from_str(&config.content_type)
                .unwrap_or(HeaderValue::from_static("application/octet-stream")),
            body: Bytes::from(config.body.clone()),
        }
    }

    /// The answer in place of a problem that says that the upstream cannot answer.
    ///
    /// # Errors
    /// Every other problem: it is the client's business.
    pub fn instead(&self, problem: Problem) -> Result<HttpResponse<BoxBody>, Problem> {
        let code = problem.code();
        let cannot =
            matches!(code, Code::UpstreamUnavailable | Code::BadGateway | Code::GatewayTimeout | Code::Overloaded);
        if !cannot {
            return Err(problem);
        }
        let mut answer = HttpResponseBuilder::new(self.status);
        answer.insert_header((CONTENT_TYPE, self.content_type.clone()));
        answer.insert_header((FALLBACK, HeaderValue::from_static(code.as_str())));
        Ok(answer.body(self.body.clone()))
    }
}
