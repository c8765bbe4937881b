//! Who the client is, network-wise: the address behind the proxies that are trusted, and whether it came over TLS.

pub mod forwarded;
mod hops;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::config::Told;
pub use hops::Origin;

/// A client as far as the network knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub ip: IpAddr,
    /// Whether it came over TLS, to the gateway itself or as a trusted proxy says.
    pub tls: bool,
}

impl Client {
    /// What one rate-limit counter stands for: an IPv4 address, or the /64 that one IPv6 subscriber has.
    #[must_use]
    pub fn bucket(&self) -> IpAddr {
        network(self.ip, 32, 64)
    }
}

/// The network that an address is in, by prefix lengths in bits for IPv4 and IPv6.
#[must_use]
pub fn network(ip: IpAddr, ipv4: u8, ipv6: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(ipv4.into())).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(ipv6.into())).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
        }
    }
}

/// The proxies whose word is taken.
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    /// What they write. The other family is ignored: proxies pass on what they do not know, so anybody may have written
    /// it.
    told: Told,
}

impl TrustedProxies {
    /// From the configuration, which has been checked.
    #[must_use]
    pub fn compile(networks: &[String], told: Told) -> Self {
        Self { networks: networks.iter().filter_map(|network| network.parse().ok()).collect(), told }
    }

    /// Whether what comes from there is believed.
    #[must_use]
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(ip))
    }
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
