//! What the settings of the response cache must hold.

use actix_web::http::header::HeaderName;
use shared::config::Report;

use crate::config::{CacheMode, Config, Route, RouteCache};
use crate::policy::cache::tags::is_tag;

/// Below this hardly an answer fits.
const MIN_MEMORY: u64 = 65_536;

const NOT_A_TAG: &str = "a tag is 1 to 256 visible ASCII characters, no commas";

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    let cache = &config.cache;
    report.ensure(cache.memory_bytes >= MIN_MEMORY, "cache.memory_bytes", "at least 65536");
    let largest = cache.memory_bytes / 4;
    report.ensure((1..=largest).contains(&cache.entry_bytes), "cache.entry_bytes", "1 to a quarter of memory_bytes");
    report.ensure(cache.ahead_bytes >= cache.entry_bytes, "cache.ahead_bytes", "at least entry_bytes");
    report.ensure(!cache.timeout.get().is_zero(), "cache.timeout", "more than 0s");
    for (i, route) in config.routes.iter().enumerate() {
        let tags = route.invalidates.iter().all(|tag| is_tag(tag));
        report.ensure(tags, &format!("routes[{i}].invalidates"), NOT_A_TAG);
        if let Some(settings) = &route.cache {
            check_route(route, settings, &format!("routes[{i}].cache"), report);
        }
    }
}

fn check_route(route: &Route, settings: &RouteCache, at: &str, report: &mut Report<'_>) {
    let key = |key: &str| format!("{at}.{key}");
    let wants_ttl = settings.mode == CacheMode::Ttl;
    let ttl = settings.ttl.map(|ttl| ttl.get());
    let sound = if wants_ttl { ttl.is_some_and(|ttl| ttl.as_secs() > 0) } else { ttl.is_none() };
    report.ensure(sound, &key("ttl"), "at least 1s with the mode `ttl`, and only there");
    let reads = route.methods.is_empty() || route.methods.iter().any(|method| method == "GET");
    report.ensure(reads, at, "only answers to GET are kept, which this route does not take");
    for name in settings.vary.iter().filter(|name| name.parse::<HeaderName>().is_err()) {
        report.error(&key("vary"), format!("`{name}` is no header's name"));
    }
    report.ensure(settings.tags.iter().all(|tag| is_tag(tag)), &key("tags"), NOT_A_TAG);
}
