//! Whose counter: by address, user, API key, role or header.

use std::fmt::Write;
use std::net::IpAddr;

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use aws_lc_rs::digest::{SHA256, digest};
use shared::domain::Role;

use crate::policy::authenticate::Principal;
use crate::policy::client::{Client, network};

const BASIC: &str = "Basic ";

/// What has a counter of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A client address.
    Address,
    /// A signed-in user; without one, the address.
    User,
    /// An API key; without one, the user, then the address.
    ApiKey,
    /// All callers whose most powerful role is the same; those without a role are one as well.
    Role,
    /// Each value of a header; without it, the address.
    Header(HeaderName),
    /// Everybody together.
    All,
}

/// Which addresses are one client: prefix lengths in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Networks {
    /// Of an IPv4 address, at most 32.
    pub ipv4: u8,
    /// Of an IPv6 address, at most 128. One subscriber has a /64 at least.
    pub ipv6: u8,
}

/// Who asks, as far as a counter may want to know.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The address.
    pub client: Client,
    /// Who proved who they are.
    pub principal: Option<&'a Principal>,
    /// What the request says.
    pub headers: &'a HeaderMap,
}

impl Caller<'_> {
    /// Whether it names an OAuth client by HTTP Basic, whether or not that is so: the upstream judges. Exactly what that takes
    /// for one, or there would be requests that are counted as a client's and are none.
    #[must_use]
    pub fn shows_a_client(self) -> bool {
        let mut said = self.headers.get_all(AUTHORIZATION);
        let (first, second) = (said.next(), said.next());
        let scheme = first.and_then(|value| value.to_str().ok()).and_then(|text| text.split_at_checked(BASIC.len()));
        second.is_none() && scheme.is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(BASIC))
    }
}

impl Networks {
    /// The part of an address that has one counter.
    #[must_use]
    pub fn of(self, ip: IpAddr) -> IpAddr {
        network(ip, self.ipv4, self.ipv6)
    }
}

impl Key {
    /// The counter's name: the policy's `prefix`, a word for what it goes by, and who that is. A header's value may be a
    /// secret, so it is hashed.
    pub(super) fn counter(&self, prefix: &str, caller: Caller<'_>, networks: Networks) -> String {
        let mut name = String::with_capacity(prefix.len() + 48);
        name.push_str(prefix);
        let by_address = |name: &mut String| write!(name, ":address:{}", networks.of(caller.client.ip));
        let by_user = |name: &mut String| match caller.principal {
            Some(principal) => write!(name, ":user:{}", principal.who()),
            None => by_address(name),
        };
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Address => by_address(&mut name),
            Self::User => by_user(&mut name),
            Self::ApiKey => match caller.principal.and_then(Principal::api_key) {
                Some(key) => write!(name, ":api_key:{key}"),
                None => by_user(&mut name),
            },
            Self::Role => match caller.principal.and_then(highest) {
                Some(role) => write!(name, ":role:{role}"),
                None => write!(name, ":role:none"),
            },
            Self::Header(header) => match caller.headers.get(header).filter(|value| !value.is_empty()) {
                Some(value) => {
                    let hash = hex::encode(&digest(&SHA256, value.as_bytes()).as_ref()[..16]);
                    write!(name, ":header:{hash}")
                }
                None => by_address(&mut name),
            },
            Self::All => Ok(()),
        };
        name
    }
}

/// A caller's most powerful role.
fn highest(principal: &Principal) -> Option<Role> {
    principal.roles.iter().last()
}
