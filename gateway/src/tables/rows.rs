//! One row of the configuration's route table, compiled.

use std::sync::Arc;

use shared::config::Dur;
use shared::domain::Roles;

use super::CompileError;
use crate::config::{self, Config};
use crate::policy::authenticate::Issuers;
use crate::policy::authorize::Scopes;
use crate::policy::cache;
use crate::policy::certificate::CertificateRule;
use crate::policy::fallback::Fallback;
use crate::policy::headers::NO_STORE;
use crate::policy::idempotency;
use crate::policy::rate_limit::Policies;
use crate::policy::validate::Validation;
use crate::policy::version::{VersionRule, Versions};
use crate::route::Route;
use crate::upstream::Upstream;
use crate::upstream::mirror::Mirror;
use crate::upstream::split::{Branch, Split};

/// What rows refer to.
pub(super) struct Rows<'a> {
    pub(super) config: &'a Config,
    pub(super) versions: &'a Versions,
    pub(super) upstreams: &'a [Arc<Upstream>],
    pub(super) issuers: &'a Issuers,
    pub(super) policies: &'a Policies,
}

impl Rows<'_> {
    /// Whether a row's requests, or those for any of its parts, may come to one of our own services.
    fn leads_home(&self, row: &config::Route) -> bool {
        let parts = row
            .compose
            .iter()
            .flat_map(|part| self.config.routes.iter().filter(move |row| row.answers_a_part(&part.path)));
        std::iter::once(row).chain(parts).any(|row| leads_home(row, self.upstreams))
    }

    pub(super) fn compile(&self, index: usize, row: &config::Route, is_versioned: bool) -> Result<Route, CompileError> {
        let config = self.config;
        let find = |name: &String| {
            let found = self.upstreams.iter().find(|upstream| upstream.name == *name);
            found.cloned().ok_or_else(|| CompileError::Upstream(name.clone()))
        };
        let first = row.compose.first();
        let first = first.and_then(|part| config.routes.iter().find(|row| row.answers_a_part(&part.path)));
        let upstream = find(first.map_or(&row.upstream, |first| &first.upstream))?;
        let timeout = row.timeout.unwrap_or(config.upstream.timeout).get();
        Ok(Route {
            index,
            host: row.host.clone(),
            pattern: row.path.clone(),
            methods: row.methods.iter().filter_map(|method| method.parse().ok()).collect(),
            attempts: row.retries.unwrap_or(upstream.retry.attempts),
            hedge: row.hedge.map(Dur::get).filter(|after| !after.is_zero()),
            priority: row.priority,
            split: split(&row.split, find)?,
            mirror: row.mirror.as_ref().map(|mirror| mirror_of(mirror, find)).transpose()?,
            fallback: row.fallback.as_ref().map(Fallback::compile),
            parts: row.compose.clone(),
            upstream,
            auth: row.auth,
            roles: row
                .permission
                .map(Roles::holding)
                .into_iter()
                .flat_map(Roles::iter)
                .chain(row.roles.iter())
                .collect(),
            permission: row.permission,
            scopes: Scopes::compile(row),
            issuers: self.issuers.accepted(&row.issuers, self.leads_home(row)),
            certificate: CertificateRule::compile(row),
            limits: self.policies.of_route(row),
            guesses: self.policies.of_guesses(row),
            limited: row.limited,
            limiter_down: row.limiter_down,
            idempotency: idempotency::Rule::compile(&config.idempotency, row),
            timeout: Some(timeout).filter(|timeout| !timeout.is_zero()),
            body_limit: row.body.unwrap_or(config.server.limits.body_bytes),
            version: if is_versioned { rule(row.version.as_deref(), self.versions) } else { VersionRule::None },
            forward_authorization: row.forward_authorization,
            forward_cookies: row.forward_cookies,
            cross_site: row.cross_site,
            oauth: row.oauth,
            validation: Validation::compile(config.validation, row),
            default_cache_control: row.private.then_some(NO_STORE),
            compress: row.compress && config.compression.enabled,
            websocket: row.websocket,
            cache: cache::Settings::compile(&config.cache, row.cache.as_ref()),
            invalidates: row.invalidates.iter().map(|tag| cache::tags::own_tag(tag)).collect(),
        })
    }
}

/// Which versions a row below the prefix has.
fn rule(version: Option<&str>, versions: &Versions) -> VersionRule {
    match version {
        None | Some("all" | "none") => VersionRule::All,
        Some(name) => versions.by_name(name).map_or(VersionRule::All, VersionRule::Only),
    }
}

fn split(
    rows: &[config::Split],
    find: impl Fn(&String) -> Result<Arc<Upstream>, CompileError>,
) -> Result<Split, CompileError> {
    let branches = rows.iter().map(|row| {
        let header = row.header.as_deref().and_then(|header| header.split_once(':'));
        let cookie = row.cookie.as_deref().and_then(|cookie| cookie.split_once('='));
        Ok(Branch {
            upstream: find(&row.upstream)?,
            percent: row.percent,
            header: header.and_then(|(name, value)| Some((name.trim().parse().ok()?, value.trim().parse().ok()?))),
            cookie: cookie.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())),
        })
    });
    Ok(Split::new(branches.collect::<Result<_, CompileError>>()?))
}

fn mirror_of(
    row: &config::Mirror,
    find: impl Fn(&String) -> Result<Arc<Upstream>, CompileError>,
) -> Result<Mirror, CompileError> {
    Ok(Mirror { upstream: find(&row.upstream)?, percent: row.percent })
}

/// Whether a row's requests may come to one of our own services.
fn leads_home(row: &config::Route, upstreams: &[Arc<Upstream>]) -> bool {
    row.upstreams().any(|name| upstreams.iter().any(|known| known.is_ours && known.name == name))
}
