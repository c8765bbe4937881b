//! The configuration as requests read it: compiled once, immutable, swapped whole.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::{HeaderMap, VARY};

use crate::config::{AccessLog, Auth, Config, Limits};
use crate::policy::client::TrustedProxies;
use crate::policy::compress::Compression;
use crate::policy::cors::Cors;
use crate::policy::headers::{API_VERSION, NO_STORE, SecurityHeaders, VERSION_VARY, server_timing};
use crate::policy::rate_limit::PolicySets;
use crate::policy::version::{VersionRule, Versions, below};
use crate::route::{InvalidPattern, Pattern, Route, RouteTable};
use crate::upstream::{InvalidOrigin, Upstream};

/// Everything that is compiled from the configuration.
#[derive(Debug)]
pub struct Tables {
    /// The outer limits of requests.
    pub limits: Limits,
    /// Which requests are logged.
    pub access_log: AccessLog,
    /// The versions.
    pub versions: Versions,
    /// The routes.
    pub routes: RouteTable,
    /// The upstreams that routes refer to.
    pub upstreams: Vec<Arc<Upstream>>,
    /// The proxies whose word is taken.
    pub trusted_proxies: TrustedProxies,
    /// The policies of requests that fail before they have a route.
    pub unrouted: PolicySets,
    /// Which web pages may call.
    pub cors: Cors,
    /// What every answer carries.
    pub security: SecurityHeaders,
    /// How answers become smaller.
    pub compression: Compression,
    /// Request bodies up to this size are held whole.
    pub buffer: u64,
}

/// What kept the tables from being built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// An upstream's URL.
    #[error("an upstream's url: {0}")]
    Origin(#[from] InvalidOrigin),
    /// A route's path.
    #[error("the path `{0}`: {1}")]
    Pattern(String, InvalidPattern),
    /// A route's upstream.
    #[error("there is no upstream `{0}`")]
    Upstream(String),
}

impl Tables {
    /// The headers of an answer that is given before anything is known of its request.
    #[must_use]
    pub fn standing_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(API_VERSION, self.versions.get(self.versions.default()).header.clone());
        headers.insert(VARY, VERSION_VARY);
        self.security.apply(&mut headers, false);
        server_timing(&mut headers, Duration::ZERO);
        headers
    }

    /// Compiles a configuration that has been checked.
    ///
    /// # Errors
    /// What the check would have reported.
    pub fn compile(config: &Config, now: Instant) -> Result<Self, CompileError> {
        let versions = Versions::compile(&config.versions);
        let upstreams = Upstream::compile(config, now)?;
        let mut routes = RouteTable::default();
        for (index, row) in config.routes.iter().enumerate() {
            let rest = below(&row.path, versions.prefix()).filter(|_| row.version.as_deref() != Some("none"));
            let path = rest.map_or(row.path.as_str(), |rest| if rest.is_empty() { "/" } else { rest });
            let pattern: Pattern = path.parse().map_err(|error| CompileError::Pattern(row.path.clone(), error))?;
            let upstream = upstreams.iter().find(|upstream| upstream.name == row.upstream);
            let upstream = upstream.ok_or_else(|| CompileError::Upstream(row.upstream.clone()))?;
            let rule = match row.version.as_deref() {
                _ if rest.is_none() => VersionRule::None,
                None | Some("all" | "none") => VersionRule::All,
                Some(name) => versions.by_name(name).map_or(VersionRule::All, VersionRule::Only),
            };
            let timeout = row.timeout.unwrap_or(config.upstream.timeout).get();
            let route = Route {
                index,
                pattern: row.path.clone(),
                methods: row.methods.iter().filter_map(|method| method.parse().ok()).collect(),
                upstream: Arc::clone(upstream),
                auth: row.auth,
                roles: row.roles,
                scope: row.scope.clone(),
                limits: PolicySets::compile(&config.rate_limit, &row.limits, row.limited),
                limiter_down: row.limiter_down,
                timeout: Some(timeout).filter(|timeout| !timeout.is_zero()),
                body_limit: row.body.unwrap_or(config.server.limits.body_bytes),
                version: rule,
                forward_authorization: row.forward_authorization,
                oauth: row.oauth,
                default_cache_control: row.private.then_some(NO_STORE),
                compress: row.compress && config.compression.enabled,
            };
            routes.insert(row.host.as_deref(), &pattern, Arc::new(route));
        }
        Ok(Self {
            limits: config.server.limits,
            access_log: config.server.access_log,
            routes,
            upstreams,
            trusted_proxies: TrustedProxies::compile(&config.server.trusted_proxies),
            unrouted: PolicySets::compile(&config.rate_limit, &[], true),
            cors: Cors::compile(&config.cors),
            security: SecurityHeaders::compile(&config.security_headers),
            compression: Compression::compile(&config.compression),
            buffer: config.upstream.buffer_bytes,
            versions,
        })
    }
}

/// Whether a route may be used without a token, in one word for people.
#[must_use]
pub const fn auth_word(auth: Auth) -> &'static str {
    match auth {
        Auth::Required => "required",
        Auth::Optional => "optional",
        Auth::None => "none",
    }
}
