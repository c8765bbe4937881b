//! Where somebody comes from, as far as it is worth telling apart.

use std::net::IpAddr;

/// One customer: an IPv4 address, or the /64 of an IPv6 one, which is what a customer has at least.
pub(super) fn customer(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("{:x?}", &v6.octets()[..8]),
    }
}

/// One network: an IPv4 /24 or an IPv6 /64. A home or an office stays in it when it is given another address.
pub(super) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => format!("{:?}/24", &v4.octets()[..3]),
        IpAddr::V6(_) => customer(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_network_and_others_are_not() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("192.0.2.254"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.9"));
        assert_ne!(of("192.0.2.1"), of("192.0.3.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
