//! What the gateway says about a request to the upstream: its names, its end, where it came from, and whose it is.

use std::time::Instant;

use reqwest::header::HeaderName;
use shared::telemetry::trace;
use shared::wire::DEADLINE_MS;

use super::Call;
use crate::upstream::draft::Draft;

const REQUEST_ID: HeaderName = HeaderName::from_static(shared::wire::REQUEST_ID);
const DEADLINE: HeaderName = HeaderName::from_static(DEADLINE_MS);
const TRACE_PARENT: HeaderName = HeaderName::from_static(trace::TRACEPARENT);
const TRACE_STATE: HeaderName = HeaderName::from_static(trace::TRACESTATE);
/// RFC 9440, section 2.2.
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");

impl Call<'_> {
    /// Adds the gateway's own headers. What the client said under their names is gone already.
    pub(super) fn describe(&self, headers: &mut Draft) {
        self.forwarding.describe(self.origin, self.head, headers);
        headers.add(REQUEST_ID, self.trace.request_id.as_bytes());
        if let Some(left) = self.deadline.millis_left(Instant::now()) {
            headers.write(DEADLINE, left);
        }
        if let Some(certificate) = self.certificate {
            headers.add(CLIENT_CERT, certificate.header.as_bytes());
        }
        if trace::is_exporting() {
            trace::inject(|name, value| {
                if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                    headers.add(name, value.as_bytes());
                }
            });
        } else {
            headers.add(TRACE_PARENT, self.trace.parent.as_bytes());
            if let Some(state) = self.trace.state(&self.head.headers) {
                headers.add(TRACE_STATE, state.as_bytes());
            }
        }
    }
}
