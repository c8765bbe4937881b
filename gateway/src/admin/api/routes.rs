//! The compiled table of routes, as operators see it.

use std::num::NonZeroU64;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use shared::domain::{Permission, Roles};

use super::millis;
use crate::app::Gateway;
use crate::config::{CrossSite, Priority, ValidationMode};
use crate::policy::cache::tags::own_word;
use crate::policy::certificate::CertificateRule;
use crate::policy::version::VersionRule;
use crate::route::Route;
use crate::tables::{Tables, auth_word};
use crate::upstream::mirror::Mirror;

#[derive(Serialize)]
struct RouteView<'a> {
    host: Option<&'a str>,
    path: &'a str,
    methods: Vec<&'a str>,
    upstream: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    composed_of: Vec<&'a str>,
    auth: &'static str,
    roles: Roles,
    permission: Option<Permission>,
    scopes: String,
    issuers: Vec<&'a str>,
    certificate: Option<CertificateView<'a>>,
    version: String,
    limits: Vec<&'a str>,
    cost: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_bytes: Option<NonZeroU64>,
    /// `null`: that depends on the request.
    priority: Option<Priority>,
    timeout_ms: Option<u64>,
    body_bytes: u64,
    validate: ValidationMode,
    idempotency: Option<String>,
    websocket: bool,
    retries: u32,
    hedge_ms: Option<u64>,
    split: Vec<String>,
    mirror: Option<MirrorView<'a>>,
    has_fallback: bool,
    cache: Option<String>,
    invalidates: Vec<&'a str>,
    compress: bool,
    forward_cookies: bool,
    cross_site: CrossSite,
}

#[derive(Serialize)]
struct CertificateView<'a> {
    required: bool,
    names: &'a [String],
    forwarded: bool,
}

#[derive(Serialize)]
struct MirrorView<'a> {
    upstream: &'a str,
    percent: u32,
}

/// `GET /admin/api/routes`: the compiled table.
pub async fn routes(gateway: web::Data<Gateway>) -> HttpResponse {
    let tables = gateway.tables.load_full();
    let routes = tables.routes.routes().iter().map(|route| view(route, &tables));
    HttpResponse::Ok().json(json!({ "data": routes.collect::<Vec<_>>() }))
}

fn view<'a>(route: &'a Route, tables: &'a Tables) -> RouteView<'a> {
    let limits = route.limits.of_roles(None);
    let branches = route.split.branches().iter();
    RouteView {
        host: route.host.as_deref(),
        path: &route.pattern,
        methods: route.methods.iter().map(Method::as_str).collect(),
        upstream: &route.upstream.name,
        composed_of: route.parts.iter().map(|part| part.name.as_str()).collect(),
        auth: auth_word(route.auth),
        roles: route.roles,
        permission: route.permission,
        scopes: route.scopes.to_string(),
        issuers: tables.issuers.names(route.issuers),
        certificate: certificate(&route.certificate),
        version: match route.version {
            VersionRule::All => "all".to_owned(),
            VersionRule::Only(id) => tables.versions.get(id).name.clone(),
            VersionRule::None => "none".to_owned(),
        },
        limits: limits.policies.iter().map(|policy| policy.name.as_str()).collect(),
        cost: limits.cost,
        cost_bytes: limits.by_size.map(|size| size.bytes),
        priority: route.priority,
        timeout_ms: route.timeout.map(whole_millis),
        body_bytes: route.body_limit,
        validate: route.validation.mode,
        idempotency: route.idempotency.as_ref().map(|rule| rule.describe()),
        websocket: route.websocket,
        retries: route.attempts,
        hedge_ms: route.hedge.map(millis),
        split: branches.map(|branch| format!("{} {} %", branch.upstream.name, branch.percent)).collect(),
        mirror: route
            .mirror
            .as_ref()
            .map(|Mirror { upstream, percent }| MirrorView { upstream: &upstream.name, percent: *percent }),
        has_fallback: route.fallback.is_some(),
        cache: route.cache.as_ref().map(|settings| settings.describe()),
        invalidates: route.invalidates.iter().map(|tag| own_word(tag)).collect(),
        compress: route.compress,
        forward_cookies: route.forward_cookies,
        cross_site: route.cross_site,
    }
}

fn certificate(rule: &CertificateRule) -> Option<CertificateView<'_>> {
    let CertificateRule { required, ref names, forward: forwarded } = *rule;
    (required || forwarded).then_some(CertificateView { required, names, forwarded })
}

fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
