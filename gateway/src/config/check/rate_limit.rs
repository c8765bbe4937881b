//! What rate-limit policies must hold, and what routes may ask of them.

use std::collections::HashSet;

use actix_web::http::header::HeaderName;
use shared::config::Report;
use shared::store::Quota;

use super::{Names, policies_exist};
use crate::config::{Config, LimitKey, Policy, Route, Window};

/// The longest that a decision may hold a request up, in milliseconds.
const MAX_TIMEOUT: u128 = 1_000;

pub(super) fn check(config: &Config, names: &Names<'_>, report: &mut Report<'_>) {
    let limits = &config.rate_limit;
    let timeout = limits.timeout.get().as_millis();
    report.ensure((1..=MAX_TIMEOUT).contains(&timeout), "rate_limit.timeout", "1ms to 1s");
    report.ensure((1..=32).contains(&limits.ipv4_prefix), "rate_limit.ipv4_prefix", "1 to 32");
    report.ensure((1..=128).contains(&limits.ipv6_prefix), "rate_limit.ipv6_prefix", "1 to 128");
    let mut seen = HashSet::new();
    for (i, policy) in limits.policies.iter().enumerate() {
        let at = |key: &str| format!("rate_limit.policies[{i}].{key}");
        let word = policy.name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        report.ensure(word && !policy.name.is_empty(), &at("name"), "letters, digits, `_` and `-`");
        report.ensure(seen.insert(&policy.name), &at("name"), "this policy stands twice");
        check_key(policy, &at, report);
        check_windows(policy, &at, report);
    }
    policies_exist(&limits.anonymous, "rate_limit.anonymous", names, report);
    for (i, role) in limits.roles.iter().enumerate() {
        policies_exist(&role.policies, &format!("rate_limit.roles[{i}].policies"), names, report);
    }
    for (i, route) in config.routes.iter().enumerate() {
        check_cost(config, route, &format!("routes[{i}]"), report);
    }
}

fn check_key(policy: &Policy, at: &impl Fn(&str) -> String, report: &mut Report<'_>) {
    let is_header = |name: &String| name.parse::<HeaderName>().is_ok();
    match (&policy.header, policy.key) {
        (Some(name), LimitKey::Header) => report.ensure(is_header(name), &at("header"), "no name of a header"),
        (None, LimitKey::Header) => report.error(&at("header"), "the key `header` needs the header's name".to_owned()),
        (Some(_), _) => report.error(&at("header"), "only goes with the key `header`".to_owned()),
        (None, _) => {}
    }
}

fn check_windows(policy: &Policy, at: &impl Fn(&str) -> String, report: &mut Report<'_>) {
    let own = policy.quota.is_some() || policy.window.is_some() || policy.burst.is_some();
    report.ensure(!own || policy.quota.is_some(), &at("quota"), "is missing");
    report.ensure(!own || policy.window.is_some(), &at("window"), "is missing");
    report.ensure(own || !policy.windows.is_empty(), &at("quota"), "quota and window, or `windows`");
    let mut lengths = HashSet::new();
    if let (Some(quota), Some(window)) = (policy.quota, policy.window) {
        lengths.insert(window.get());
        check_window(Window { quota, window, burst: policy.burst }, at, report);
    }
    for (i, window) in policy.windows.iter().enumerate() {
        let at = |key: &str| at(&format!("windows[{i}].{key}"));
        report.ensure(lengths.insert(window.window.get()), &at("window"), "the policy has a window of this length");
        check_window(*window, &at, report);
    }
}

fn check_window(window: Window, at: &impl Fn(&str) -> String, report: &mut Report<'_>) {
    let (length, burst) = (window.window.get(), window.burst.unwrap_or(window.quota));
    report.ensure(window.quota > 0, &at("quota"), "at least 1");
    report.ensure(burst > 0, &at("burst"), "at least 1");
    let whole = length.as_secs() > 0 && length.subsec_nanos() == 0;
    report.ensure(whole, &at("window"), "whole seconds, at least 1s");
    if whole && window.quota > 0 {
        let most = Quota { limit: window.quota, window: length, burst }.exact_burst();
        if u64::from(burst) > most {
            report.error(&at("burst"), format!("at most {most} can be counted exactly with this quota and window"));
        }
    }
}

/// A request that costs more than some burst would never pass.
fn check_cost(config: &Config, route: &Route, at: &str, report: &mut Report<'_>) {
    if route.cost_bytes.is_some() {
        let known = "needs the row's `body`: what does not say how long it is counts as that";
        report.ensure(route.body.is_some(), &format!("{at}.cost_bytes"), known);
        report.ensure(route.cost > 0, &format!("{at}.cost_bytes"), "a `cost` of 0 takes nothing");
    }
    let at = format!("{at}.cost");
    let limits = &config.rate_limit;
    let everybody = limits.anonymous.iter().chain(limits.roles.iter().flat_map(|role| &role.policies));
    let of_keys = limits.policies.iter().filter(|policy| policy.for_keys).map(|policy| &policy.name);
    let everybody = everybody.chain(of_keys);
    let mut wanted: Vec<&String> = everybody.filter(|_| route.limited).chain(&route.limits).collect();
    wanted.extend(route.client_limits.iter().flatten());
    wanted.sort_unstable();
    wanted.dedup();
    for policy in limits.policies.iter().filter(|policy| wanted.contains(&&policy.name)) {
        let bursts = policy.all_windows().into_iter().map(|window| window.burst.unwrap_or(window.quota));
        if bursts.min().is_some_and(|burst| burst < route.cost) {
            report.error(&at, format!("more than the burst of `{}`: such a request would never pass", policy.name));
        }
    }
}
