//! W3C Trace Context in and out, and the span of a request.

use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header that names the caller's span (W3C Trace Context, section 3.2).
pub const TRACEPARENT: &str = "traceparent";

/// The header that vendors add to (section 3.3).
pub const TRACESTATE: &str = "tracestate";

/// Whether spans go anywhere. Without a collector, contexts are passed on untouched and nothing is built.
static EXPORTING: AtomicBool = AtomicBool::new(false);

pub(super) fn switch_on() {
    EXPORTING.store(true, Ordering::Relaxed);
}

/// Whether an OTLP collector is configured.
#[must_use]
pub fn is_exporting() -> bool {
    EXPORTING.load(Ordering::Relaxed)
}

/// The span of one request, a child of the span its caller names. `header` reads the request's headers.
pub fn request_span<'a>(
    method: &str,
    path: &str,
    request_id: &str,
    header: impl Fn(&'static str) -> Option<&'a str>,
) -> Span {
    let parent = header(TRACEPARENT);
    let trace_id = parent.and_then(|parent| parent.split('-').nth(1)).unwrap_or_default();
    let span = tracing::info_span!("request", otel.kind = "server", method, path, request_id, trace_id);
    if is_exporting() {
        let carrier = Headers([(TRACEPARENT, parent), (TRACESTATE, header(TRACESTATE))]);
        // An unset parent only means that the trace begins here.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
    }
    span
}

/// Writes the current span's context into outgoing headers.
pub fn inject(mut set: impl FnMut(&str, String)) {
    if is_exporting() {
        TraceContextPropagator::new().inject_context(&Span::current().context(), &mut Setter(&mut set));
    }
}

struct Headers<'a>([(&'static str, Option<&'a str>); 2]);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == key).and_then(|(_, value)| *value)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| *name).collect()
    }
}

struct Setter<'a>(&'a mut dyn FnMut(&str, String));

impl Injector for Setter<'_> {
    fn set(&mut self, key: &str, value: String) {
        (self.0)(key, value);
    }
}
