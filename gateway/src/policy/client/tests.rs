//! Whom to believe about where a request came from.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::*;

fn origin(told: Told, peer: &str, lines: &[(&str, &str)]) -> Origin {
    let proxies = TrustedProxies::compile(&["10.0.0.0/8".to_owned(), "::1".to_owned()], told);
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    proxies.origin(peer.parse().unwrap(), false, &headers)
}

/// The whole way as one line.
fn way(origin: &Origin) -> String {
    let hops = [origin.client.ip].into_iter().chain(origin.proxies.iter().copied());
    hops.map(|hop| hop.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn only_trusted_hops_are_believed_from_the_right() {
    for (peer, lines, expected) in [
        ("203.0.113.9", &["1.1.1.1"][..], "203.0.113.9"),
        ("10.0.0.1", &["1.1.1.1"], "1.1.1.1 10.0.0.1"),
        ("10.0.0.1", &["6.6.6.6, 198.51.100.7, 10.9.9.9"], "198.51.100.7 10.9.9.9 10.0.0.1"),
        ("10.0.0.1", &["6.6.6.6", "198.51.100.7"], "198.51.100.7 10.0.0.1"),
        ("10.0.0.1", &["6.6.6.6, junk"], "10.0.0.1"),
        ("10.0.0.1", &["6.6.6.6, junk, 10.2.2.2"], "10.2.2.2 10.0.0.1"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["10.2.2.2, 10.3.3.3"], "10.2.2.2 10.3.3.3 10.0.0.1"),
        ("10.0.0.1", &["192.0.2.1:443"], "192.0.2.1 10.0.0.1"),
        ("::1", &["[2001:db8::5]"], "2001:db8::5 ::1"),
        ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1 10.0.0.1"),
    ] {
        let headers: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        assert_eq!(way(&origin(Told::XForwarded, peer, &headers)), expected, "{peer} {lines:?}");
        let elements: Vec<_> = lines
            .iter()
            .map(|line| line.split(", ").map(|hop| format!("for=\"{hop}\"")).collect::<Vec<_>>().join(", "))
            .collect();
        let headers: Vec<_> = elements.iter().map(|line| ("forwarded", line.as_str())).collect();
        assert_eq!(way(&origin(Told::Forwarded, peer, &headers)), expected, "{peer} {elements:?}");
    }
}

#[test]
fn only_the_header_that_the_proxies_write_is_read() {
    let both = [("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=2.2.2.2;proto=https;host=evil.example")];
    assert_eq!(origin(Told::XForwarded, "10.0.0.1", &both).client, Client { ip: [1, 1, 1, 1].into(), tls: false });
    let told = origin(Told::Forwarded, "10.0.0.1", &both);
    assert_eq!(
        (told.client, told.host.as_deref()),
        (Client { ip: [2, 2, 2, 2].into(), tls: true }, Some("evil.example"))
    );
}

#[test]
fn what_the_clients_own_proxy_says_is_what_the_client_meant() {
    let told = |lines: &[(&str, &str)]| {
        let origin = origin(Told::XForwarded, "10.0.0.1", lines);
        (origin.client.tls, origin.host.unwrap_or_default(), origin.port)
    };
    let way = ("x-forwarded-for", "6.6.6.6, 192.0.2.1, 10.2.2.2");
    assert_eq!(told(&[way, ("x-forwarded-proto", "https")]), (true, String::new(), None));
    assert_eq!(told(&[way, ("x-forwarded-proto", "http, https, http")]), (true, String::new(), None));
    assert_eq!(told(&[way, ("x-forwarded-proto", "https, http, http")]), (false, String::new(), None), "a stranger's");
    let host = ("x-forwarded-host", "a.example:8443");
    assert_eq!(told(&[way, host, ("x-forwarded-port", "8443")]), (false, "a.example:8443".to_owned(), Some(8443)));
    assert_eq!(told(&[way, ("x-forwarded-host", "a b"), ("x-forwarded-port", "99999")]), (false, String::new(), None));
    let stranger = origin(Told::XForwarded, "192.0.2.9", &[way, ("x-forwarded-proto", "https"), host]);
    assert_eq!((stranger.client.tls, stranger.host, stranger.port), (false, None, None));
    let elements =
        ("forwarded", "for=6.6.6.6;proto=https, for=192.0.2.1;proto=http;host=a.example, for=10.2.2.2;proto=https");
    let told = origin(Told::Forwarded, "10.0.0.1", &[elements]);
    assert_eq!((told.client.tls, told.host.as_deref()), (false, Some("a.example")));
}

#[test]
fn an_ipv6_subscriber_is_one_bucket() {
    let bucket = |ip: &str| Client { ip: ip.parse().unwrap(), tls: false }.bucket().to_string();
    assert_eq!(bucket("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    assert_eq!(bucket("192.0.2.1"), "192.0.2.1");
    let wider = |ip: &str| network(ip.parse().unwrap(), 24, 48).to_string();
    assert_eq!((wider("192.0.2.1"), wider("2001:db8:1:2::5")), ("192.0.2.0".to_owned(), "2001:db8:1::".to_owned()));
}

#[test]
fn what_is_no_network_is_refused() {
    for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "host", "10.0.0.0/x"] {
        assert!(text.parse::<Network>().is_err(), "{text}");
    }
    assert!("0.0.0.0/0".parse::<Network>().unwrap().holds([8, 8, 8, 8].into()));
}
