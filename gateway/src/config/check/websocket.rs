//! What the settings of tunnels must hold.

use shared::config::Report;

use crate::config::{Config, Route};

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    report.ensure(config.websocket.max_tunnels > 0, "websocket.max_tunnels", "at least 1");
    report.ensure(config.websocket.max_per_caller > 0, "websocket.max_per_caller", "at least 1");
    let gets = |route: &Route| route.methods.is_empty() || route.methods.iter().any(|method| method == "GET");
    for (i, _) in config.routes.iter().enumerate().filter(|(_, route)| route.websocket && !gets(route)) {
        report.error(&format!("routes[{i}].websocket"), "a WebSocket begins with GET");
    }
}
