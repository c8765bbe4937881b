//! Where a request came from, hop by hop, as trusted proxies tell it: each writes down who came to it, so that the way is
//! walked from the right and ends at the first hop that is not trusted. Further left a stranger may have written.

use std::net::IpAddr;

use actix_web::http::header::{HeaderMap, HeaderName};

use super::forwarded::{self, Element};
use super::{Client, TrustedProxies};
use crate::config::Told;
use crate::policy::shape::is_authority;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// The way of a request, up to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Where it began, as far as that can be believed.
    pub client: Client,
    /// The trusted proxies between the client and us, the nearest last.
    pub proxies: Vec<IpAddr>,
    /// The host and the port that the client meant, when a proxy says so.
    pub host: Option<String>,
    /// The port that it came to, when a proxy says so.
    pub port: Option<u16>,
}

impl TrustedProxies {
    /// Where a request came from. `tls`: whether the peer's own connection is under TLS.
    #[must_use]
    pub fn origin(&self, peer: IpAddr, tls: bool, headers: &HeaderMap) -> Origin {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return Origin { client: Client { ip: peer, tls }, proxies: Vec::new(), host: None, port: None };
        }
        match self.told {
            Told::XForwarded => self.by_lists(peer, tls, headers),
            Told::Forwarded => self.by_elements(peer, tls, headers),
        }
    }

    fn by_lists(&self, peer: IpAddr, tls: bool, headers: &HeaderMap) -> Origin {
        let (client, proxies) = self.walk(peer, list(headers, FOR).into_iter().rev().map(parse_hop));
        // What the client's own proxy wrote stands as far from the right as the client does, or alone.
        let place = proxies.len();
        let of_client = |name: HeaderName| {
            let values = list(headers, name);
            match values[..] {
                [only] => Some(only),
                _ => values.iter().rev().nth(place.saturating_sub(1)).copied(),
            }
        };
        let tls = of_client(PROTO).map_or(tls, |proto| proto.eq_ignore_ascii_case("https"));
        let host = of_client(HOST).filter(|host| is_authority(host.as_bytes())).map(str::to_owned);
        let port = of_client(PORT).and_then(|port| port.parse().ok());
        Origin { client: Client { ip: client, tls }, proxies, host, port }
    }

    fn by_elements(&self, peer: IpAddr, tls: bool, headers: &HeaderMap) -> Origin {
        let elements = forwarded::elements(headers);
        let (client, proxies) =
            self.walk(peer, elements.iter().rev().map(|element| parse_hop(element.node.as_deref()?)));
        let of_client = elements.iter().rev().nth(proxies.len().saturating_sub(1));
        let Some(Element { proto, host, .. }) = of_client else {
            return Origin { client: Client { ip: client, tls }, proxies, host: None, port: None };
        };
        let tls = proto.as_deref().map_or(tls, |proto| proto.eq_ignore_ascii_case("https"));
        let host = host.clone().filter(|host| is_authority(host.as_bytes()));
        Origin { client: Client { ip: client, tls }, proxies, host, port: None }
    }

    /// From the peer, which is trusted, over further hops: the first that is not trusted, and those before it.
    fn walk(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> (IpAddr, Vec<IpAddr>) {
        let (mut client, mut proxies) = (peer, Vec::new());
        // A hop that does not parse ends what can be believed.
        for hop in hops.map_while(|hop| hop) {
            proxies.push(client);
            client = hop;
            if !self.trusts(hop) {
                break;
            }
        }
        proxies.reverse();
        (client, proxies)
    }
}

/// The members of a list that may stand in several lines.
fn list(headers: &HeaderMap, name: HeaderName) -> Vec<&str> {
    headers.get_all(name).flat_map(|line| line.to_str().unwrap_or_default().split(',')).map(str::trim).collect()
}

/// An address as proxies write it: bare, with a port, or IPv6 in brackets.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let ip = hop.parse::<IpAddr>().ok().or_else(|| hop.parse::<std::net::SocketAddr>().ok().map(|addr| addr.ip()));
    let ip = ip.or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(ip.to_canonical())
}
