//! The configuration as requests read it: compiled once, immutable, swapped whole.

mod rows;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::{HeaderMap, VARY};

use crate::config::{self, AccessLog, Auth, Config, Limits};
use crate::listener::Caps;
use crate::policy::authenticate::{Issuers, NoSecret};
use crate::policy::client::TrustedProxies;
use crate::policy::compress::Compression;
use crate::policy::cors::Cors;
use crate::policy::csrf::Csrf;
use crate::policy::headers::{API_VERSION, SecurityHeaders, VERSION_VARY, server_timing};
use crate::policy::in_flight::Places;
use crate::policy::rate_limit::{Policies, PolicySets};
use crate::policy::version::{Versions, below};
use crate::route::{InvalidPattern, Pattern, RouteTable};
use crate::upstream::forwarded::Forwarding;
use crate::upstream::{InvalidOrigin, Upstream};

use rows::Rows;

/// Everything that is compiled from the configuration.
#[derive(Debug)]
pub struct Tables {
    /// Which configuration this is; 1 for the one that the gateway started with.
    pub generation: u64,
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
    /// Every rate-limit policy.
    pub policies: Policies,
    /// How many connections there may be.
    pub caps: Caps,
    /// Whose credentials are taken.
    pub issuers: Arc<Issuers>,
    /// Which pages may use the cookie.
    pub csrf: Csrf,
    /// The policies of requests that fail before they have a route.
    pub unrouted: PolicySets,
    /// Which web pages may call.
    pub cors: Cors,
    /// What every answer carries.
    pub security: SecurityHeaders,
    /// What upstreams are told of a request's way.
    pub forwarding: Forwarding,
    /// How many tunnels there may be, and for how long.
    pub websocket: config::WebSocket,
    /// And event streams.
    pub event_streams: config::EventStreams,
    /// How answers become smaller.
    pub compression: Compression,
    /// Request bodies up to this size are held whole.
    pub buffer: u64,
    /// How many requests may be inside at once.
    pub places: Places,
    /// How upstreams are probed.
    pub health: config::Health,
    /// Whether any route keeps idempotency keys.
    pub keeps_keys: bool,
    /// The hosts under which routes keep answers; `None` stands for all. Empty: no route does.
    pub caching_hosts: Vec<Option<String>>,
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
    /// An issuer's secret.
    #[error(transparent)]
    Secret(#[from] NoSecret),
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
        Self::compile_after(None, config, now)
    }

    /// Compiles the configuration that follows this one: upstreams that are the same keep what is known of them,
    /// and issuers their keys.
    ///
    /// # Errors
    /// What the check would have reported.
    pub fn recompile(&self, config: &Config, now: Instant) -> Result<Self, CompileError> {
        Self::compile_after(Some(self), config, now)
    }

    fn compile_after(before: Option<&Self>, config: &Config, now: Instant) -> Result<Self, CompileError> {
        let versions = Versions::compile(&config.versions);
        let upstreams = Upstream::compile(config, now, before.map_or(&[], |before| &before.upstreams))?;
        let issuers = Issuers::compile(config, before.map(|before| &before.issuers))?;
        let policies = Policies::compile(&config.rate_limit);
        let (mut routes, mut caching_hosts) = (RouteTable::default(), Vec::new());
        let rows = Rows { config, versions: &versions, upstreams: &upstreams, issuers: &issuers, policies: &policies };
        for (index, row) in config.routes.iter().enumerate() {
            let rest = below(&row.path, versions.prefix()).filter(|_| row.version.as_deref() != Some("none"));
            let path = rest.map_or(row.path.as_str(), |rest| if rest.is_empty() { "/" } else { rest });
            let pattern: Pattern = path.parse().map_err(|error| CompileError::Pattern(row.path.clone(), error))?;
            let route = rows.compile(index, row, rest.is_some())?;
            if route.cache.is_some() && !caching_hosts.contains(&row.host) {
                caching_hosts.push(row.host.clone());
            }
            routes.insert(row.host.as_deref(), &pattern, Arc::new(route));
        }
        Ok(Self {
            keeps_keys: routes.routes().iter().any(|route| route.idempotency.is_some()),
            generation: 1,
            caching_hosts,
            limits: config.server.limits,
            access_log: config.server.access_log,
            routes,
            upstreams,
            trusted_proxies: TrustedProxies::compile(&config.server.trusted_proxies, config.forwarding.trust),
            caps: Caps::compile(&config.server),
            unrouted: policies.unrouted(),
            policies,
            issuers,
            csrf: Csrf::compile(&config.cors, &config.authentication.cookie),
            cors: Cors::compile(&config.cors),
            security: SecurityHeaders::compile(&config.security_headers),
            forwarding: Forwarding::compile(&config.forwarding),
            websocket: config.websocket,
            event_streams: config.event_streams,
            compression: Compression::compile(&config.compression),
            buffer: config.upstream.buffer_bytes,
            places: places(config),
            health: config.upstream.health,
            versions,
        })
    }
}

/// How many requests of each importance there may be.
fn places(config: &Config) -> Places {
    let parts = &config.upstream.concurrency;
    Places::new(config.server.max_in_flight, parts.normal_percent, parts.low_percent)
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
