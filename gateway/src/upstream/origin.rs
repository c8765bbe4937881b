//! Where a service is: scheme, host and port.

use std::str::FromStr;

use reqwest::Url;

/// Scheme, host and port, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    text: String,
    /// The same, parsed once and not with every request.
    url: Url,
}

/// Text that is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write http:// or https://, a host and perhaps a port, and nothing else")]
pub struct InvalidOrigin;

impl Origin {
    /// The text, to which a path is appended.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address of what is at this path, which begins with a slash, with this query.
    #[must_use]
    pub fn url(&self, path: &str, query: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url.set_query((!query.is_empty()).then_some(query));
        url
    }

    /// The host and the port that connections go to; `None` for a host that is an address already.
    #[must_use]
    pub fn name_and_port(&self) -> Option<(String, u16)> {
        let port = self.url.port_or_known_default()?;
        let host = self.url.host_str()?;
        let is_address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        (!is_address).then(|| (host.to_owned(), port))
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let url = Url::parse(text).map_err(|_| InvalidOrigin)?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        if matches!(url.scheme(), "http" | "https") && url.has_host() && bare && anonymous {
            Ok(Self { text: url.origin().ascii_serialization(), url })
        } else {
            Err(InvalidOrigin)
        }
    }
}
