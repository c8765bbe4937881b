//! Which request this is: its id, and the W3C trace it belongs to. No span is built unless traces are exported.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use shared::telemetry::trace::{TRACEPARENT, TRACESTATE};
use shared::wire::is_request_id;

use super::headers::REQUEST_ID;

const PARENT: HeaderName = HeaderName::from_static(TRACEPARENT);
const STATE: HeaderName = HeaderName::from_static(TRACESTATE);

/// The length of a version 00 `traceparent`: `00-<32>-<16>-<2>`.
const PARENT_LENGTH: usize = 55;

/// An exchange's names.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The client's, if it is fit, else the trace's own id.
    pub request_id: HeaderValue,
    /// What upstreams are told.
    pub parent: HeaderValue,
    /// Whether the trace was begun here, so that `tracestate` is nobody's.
    pub is_new: bool,
}

impl Trace {
    /// Reads the names from a request, and makes up those it lacks.
    #[must_use]
    pub fn begin(headers: &HeaderMap) -> Self {
        let parent = headers.get(PARENT).filter(|parent| is_parent(parent.as_bytes()));
        let (parent, is_new) = parent.map_or_else(|| (new_parent(), true), |parent| (parent.clone(), false));
        let sent = headers.get(REQUEST_ID).filter(|id| id.to_str().is_ok_and(is_request_id));
        let request_id = sent.cloned().unwrap_or_else(|| trace_id(&parent, is_new));
        Self { request_id, parent, is_new }
    }

    /// The vendors' part, as long as it belongs to the parent.
    #[must_use]
    pub fn state<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        headers.get(STATE).filter(|_| !self.is_new)
    }

    /// The trace's id as text.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.parent.to_str().ok().and_then(|parent| parent.get(3..35)).unwrap_or_default()
    }

    /// The request id as text.
    #[must_use]
    pub fn id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }
}

/// W3C Trace Context, section 3.2.2: lower-case hexadecimal, no zero ids, version `ff` is no version.
fn is_parent(value: &[u8]) -> bool {
    let dashes = value.len() >= PARENT_LENGTH && [2, 35, 52].into_iter().all(|at| value[at] == b'-');
    if !dashes || (value.len() > PARENT_LENGTH && (value.starts_with(b"00") || value[PARENT_LENGTH] != b'-')) {
        return false;
    }
    let hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let zero = |part: &[u8]| part.iter().all(|b| *b == b'0');
    let (trace, span) = (&value[3..35], &value[36..52]);
    hex(&value[..2])
        && !value.starts_with(b"ff")
        && hex(trace)
        && hex(span)
        && hex(&value[53..55])
        && !zero(trace)
        && !zero(span)
}

/// A trace of our own, not sampled: nobody has asked for its spans.
fn new_parent() -> HeaderValue {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    let random: [u8; 24] = rand::random();
    // Both slices are twice as long as what is written into them.
    let _ = hex::encode_to_slice(&random[..16], &mut text[3..35]);
    let _ = hex::encode_to_slice(&random[16..], &mut text[36..52]);
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
}

/// A request without an id takes its trace's when that is ours; a trace may hold many requests of another's making.
fn trace_id(parent: &HeaderValue, is_new: bool) -> HeaderValue {
    let fresh;
    let parent = if is_new {
        parent
    } else {
        fresh = new_parent();
        &fresh
    };
    parent
        .as_bytes()
        .get(3..35)
        .and_then(|id| HeaderValue::from_bytes(id).ok())
        .unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOREIGN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn begin(pairs: &[(&'static str, &str)]) -> Trace {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        Trace::begin(&headers)
    }

    #[test]
    fn a_fit_id_is_taken_over_and_any_other_replaced() {
        assert_eq!(begin(&[("x-request-id", "a.B_9-z")]).id(), "a.B_9-z");
        for bad in ["", "a b", "a/b", &"x".repeat(65)] {
            let trace = begin(&[("x-request-id", bad)]);
            assert_ne!(trace.id(), bad);
            assert_eq!(trace.id().len(), 32);
        }
    }

    #[test]
    fn a_valid_parent_goes_on_and_any_other_begins_a_trace() {
        let trace = begin(&[("traceparent", FOREIGN)]);
        assert_eq!((trace.parent.to_str().unwrap(), trace.is_new), (FOREIGN, false));
        assert!(!FOREIGN.contains(trace.id()), "many requests may be in one foreign trace");
        for bad in [
            "",
            "00",
            &FOREIGN.to_uppercase(),
            &format!("{FOREIGN}-x"),
            &FOREIGN.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &FOREIGN.replacen("00", "ff", 1),
        ] {
            let trace = begin(&[("traceparent", bad)]);
            assert!(trace.is_new && is_parent(trace.parent.as_bytes()), "{bad}");
            assert!(trace.parent.to_str().unwrap().contains(trace.id()));
        }
    }
}
