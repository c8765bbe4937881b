//! Where a client may have its users sent back to: compared as text, but for the port of a loopback address.

use url::{Host, Url};

/// Longer ones are no address of an application.
const MAX_BYTES: usize = 2_000;

/// What an answer adds to the query; an address that has one of these already would leave two.
const OURS: [&str; 6] = ["code", "state", "iss", "error", "error_description", "error_uri"];

/// The addresses of one's own machine that RFC 8252 (section 7.3) leaves the port free of.
const LOOPBACK: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

/// Whether this may be registered; else what is wrong with it. `https`, or `http` on one's own machine (RFC 8252, sections
/// 7.3 and 8.3), and nothing that two readers could read in two ways.
///
/// # Errors
/// The rule it breaks, in words.
pub fn check(text: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| {
        byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'`' | b'^' | b'{' | b'}' | b'|')
    };
    if text.len() > MAX_BYTES || !text.bytes().all(plain) {
        return Err("at most 2000 characters of plain ASCII without blanks or backslashes");
    }
    if text.contains('#') {
        return Err("without a fragment");
    }
    if text.contains('*') {
        return Err("a whole address: there are no wildcards");
    }
    let url = Url::parse(text).map_err(|_| "an absolute address such as https://app.example.com/callback")?;
    let secure = text.starts_with("https://");
    let local = text.starts_with("http://") && is_loopback(&url);
    if !(secure || local) {
        return Err("https, or http on a loopback address");
    }
    let rest = text.split_once("//").map_or("", |(_, rest)| rest);
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
        return Err("without a user or a password");
    }
    // What a browser would ask for is what stands there: no dot segments, no digits that hide an address.
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() || !authority.strip_suffix(&port).is_some_and(|written| written.eq_ignore_ascii_case(host)) {
        return Err("the host and the port as browsers write them");
    }
    let path = rest.split('?').next().unwrap_or_default();
    if !path.is_empty() && path != url.path() {
        return Err("the path as browsers write it");
    }
    if url.query_pairs().any(|(name, _)| OURS.contains(&name.as_ref())) {
        return Err("without a parameter that the answer adds itself");
    }
    Ok(())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Whether an address that a request names is one that was registered.
#[must_use]
pub fn is_registered(registered: &[String], asked: &str) -> bool {
    registered.iter().any(|known| known == asked || is_same_but_for_the_port(known, asked))
}

fn is_same_but_for_the_port(known: &str, asked: &str) -> bool {
    LOOPBACK.iter().any(|origin| {
        let rest = |text: &str| text.strip_prefix(origin).and_then(after_port).map(str::to_owned);
        matches!((rest(known), rest(asked)), (Some(known), Some(asked)) if known == asked)
    })
}

/// What follows an origin's port, or the origin itself; nothing when the host goes on.
fn after_port(rest: &str) -> Option<&str> {
    let Some(digits) = rest.strip_prefix(':') else {
        return (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest);
    };
    let end = digits.find(['/', '?']).unwrap_or(digits.len());
    let (port, rest) = digits.split_at(end);
    let plain = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    (plain && port.parse::<u16>().is_ok()).then_some(rest)
}

/// Whether anybody on the same machine could listen there: then it does not tell which application it is.
#[must_use]
pub fn is_anybodys(redirect: &str) -> bool {
    !redirect.starts_with("https://")
}

/// The origin that a page's policy has to name, so that its form may end there (CSP 3, section 6.4.2: also by redirect).
#[must_use]
pub fn origin(redirect: &str) -> String {
    Url::parse(redirect).map_or_else(|_| "'none'".to_owned(), |url| url.origin().ascii_serialization())
}

