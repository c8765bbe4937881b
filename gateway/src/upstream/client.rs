//! The HTTP client of one worker: its connections live on the worker's own runtime (design D2).

use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};

use crate::config::{Config, UpstreamSettings};

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
        let ours = [&config.services.users.url, &config.services.accounts.url, &config.authentication.jwks_url];
        let mut urls = ours.into_iter().chain(config.upstreams.iter().map(|upstream| &upstream.url));
        Self { settings: config.upstream.clone(), trusts: urls.any(|url| url.starts_with("https:")) }
    }

    /// A client that forwards and does nothing else: no redirects followed, nothing decompressed, no proxy, no cookies.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn build(&self) -> Result<reqwest::Client, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .connect_timeout(self.settings.connect_timeout.get())
            .pool_idle_timeout(self.settings.idle_timeout.get())
            .pool_max_idle_per_host(self.settings.max_idle)
            .http1_only();
        if self.trusts { client.build() } else { trusting_nobody(client).build() }
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
