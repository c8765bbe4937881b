//! Who may, by the shipped table and by rules of every kind.

use std::time::Instant;

use actix_web::http::Method;
use shared::domain::{Permission, Permissions, Role, Roles};

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
        Found::Route(route) => authorize(route, Some(&Principal::sample(roles, "")), &method).is_ok(),
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

/// The first route of a table with this one row.
fn route(row: &str) -> std::sync::Arc<Route> {
    let file = std::env::temp_dir().join(format!("tollgate-scope-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&file, format!("[[routes]]\npath = \"/x\"\nupstream = \"users\"\n{row}\n")).unwrap();
    let config = Config::load(Some(&file), &[]).unwrap();
    std::fs::remove_file(&file).unwrap();
    let tables = Tables::compile(&config, Instant::now()).unwrap();
    std::sync::Arc::clone(&tables.routes.routes()[0])
}

#[test]
fn a_permission_opens_what_its_role_opens_and_a_scope_bounds_both() {
    let route = route("roles = [\"support\"]\npermission = \"audit:read\"");
    assert_eq!(
        route.roles,
        NOBODY.with(Role::Support).with(Role::Admin),
        "the role that is named, and who stands for it"
    );
    let holding = |permission| Permissions::NONE.with(permission);
    let (audit, keys) = (holding(Permission::AuditRead), holding(Permission::KeysManage));
    let read = holding(Permission::UsersRead);
    for (roles, permissions, reach, scope, may) in [
        (Role::User, Permissions::NONE, Reach::Everything, "", false),
        (Role::User, keys, Reach::Everything, "", false),
        (Role::User, audit, Reach::Everything, "", true),
        (Role::Support, Permissions::NONE, Reach::Everything, "", true),
        (Role::Admin, Permissions::NONE, Reach::Everything, "", true),
        (Role::Treasurer, Permissions::NONE, Reach::Everything, "", false),
        (Role::User, audit, Reach::Bounded, "users:read", true),
        // The same words mean two things: neither stands for the other.
        (Role::User, audit, Reach::Bounded, "audit:read", false),
        (Role::User, audit.union(read), Reach::Bounded, "accounts:read", false),
        (Role::User, Permissions::NONE, Reach::Bounded, "users:read audit:read", false),
        (Role::Admin, Permissions::NONE, Reach::Bounded, "accounts:read accounts:write", false),
    ] {
        let principal = Principal::sample(NOBODY.with(roles), scope).reaching(reach).permitted(permissions);
        let said = format!("{roles} {permissions:?} {reach:?} {scope}");
        assert_eq!(authorize(&route, Some(&principal), &Method::GET).is_ok(), may, "{said}");
    }
}

fn verdict(route: &Route, principal: &Principal, method: &Method) -> Result<(), String> {
    let refused = authorize(route, Some(principal), method).err();
    refused.map_or(Ok(()), |problem| {
        let answer = problem.response(&shared::problem::Context::current());
        assert_eq!(answer.status(), 403);
        let challenge = answer.headers().get("www-authenticate").unwrap().to_str().unwrap();
        Err(challenge.strip_prefix("Bearer realm=\"tollgate\", ").unwrap().to_owned())
    })
}

#[test]
fn scopes_are_whole_words_all_of_them_or_any() {
    for (row, scope, missing) in [
        ("scope = \"pay\"", "read pay", None),
        ("scope = \"pay\"", "read paying", Some("pay")),
        ("scope = \"pay\"", "", Some("pay")),
        ("scopes = [\"pay\", \"read\"]", "read pay", None),
        ("scopes = [\"pay\", \"read\"]", "read", Some("pay read")),
        ("scope_any = [\"pay\", \"read\"]", "x read", None),
        ("scope_any = [\"pay\", \"read\"]", "x", Some("pay read")),
        ("scope = \"a\"\nscope_any = [\"b\", \"c\"]", "a c", None),
        ("scope = \"a\"\nscope_any = [\"b\", \"c\"]", "b c", Some("a")),
        ("scope = \"a\"\nscope_any = [\"b\", \"c\"]", "a", Some("b c")),
    ] {
        let expected = missing.map_or(Ok(()), |scope| Err(format!("error=\"insufficient_scope\", scope=\"{scope}\"")));
        for reach in [Reach::Unbounded, Reach::Bounded] {
            let principal = Principal::sample(NOBODY, scope).reaching(reach);
            assert_eq!(verdict(&route(row), &principal, &Method::GET), expected, "{row} {scope} {reach:?}");
        }
        let all = Principal::sample(NOBODY, scope).reaching(Reach::Everything);
        assert_eq!(verdict(&route(row), &all, &Method::GET), Ok(()), "everything has every scope: {row}");
    }
}

#[test]
fn who_is_bound_to_a_scope_needs_one_where_the_route_names_none() {
    let open = route("");
    for (method, wanted) in [
        (Method::GET, "users:read"),
        (Method::HEAD, "users:read"),
        (Method::POST, "users:write"),
        (Method::DELETE, "users:write"),
    ] {
        let bound = |scope: &str| Principal::sample(NOBODY, scope).reaching(Reach::Bounded);
        let missing = Err(format!("error=\"insufficient_scope\", scope=\"{wanted}\""));
        assert_eq!(verdict(&open, &bound(wanted), &method), Ok(()));
        assert_eq!(verdict(&open, &bound(""), &method), missing, "{method}");
        assert_eq!(verdict(&open, &bound("accounts:read accounts:write api"), &method), missing, "{method}");
        assert_eq!(verdict(&open, &Principal::sample(NOBODY, "x"), &method), Ok(()), "a person is not bound");
    }
}
