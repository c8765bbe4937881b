//! Which requests open a WebSocket, and from which pages (RFC 6455, sections 4.1 and 10.2).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::dev::RequestHead;
use actix_web::http::header::{CONNECTION, HOST, HeaderValue, ORIGIN, UPGRADE};
use actix_web::http::{Method, Version};
use parking_lot::Mutex;
use shared::problem::{Code, Problem};

use super::authenticate::Principal;
use super::client::{Client, Origin};
use super::cors::Cors;
use crate::config;

/// How long whoever has too many is asked to wait.
const WAIT: Duration = Duration::from_secs(5);

/// Whether this asks for a WebSocket, in the one form in which the parser gives its bytes on as they are.
#[must_use]
pub fn is_asked(head: &RequestHead) -> bool {
    let mut upgrades = head.headers.get_all(UPGRADE);
    let is_websocket = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket");
    let one = upgrades.next().is_some_and(is_websocket) && upgrades.next().is_none();
    let mut options = head.headers.get_all(CONNECTION).flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    one && head.method == Method::GET
        && head.version == Version::HTTP_11
        && options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// Refuses pages of other origins: a browser opens a WebSocket for any page, and sends cookies along.
///
/// # Errors
/// 403 `origin_not_allowed`.
pub fn check_origin(head: &RequestHead, came: &Origin, cors: &Cors) -> Result<(), Problem> {
    let Some(origin) = head.headers.get(ORIGIN) else { return Ok(()) };
    let page = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    // The host that the client meant: a trusted proxy may have asked us under another name.
    let host = came.host.as_deref().or_else(|| head.headers.get(HOST)?.to_str().ok());
    let is_same = page.zip(host).is_some_and(|(page, host)| page.eq_ignore_ascii_case(host));
    if is_same || cors.allows(&head.headers) { Ok(()) } else { Err(Problem::new(Code::OriginNotAllowed)) }
}

/// How many tunnels there are, altogether and of each caller.
#[derive(Debug, Default)]
pub struct Tunnels {
    now: AtomicUsize,
    /// Looked at when a tunnel opens and when it ends, and never in between.
    callers: Mutex<HashMap<Caller, usize>>,
}

/// Whose tunnels are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Caller {
    Known(Box<str>),
    Address(IpAddr),
}

/// A place among the tunnels.
#[derive(Debug)]
pub struct Place {
    tunnels: Arc<Tunnels>,
    caller: Caller,
}

impl Tunnels {
    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.now.load(Ordering::Acquire)
    }

    /// A place for one more.
    ///
    /// # Errors
    /// 503 when there are too many, 429 when this caller has too many.
    pub fn enter(
        self: &Arc<Self>,
        limits: &config::WebSocket,
        principal: Option<&Principal>,
        client: Client,
    ) -> Result<Place, Problem> {
        let caller =
            principal.map_or(Caller::Address(client.bucket()), |principal| Caller::Known(principal.who().into()));
        let place = Place { tunnels: Arc::clone(self), caller: caller.clone() };
        let before = self.now.fetch_add(1, Ordering::AcqRel);
        let own = {
            let mut callers = self.callers.lock();
            let own = callers.entry(caller).or_default();
            *own += 1;
            *own
        };
        if before >= limits.max_tunnels {
            Err(Problem::new(Code::Overloaded).retry_after(WAIT))
        } else if own > limits.max_per_caller {
            let detail = format!("You have {} open WebSockets already.", limits.max_per_caller);
            Err(Problem::new(Code::RateLimited).detail(detail).retry_after(WAIT))
        } else {
            Ok(place)
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tunnels.now.fetch_sub(1, Ordering::AcqRel);
        let mut callers = self.tunnels.callers.lock();
        if let Some(own) = callers.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                callers.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_the_plain_form_opens_one() {
        let asked = |method: Method, lines: &[(&str, &str)]| {
            let request = TestRequest::default().method(method);
            let request = lines.iter().fold(request, |request, line| request.append_header(*line));
            is_asked(request.to_http_request().head())
        };
        let (upgrade, connection) = (("upgrade", "WebSocket"), ("connection", "keep-alive, Upgrade"));
        assert!(asked(Method::GET, &[upgrade, connection]));
        assert!(!asked(Method::POST, &[upgrade, connection]));
        assert!(!asked(Method::GET, &[upgrade]));
        assert!(!asked(Method::GET, &[connection]));
        assert!(!asked(Method::GET, &[connection, ("upgrade", "websocket, h2c")]));
        assert!(!asked(Method::GET, &[connection, upgrade, upgrade]));
    }

    #[test]
    fn places_are_counted_by_caller_and_come_back() {
        let tunnels = Arc::new(Tunnels::default());
        let second = Duration::from_secs(1).into();
        let limits =
            config::WebSocket { max_tunnels: 3, max_per_caller: 2, idle_timeout: second, max_lifetime: second };
        let enter = |last: u8| tunnels.enter(&limits, None, Client { ip: [192, 0, 2, last].into(), tls: false });
        let (first, _second) = (enter(1).unwrap(), enter(1).unwrap());
        assert_eq!(enter(1).unwrap_err().code(), Code::RateLimited);
        let _third = enter(2).unwrap();
        assert_eq!(enter(2).unwrap_err().code(), Code::Overloaded);
        drop(first);
        assert!(enter(1).is_ok());
        assert_eq!((tunnels.count(), tunnels.callers.lock().len()), (2, 2));
    }
}
