//! From the configuration to the policy sets of each route.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};
use shared::domain::{Role, Roles};
use shared::store::Quota;

use super::{BySize, Caller, Key, Networks, Policy, PolicySet, Settings};
use crate::config::{self, LimitKey, RolePolicies, Window};
use crate::policy::authenticate::Principal;

/// Everything that the configuration says of limits.
#[derive(Debug)]
pub struct Policies {
    pub(super) enabled: bool,
    pub(super) settings: Arc<Settings>,
    pub(super) list: Vec<config::Policy>,
    anonymous: Vec<String>,
    roles: Vec<RolePolicies>,
    keys: Vec<String>,
}

/// What a set of policies is for.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The route's own further policies.
    pub own: &'a [String],
    /// Whether the policies for everybody hold too.
    pub general: bool,
    /// Units that a request takes.
    pub cost: u32,
    /// And its body besides.
    pub by_size: Option<BySize>,
    /// What the route is called, for policies that count each on its own.
    pub route: &'a str,
}

/// What fails before it has a route.
const UNROUTED: Scope<'_> = Scope { own: &[], general: true, cost: 1, by_size: None, route: "none" };

/// The policies of one route, by who calls.
#[derive(Clone, Debug)]
pub struct PolicySets {
    anonymous: Arc<PolicySet>,
    /// The first role that the caller has decides.
    by_role: Vec<(Role, Arc<PolicySet>)>,
    /// In place of those, for whoever shows an API key; `None`: keys count as their users.
    of_keys: Option<Arc<PolicySet>>,
    /// In place of those for anonymous callers, for whoever shows an OAuth client by HTTP Basic; `None`: they are as anonymous.
    of_clients: Option<Arc<PolicySet>>,
}

impl Policies {
    /// From the configuration, which has been checked.
    #[must_use]
    pub fn compile(config: &config::RateLimit) -> Self {
        let networks = Networks { ipv4: config.ipv4_prefix, ipv6: config.ipv6_prefix };
        let settings = Settings { timeout: config.timeout.get(), instances: config.instances, networks };
        Self {
            enabled: config.enabled,
            settings: Arc::new(settings),
            list: config.policies.clone(),
            anonymous: config.anonymous.clone(),
            roles: config.roles.clone(),
            keys: config.policies.iter().filter(|policy| policy.for_keys).map(|policy| policy.name.clone()).collect(),
        }
    }

    /// The policies of a row of the table.
    #[must_use]
    pub fn of_route(&self, row: &config::Route) -> PolicySets {
        let route = row.title();
        let by_size = BySize::of(row);
        let scope = Scope { own: &row.limits, general: row.limited, cost: row.cost, by_size, route: &route };
        let of_clients = row.client_limits.as_ref().map(|own| self.set(&self.anonymous, Scope { own, ..scope }));
        PolicySets { of_clients, ..self.sets(scope) }
    }

    /// What it counts against besides when a caller of a row was asked about in vain: whatever failures count against
    /// before they have a row, and the row does not. Else nobody would notice that somebody makes credentials up.
    #[must_use]
    pub fn of_guesses(&self, row: &config::Route) -> PolicySets {
        let counted = self.of_route(row).anonymous;
        let is_counted = |policy: &Policy| {
            !counted.is_free() && counted.policies.iter().any(|known| known.counter == policy.counter)
        };
        let besides = self.windows(&self.anonymous, UNROUTED).filter(|policy| !is_counted(policy)).collect();
        let anonymous = self.of(besides, UNROUTED);
        PolicySets { anonymous, by_role: Vec::new(), of_keys: None, of_clients: None }
    }

    /// The policies of a scope, by who calls.
    #[must_use]
    pub fn sets(&self, scope: Scope<'_>) -> PolicySets {
        let by_role = self.roles.iter().map(|entry| (entry.role, self.set(&entry.policies, scope))).collect();
        let of_keys = (!self.keys.is_empty()).then(|| self.set(&self.keys, scope));
        PolicySets { anonymous: self.set(&self.anonymous, scope), by_role, of_keys, of_clients: None }
    }

    /// The policies of requests that fail before they have a route.
    #[must_use]
    pub fn unrouted(&self) -> PolicySets {
        self.sets(UNROUTED)
    }

    fn set(&self, general: &[String], scope: Scope<'_>) -> Arc<PolicySet> {
        self.of(self.windows(general, scope).collect(), scope)
    }

