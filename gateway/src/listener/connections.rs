//! How many connections there may be: of all clients, and of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::config;
use crate::policy::client::{Client, TrustedProxies};

/// The caps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Of all clients.
    pub total: usize,
    /// Of one address, or of one IPv6 /64; 0: any number.
    pub per_address: usize,
}

impl Caps {
    /// From the configuration, which has been checked.
    #[must_use]
    pub const fn compile(server: &config::Server) -> Self {
        Self { total: server.max_connections, per_address: server.max_connections_per_address }
    }
}

/// Which cap a connection would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// That of all.
    Total,
    /// That of its address.
    Address,
}

impl Full {
    /// In one word, for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Address => "address",
        }
    }
}

/// The connections that are open. Counted once each, not per request.
#[derive(Debug, Default)]
pub struct Connections {
    open: AtomicUsize,
    /// No larger than `open`: an address without connections is forgotten.
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    connections: Arc<Connections>,
    /// What it was counted under.
    address: Option<IpAddr>,
}

impl Connections {
    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a place for a connection from `peer`, who may have any number of them when it is a trusted proxy.
    ///
    /// # Errors
    /// Which cap would be exceeded.
    pub fn enter(self: &Arc<Self>, peer: IpAddr, caps: Caps, proxies: &TrustedProxies) -> Result<Place, Full> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        // From here on every way out gives back what was taken.
        let mut place = Place { connections: Arc::clone(self), address: None };
        if before >= caps.total {
            return Err(Full::Total);
        }
        let peer = peer.to_canonical();
        if caps.per_address == 0 || proxies.trusts(peer) {
            return Ok(place);
        }
        let address = Client { ip: peer, tls: false }.bucket();
        let mut by_address = self.by_address.lock();
        let count = by_address.entry(address).or_default();
        if *count >= caps.per_address {
            return Err(Full::Address);
        }
        *count += 1;
        place.address = Some(address);
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
        let Some(address) = self.address else { return };
        let mut by_address = self.connections.by_address.lock();
        if let Some(count) = by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Told;

    const CAPS: Caps = Caps { total: 5, per_address: 2 };

    #[test]
    fn each_address_has_its_share_and_gets_it_back() {
        let (connections, proxies) =
            (Arc::new(Connections::default()), TrustedProxies::compile(&["10.0.0.0/8".into()], Told::XForwarded));
        let enter = |ip: &str| connections.enter(ip.parse().unwrap(), CAPS, &proxies);
        let first = enter("192.0.2.1").unwrap();
        let _second = enter("::ffff:192.0.2.1").unwrap();
        assert_eq!(enter("192.0.2.1").unwrap_err(), Full::Address);
        assert_eq!(connections.count(), 2, "a refusal takes no place");
        drop(first);
        let _third = enter("192.0.2.1").unwrap();
        let _proxies = [enter("10.0.0.1").unwrap(), enter("10.0.0.1").unwrap(), enter("10.0.0.1").unwrap()];
        assert_eq!(enter("10.0.0.1").unwrap_err(), Full::Total, "no proxy is beyond the cap of all");
    }

    #[test]
    fn an_ipv6_subscriber_is_one_address_and_who_has_gone_is_forgotten() {
        let (connections, nobody) = (Arc::new(Connections::default()), TrustedProxies::compile(&[], Told::XForwarded));
        let enter = |ip: &str| connections.enter(ip.parse().unwrap(), CAPS, &nobody);
        let places = [enter("2001:db8::1").unwrap(), enter("2001:db8::2").unwrap()];
        assert_eq!(enter("2001:db8::3").unwrap_err(), Full::Address);
        let _elsewhere = enter("2001:db8:0:1::3").unwrap();
        drop(places);
        assert_eq!((connections.count(), connections.by_address.lock().len()), (1, 1));
    }
}
