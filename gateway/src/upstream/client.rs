//! The HTTP client of one worker: its connections live on the worker's own runtime (design D2).

use reqwest::redirect::Policy;

use crate::config::UpstreamSettings;

/// A client that forwards and does nothing else: no redirects followed, nothing decompressed, no proxy, no cookies.
///
/// # Errors
/// When TLS cannot be set up.
pub fn build(settings: &UpstreamSettings) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
        .connect_timeout(settings.connect_timeout.get())
        .pool_idle_timeout(settings.idle_timeout.get())
        .pool_max_idle_per_host(settings.max_idle)
        .http1_only()
        .build()
}