    /// Each window of the policies of a scope.
    fn windows<'p>(&'p self, general: &[String], scope: Scope<'p>) -> impl Iterator<Item = Policy> + 'p {
        let general = general.iter().filter(|_| scope.general);
        let mut wanted: Vec<&String> = Vec::new();
        for name in general.chain(scope.own).filter(|_| self.enabled) {
            // A policy holds once, however often it is named.
            if !wanted.contains(&name) {
                wanted.push(name);
            }
        }
        let found = wanted.iter().filter_map(|name| self.list.iter().find(|policy| policy.name == **name));
        let found: Vec<&config::Policy> = found.collect();
        found.into_iter().flat_map(move |policy| windows(policy, scope.route))
    }

    fn of(&self, policies: Vec<Policy>, scope: Scope<'_>) -> Arc<PolicySet> {
        let header: Vec<String> = policies.iter().filter(|policy| !policy.shadow).map(describe).collect();
        let header = HeaderValue::from_str(&header.join(", ")).unwrap_or(HeaderValue::from_static(""));
        let Scope { cost, by_size, .. } = scope;
        Arc::new(PolicySet { policies, cost, by_size, header, settings: Arc::clone(&self.settings) })
    }
}

impl PolicySets {
    /// The set that holds for this request.
    #[must_use]
    pub fn of_caller(&self, caller: Caller<'_>) -> &Arc<PolicySet> {
        let of_client = self.of_clients().filter(|_| caller.principal.is_none() && caller.shows_a_client());
        of_client.unwrap_or_else(|| self.of(caller.principal))
    }

    /// The set for whoever shows an OAuth client, where they have one of their own.
    #[must_use]
    pub const fn of_clients(&self) -> Option<&Arc<PolicySet>> {
        self.of_clients.as_ref()
    }

    /// The set that holds for whoever has proved who they are.
    #[must_use]
    pub fn of(&self, principal: Option<&Principal>) -> &Arc<PolicySet> {
        let of_key = self.of_keys().filter(|_| principal.is_some_and(|principal| principal.api_key().is_some()));
        of_key.unwrap_or_else(|| self.of_roles(principal.map(|principal| principal.roles)))
    }

    /// The set for a caller with an API key, where keys have one of their own.
    #[must_use]
    pub const fn of_keys(&self) -> Option<&Arc<PolicySet>> {
        self.of_keys.as_ref()
    }

    /// The set for a caller with these roles; `None` is an anonymous one.
    #[must_use]
    pub fn of_roles(&self, roles: Option<Roles>) -> &Arc<PolicySet> {
        let Some(roles) = roles else { return &self.anonymous };
        let by_role = self.by_role.iter().find(|(role, _)| roles.has(*role));
        by_role.map_or(&self.anonymous, |(_, set)| set)
    }
}

/// Each window of a policy, as a policy of its own. The first has the policy's name, the others its name and their length.
fn windows<'a>(policy: &'a config::Policy, route: &'a str) -> impl Iterator<Item = Policy> + 'a {
    policy.all_windows().into_iter().enumerate().map(move |(index, window)| {
        let name = window_name(&policy.name, index, window);
        let counter = if policy.per_route { format!("{name}@{route}") } else { name.clone() };
        Policy {
            name,
            key: key(policy),
            quota: quota(window),
            shadow: policy.shadow,
            per_route: policy.per_route,
            counter,
            counts: OnceLock::new(),
        }
    })
}

/// How a policy's window is called.
pub(super) fn window_name(policy: &str, index: usize, window: Window) -> String {
    if index == 0 { policy.to_owned() } else { format!("{policy}-{}", span(window.window.get())) }
}

/// How much a window lets through. Who names no burst may take the whole quota at once.
pub(super) fn quota(window: Window) -> Quota {
    Quota { limit: window.quota, window: window.window.get(), burst: window.burst.unwrap_or(window.quota) }
}

fn key(policy: &config::Policy) -> Key {
    // Which header has been checked.
    let header = || policy.header.as_deref().and_then(|name| name.parse::<HeaderName>().ok());
    match policy.key {
        LimitKey::Address => Key::Address,
        LimitKey::User => Key::User,
        LimitKey::ApiKey => Key::ApiKey,
        LimitKey::Role => Key::Role,
        LimitKey::Header => header().map_or(Key::Address, Key::Header),
        LimitKey::All => Key::All,
    }
}

/// A span in the largest unit that it is a whole number of: `90s`, `1h`.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let unit = [(86_400, 'd'), (3_600, 'h'), (60, 'm')].into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
    let (unit, letter) = unit.unwrap_or((1, 's'));
    format!("{}{letter}", seconds / unit)
}

/// One item of `RateLimit-Policy`: quota and window as the draft has them, the burst as a parameter of ours.
fn describe(policy: &Policy) -> String {
    let Quota { limit, window, burst } = policy.quota;
    format!("\"{}\";q={limit};w={};tollgate-burst={burst}", policy.name, window.as_secs())
}
