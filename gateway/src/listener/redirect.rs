//! The listener for plain HTTP beside the one for TLS: it says where to go, and nothing else.

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{RequestHead, ServiceRequest, ServiceResponse, fn_service};
use actix_web::http::header::{HOST, HeaderValue, LOCATION};
use actix_web::http::uri::Authority;
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse};
use shared::problem::{Code, Context, Problem};

use crate::app::Gateway;
use crate::policy::headers::REQUEST_ID;
use crate::policy::trace::Trace;

/// The port that https has when none is named.
const HTTPS: u16 = 443;

/// Answers everything with 308 to the same on `port`.
pub fn configure(gateway: Arc<Gateway>, port: u16) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.default_service(fn_service(move |request: ServiceRequest| {
            let gateway = Arc::clone(&gateway);
            async move {
                let (request, _) = request.into_parts();
                let answer = answer(&gateway, &request, port);
                Ok(ServiceResponse::new(request, answer))
            }
        }));
    }
}

fn answer(gateway: &Gateway, request: &HttpRequest, port: u16) -> HttpResponse<BoxBody> {
    let head = request.head();
    let trace = Trace::begin(&head.headers);
    let mut answer = match target(head, port) {
        Some(target) => HttpResponse::PermanentRedirect().insert_header((LOCATION, target)).finish(),
        None => {
            let problem =
                Problem::new(Code::MalformedRequest).detail("Use https; without a Host nobody can say where.");
            let (instance, request_id) = (head.uri.path().to_owned(), trace.id().to_owned());
            problem.response(&Context { instance, request_id, clock: gateway.clock.clone() })
        }
    };
    for (name, value) in gateway.tables.load().standing_headers() {
        answer.headers_mut().insert(name, value);
    }
    answer.headers_mut().insert(REQUEST_ID, trace.request_id.clone());
    answer
}

/// The same over https. The host is the client's word: whoever forges it leads only itself astray.
fn target(head: &RequestHead, port: u16) -> Option<HeaderValue> {
    let authority: Authority = head.headers.get(HOST)?.to_str().ok()?.parse().ok()?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    let host = authority.host();
    let target = if port == HTTPS { format!("https://{host}{path}") } else { format!("https://{host}:{port}{path}") };
    HeaderValue::try_from(target).ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_same_place_over_https() {
        let target = |host: &str, uri: &str, port| {
            let request = TestRequest::default().uri(uri).insert_header((HOST, host)).to_http_request();
            target(request.head(), port).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(target("a.example", "/x?y=1", 443).unwrap(), "https://a.example/x?y=1");
        assert_eq!(target("a.example:8080", "/", 8443).unwrap(), "https://a.example:8443/");
        assert_eq!(target("[::1]:80", "//evil.example", 443).unwrap(), "https://[::1]//evil.example");
        assert_eq!(target("u@a.example", "/", 443), None);
        assert_eq!(target("a b", "/", 443), None);
        assert_eq!(target("", "/", 443), None);
    }
}
