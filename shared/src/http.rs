//! Server defaults: every body, parameter, header and framework error handled the same way by every service.

mod accept;
mod body;
mod context;
mod etag;
mod form;
mod path;
mod query;

pub mod document;
pub mod patch;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, Route};

pub use accept::{accepts_json, may_write};
pub use body::{Body, BodyLimit, NoBody, fault, not_json, parse};
pub use context::context;
pub use etag::{Conditions, entity_tag};
pub use form::Form;
pub use path::Id;
pub use query::{NoQuery, QueryPairs, WithoutQuery};

use crate::problem::{Code, Problem};

/// What every service registers last: anything unknown is a 404 problem.
pub fn configure(config: &mut ServiceConfig) {
    config.default_service(web::to(not_found));
}

async fn not_found() -> Problem {
    Problem::new(Code::NotFound)
}

/// The `default_service` of a resource: 405 with the methods it does have (RFC 9110, section 15.5.6).
#[must_use]
pub fn method_not_allowed(allowed: &'static str) -> Route {
    web::to(move |_: HttpRequest| async move { Problem::new(Code::MethodNotAllowed).allow(allowed) })
}
