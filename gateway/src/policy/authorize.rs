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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use actix_web::http::Method;
    use shared::domain::{Role, Roles};

    use super::*;
    use crate::config::Config;
    use crate::route::{Found, Wanted};
    use crate::tables::Tables;

    const NOBODY: Roles = Roles::NONE;

    /// Whether a caller with `roles` may, by the shipped table.
    fn may(tables: &Tables, method: Method, rest: &str, roles: Roles) -> bool {
        let path = format!("/api/v1{rest}");
        let wanted = Wanted { host: None, path: &path, versioned: Some((0, rest)), method: &method };
        match tables.routes.find(wanted) {
            Found::Route(route) => authorize(route, Some(&Principal::sample(roles, ""))).is_ok(),
            Found::OtherMethods(_) | Found::Nothing => panic!("no route for {method} {path}"),
        }
    }

    #[test]
    fn the_shipped_table_lets_each_role_do_its_own() {
        let tables = Tables::compile(&Config::load(None, &[]).unwrap(), Instant::now()).unwrap();
        let (user, support) = (NOBODY.with(Role::User), NOBODY.with(Role::Support));
        let (treasurer, admin) = (NOBODY.with(Role::Treasurer), NOBODY.with(Role::Admin));
        for (method, path, allowed, refused) in [
            (Method::GET, "/users", vec![support, admin, user.with(Role::Admin)], vec![NOBODY, user, treasurer]),
            (Method::PUT, "/users/7/roles", vec![admin], vec![NOBODY, user, support, treasurer]),
            (Method::POST, "/users/7/disable", vec![admin], vec![user, support, treasurer]),
            (Method::POST, "/users/7/enable", vec![admin], vec![user, support, treasurer]),
            (Method::POST, "/users/7/restore", vec![admin], vec![user, support, treasurer]),
            (Method::POST, "/accounts/7/freeze", vec![treasurer, admin], vec![user, support]),
            (Method::POST, "/accounts/7/unfreeze", vec![treasurer, admin], vec![user, support]),
            (Method::GET, "/users/me", vec![NOBODY, user, support, treasurer, admin], vec![]),
            (Method::POST, "/transfers", vec![NOBODY, user, support, treasurer, admin], vec![]),
        ] {
            for roles in allowed {
                assert!(may(&tables, method.clone(), path, roles), "{method} {path} {roles:?}");
            }
            for roles in refused {
                assert!(!may(&tables, method.clone(), path, roles), "{method} {path} {roles:?}");
            }
        }
    }

    #[test]
    fn a_scope_is_a_whole_word() {
        let file = std::env::temp_dir().join(format!("tollgate-scope-{}.toml", uuid::Uuid::new_v4()));
        std::fs::write(&file, "[[routes]]\npath = \"/x\"\nupstream = \"users\"\nscope = \"pay\"\n").unwrap();
        let config = Config::load(Some(&file), &[]).unwrap();
        std::fs::remove_file(&file).unwrap();
        let tables = Tables::compile(&config, Instant::now()).unwrap();
        let route = &tables.routes.routes()[0];
        let verdict = |scope: &str| authorize(route, Some(&Principal::sample(NOBODY, scope))).map_err(|p| p.code());
        assert_eq!(verdict("read pay"), Ok(()));
        assert_eq!(verdict("read paying"), Err(Code::Forbidden));
        assert_eq!(verdict(""), Err(Code::Forbidden));
    }
}
