//! The one middleware of a service: request id, trace context, and every error or panic turned into a problem.

use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use futures_util::FutureExt;
use tracing::Instrument;

use super::accept;
use super::etag::Conditions;
use crate::clock::Clock;
use crate::problem::{CONTENT_TYPE_PROBLEM, Code, Context, Problem};
use crate::telemetry::trace;
use crate::wire::{REQUEST_ID, is_request_id};

/// Wraps a service's whole app once: `.wrap(from_fn(http::context))`. Reads the `Clock` from `web::Data`.
pub async fn context<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let context = Context {
        instance: request.path().to_owned(),
        request_id: request_id(&request),
        clock: request.app_data::<web::Data<Clock>>().map_or_else(Clock::system, |clock| clock.get_ref().clone()),
    };
    let span = trace::request_span(request.method().as_str(), request.path(), &context.request_id, |name| {
        request.headers().get(name).and_then(|value| value.to_str().ok())
    });
    let outer = context.clone();
    outer.scope(answer(request, next, context).instrument(span)).await
}

async fn answer<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
    context: Context,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if !accept::may_write(request.method(), request.path(), request.headers()) {
        let refused = Problem::new(Code::NotAcceptable).response(&context);
        return Ok(finish(request.into_response(refused), &context));
    }
    match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(Ok(response)) => Ok(finish(judged(response.map_into_boxed_body(), &context), &context)),
        Ok(Err(error)) => Err(rendered(error, &context)),
        Err(_panic) => Err(rendered(Problem::internal("a handler panicked").into(), &context)),
    }
}

fn request_id(request: &ServiceRequest) -> String {
    let sent = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(|id| is_request_id(id));
    sent.map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_owned)
}

/// What only reads may be judged once its answer is there: 412 when `If-Match` names another state than it shows
/// (RFC 9110, section 13.1.1, which excepts no method), 406 when the client does not take its media type.
fn judged(response: ServiceResponse<BoxBody>, context: &Context) -> ServiceResponse<BoxBody> {
    let (asked, answer) = (response.request(), response.response());
    let reads = matches!(*asked.method(), Method::GET | Method::HEAD);
    if !reads || answer.status().is_client_error() || answer.status().is_server_error() {
        return response;
    }
    let tag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
    let refused = if tag.is_some_and(|tag| Conditions::of(asked.headers()).require(tag).is_err()) {
        Code::StalePrecondition
    } else if !accept::takes(asked.path(), asked.headers(), answer.headers()) {
        Code::NotAcceptable
    } else {
        return response;
    };
    response.into_response(Problem::new(refused).response(context))
}

/// Adds the id, and gives errors that the framework made by itself (404, 405, bad framing) the problem's shape.
fn finish(response: ServiceResponse<BoxBody>, context: &Context) -> ServiceResponse<BoxBody> {
    let mut response = if is_bare_error(response.response()) {
        let problem = of_status(response.status());
        response.into_response(problem.response(context))
    } else {
        response
    };
    if let Ok(id) = HeaderValue::from_str(&context.request_id) {
        response.headers_mut().insert(HeaderName::from_static(REQUEST_ID), id);
    }
    response
}

fn is_bare_error(response: &HttpResponse) -> bool {
    let status = response.status();
    // The framework writes plain text: a page was written on purpose, for a person.
    let ours = |kind: &HeaderValue| kind == CONTENT_TYPE_PROBLEM || kind.as_bytes().starts_with(b"text/html");
    let is_ours = response.headers().get(CONTENT_TYPE).is_some_and(ours);
    (status.is_client_error() || status.is_server_error()) && !is_ours
}

/// Renders an error while the request's context is still at hand; actix would do it after the scope has ended.
fn rendered(error: Error, context: &Context) -> Error {
    let response = error.error_response();
    let mut response = if is_bare_error(&response) { of_status(response.status()).response(context) } else { response };
    if let Ok(id) = HeaderValue::from_str(&context.request_id) {
        response.headers_mut().insert(HeaderName::from_static(REQUEST_ID), id);
    }
    InternalError::from_response(error, response).into()
}

fn of_status(status: StatusCode) -> Problem {
    Problem::new(match status.as_u16() {
        404 => Code::NotFound,
        405 => Code::MethodNotAllowed,
        406 => Code::NotAcceptable,
        413 => Code::BodyTooLarge,
        414 => Code::UriTooLong,
        415 => Code::UnsupportedMediaType,
        431 => Code::HeadersTooLarge,
        400..=499 => Code::MalformedRequest,
        _ => Code::InternalError,
    })
}
