//! The route table against the shipped configuration: which row answers, and what is said when none does.

use std::time::Instant;

use super::*;
use crate::config::Config;
use crate::tables::Tables;

const EXTRA: &str = r#"
[[upstreams]]
name = "legacy"
url = "http://10.0.0.1"
"#;

fn tables(routes: Option<&str>) -> Tables {
    let file = std::env::temp_dir().join(format!("tollgate-routes-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&file, routes.map(|routes| format!("{EXTRA}{routes}")).unwrap_or_default()).unwrap();
    let config = Config::load(Some(&file), &[]);
    std::fs::remove_file(&file).unwrap();
    Tables::compile(&config.unwrap(), Instant::now()).unwrap()
}

fn ask(tables: &Tables, host: Option<&str>, request: &str) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    let asked = tables.versions.split(path);
    let versioned = asked.map(|a| (tables.versions.by_name(a.in_path.unwrap_or("v1")).unwrap(), a.rest));
    match tables.routes.find(Wanted { host, path, versioned, method: &method.parse().unwrap() }) {
        Found::Route(route) => format!("{} {}", route.upstream.name, route.pattern),
        Found::OtherMethods(methods) => {
            format!("405 {}", methods.iter().map(Method::as_str).collect::<Vec<_>>().join(","))
        }
        Found::Nothing => "404".to_owned(),
    }
}

#[test]
fn the_shipped_table_sends_everything_where_it_belongs() {
    let tables = tables(None);
    for (request, expected) in [
        ("POST /api/users", "users /api/users"),
        ("POST /api/v2/users", "users /api/users"),
        ("GET /api/v1/users", "users /api/users"),
        ("HEAD /api/v1/users", "users /api/users"),
        ("DELETE /api/v1/users", "405 POST,GET,HEAD,OPTIONS"),
        ("GET /api/v1/users/me", "users /api/users/{id}"),
        ("PUT /api/v1/users/me/password", "users /api/users/me/password"),
        ("GET /api/v1/users/me/mfa", "users /api/users/me/mfa"),
        ("DELETE /api/v1/users/me/passkeys/x", "users /api/users/me/passkeys/{id}"),
        ("POST /api/v1/users/me/passkeys/options", "users /api/users/me/passkeys/options"),
        ("DELETE /api/v1/users/me/mfa/totp", "users /api/users/me/mfa/totp"),
        ("POST /api/v2/users/me/mfa/totp/confirm", "users /api/users/me/mfa/totp/confirm"),
        ("TRACE /api/v1/users/me", "405 GET,HEAD,PATCH,DELETE,OPTIONS"),
        ("GET /api/v1/users/me/nothing", "404"),
        ("PUT /api/v1/users/7/roles", "users /api/users/{id}/roles"),
        ("GET /api/v1/users/7/roles", "405 PUT,OPTIONS"),
        ("POST /api/v1/users/me/api-keys", "users /api/users/me/api-keys"),
        ("DELETE /api/v1/users/me/api-keys/7", "users /api/users/me/api-keys/{id}"),
        ("GET /api/v1/users/7/api-keys", "users /api/users/{id}/api-keys"),
        ("DELETE /api/v1/users/7/api-keys/7", "users /api/users/{id}/api-keys/{key}"),
        ("POST /api/v1/users/7/password-reset", "users /api/users/{id}/password-reset"),
        ("GET /api/v1/permissions", "users /api/permissions"),
        ("POST /api/v2/roles", "users /api/roles"),
        ("PATCH /api/v1/roles/auditor", "users /api/roles/{name}"),
        ("PUT /api/v1/users/me/roles", "users /api/users/{id}/roles"),
        ("POST /api/v1/users/7/disable", "users /api/users/{id}/disable"),
        ("POST /api/auth/token", "users /api/auth/token"),
        ("POST /api/auth/revoke", "users /api/auth/revoke"),
        ("POST /api/v2/auth/email/verify", "users /api/auth/email/verify"),
        ("POST /api/v1/auth/step-up", "users /api/auth/step-up"),
        ("POST /api/auth/email/resend", "users /api/auth/email/resend"),
        ("POST /api/v1/auth/password/forgot", "users /api/auth/password/forgot"),
        ("POST /api/v1/auth/password/reset", "users /api/auth/password/reset"),
        ("GET /api/v1/auth/password/reset", "405 POST,OPTIONS"),
        ("GET /account/verify", "users /account/{page}"),
        ("POST /account/reset", "users /account/{page}"),
        ("PUT /account/email", "405 GET,HEAD,POST,OPTIONS"),
        ("GET /account/email/more", "404"),
        ("POST /api/auth/nothing", "404"),
        ("GET /api/auth/token", "405 POST,OPTIONS"),
        ("GET /.well-known/jwks.json", "users /.well-known/jwks.json"),
        ("POST /.well-known/jwks.json", "405 GET,HEAD,OPTIONS"),
        ("POST /api/transfers/batch", "accounts /api/transfers/batch"),
        ("GET /api/v2/transfers/7", "accounts /api/transfers/{id}"),
        ("POST /api/v1/accounts/7/freeze", "accounts /api/accounts/{id}/freeze"),
        ("PATCH /api/v1/accounts/7", "accounts /api/accounts/{id}"),
        ("GET /api/v1/accounts/", "404"),
        ("GET /api/v1/nothing", "404"),
        ("GET /api/v1", "404"),
        ("GET /", "404"),
    ] {
        assert_eq!(ask(&tables, None, request), expected, "{request}");
    }
}

#[test]
fn money_goes_before_reading_and_both_before_strangers_unless_the_row_says_otherwise() {
    let rows = "[[routes]]\npath = \"/api/first\"\nupstream = \"legacy\"\npriority = \"high\"\n\
        [[routes]]\npath = \"/api/last\"\nupstream = \"legacy\"\npriority = \"low\"\n";
    let (shipped, edited) = (tables(None), tables(Some(rows)));
    let priority = |tables: &Tables, request: &str, is_anonymous: bool| {
        let (method, path) = request.split_once(' ').unwrap();
        let method = method.parse().unwrap();
        let asked = tables.versions.split(path).unwrap();
        let versioned = Some((tables.versions.by_name("v1").unwrap(), asked.rest));
        match tables.routes.find(Wanted { host: None, path, versioned, method: &method }) {
            Found::Route(route) => route.priority(&method, is_anonymous),
            Found::OtherMethods(_) | Found::Nothing => panic!("{request} has no route"),
        }
    };
    for (request, known) in [
        ("POST /api/transfers", Priority::High),
        ("POST /api/transfers/batch", Priority::High),
        ("DELETE /api/users/me", Priority::High),
        ("GET /api/transfers", Priority::Normal),
        ("HEAD /api/accounts/7", Priority::Normal),
    ] {
        assert_eq!(priority(&shipped, request, false), known, "{request}");
        assert_eq!(priority(&shipped, request, true), Priority::Low, "{request} of nobody");
    }
    for is_anonymous in [false, true] {
        for method in ["GET", "POST"] {
            assert_eq!(priority(&edited, &format!("{method} /api/first"), is_anonymous), Priority::High);
            assert_eq!(priority(&edited, &format!("{method} /api/last"), is_anonymous), Priority::Low);
        }
    }
}

#[test]
fn the_more_specific_row_wins_whatever_the_order() {
    let rows = [
        "path = \"/api/a/**\"\nupstream = \"legacy\"",
        "path = \"/api/a/{x}/c\"\nupstream = \"users\"",
        "path = \"/api/a/b/c\"\nupstream = \"accounts\"",
        "path = \"/**\"\nupstream = \"legacy\"",
        "path = \"/api/old\"\nversion = \"v1\"\nupstream = \"users\"",
        "path = \"/api/hosted\"\nhost = \"a.example\"\nupstream = \"users\"",
        "path = \"/api/hosted\"\nupstream = \"accounts\"",
    ];
    for order in [rows.to_vec(), rows.into_iter().rev().collect()] {
        let tables = tables(Some(&order.iter().map(|row| format!("[[routes]]\n{row}\n")).collect::<String>()));
        assert_eq!(ask(&tables, None, "GET /api/a/b/c"), "accounts /api/a/b/c");
        assert_eq!(ask(&tables, None, "GET /api/a/z/c"), "users /api/a/{x}/c");
        assert_eq!(ask(&tables, None, "GET /api/a/b/d/e"), "legacy /api/a/**");
        assert_eq!(ask(&tables, None, "GET /api/v1/old"), "users /api/old");
        assert_eq!(ask(&tables, None, "GET /api/v2/old"), "legacy /**", "it is not there in v2");
        assert_eq!(ask(&tables, Some("A.example:8080"), "GET /api/hosted"), "users /api/hosted");
        assert_eq!(ask(&tables, Some("b.example"), "GET /api/hosted"), "accounts /api/hosted");
    }
}

#[test]
fn patterns_that_cannot_be_meant_are_refused() {
    for bad in ["", "api", "/a//b", "/a/**/b", "/a*", "/{}", "/x{id}", "/a/../b", "/a b", "/%61"] {
        assert!(bad.parse::<Pattern>().is_err(), "{bad}");
    }
}
