//! Who may use the operators' API: whoever has the token; without one, whoever is on this machine, and no web page.

use actix_web::body::MessageBody;
use actix_web::dev::ServiceRequest;
use actix_web::dev::ServiceResponse;
use actix_web::http::ConnectionType;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use shared::config::Secret;
use shared::problem::{Code, Problem};
use subtle::ConstantTimeEq;

use crate::app::Gateway;
use crate::listener::Arrival;

/// The rule of one admin listener.
#[derive(Clone, Debug)]
pub struct Access {
    token: Secret,
    /// Whether only this machine can reach the listener.
    is_local: bool,
}

impl Access {
    /// For a listener that only this machine can reach, or not.
    #[must_use]
    pub const fn new(token: Secret, is_local: bool) -> Self {
        Self { token, is_local }
    }

    /// Whether the API may be used with these headers.
    ///
    /// # Errors
    /// 401 without the right token, 403 for a web page, and when there is no token on a listener that others can reach.
    fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let token = self.token.expose();
        if !token.is_empty() {
            let same = sent.is_some_and(|sent| bool::from(sent.as_bytes().ct_eq(token.as_bytes())));
            return if same { Ok(()) } else { Err(Problem::new(Code::TokenRequired)) };
        }
        if !self.is_local {
            return Err(
                Problem::new(Code::Forbidden).detail("Set `admin.token`: this listener can be reached from elsewhere.")
            );
        }
        // A page in the operator's browser reaches this listener as well, perhaps by a name of its own for it.
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if !is_this_machine(host) || headers.contains_key(ORIGIN) {
            return Err(
                Problem::new(Code::Forbidden).detail("Web pages may not use this API; set `admin.token` and send it.")
            );
        }
        Ok(())
    }
}

/// Whether a Host header names this machine, with or without a port.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// What never asks: probes and metrics are for whoever reaches the port, and the index tells no more than this file does.
const OPEN: [&str; 4] = ["/", "/livez", "/readyz", "/metrics"];

/// Asks before anything but a few paths that are named: what is not told apart here is told apart by the router, which
/// reads escapes, so that nothing may be open because of how it is written.
pub async fn ask(
    access: web::Data<Access>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    // An answer like any other, so that whoever hands it on may add to it.
    match if OPEN.contains(&request.path()) { Ok(()) } else { access.check(request.headers()) } {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(problem) => Ok(request.error_response(problem).map_into_right_body()),
    }
}

/// Judges connections that came before other certificates were taken: whoever would not get in any more is refused, and
/// the others are told to come anew.
pub async fn judge(
    gateway: web::Data<Gateway>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let arrival = request.conn_data::<Arrival>().filter(|arrival| arrival.is_stale(&gateway.tls)).cloned();
    let refused = arrival.as_ref().and_then(|arrival| arrival.admit(&gateway.tls).err());
    let mut answer = match refused {
        Some(problem) => request.error_response(problem).map_into_right_body(),
        None => next.call(request).await?.map_into_left_body(),
    };
    if arrival.is_some() {
        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn check(token: &str, is_local: bool, lines: &[(&'static str, &str)]) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.insert(name.parse().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let access = Access::new(Secret::from(token.to_owned()), is_local);
        access.check(&headers).err().map(|problem| problem.status().as_u16())
    }

    #[test]
    fn the_token_or_this_machine_and_no_web_page() {
        for host in ["127.0.0.1:9090", "localhost", "LOCALHOST:1", "[::1]:9090"] {
            assert_eq!(check("", true, &[("host", host)]), None, "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:9090", "", "10.0.0.1:9090"] {
            assert_eq!(check("", true, &[("host", host)]), Some(403), "{host}");
        }
        assert_eq!(check("", true, &[("host", "localhost"), ("origin", "https://evil.example")]), Some(403));
        assert_eq!(check("", false, &[("host", "localhost")]), Some(403));
        assert_eq!(check("secret", false, &[("host", "gateway"), ("authorization", "Bearer secret")]), None);
        for sent in ["Bearer secre", "Bearer secret2", "secret", "Basic secret", "Bearer "] {
            assert_eq!(check("secret", true, &[("host", "localhost"), ("authorization", sent)]), Some(401), "{sent}");
        }
        assert_eq!(check("secret", true, &[("host", "localhost")]), Some(401));
    }
}
