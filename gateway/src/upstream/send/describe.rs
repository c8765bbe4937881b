//! What the gateway says about a request to the upstream: its names, its end, where it came from, and whose it is.

use std::time::Instant;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use shared::telemetry::trace;
use shared::wire::DEADLINE_MS;

use super::Call;
use crate::upstream::convert;

const REQUEST_ID: HeaderName = HeaderName::from_static(shared::wire::REQUEST_ID);
const DEADLINE: HeaderName = HeaderName::from_static(DEADLINE_MS);
const TRACE_PARENT: HeaderName = HeaderName::from_static(trace::TRACEPARENT);
const TRACE_STATE: HeaderName = HeaderName::from_static(trace::TRACESTATE);
/// RFC 9440, section 2.2.
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");

impl Call<'_> {
    /// Adds the gateway's own headers.
    pub(super) fn describe(&self, headers: &mut HeaderMap) {
        self.forwarding.describe(self.origin, self.head, headers);
        let mut set = |name: HeaderName, value: Option<HeaderValue>| {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        };
        set(REQUEST_ID, convert::value_to_upstream(&self.trace.request_id));
        set(DEADLINE, self.deadline.millis_left(Instant::now()).map(HeaderValue::from));
        set(CLIENT_CERT, self.certificate.map(|certificate| certificate.header.clone()));
        if trace::is_exporting() {
            trace::inject(|name, value| {
                if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                    set(name, HeaderValue::try_from(value).ok());
                }
            });
        } else {
            set(TRACE_PARENT, convert::value_to_upstream(&self.trace.parent));
            set(TRACE_STATE, self.trace.state(&self.head.headers).and_then(convert::value_to_upstream));
        }
    }
}
