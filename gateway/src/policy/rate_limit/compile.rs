//! From the configuration to the policy sets of each route.

use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use shared::domain::Role;
use shared::store::Quota;

use super::{Policy, PolicySet};
use crate::config;

/// The policies of one route, by who calls.
#[derive(Clone, Debug)]
pub struct PolicySets {
    pub(super) anonymous: Arc<PolicySet>,
    /// The first role that the caller has decides.
    pub(super) by_role: Vec<(Role, Arc<PolicySet>)>,
}

impl PolicySets {
    /// The sets of a route with its own further policies. `general`: whether the policies for everybody hold too.
    #[must_use]
    pub fn compile(config: &config::RateLimit, own: &[String], general: bool) -> Self {
        let set = |names: &[String]| {
            let general = names.iter().filter(|_| general);
            let mut wanted: Vec<&String> = general.chain(own).collect();
            wanted.dedup();
            Arc::new(PolicySet::compile(config, &wanted))
        };
        let by_role = config.roles.iter().map(|entry| (entry.role, set(&entry.policies))).collect();
        Self { anonymous: set(&config.anonymous), by_role }
    }
}

impl PolicySet {
    fn compile(config: &config::RateLimit, names: &[&String]) -> Self {
        let known = |name: &String| config.policies.iter().find(|policy| policy.name == *name);
        let found = names.iter().filter(|_| config.enabled).filter_map(|name| known(name));
        let policies: Vec<Policy> = found.map(policy).collect();
        let header: Vec<String> = policies.iter().map(describe).collect();
        let header = HeaderValue::from_str(&header.join(", ")).unwrap_or(HeaderValue::from_static(""));
        Self { policies, header }
    }
}

fn policy(config: &config::Policy) -> Policy {
    let quota = Quota { limit: config.quota, window: config.window.get(), burst: config.burst };
    Policy { name: Arc::new(config.name.clone()), key: config.key, quota }
}

/// One item of `RateLimit-Policy`: quota and window as the draft has them, the burst as a parameter of ours.
fn describe(policy: &Policy) -> String {
    let Quota { limit, window, burst } = policy.quota;
    format!("\"{}\";q={limit};w={};tollgate-burst={burst}", policy.name, window.as_secs())
}
