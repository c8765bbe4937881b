//! Under which tags something may be kept of an address: in every version, and under every host that leads to the same
//! service. Rows of different versions and hosts are rows of their own: the one that writes may keep nothing itself.

use std::borrow::Cow;

use actix_web::http::Method;

use super::tags;
use crate::policy::version::VersionId;
use crate::route::{Found, Route, Wanted, path};
use crate::tables::Tables;
use crate::upstream::Upstream;

/// Whose address it is.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// That of a request under this host on this row.
    Request(Option<&'a str>, &'a Route),
    /// One that an operator names, under this host or under whichever there is.
    Operator(Option<&'a str>),
}

/// One way of asking for a resource.
struct Spelling<'p> {
    path: Cow<'p, str>,
    versioned: Option<(VersionId, &'p str)>,
}

/// The tags; none when nothing is kept of the address, so that writes elsewhere leave no marks in the store.
#[must_use]
pub fn tags_of(tables: &Tables, whose: Whose<'_>, raw: &str) -> Vec<String> {
    let Ok(path) = path::canonical(raw) else { return Vec::new() };
    let spellings = spellings(tables, &path);
    let services = services(tables, whose, &spellings);
    let leads_there = |route: &Route| match whose {
        Whose::Operator(None) => true,
        Whose::Operator(Some(_)) | Whose::Request(..) => {
            services.iter().any(|service| service.is_beside(&route.upstream))
        }
    };
    let resource = tags::resource(tables, &path);
    let mut tags: Vec<String> = Vec::new();
    for host in &tables.caching_hosts {
        for route in spellings.iter().filter_map(|spelling| read(tables, host.as_deref(), spelling)) {
            if route.cache.is_some() && leads_there(route) {
                let tag = tags::path_tag(&route.upstream.name, resource);
                if !tags.contains(&tag) {
                    tags.push(tag);
                }
            }
        }
    }
    tags
}

/// Who serves the resource to whoever asks under this host, in whatever version.
fn services<'t>(tables: &'t Tables, whose: Whose<'t>, spellings: &[Spelling<'_>]) -> Vec<&'t Upstream> {
    let (host, own) = match whose {
        Whose::Request(host, route) => (host, Some(route)),
        Whose::Operator(None) => return Vec::new(),
        Whose::Operator(host) => (host, None),
    };
    let branches = own.into_iter().flat_map(|route| route.split.branches()).map(|branch| &*branch.upstream);
    let readers = spellings.iter().filter_map(|spelling| read(tables, host, spelling));
    own.into_iter().chain(readers).map(|route| &*route.upstream).chain(branches).collect()
}

/// The row that answers a reader.
fn read<'t>(tables: &'t Tables, host: Option<&str>, spelling: &Spelling<'_>) -> Option<&'t Route> {
    let Spelling { path, versioned } = spelling;
    match tables.routes.find(Wanted { host, path, versioned: *versioned, method: &Method::GET }) {
        Found::Route(route) => Some(route),
        Found::OtherMethods(_) | Found::Nothing => None,
    }
}

/// The path as it is, without its version, and in each version there is.
fn spellings<'p>(tables: &Tables, path: &'p str) -> Vec<Spelling<'p>> {
    let mut all = vec![Spelling { path: Cow::Borrowed(path), versioned: None }];
    let versions = &tables.versions;
    let Some(asked) = versions.split(path) else { return all };
    if asked.in_path.is_some() {
        all.push(Spelling { path: Cow::Owned([versions.prefix(), asked.rest].concat()), versioned: None });
    }
    let each = versions.list().iter().enumerate();
    all.extend(each.map(|(id, version)| Spelling {
        path: Cow::Owned([versions.prefix(), "/", &version.name, asked.rest].concat()),
        versioned: Some((id, asked.rest)),
    }));
    all
}
