//! The route table: which upstream answers for a host, a path and a method, and under which rules.

pub mod path;
mod pattern;
mod table;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use shared::domain::Roles;

pub use pattern::{InvalidPattern, Pattern};
pub use table::{Found, RouteTable, Wanted};

use crate::config::{Auth, LimiterDown};
use crate::policy::rate_limit::PolicySets;
use crate::policy::version::VersionRule;
use crate::upstream::Upstream;

/// One compiled row of the table: everything a request needs to know, looked up once.
#[derive(Debug)]
pub struct Route {
    /// Its place in the configuration, for metrics.
    pub index: usize,
    /// As it was written, for labels and the admin view.
    pub pattern: String,
    /// Empty: every method.
    pub methods: Vec<Method>,
    /// Who answers.
    pub upstream: Arc<Upstream>,
    /// Whether a token is needed.
    pub auth: Auth,
    /// At least one of these, unless empty.
    pub roles: Roles,
    /// A word that the token's scope must have.
    pub scope: Option<String>,
    /// The rate-limit policies, by who calls.
    pub limits: PolicySets,
    /// What to do when counters cannot be reached.
    pub limiter_down: LimiterDown,
    /// The deadline of the whole exchange; `None`: there is none.
    pub timeout: Option<Duration>,
    /// Largest request body in bytes.
    pub body_limit: u64,
    /// Whether and which versions it has.
    pub version: VersionRule,
    /// Whether the upstream gets the Authorization header.
    pub forward_authorization: bool,
    /// Whether the gateway's own problems carry OAuth's `error` as well.
    pub oauth: bool,
    /// What `Cache-Control` becomes when the upstream says nothing.
    pub default_cache_control: Option<HeaderValue>,
    /// Whether answers may be compressed.
    pub compress: bool,
}

impl Route {
    /// Whether the row takes this method. HEAD goes wherever GET goes; CONNECT and TRACE go nowhere unless they are
    /// named (RFC 9110, sections 9.3.6 and 9.3.8: a tunnel, and an echo of what the gateway adds), in whatever letters.
    #[must_use]
    pub fn takes(&self, method: &Method) -> bool {
        let is = |name: &str| method.as_str().eq_ignore_ascii_case(name);
        (self.methods.is_empty() && !is("CONNECT") && !is("TRACE"))
            || self.methods.contains(method)
            || (method == Method::HEAD && self.methods.contains(&Method::GET))
    }
}
