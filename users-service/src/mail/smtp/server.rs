//! Where the mail server is, and how it is spoken to: what `mail.smtp_url` says.

use std::borrow::Cow;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// A mail server.
#[derive(Debug)]
pub(super) struct Server {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// What we call ourselves.
    pub hello: ClientId,
    pub credentials: Option<Credentials>,
}

/// Why a URL is no mail server's. Never with the password in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoServer {
    #[error("{0}")]
    NoUrl(#[from] url::ParseError),
    #[error("it names no host")]
    NoHost,
    #[error("smtps://…, smtp://…?tls=required, smtp://…?tls=opportunistic, or smtp://…")]
    UnknownWay,
    #[error("TLS: {0}")]
    Tls(#[from] Error),
    #[error("user name and password are UTF-8, percent-encoded")]
    Credentials,
}

impl Server {
    /// Reads a URL.
    pub(super) fn parse(text: &str) -> Result<Self, NoServer> {
        let url = Url::parse(text)?;
        let host = match url.host().ok_or(NoServer::NoHost)? {
            Host::Ipv6(address) => address.to_string(),
            host @ (Host::Domain(_) | Host::Ipv4(_)) => host.to_string(),
        };
        let wanted = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value);
        let parameters = || TlsParameters::new(host.clone());
        let (tls, port) = match (url.scheme(), wanted.as_deref()) {
            ("smtps", _) => (Tls::Wrapper(parameters()?), SUBMISSIONS_PORT),
            ("smtp", Some("required")) => (Tls::Required(parameters()?), SUBMISSION_PORT),
            ("smtp", Some("opportunistic")) => (Tls::Opportunistic(parameters()?), SUBMISSION_PORT),
            ("smtp", None) => (Tls::None, SMTP_PORT),
            (_, _) => return Err(NoServer::UnknownWay),
        };
        let decoded = |text| percent_decode_str(text).decode_utf8().map(Cow::into_owned);
        let credentials = url.password().map(|password| {
            let both = decoded(url.username()).and_then(|name| Ok(Credentials::new(name, decoded(password)?)));
            both.map_err(|_| NoServer::Credentials)
        });
        let name = url.path().trim_matches('/');
        let hello = if name.is_empty() { ClientId::default() } else { ClientId::Domain(name.to_owned()) };
        Ok(Self { port: url.port().unwrap_or(port), tls, hello, credentials: credentials.transpose()?, host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_how() {
        let read = |text| Server::parse(text).unwrap();
        for (text, host, port) in [
            ("smtp://localhost", "localhost", 25),
            ("smtp://[::1]:2525", "::1", 2525),
            ("smtp://mail.example?tls=required", "mail.example", 587),
            ("smtps://mail.example", "mail.example", 465),
        ] {
            let server = read(text);
            assert_eq!((server.host.as_str(), server.port), (host, port), "{text}");
        }
        let server = read("smtps://ada%40example.org:p%C3%A4ss%2F@mail.example/we.example");
        let expected = Credentials::new("ada@example.org".to_owned(), "päss/".to_owned());
        assert_eq!((server.credentials, server.hello), (Some(expected), ClientId::Domain("we.example".to_owned())));
        for text in ["", "mail.example", "smtp://", "http://mail.example", "smtp://mail.example?tls=perhaps"] {
            Server::parse(text).unwrap_err();
        }
    }
}
