//! The headers that every answer carries, made once at start.

use std::io::Write;
use std::time::Duration;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};

use crate::config;

/// `X-Request-Id`
pub const REQUEST_ID: HeaderName = HeaderName::from_static(shared::wire::REQUEST_ID);
/// `API-Version`
pub const API_VERSION: HeaderName = HeaderName::from_static(shared::wire::API_VERSION);
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The request headers that decide about an answer's version.
pub const VERSION_VARY: HeaderValue = HeaderValue::from_static("API-Version, X-API-Version");
/// What must never be stored.
pub const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The security headers, as values that are only cloned.
#[derive(Debug)]
pub struct SecurityHeaders {
    always: Vec<(HeaderName, HeaderValue)>,
    over_tls: Option<HeaderValue>,
}

impl SecurityHeaders {
    /// From the configuration, which has been checked. An empty value leaves its header out.
    #[must_use]
    pub fn compile(config: &config::SecurityHeaders) -> Self {
        let value = |text: &str| HeaderValue::from_str(text).ok().filter(|value| !value.is_empty());
        let always = [
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, config.referrer_policy.as_str()),
            (CONTENT_SECURITY_POLICY, &config.content_security_policy),
            (OPENER_POLICY, &config.cross_origin_opener_policy),
            (RESOURCE_POLICY, &config.cross_origin_resource_policy),
        ];
        let always = always.into_iter().filter_map(|(name, text)| Some((name, value(text)?))).collect();
        Self { always, over_tls: value(&config.strict_transport_security) }
    }

    /// Adds what the answer does not say itself.
    pub fn apply(&self, headers: &mut HeaderMap, tls: bool) {
        for (name, value) in &self.always {
            if !headers.contains_key(name) {
                headers.insert(name.clone(), value.clone());
            }
        }
        if let Some(value) = self.over_tls.as_ref().filter(|_| tls) {
            headers.insert(STRICT_TRANSPORT_SECURITY, value.clone());
        }
    }
}

/// `Server-Timing: total;dur=<ms>` (W3C Server Timing), with microseconds as decimals.
pub fn server_timing(headers: &mut HeaderMap, took: Duration) {
    let mut text = [0_u8; 40];
    let mut rest = &mut text[..];
    let micros = took.as_micros();
    // The buffer holds any number of microseconds that a request can take.
    let _ = write!(rest, "total;dur={}.{:03}", micros / 1_000, micros % 1_000);
    let left = rest.len();
    if let Ok(value) = HeaderValue::from_bytes(&text[..text.len() - left]) {
        headers.append(SERVER_TIMING, value);
    }
}

/// `no-store` unless the answer says how it may be stored.
pub fn default_cache_control(headers: &mut HeaderMap, value: Option<&HeaderValue>) {
    if let Some(value) = value
        && !headers.contains_key(CACHE_CONTROL)
    {
        headers.insert(CACHE_CONTROL, value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_in_milliseconds() {
        let mut headers = HeaderMap::new();
        server_timing(&mut headers, Duration::from_micros(1_042_007));
        assert_eq!(headers.get(SERVER_TIMING).unwrap(), "total;dur=1042.007");
    }

    #[test]
    fn an_answers_own_policy_stands() {
        let config = config::SecurityHeaders {
            strict_transport_security: "max-age=1".to_owned(),
            content_security_policy: "default-src 'none'".to_owned(),
            referrer_policy: String::new(),
            cross_origin_opener_policy: "same-origin".to_owned(),
            cross_origin_resource_policy: "same-origin".to_owned(),
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("own"));
        let security = SecurityHeaders::compile(&config);
        security.apply(&mut headers, false);
        assert_eq!(headers.get(CONTENT_SECURITY_POLICY).unwrap(), "own");
        assert_eq!(headers.get(X_CONTENT_TYPE_OPTIONS).unwrap(), "nosniff");
        assert!(!headers.contains_key(REFERRER_POLICY) && !headers.contains_key(STRICT_TRANSPORT_SECURITY));
        security.apply(&mut headers, true);
        assert_eq!(headers.get(STRICT_TRANSPORT_SECURITY).unwrap(), "max-age=1");
    }
}
