//! The `Forwarded` header (RFC 7239), read and written.

use std::net::IpAddr;

use actix_web::http::header::{FORWARDED, HeaderMap};

use super::Origin;

/// What one proxy wrote of the request as it came to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Who came.
    pub node: Option<String>,
    /// By which protocol.
    pub proto: Option<String>,
    /// For which host.
    pub host: Option<String>,
}

/// All elements, in the order of the way. One that cannot be read is empty: it ends what can be believed.
pub(super) fn elements(headers: &HeaderMap) -> Vec<Element> {
    let lines = headers.get_all(FORWARDED).map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(|line| split(line, b',')).map(|text| element(text).unwrap_or_default()).collect()
}

fn element(text: &str) -> Option<Element> {
    let mut element = Element::default();
    for pair in split(text, b';').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let value = Some(unquoted(value)?);
        match name.to_ascii_lowercase().as_str() {
            "for" => element.node = value,
            "proto" => element.proto = value,
            "host" => element.host = value,
            _ => {}
        }
    }
    Some(element)
}

/// Splits where `separator` stands outside quotes.
fn split(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.bytes().position(|byte| {
            let ends = !quoted && byte == separator;
            quoted ^= byte == b'"' && !escaped;
            escaped = quoted && byte == b'\\' && !escaped;
            ends
        });
        rest = end.map(|end| &text[end + 1..]);
        Some(text[..end.unwrap_or(text.len())].trim())
    })
}

/// A token as it is, a quoted string without its quotes; `None` for what is neither.
fn unquoted(value: &str) -> Option<String> {
    if is_token(value) {
        return Some(value.to_owned());
    }
    let mut rest = value.strip_prefix('"')?.strip_suffix('"')?.chars();
    let mut text = String::new();
    while let Some(next) = rest.next() {
        text.push(match next {
            '\\' => rest.next()?,
            '"' => return None,
            next => next,
        });
    }
    Some(text)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The whole way, with what the client meant in its first element.
#[must_use]
pub fn write(origin: &Origin, host: Option<&str>) -> String {
    let mut text = format!("for={}", node(origin.client.ip));
    if let Some(host) = host.filter(|host| !host.contains(['"', '\\'])) {
        text.push_str(";host=");
        text.push_str(&if is_token(host) { host.to_owned() } else { format!("\"{host}\"") });
    }
    text.push_str(if origin.client.tls { ";proto=https" } else { ";proto=http" });
    for proxy in &origin.proxies {
        text.push_str(", for=");
        text.push_str(&node(*proxy));
    }
    text
}

/// RFC 7239, section 6: an IPv6 address stands in brackets, and so in quotes.
fn node(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("\"[{ip}]\""),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn elements_are_read_as_they_are_written() {
        let read = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            lines.iter().for_each(|line| headers.append(FORWARDED, HeaderValue::from_str(line).unwrap()));
            let elements = elements(&headers).into_iter();
            elements.map(|e| [e.node, e.proto, e.host].map(Option::unwrap_or_default).join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(read(&["for=192.0.2.60;proto=http;by=203.0.113.43"]), ["192.0.2.60 http "]);
        assert_eq!(read(&["For=\"[2001:db8:cafe::17]:4711\""]), ["[2001:db8:cafe::17]:4711  "]);
        assert_eq!(read(&["for=192.0.2.43, for=198.51.100.17", "for=10.0.0.1"]).len(), 3);
        assert_eq!(read(&["for=\"a,b;c\";host=\"x\\\"y\""]), ["a,b;c  x\"y"]);
        assert_eq!(
            read(&["for=unknown , host=\"a.example:8080\";PROTO=https"]),
            ["unknown  ", " https a.example:8080"]
        );
        for broken in ["for", "for=", "for=a b", "for=\"a", "for=\"a\"b\"", "for=[::1]"] {
            assert_eq!(read(&[broken]), ["  "], "{broken}");
        }
    }
}
