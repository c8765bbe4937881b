//! The matcher: a trie of segments per host. Literals win over `{name}`, both over `**`.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::http::Method;

use super::pattern::Segment;
use super::{Pattern, Route};
use crate::policy::version::{VersionId, VersionRule};

/// All routes, compiled.
#[derive(Debug, Default)]
pub struct RouteTable {
    /// Below the version prefix, asked with what follows the version.
    versioned: Tries,
    /// Everything else, asked with the whole path.
    plain: Tries,
    routes: Vec<Arc<Route>>,
}

#[derive(Debug, Default)]
struct Tries {
    hosts: HashMap<String, Node>,
    any_host: Node,
}

/// What is asked of the table.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'q> {
    /// As the client says it, perhaps with a port.
    pub host: Option<&'q str>,
    /// The whole canonical path.
    pub path: &'q str,
    /// The version and what follows it, below the prefix.
    pub versioned: Option<(VersionId, &'q str)>,
    /// The method.
    pub method: &'q Method,
}

/// What the table says about a request.
#[derive(Clone, Debug)]
pub enum Found<'a> {
    /// This row answers.
    Route(&'a Arc<Route>),
    /// The path is there, but only with these methods.
    OtherMethods(Vec<Method>),
    /// Nothing is there.
    Nothing,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Node>,
    any: Option<Box<Node>>,
    here: Vec<Arc<Route>>,
    rest: Vec<Arc<Route>>,
}

impl RouteTable {
    /// Adds a row. `pattern` is what follows the version when the row has versions.
    pub fn insert(&mut self, host: Option<&str>, pattern: &Pattern, route: Arc<Route>) {
        let tries = if route.version == VersionRule::None { &mut self.plain } else { &mut self.versioned };
        let mut node = match host {
            Some(host) => tries.hosts.entry(host.to_ascii_lowercase()).or_default(),
            None => &mut tries.any_host,
        };
        for segment in &pattern.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Any => node.any.get_or_insert_default(),
            };
        }
        let rows = if pattern.open { &mut node.rest } else { &mut node.here };
        rows.push(Arc::clone(&route));
        // Rows that name their methods are asked before the row that takes all.
        rows.sort_by_key(|row| row.methods.is_empty());
        self.routes.push(route);
    }

    /// The hosts that have rows of their own.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.versioned.hosts.keys().chain(self.plain.hosts.keys()).map(String::as_str)
    }

    /// Every row, in the configuration's order.
    #[must_use]
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// Finds the row that answers. A host's own rows are asked first, versioned ones before plain ones.
    #[must_use]
    pub fn find(&self, wanted: Wanted<'_>) -> Found<'_> {
        let mut others = Vec::new();
        let versioned = wanted.versioned.map(|(version, rest)| (&self.versioned, rest, Some(version)));
        for (tries, path, version) in versioned.into_iter().chain([(&self.plain, wanted.path, None)]) {
            let asked = Asked { method: wanted.method, version };
            let own = match wanted.host {
                Some(host) if !tries.hosts.is_empty() => tries.hosts.get(&host_name(host)),
                Some(_) | None => None,
            };
            for root in own.into_iter().chain([&tries.any_host]) {
                if let Some(route) = root.descend(path.strip_prefix('/').unwrap_or(path), &asked, &mut others) {
                    return Found::Route(route);
                }
            }
        }
        if others.is_empty() { Found::Nothing } else { Found::OtherMethods(allowed(&others)) }
    }
}

/// The question, as it is carried down a trie.
struct Asked<'q> {
    method: &'q Method,
    version: Option<VersionId>,
}

impl Node {
    fn descend<'a>(
        &'a self,
        path: &str,
        asked: &Asked<'_>,
        others: &mut Vec<&'a Arc<Route>>,
    ) -> Option<&'a Arc<Route>> {
        if path.is_empty() {
            return pick(&self.here, asked, others);
        }
        let (segment, rest) = path.split_once('/').map_or((path, None), |(segment, rest)| (segment, Some(rest)));
        let literal = self.literals.get(segment);
        for next in literal.into_iter().chain(self.any.as_deref()) {
            let found = match rest {
                // A trailing slash is a path of its own, which only `**` takes.
                Some("") => pick(&next.rest, asked, others),
                Some(rest) => next.descend(rest, asked, others),
                None => pick(&next.here, asked, others),
            };
            if found.is_some() {
                return found;
            }
        }
        pick(&self.rest, asked, others)
    }
}

fn pick<'a>(rows: &'a [Arc<Route>], asked: &Asked<'_>, others: &mut Vec<&'a Arc<Route>>) -> Option<&'a Arc<Route>> {
    for row in rows.iter().filter(|row| has_version(row, asked.version)) {
        if row.takes(asked.method) {
            return Some(row);
        }
        others.push(row);
    }
    None
}

fn has_version(row: &Route, asked: Option<VersionId>) -> bool {
    match row.version {
        VersionRule::All | VersionRule::None => true,
        VersionRule::Only(only) => Some(only) == asked,
    }
}

/// What a row without methods takes, as far as it can be said.
const COMMON: [Method; 6] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

fn allowed(rows: &[&Arc<Route>]) -> Vec<Method> {
    let mut methods: Vec<Method> = Vec::new();
    let mut add = |method: Method| {
        if !methods.contains(&method) {
            methods.push(method);
        }
    };
    for row in rows {
        for method in if row.methods.is_empty() { &COMMON[..] } else { &row.methods } {
            add(method.clone());
            if method == Method::GET {
                add(Method::HEAD);
            }
        }
    }
    // Answered by the gateway itself.
    add(Method::OPTIONS);
    methods
}

/// The host without its port, in lower case.
fn host_name(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    name.to_ascii_lowercase()
}
