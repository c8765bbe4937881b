//! What keys at the edge need of a route, and which refusals may be final.

use shared::config::Report;

use crate::config::{Auth, Config, Keys, KeysDown, OnUnknown};

/// These say something about the moment or the caller, never about the request.
const NEVER_FINAL: [u16; 5] = [401, 403, 408, 425, 429];

pub fn check(config: &Config, report: &mut Report<'_>) {
    let keys = &config.idempotency;
    for (key, span) in [("keep", keys.keep), ("timeout", keys.timeout)] {
        report.ensure(!span.get().is_zero(), &format!("idempotency.{key}"), "more than 0s");
    }
    report.ensure(keys.request_bytes > 0, "idempotency.request_bytes", "at least 1");
    let largest = keys.answer_bytes as u64 + 1_024;
    report.ensure(keys.waiting_bytes >= largest, "idempotency.waiting_bytes", "at least answer_bytes and 1 KiB");
    for status in keys.declines.iter().filter(|status| !(400..500).contains(*status) || NEVER_FINAL.contains(status)) {
        report.error("idempotency.declines", format!("{status} is no refusal for good"));
    }
    for (i, route) in config.routes.iter().enumerate() {
        let at = |key: &str| format!("routes[{i}].{key}");
        if route.idempotency == Keys::Edge {
            let signed_in = route.auth == Auth::Required;
            report.ensure(signed_in, &at("idempotency"), "a key is its caller's: needs `auth = \"required\"`");
            let timeout = route.timeout.unwrap_or(config.upstream.timeout).get();
            report.ensure(!timeout.is_zero(), &at("idempotency"), "a claim must end: needs a timeout");
        } else {
            let needs_edge = "does nothing without `idempotency = \"edge\"`";
            report.ensure(!route.key_required, &at("key_required"), needs_edge);
            report.ensure(route.on_unknown == OnUnknown::Refuse, &at("on_unknown"), needs_edge);
            report.ensure(route.idempotency_down == KeysDown::Refuse, &at("idempotency_down"), needs_edge);
        }
    }
}
