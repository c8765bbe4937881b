//! The route table: which upstream answers for a host, a path and a method, and under which rules.

pub mod path;
mod pattern;
mod table;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use shared::domain::{Permission, Permissions, Roles};
use shared::problem::Problem;

pub use pattern::{InvalidPattern, Pattern};
pub use table::{Found, RouteTable, Wanted};

use crate::admin::metrics::Refusals;
use crate::config::{Auth, CrossSite, LimiterDown, Part, Priority};
use crate::policy::authenticate::{Accepted, Issuers};
use crate::policy::authorize::Scopes;
use crate::policy::cache;
use crate::policy::certificate::{CertificateRule, ClientCertificate};
use crate::policy::csrf::Ambient;
use crate::policy::fallback::Fallback;
use crate::policy::idempotency;
use crate::policy::rate_limit::PolicySets;
use crate::policy::validate::Validation;
use crate::policy::version::VersionRule;
use crate::upstream::Upstream;
use crate::upstream::convert::Forward;
use crate::upstream::mirror::Mirror;
use crate::upstream::split::Split;

/// One compiled row of the table: everything a request needs to know, looked up once.
#[derive(Debug)]
pub struct Route {
    /// Its place in the configuration, for metrics.
    pub index: usize,
    /// The one host that it is for; `None`: every other.
    pub host: Option<String>,
    /// As it was written, for labels and the admin view.
    pub pattern: String,
    /// Empty: every method.
    pub methods: Vec<Method>,
    /// Who answers; of a composed row, who answers its first part.
    pub upstream: Arc<Upstream>,
    /// The answers that it puts together, of other rows; none: an upstream answers.
    pub parts: Vec<Part>,
    /// Whether a token is needed.
    pub auth: Auth,
    /// At least one of these, unless empty: those that the row names, and those that stand for its permission.
    pub roles: Roles,
    /// What opens it to custom roles as well.
    pub permission: Option<Permission>,
    /// What a credential's scope must have.
    pub scopes: Scopes,
    /// Whose credentials it takes.
    pub issuers: Accepted,
    /// What is asked of the client's certificate.
    pub certificate: CertificateRule,
    /// The rate-limit policies, by who calls.
    pub limits: PolicySets,
    /// What a credential counts against besides that was asked about in vain.
    pub guesses: PolicySets,
    /// Whether the policies of all routes are among them.
    pub limited: bool,
    /// What to do when counters cannot be reached.
    pub limiter_down: LimiterDown,
    /// Whether and how the gateway keeps idempotency keys for the upstream.
    pub idempotency: Option<idempotency::Rule>,
    /// The deadline of the whole exchange; `None`: there is none.
    pub timeout: Option<Duration>,
    /// Largest request body in bytes.
    pub body_limit: u64,
    /// Whether and which versions it has.
    pub version: VersionRule,
    /// Whether the upstream gets the Authorization header, and that of API keys.
    pub forward_authorization: bool,
    /// Whether the upstream gets the browsers' cookies of ours.
    pub forward_cookies: bool,
    /// What has to come from a page of ours.
    pub cross_site: CrossSite,
    /// Whether the gateway's own problems carry OAuth's `error` as well.
    pub oauth: bool,
    /// How often a call may be made again.
    pub attempts: u32,
    /// When a second endpoint is asked as well; `None`: never.
    pub hedge: Option<Duration>,
    /// How important it is; `None`: that depends on the request.
    pub priority: Option<Priority>,
    /// Other upstreams for some of the requests.
    pub split: Split,
    /// Who is shown the calls as well.
    pub mirror: Option<Mirror>,
    /// What is answered when the upstream cannot.
    pub fallback: Option<Fallback>,
    /// Whether requests are held against the document.
    pub validation: Validation,
    /// What `Cache-Control` becomes when the upstream says nothing.
    pub default_cache_control: Option<HeaderValue>,
    /// Whether WebSockets may be opened.
    pub websocket: bool,
    /// Whether answers may be compressed.
    pub compress: bool,
    /// Whether and how answers are kept.
    pub cache: Option<Arc<cache::Settings>>,
    /// The tags of what a successful unsafe request changes beside its own address.
    pub invalidates: Vec<String>,
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

    /// Whether it is open to whoever has these roles, and what custom roles add to them.
    #[must_use]
    pub fn opens_to(&self, roles: Roles, permissions: Permissions) -> bool {
        let permitted = self.permission.is_some_and(|wanted| permissions.has(wanted));
        self.roles.is_empty() || self.roles.has_any(roles) || permitted
    }

    /// Which of the client's headers go on to the upstream.
    #[must_use]
    pub fn forward<'a>(&self, issuers: &'a Issuers) -> Forward<'a> {
        Forward {
            authorization: self.forward_authorization,
            version: self.version == VersionRule::None,
            compress: self.compress,
            key_header: issuers.keys.header.as_ref(),
            cookie: issuers.cookie.as_deref().filter(|_| !self.forward_cookies),
        }
    }

    /// What a browser does by itself that speaks for whoever shows no credential.
    #[must_use]
    pub fn ambient(&self, certificate: Option<&ClientCertificate>) -> Ambient {
        match self.cross_site {
            CrossSite::Refuse => Ambient::Page,
            CrossSite::Judge if self.certificate.speaks(certificate) => Ambient::Certificate,
            CrossSite::Judge => Ambient::Nothing,
        }
    }

    /// What is answered in place of a problem.
    ///
    /// # Errors
    /// The problem itself, where there is no fallback or it does not stand for that.
    pub fn instead(&self, problem: Problem, counted: &Refusals) -> Result<HttpResponse<BoxBody>, Problem> {
        let Some(fallback) = &self.fallback else { return Err(problem) };
        let code = problem.code();
        fallback.instead(problem).inspect(|_| counted.fallback(&self.pattern, code))
    }

    /// How important a request is: what moves money before what reads, and both before who is not known.
    #[must_use]
    pub fn priority(&self, method: &Method, is_anonymous: bool) -> Priority {
        self.priority.unwrap_or(match (is_anonymous, method.is_safe()) {
            (true, _) => Priority::Low,
            (false, true) => Priority::Normal,
            (false, false) => Priority::High,
        })
    }
}
