//! Whether the caller may: the roles, the permission and the scopes that a route asks for.

use std::fmt;

use actix_web::http::Method;
use shared::problem::{Code, Problem};

use super::authenticate::{Principal, Reach, insufficient_scope};
use crate::config;
use crate::route::Route;

/// What a credential's scope must have.
#[derive(Clone, Debug)]
pub struct Scopes {
    /// Every one of these.
    all: Vec<String>,
    /// At least one of these, unless there is none.
    any: Vec<String>,
    /// Where the route names neither, a credential that is bound to its scope needs one of these.
    reads: String,
    writes: String,
}

impl Scopes {
    /// From the configuration, which has been checked.
    #[must_use]
    pub fn compile(route: &config::Route) -> Self {
        Self {
            all: route.scope.iter().chain(&route.scopes).cloned().collect(),
            any: route.scope_any.clone(),
            reads: format!("{}:read", route.upstream),
            writes: format!("{}:write", route.upstream),
        }
    }

    /// The words that a route names: all of the first are needed, and one of the second.
    #[must_use]
    pub fn named(&self) -> (&[String], &[String]) {
        (&self.all, &self.any)
    }

    /// Whether the route names any scope.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        !self.all.is_empty() || !self.any.is_empty()
    }

    /// What a credential that is bound to its scope needs where the route names nothing.
    #[must_use]
    pub fn implied(&self, method: &Method) -> &str {
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) { &self.reads } else { &self.writes }
    }

    fn check(&self, principal: &Principal, method: &Method) -> Result<(), Problem> {
        if !self.is_named() {
            let wanted = self.implied(method);
            let bound = principal.reach() == Reach::Bounded && !principal.has_scope(wanted);
            return if bound { Err(insufficient_scope(wanted)) } else { Ok(()) };
        }
        let has = |word: &String| principal.has_scope(word);
        if !self.all.iter().all(has) {
            return Err(insufficient_scope(&self.all.join(" ")));
        }
        if !self.any.is_empty() && !self.any.iter().any(has) {
            return Err(insufficient_scope(&self.any.join(" ")));
        }
        Ok(())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = [self.any.join(" or ")];
        let parts: Vec<&str> =
            self.all.iter().chain(&any).map(String::as_str).filter(|part| !part.is_empty()).collect();
        f.write_str(&parts.join(" and "))
    }
}

/// 403 unless the caller has one of the route's roles, or its permission, and the credential its scopes: a permission widens
/// a person, a scope bounds a credential, and neither stands for the other. Routes that ask for any of these require a
/// credential, so a caller without one never comes here.
pub fn authorize(route: &Route, principal: Option<&Principal>, method: &Method) -> Result<(), Problem> {
    let Some(principal) = principal else { return Ok(()) };
    if !route.opens_to(principal.roles, principal.permissions) {
        let wanted: Vec<_> = route.roles.iter().map(|role| role.as_str()).collect();
        let or = route.permission.map_or_else(String::new, |word| format!(", or the permission {word}"));
        return Err(Problem::new(Code::Forbidden).detail(format!("This needs the role {}{or}.", wanted.join(" or "))));
    }
    route.scopes.check(principal, method)
}

#[cfg(test)]
mod tests;
