//! What operators see of the limits: the policies, how the counters are doing, and who is busiest.

use std::time::Instant;

use serde::Serialize;
use shared::store::Counters;

use super::compile::{quota, window_name};
use super::top::TopView;
use super::{Key, Policies, RateLimiter};

/// Everything about limits, at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct LimitsView {
    /// Whether anything is counted.
    pub enabled: bool,
    /// Where: `memory` or `redis`.
    pub store: &'static str,
    /// How many gateways share the counters.
    pub instances: u32,
    /// How long shared counters may take before this instance decides alone.
    pub timeout_ms: u64,
    /// Whether this instance decides alone right now, because the shared counters do not answer.
    pub degraded: bool,
    /// Keys that this process holds.
    pub keys: usize,
    /// The most that it would hold.
    pub keys_at_most: usize,
    /// Questions put to the shared counters, the calls that carried them, and the calls that were given up.
    pub questions: u64,
    /// See `questions`.
    pub round_trips: u64,
    /// See `questions`.
    pub lost_calls: u64,
    /// As they are configured.
    pub policies: Vec<PolicyView>,
    /// The busiest keys.
    pub top: TopView,
}

/// One policy.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyView {
    /// Its name.
    pub name: String,
    /// What has a counter of its own.
    pub key: &'static str,
    /// The header, where that is the key.
    pub header: Option<String>,
    /// Whether each route has counters of its own.
    pub per_route: bool,
    /// Whether it only reports.
    pub shadow: bool,
    /// How much.
    pub windows: Vec<WindowView>,
}

/// One window of a policy.
#[derive(Clone, Debug, Serialize)]
pub struct WindowView {
    /// As clients see it.
    pub name: String,
    /// Units per window, sustained.
    pub quota: u32,
    /// The window.
    pub window_seconds: u64,
    /// Units at once.
    pub burst: u32,
}

impl RateLimiter {
    /// How things are now.
    #[must_use]
    pub fn view(&self, policies: &Policies) -> LimitsView {
        let (stats, settings) = (self.stats(), &policies.settings);
        LimitsView {
            enabled: policies.enabled,
            store: self.counters.kind(),
            instances: if settings.instances == 0 { stats.instances } else { settings.instances },
            timeout_ms: u64::try_from(settings.timeout.as_millis()).unwrap_or(u64::MAX),
            degraded: stats.down,
            keys: stats.keys,
            keys_at_most: Counters::MAX_KEYS,
            questions: stats.questions,
            round_trips: stats.calls,
            lost_calls: stats.lost,
            policies: policies.list.iter().map(policy).collect(),
            top: self.top.view(Instant::now()),
        }
    }
}

fn policy(config: &crate::config::Policy) -> PolicyView {
    let window = |(index, window)| {
        let quota = quota(window);
        let name = window_name(&config.name, index, window);
        WindowView { name, quota: quota.limit, window_seconds: quota.window.as_secs(), burst: quota.burst }
    };
    PolicyView {
        name: config.name.clone(),
        key: config.key.as_str(),
        header: config.header.clone(),
        per_route: config.per_route,
        shadow: config.shadow,
        windows: config.all_windows().into_iter().enumerate().map(window).collect(),
    }
}

/// What a policy goes by, in words for people.
#[must_use]
pub fn describe_key(key: &Key) -> String {
    match key {
        Key::Address => "address".to_owned(),
        Key::User => "user".to_owned(),
        Key::ApiKey => "API key".to_owned(),
        Key::Role => "role".to_owned(),
        Key::Header(header) => format!("the header {header}"),
        Key::All => "all callers".to_owned(),
    }
}
