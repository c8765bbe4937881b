//! The HTTP clients of one worker: their connections live on the worker's own runtime (design D2).

use std::collections::HashMap;
use std::net::SocketAddr;

use parking_lot::Mutex;
use reqwest::redirect::Policy;
use reqwest::retry;
use rustls::{ClientConfig, RootCertStore};

use super::endpoint::Endpoint;
use crate::config::{Config, UpstreamSettings};

/// Clients for addresses of host names that are kept; beyond it, one of them gives way.
const MAX_PINNED: usize = 256;

/// How to make clients: the settings, and whether any of them will speak TLS.
#[derive(Clone, Debug)]
pub struct Clients {
    settings: UpstreamSettings,
    /// Without an `https` address nobody needs the machine's trust roots, which are megabytes in every client.
    trusts: bool,
}

impl Clients {
    /// From the configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let ours = [&config.services.users, &config.services.accounts];
        let ours = ours.into_iter().flat_map(|service| service.endpoints.iter().chain([&service.url]));
        let others = config.upstreams.iter().flat_map(|upstream| upstream.endpoints.iter().chain([&upstream.url]));
        let issuers = config.authentication.issuers.iter().flat_map(|issuer| {
            let asked = issuer.introspection.as_ref().map(|asked| &asked.url);
            [Some(&issuer.jwks_url), Some(&issuer.issuer).filter(|_| issuer.discovery), asked].into_iter().flatten()
        });
        let mut urls = ours.chain(others).chain(issuers).chain([&config.authentication.jwks_url]);
        Self { settings: config.upstream.clone(), trusts: urls.any(|url| url.starts_with("https:")) }
    }

    /// Whether they can speak TLS.
    #[must_use]
    pub const fn trusts(&self) -> bool {
        self.trusts
    }

    /// A client that forwards and does nothing else: no redirects followed, nothing decompressed, no proxy, no cookies.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn build(&self) -> Result<reqwest::Client, reqwest::Error> {
        self.with_trust(self.builder())
    }

    fn builder(&self) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .redirect(Policy::none())
            // Calls are repeated by us (`attempts`). With a single try, no copy of the request is kept for another.
            .retry(retry::never().max_retries_per_request(0))
            .no_proxy()
            .tcp_nodelay(true)
            .connect_timeout(self.settings.connect_timeout.get())
            .pool_idle_timeout(self.settings.idle_timeout.get())
            .pool_max_idle_per_host(self.settings.max_idle)
            .http1_only()
    }

    fn with_trust(&self, client: reqwest::ClientBuilder) -> Result<reqwest::Client, reqwest::Error> {
        if self.trusts { client.build() } else { trusting_nobody(client).build() }
    }

    /// A pool of one worker, or of the background.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn pool(&self) -> Result<Pool, reqwest::Error> {
        Ok(Pool { plain: self.build()?, pinned: Mutex::default(), clients: self.clone() })
    }
}

/// One client for all, and one for each endpoint that is a single address of a host name: so the name stays in the
/// request and in the TLS handshake, while the connection goes where the balancer says.
#[derive(Debug)]
pub struct Pool {
    plain: reqwest::Client,
    pinned: Mutex<HashMap<(String, SocketAddr), reqwest::Client>>,
    clients: Clients,
}

impl Pool {
    /// The client that is bound to no address.
    #[must_use]
    pub const fn plain(&self) -> &reqwest::Client {
        &self.plain
    }

    /// The client for this endpoint.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn of(&self, endpoint: &Endpoint) -> Result<reqwest::Client, reqwest::Error> {
        let Some((address, (host, _))) = endpoint.pinned.zip(endpoint.origin.name_and_port()) else {
            return Ok(self.plain.clone());
        };
        let mut pinned = self.pinned.lock();
        let place = (host, address);
        if let Some(client) = pinned.get(&place) {
            return Ok(client.clone());
        }
        let client = self.clients.with_trust(self.clients.builder().resolve(&place.0, address))?;
        if pinned.len() >= MAX_PINNED
            && let Some(any) = pinned.keys().next().cloned()
        {
            pinned.remove(&any);
        }
        pinned.insert(place, client.clone());
        Ok(client)
    }
}

fn trusting_nobody(client: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    match ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions() {
        Ok(tls) => {
            let tls = tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
            client.tls_backend_preconfigured(tls)
        }
        // The provider has no usable protocol: let the client find its own way and say what is wrong.
        Err(_) => client,
    }
}

/// An error with its causes, for the log: reqwest's own text names only the outermost. Without the address: a query may
/// hold what opens an account, such as the token of a link in a mail.
#[must_use]
pub fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_does_not_tell_what_was_asked_for() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/account/reset?token=tgl_secret", listener.local_addr().unwrap());
        drop(listener);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let error = client.get(&url).send().await.unwrap_err();
        assert!(error.to_string().contains("tgl_secret"), "else this finds nothing: {error}");
        let told = causes(error);
        assert!(!told.contains("tgl_secret") && !told.contains("/account"), "{told}");
        assert!(told.to_lowercase().contains("refused"), "{told}");
    }
}
