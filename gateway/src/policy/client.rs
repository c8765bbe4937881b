//! Who the client is, network-wise: the address behind the proxies that are trusted, and whether it came over TLS.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use actix_web::http::header::{HeaderMap, HeaderName};

/// The chain of addresses that proxies append to.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The scheme that the outermost proxy saw.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A client as far as the network knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub ip: IpAddr,
    /// Whether it came over TLS, as a trusted proxy says.
    pub tls: bool,
}

impl Client {
    /// What one rate-limit counter stands for: an IPv4 address, or the /64 that one IPv6 subscriber has.
    #[must_use]
    pub fn bucket(&self) -> IpAddr {
        match self.ip {
            IpAddr::V4(_) => self.ip,
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
        }
    }
}

/// The proxies whose word is taken.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// From the configuration, which has been checked.
    #[must_use]
    pub fn compile(networks: &[String]) -> Self {
        Self(networks.iter().filter_map(|network| network.parse().ok()).collect())
    }

    /// Walks `X-Forwarded-For` from the right, over hops that are trusted, to the first that is not. Whatever stands
    /// further left was written by a stranger.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return Client { ip: peer, tls: false };
        }
        let tls = headers.get(X_FORWARDED_PROTO).is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
        let mut ip = peer;
        let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).collect();
        for hop in lines.into_iter().rev().flat_map(|line| line.as_bytes().rsplit(|b| *b == b',')) {
            // A hop that does not parse ends what can be believed.
            let Some(address) = parse_hop(hop) else { break };
            ip = address;
            if !self.trusts(ip) {
                break;
            }
        }
        Client { ip, tls }
    }

    fn trusts(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.holds(ip))
    }
}

/// An address as proxies write it: bare, with a port, or IPv6 in brackets.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let ip = hop.parse::<IpAddr>().ok().or_else(|| hop.parse::<std::net::SocketAddr>().ok().map(|addr| addr.ip()));
    let ip = ip.or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(ip.to_canonical())
}

/// An address or a CIDR block (RFC 4632).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: u128,
    mask: u128,
}

/// Text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no address and no CIDR block")]
pub struct InvalidNetwork;

impl Network {
    fn holds(&self, ip: IpAddr) -> bool {
        bits(ip) & self.mask == self.base
    }
}

/// IPv4 is held in its mapped form, so that one comparison does for both.
fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| InvalidNetwork)?)),
            None => (text, None),
        };
        let ip: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let offset = if ip.is_ipv4() { 96 } else { 0 };
        let length = length.map_or(Some(128), |length| length.checked_add(offset)).filter(|length| *length <= 128);
        let host_bits = 128 - length.ok_or(InvalidNetwork)?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Ok(Self { base: bits(ip) & mask, mask })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let networks: Vec<_> = trusted.iter().map(|network| (*network).to_owned()).collect();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        TrustedProxies::compile(&networks).client(peer.parse().unwrap(), &headers).ip.to_string()
    }

    #[test]
    fn only_trusted_hops_are_believed_from_the_right() {
        for (trusted, peer, forwarded, expected) in [
            (&[][..], "203.0.113.9", &["1.1.1.1"][..], "203.0.113.9"),
            (&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1"], "1.1.1.1"),
            (&["10.0.0.0/8"], "10.0.0.1", &["6.6.6.6, 198.51.100.7, 10.9.9.9"], "198.51.100.7"),
            (&["10.0.0.0/8"], "10.0.0.1", &["6.6.6.6", "198.51.100.7"], "198.51.100.7"),
            (&["10.0.0.0/8"], "10.0.0.1", &["6.6.6.6, junk"], "10.0.0.1"),
            (&["10.0.0.0/8"], "10.0.0.1", &[], "10.0.0.1"),
            (&["10.0.0.0/8"], "10.0.0.1", &["10.2.2.2, 10.3.3.3"], "10.2.2.2"),
            (&["10.0.0.1"], "10.0.0.1", &["192.0.2.1:443"], "192.0.2.1"),
            (&["::1"], "::1", &["[2001:db8::5]"], "2001:db8::5"),
            (&["10.0.0.0/8"], "::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
        ] {
            assert_eq!(client(trusted, peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn an_ipv6_subscriber_is_one_bucket() {
        let bucket = |ip: &str| Client { ip: ip.parse().unwrap(), tls: false }.bucket().to_string();
        assert_eq!(bucket("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(bucket("192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "host", "10.0.0.0/x"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        assert!("0.0.0.0/0".parse::<Network>().unwrap().holds([8, 8, 8, 8].into()));
    }
}
