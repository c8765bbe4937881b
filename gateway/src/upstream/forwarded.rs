//! What an upstream is told of a request's way: `X-Forwarded-*` or `Forwarded` (RFC 7239), and `Via`.

use std::fmt::{self, Display, Formatter};

use actix_web::dev::RequestHead;
use actix_web::http::Version;
use actix_web::http::header::HOST;
use reqwest::header::{FORWARDED, HeaderName, HeaderValue, VIA};

use super::draft::Draft;
use crate::config::{self, Tells};
use crate::policy::client::{Origin, forwarded};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const TOLD_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// The compiled policy.
#[derive(Clone, Debug)]
pub struct Forwarding {
    x_forwarded: bool,
    forwarded: bool,
    /// For requests that came over HTTP/1.0, and for all others and answers.
    via: Option<[HeaderValue; 2]>,
}

impl Forwarding {
    /// From the configuration, which has been checked.
    #[must_use]
    pub fn compile(config: &config::Forwarding) -> Self {
        let via = |version: &str| HeaderValue::try_from(format!("{version} {}", config.via)).ok();
        let via = via("1.0").zip(via("1.1")).map(|(old, new)| [old, new]).filter(|_| !config.via.is_empty());
        let (x_forwarded, forwarded) = match config.send {
            Tells::XForwarded => (true, false),
            Tells::Forwarded => (false, true),
            Tells::Both => (true, true),
            Tells::Nothing => (false, false),
        };
        Self { x_forwarded, forwarded, via }
    }

    /// Writes down where a request came from. What the client said of that is gone already.
    pub fn describe(&self, origin: &Origin, head: &RequestHead, headers: &mut Draft) {
        let host = origin.host.as_deref().or_else(|| head.headers.get(HOST)?.to_str().ok());
        if self.x_forwarded {
            headers.write(FOR, Way(origin));
            headers.add(PROTO, if origin.client.tls { b"https" } else { b"http" });
            if let Some(host) = host {
                headers.add(TOLD_HOST, host.as_bytes());
            }
            headers.write(PORT, port(origin, host));
        }
        if self.forwarded {
            headers.write(FORWARDED, forwarded::write(origin, host));
        }
        if let Some([old, new]) = &self.via {
            headers.add(VIA, if head.version < Version::HTTP_11 { old.as_bytes() } else { new.as_bytes() });
        }
    }

    /// What an answer says of its way.
    #[must_use]
    pub fn via(&self) -> Option<&HeaderValue> {
        self.via.as_ref().map(|[_, new]| new)
    }
}

/// The client and the proxies between it and us.
struct Way<'a>(&'a Origin);

impl Display for Way<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.client.ip)?;
        self.0.proxies.iter().try_for_each(|proxy| write!(f, ", {proxy}"))
    }
}

/// The port that the client came to.
fn port(origin: &Origin, host: Option<&str>) -> u16 {
    let named = host.and_then(|host| host.rsplit_once(':')?.1.parse().ok());
    origin.port.or(named).unwrap_or(if origin.client.tls { 443 } else { 80 })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::policy::client::Client;

    fn told(send: Tells, origin: &Origin, via: &str) -> HeaderMap {
        let forwarding =
            Forwarding::compile(&config::Forwarding { trust: config::Told::XForwarded, send, via: via.to_owned() });
        let request = TestRequest::get().insert_header((HOST, "[::1]:8080")).to_http_request();
        let mut headers = Draft::new(0);
        forwarding.describe(origin, request.head(), &mut headers);
        headers.finish()
    }

    #[test]
    fn the_whole_way_is_told_in_the_words_that_are_wanted() {
        let client = Client { ip: "2001:db8::1".parse().unwrap(), tls: true };
        let origin = Origin { client, proxies: vec![[10, 0, 0, 1].into()], host: None, port: None };
        let headers = told(Tells::XForwarded, &origin, "");
        let value = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(value("x-forwarded-for"), Some("2001:db8::1, 10.0.0.1"));
        assert_eq!((value("x-forwarded-proto"), value("x-forwarded-port")), (Some("https"), Some("8080")));
        assert_eq!((value("x-forwarded-host"), value("forwarded"), value("via")), (Some("[::1]:8080"), None, None));

        let named = Origin { host: Some("a.example".to_owned()), ..origin };
        let headers = told(Tells::Both, &named, "edge");
        assert_eq!(headers["forwarded"], "for=\"[2001:db8::1]\";host=a.example;proto=https, for=10.0.0.1");
        assert!(headers["x-forwarded-port"] == "443" && headers["x-forwarded-host"] == "a.example", "{headers:?}");
        assert_eq!(headers["via"], "1.1 edge");
        assert!(told(Tells::Nothing, &named, "").is_empty());
    }
}
