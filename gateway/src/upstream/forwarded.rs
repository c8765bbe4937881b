//! What an upstream is told of a request's way: `X-Forwarded-*` or `Forwarded` (RFC 7239), and `Via`.

use actix_web::dev::RequestHead;
use actix_web::http::Version;
use actix_web::http::header::HOST;
use reqwest::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue, VIA};

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
    pub fn describe(&self, origin: &Origin, head: &RequestHead, headers: &mut HeaderMap) {
        let host = || origin.host.as_deref().or_else(|| head.headers.get(HOST)?.to_str().ok());
        let mut set = |name: HeaderName, value: Option<HeaderValue>| {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        };
        if self.x_forwarded {
            set(FOR, HeaderValue::try_from(way(origin)).ok());
            set(PROTO, Some(HeaderValue::from_static(if origin.client.tls { "https" } else { "http" })));
            set(TOLD_HOST, host().and_then(|host| HeaderValue::try_from(host).ok()));
            set(PORT, Some(port(origin, host())));
        }
        if self.forwarded {
            set(FORWARDED, HeaderValue::try_from(forwarded::write(origin, host())).ok());
        }
        if let Some([old, new]) = &self.via {
            headers.append(VIA, if head.version < Version::HTTP_11 { old.clone() } else { new.clone() });
        }
    }

    /// What an answer says of its way.
    #[must_use]
    pub fn via(&self) -> Option<&HeaderValue> {
        self.via.as_ref().map(|[_, new]| new)
    }
}

/// The client and the proxies between it and us.
fn way(origin: &Origin) -> String {
    let mut way = origin.client.ip.to_string();
    for proxy in &origin.proxies {
        way.push_str(", ");
        way.push_str(&proxy.to_string());
    }
    way
}

/// The port that the client came to.
fn port(origin: &Origin, host: Option<&str>) -> HeaderValue {
    let named = host.and_then(|host| host.rsplit_once(':')?.1.parse().ok());
    match (origin.port.or(named), origin.client.tls) {
        (Some(port), _) => HeaderValue::from(port),
        (None, true) => HeaderValue::from_static("443"),
        (None, false) => HeaderValue::from_static("80"),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::policy::client::Client;

    fn told(send: Tells, origin: &Origin, via: &str) -> HeaderMap {
        let forwarding =
            Forwarding::compile(&config::Forwarding { trust: config::Told::XForwarded, send, via: via.to_owned() });
        let request = TestRequest::get().insert_header((HOST, "[::1]:8080")).to_http_request();
        let mut headers = HeaderMap::new();
        forwarding.describe(origin, request.head(), &mut headers);
        headers
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
