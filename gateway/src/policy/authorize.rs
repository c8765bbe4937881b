//! Whether the caller may: the roles and the scope that a route asks for.

use shared::problem::{Code, Problem};

use super::authenticate::{Principal, insufficient_scope};
use crate::route::Route;

/// 403 unless the caller has one of the route's roles and its scope. Routes that ask for either require a token, so a
/// caller without one never comes here.
pub fn authorize(route: &Route, principal: Option<&Principal>) -> Result<(), Problem> {
    let Some(principal) = principal else { return Ok(()) };
    if !route.roles.is_empty() && !principal.roles.has_any(route.roles) {
        let wanted: Vec<_> = route.roles.iter().map(|role| role.as_str()).collect();
        return Err(Problem::new(Code::Forbidden).detail(format!("This needs the role {}.", wanted.join(" or "))));
    }
    match &route.scope {
        Some(scope) if !principal.token().scope.split(' ').any(|word| word == scope) => Err(insufficient_scope(scope)),
        Some(_) | None => Ok(()),
    }
}
