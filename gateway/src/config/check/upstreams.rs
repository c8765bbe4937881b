//! What the settings of upstreams must hold, and what routes say of them.

use std::collections::HashSet;

use actix_web::http::header::{HeaderName, HeaderValue};
use shared::config::Report;

use super::OUR_SERVICES;
use crate::config::{Config, Route, Split};
use crate::upstream::Origin;

/// More tries than this are no remedy.
const MOST_RETRIES: u32 = 10;

pub(super) fn check(config: &Config, report: &mut Report<'_>) {
    addresses(config, report);
    calls(config, report);
    endpoints(config, report);
    breaker(config, report);
}

fn addresses(config: &Config, report: &mut Report<'_>) {
    let mut origins = |at: &str, url: &str, endpoints: &[String]| {
        let further = endpoints.iter().map(|url| ("endpoints", url.as_str()));
        for (key, url) in [("url", url)].into_iter().chain(further) {
            if let Err(error) = url.parse::<Origin>() {
                report.error(&format!("{at}.{key}"), format!("`{url}`: {error}"));
            }
        }
    };
    for (at, service) in [("services.users", &config.services.users), ("services.accounts", &config.services.accounts)]
    {
        origins(at, &service.url, &service.endpoints);
    }
    for (i, upstream) in config.upstreams.iter().enumerate() {
        origins(&format!("upstreams[{i}]"), &upstream.url, &upstream.endpoints);
    }
    let mut seen: HashSet<&str> = OUR_SERVICES.into();
    for (i, upstream) in config.upstreams.iter().enumerate() {
        report.ensure(seen.insert(&upstream.name), &format!("upstreams[{i}].name"), "this name is taken");
        let path = upstream.health_path.as_deref();
        let is_path = path.is_none_or(|path| path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()));
        report.ensure(is_path, &format!("upstreams[{i}].health_path"), "begins with a slash");
    }
}

fn calls(config: &Config, report: &mut Report<'_>) {
    let upstream = &config.upstream;
    report.ensure(!upstream.connect_timeout.get().is_zero(), "upstream.connect_timeout", "more than 0s");
    let retry = &upstream.retry;
    report.ensure(retry.attempts <= MOST_RETRIES, "upstream.retry.attempts", "at most 10");
    report.ensure(retry.budget_percent <= 100, "upstream.retry.budget_percent", "at most 100");
    let backoff = "upstream.retry.backoff_at_most";
    report.ensure(retry.backoff_at_most >= retry.backoff, backoff, "at least upstream.retry.backoff");
    let concurrency = &upstream.concurrency;
    report.ensure(concurrency.least > 0, "upstream.concurrency.least", "at least 1");
    let ordered = (concurrency.least..=concurrency.most).contains(&concurrency.initial);
    report.ensure(ordered, "upstream.concurrency.initial", "between `least` and `most`");
    report.ensure(!concurrency.latency.get().is_zero(), "upstream.concurrency.latency", "more than 0s");
    for (key, percent) in [("normal_percent", concurrency.normal_percent), ("low_percent", concurrency.low_percent)] {
        report.ensure((1..=100).contains(&percent), &format!("upstream.concurrency.{key}"), "1 to 100");
    }
}

fn endpoints(config: &Config, report: &mut Report<'_>) {
    let (health, ejection) = (&config.upstream.health, &config.upstream.ejection);
    report.ensure(!config.upstream.balance.decay.get().is_zero(), "upstream.balance.decay", "more than 0s");
    report.ensure(!health.interval.get().is_zero(), "upstream.health.interval", "more than 0s");
    report.ensure(!health.timeout.get().is_zero(), "upstream.health.timeout", "more than 0s");
    report.ensure(health.unhealthy_after > 0, "upstream.health.unhealthy_after", "at least 1");
    report.ensure(health.healthy_after > 0, "upstream.health.healthy_after", "at least 1");
    report.ensure(!ejection.base.get().is_zero(), "upstream.ejection.base", "more than 0s");
    report.ensure(ejection.at_most >= ejection.base, "upstream.ejection.at_most", "at least upstream.ejection.base");
    report.ensure(ejection.keep_percent <= 100, "upstream.ejection.keep_percent", "at most 100");
}

fn breaker(config: &Config, report: &mut Report<'_>) {
    let breaker = &config.breaker;
    report.ensure(breaker.probes > 0, "breaker.probes", "at least 1");
    report.ensure(breaker.failure_percent <= 100, "breaker.failure_percent", "at most 100");
    report.ensure(breaker.slow_percent <= 100, "breaker.slow_percent", "at most 100");
    report.ensure(!breaker.window.get().is_zero(), "breaker.window", "more than 0s");
    report.ensure(!breaker.open_for.get().is_zero(), "breaker.open_for", "more than 0s");
    report.ensure(breaker.open_at_most >= breaker.open_for, "breaker.open_at_most", "at least breaker.open_for");
}

/// What a route says of upstreams.
pub(super) fn of_route(route: &Route, at: &str, known: &HashSet<&str>, report: &mut Report<'_>) {
    let key = |key: &str| format!("{at}.{key}");
    let mut exists = |key: &str, name: &str| {
        if !known.contains(name) {
            report.error(&format!("{at}.{key}"), format!("there is no upstream `{name}`"));
        }
    };
    if route.compose.is_empty() {
        exists("upstream", &route.upstream);
    }
    route.split.iter().for_each(|branch| exists("split", &branch.upstream));
    route.mirror.iter().for_each(|mirror| exists("mirror", &mirror.upstream));
    report.ensure(route.retries.unwrap_or(0) <= MOST_RETRIES, &key("retries"), "at most 10");
    report.ensure(route.hedge.is_none() || route.reads(), &key("hedge"), "only a route that takes GET can be hedged");
    let percent: u32 = route.split.iter().map(|branch| branch.percent.min(1_000)).sum();
    report.ensure(percent <= 100, &key("split"), "the shares come to more than 100 percent");
    report.ensure(
        route.split.iter().all(is_readable),
        &key("split"),
        "a header is `Name: value`, a cookie `name=value`",
    );
    let mirrored = route.mirror.as_ref().is_none_or(|mirror| (1..=100).contains(&mirror.percent));
    report.ensure(mirrored, &key("mirror"), "`percent` is 1 to 100");
    if let Some(fallback) = &route.fallback {
        report.ensure((200..=599).contains(&fallback.status), &key("fallback"), "`status` is 200 to 599");
        let readable = HeaderValue::from_str(&fallback.content_type).is_ok();
        report.ensure(readable, &key("fallback"), "`content_type` is not a header's value");
    }
}

fn is_readable(branch: &Split) -> bool {
    let header = branch.header.as_deref().is_none_or(|header| {
        let parts = header.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
        parts.is_some_and(|(name, value)| name.parse::<HeaderName>().is_ok() && HeaderValue::from_str(value).is_ok())
    });
    let cookie = branch.cookie.as_deref();
    header && cookie.is_none_or(|cookie| cookie.split_once('=').is_some_and(|(name, _)| !name.trim().is_empty()))
}