/// The address with these parameters added to its query (RFC 6749, section 4.1.2).
#[must_use]
pub fn with(redirect: &str, parameters: &[(&str, &str)]) -> String {
    let added = serde_urlencoded::to_string(parameters).unwrap_or_default();
    let between = match redirect.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    [redirect, between, &added].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_registered() {
        for fine in [
            "https://app.example.com/callback",
            "https://app.example.com",
            "https://app.example.com?tenant=1",
            "https://app.example.com:8443/cb?tenant=1",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:8765/cb",
            "http://[::1]:8765/cb",
            "http://localhost:3000/cb",
        ] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for bad in [
            "",
            "/callback",
            "//app.example.com/cb",
            "http://app.example.com/cb",
            "http://127.0.0.1.example.com/cb",
            "http://localhost.example.com/cb",
            "http://10.0.0.1/cb",
            "https://app.example.com/cb#x",
            "https://app.example.com/cb#",
            "https://*.example.com/cb",
            "https://app.example.com/*",
            "https://user@app.example.com/cb",
            "https://user:password@app.example.com/cb",
            "https://@app.example.com/cb",
            "https://app.example.com\\@evil.example/cb",
            "https://app.example.com/c b",
            "https://app.example.com/cb\r\nx: y",
            "https://app.example.com/a/../cb",
            "https://app.example.com/%2e%2e/cb",
            "https://app.example.com:443/cb",
            "https://0x7f000001/cb",
            "https:app.example.com/cb",
            "https:///app.example.com/cb",
            "HTTPS://app.example.com/cb",
            "https://app.example.com:99999/cb",
            "https://app.exämple.com/cb",
            "https://app.example.com/cb?code=1",
            "https://app.example.com/cb?a=1&st%61te=1",
            "javascript:alert(1)",
            "data:text/html,x",
            "com.example.app:/cb",
            &format!("https://app.example.com/{}", "x".repeat(2_000)),
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn redirects_are_compared_as_text() {
        let known = [
            "https://app.example.com/cb".to_owned(),
            "http://127.0.0.1/cb".to_owned(),
            "http://localhost:3000/cb".to_owned(),
        ];
        for same in [
            "https://app.example.com/cb",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:51004/cb",
            "http://localhost:3000/cb",
        ] {
            assert!(is_registered(&known, same), "{same}");
        }
        for near in [
            "https://app.example.com/cb/",
            "https://app.example.com/cb?",
            "https://app.example.com/cb?x=1",
            "https://app.example.com/cb#",
            "https://app.example.com/CB",
            "https://app.example.com/cb%00",
            "https://app.example.com/cb ",
            " https://app.example.com/cb",
            "https://APP.example.com/cb",
            "HTTPS://app.example.com/cb",
            "http://app.example.com/cb",
            "https://app.example.com:443/cb",
            "https://app.example.com./cb",
            "https://app.example.com/./cb",
            "https://app.example.com/x/../cb",
            "https://app.example.com//cb",
            "https://app.example.com/c%62",
            "https://app.example.com.evil.example/cb",
            "https://evil.example/https://app.example.com/cb",
            "https://app.example.com@evil.example/cb",
            "https://user@app.example.com/cb",
            "//app.example.com/cb",
            "https:app.example.com/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:08/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1:80@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:51004/cb/x",
            "http://127.0.0.2/cb",
            "http://[::1]/cb",
            "http://127.1/cb",
            "https://127.0.0.1/cb",
            "http://localhost:3001/cb",
            "http://localhost/cb",
        ] {
            assert!(!is_registered(&known, near), "{near}");
        }
    }

    #[test]
    fn an_answer_adds_to_the_query() {
        let state = [("state", "a b&c=d\r\n")];
        assert_eq!(with("https://a.example/cb", &state), "https://a.example/cb?state=a+b%26c%3Dd%0D%0A");
        assert_eq!(with("https://a.example/cb?x=1", &[("code", "2")]), "https://a.example/cb?x=1&code=2");
        assert_eq!(with("https://a.example/cb?", &[("code", "2")]), "https://a.example/cb?code=2");
        assert_eq!(origin("https://a.example:8443/cb?x=1"), "https://a.example:8443");
        assert_eq!(origin("http://127.0.0.1:51004/cb"), "http://127.0.0.1:51004");
    }
}
