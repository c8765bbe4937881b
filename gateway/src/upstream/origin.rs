//! Where a service is: scheme, host and port.

use std::str::FromStr;

/// Scheme, host and port, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(String);

/// Text that is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write http:// or https://, a host and perhaps a port, and nothing else")]
pub struct InvalidOrigin;

impl Origin {
    /// The text, to which a path is appended.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host and the port that connections go to; `None` for a host that is an address already.
    #[must_use]
    pub fn name_and_port(&self) -> Option<(String, u16)> {
        let url = reqwest::Url::parse(&self.0).ok()?;
        let port = url.port_or_known_default()?;
        let host = url.host_str()?;
        let is_address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        (!is_address).then(|| (host.to_owned(), port))
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let url = reqwest::Url::parse(text).map_err(|_| InvalidOrigin)?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        if matches!(url.scheme(), "http" | "https") && url.has_host() && bare && anonymous {
            Ok(Self(url.origin().ascii_serialization()))
        } else {
            Err(InvalidOrigin)
        }
    }
}
