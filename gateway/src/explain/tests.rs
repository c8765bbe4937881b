//! What is said of requests that nobody has sent.

use std::time::Duration;

use shared::domain::{Permission, Role};

use super::*;
use crate::config::Window;

fn ask(config: &Config, request: &str, host: Option<&str>, roles: Option<Roles>) -> String {
    let question = Question { request, host, roles, permissions: Permissions::NONE };
    explain(config, question, &Clock::system()).unwrap_or_else(|error| error.to_string())
}

/// A configuration with this in it, whose only other row is that of users.
fn with(text: &str) -> Config {
    let text = format!("{text}[[routes]]\npath = \"/api/users\"\nupstream = \"users\"\n");
    let file = std::env::temp_dir().join(format!("tollgate-explain-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&file, text).unwrap();
    let config = Config::load(Some(&file), &[]);
    std::fs::remove_file(&file).unwrap();
    config.unwrap()
}

#[test]
fn it_says_what_becomes_of_a_key() {
    let mut config = Config::load(None, &[]).unwrap();
    let transfers = config.routes.iter_mut().find(|route| route.path == "/api/transfers").unwrap();
    transfers.idempotency = crate::config::Keys::Edge;
    let post = ask(&config, "POST /api/v1/transfers", None, None);
    assert!(post.contains("accepted, kept 86400s; a retry of an unknown outcome is refused; 503 while"), "{post}");
    assert!(!ask(&config, "GET /api/v1/transfers", None, None).contains("kept 86400s"));
}

#[test]
fn it_says_what_would_happen() {
    let (config, user) = (Config::load(None, &[]).unwrap(), Some(Roles::NONE.with(Role::User)));
    for (question, roles, parts) in [
        ("GET /api/v2/users/me", user, &["/api/users/{id}", "/api/v2/users/me", "user: 600 per 60s", "passes"][..]),
        ("GET /api/users/me", None, &["/api/v1/users/me", "address: 100 per 60s", "401 token_required"]),
        ("GET /api/users", user, &["support or admin", "403 forbidden", "users:read for keys and clients"]),
        ("PUT /api/users/7/roles", user, &["admin", "or the permission roles:assign", "403 forbidden"]),
        ("GET /api/accounts", user, &["default, api_keys", "__Host-tollgate, from our own pages only"]),
        (
            "POST /api/auth/token",
            None,
            &["sign_in: 10 per 60s", "by HTTP Basic only address", "at most 16384 bytes", "passes"],
        ),
        ("POST /api/auth/session", None, &["sign_in: 10 per", "no page but our own", "cookies    the upstream gets"]),
        ("PUT /api/auth/token", None, &["405 method_not_allowed"]),
        ("GET /livez", None, &["the gateway answers this itself"]),
        ("GET /redoc/redoc.standalone.js", None, &["the gateway answers this itself"]),
        ("GET /nothing", None, &["404 not_found"]),
        ("GET /api/v7/users", None, &["unsupported_version"]),
        ("GET /a/../b", None, &["malformed_path"]),
        ("nonsense", None, &["write the request as"]),
    ] {
        let answer = ask(&config, question, None, roles);
        for part in parts {
            assert!(answer.contains(part), "{question}: {part} is missing in\n{answer}");
        }
    }
}

#[test]
fn it_says_what_a_custom_role_opens() {
    let config = Config::load(None, &[]).unwrap();
    let (request, roles) = ("GET /api/audit/events", Some(Roles::NONE.with(Role::User)));
    for (permission, verdict) in [(Permission::AuditRead, "passes"), (Permission::KeysManage, "403 forbidden")] {
        let question = Question { request, host: None, roles, permissions: Permissions::NONE.with(permission) };
        let answer = explain(&config, question, &Clock::system()).unwrap();
        assert!(answer.contains(verdict), "{permission}: {answer}");
    }
}

#[test]
fn it_says_what_limits_would_apply() {
    let mut config = Config::load(None, &[]).unwrap();
    let limits = &mut config.rate_limit;
    let sign_in = limits.policies.iter_mut().find(|policy| policy.name == "sign_in").unwrap();
    (sign_in.shadow, sign_in.per_route) = (true, true);
    sign_in.windows.push(Window { quota: 50, window: Duration::from_secs(3_600).into(), burst: None });
    let token = config.routes.iter_mut().find(|route| route.path == "/api/auth/token").unwrap();
    token.cost = 3;
    let answer = ask(&config, "POST /api/auth/token", None, None);
    for part in [
        "address: 100 per 60s and burst 200, by address\n",
        "sign_in: 10 per 60s and burst 10, by address, on this route alone; in shadow mode: only reported",
        "sign_in-1h: 50 per 3600s and burst 50",
        "3 of each limit",
    ] {
        assert!(answer.contains(part), "{part} is missing in\n{answer}");
    }
    let batch = ask(&config, "POST /api/v1/transfers/batch", None, None);
    assert!(batch.contains("1 of each limit, and one for each 32768 bytes"), "{batch}");
}

#[test]
fn a_host_has_rows_of_its_own() {
    let row = "[[routes]]\nhost = \"shop.example\"\npath = \"/api/users\"\nupstream = \"accounts\"\nauth = \"none\"\n";
    let config = with(row);
    let asked = |host| ask(&config, "GET /api/v1/users", host, None);
    for host in ["shop.example", "SHOP.example:8443"] {
        let answer = asked(Some(host));
        assert!(answer.contains("host       shop.example\nupstream   accounts "), "{answer}");
    }
    for host in [None, Some("other.example")] {
        let answer = asked(host);
        assert!(answer.contains("upstream   users ") && !answer.contains("host "), "{answer}");
    }
}

#[test]
fn a_version_past_its_sunset_is_gone_and_what_has_no_version_is_not() {
    let versions = "[[versions.served]]\nname = \"v1\"\nsunset = \"2020-01-01T00:00:00Z\"\nsuccessor = \"v2\"\n\
                    [[versions.served]]\nname = \"v2\"\n";
    let row = "[[routes]]\npath = \"/api/v1/raw\"\nversion = \"none\"\nupstream = \"users\"\nauth = \"none\"\n";
    let config = with(&format!("versions.default = \"v2\"\n{versions}{row}"));
    for gone in ["GET /api/v1/users", "PATCH /api/v1/auth/token", "GET /api/v1/nothing", "GET /api/users?version=v1"] {
        let answer = ask(&config, gone, None, None);
        assert!(answer.starts_with("410 version_gone: v1 was switched off at 2020-01-01T00:00:00"), "{gone}: {answer}");
    }
    assert!(ask(&config, "GET /api/v2/users", None, None).contains("401 token_required"));
    assert!(ask(&config, "GET /api/v1/raw", None, None).contains("verdict    passes"));
}

#[test]
fn it_says_what_matters_beside_the_road() {
    let config = with(
        "tls = { certificates = [{ cert = \"a.pem\", key = \"a.key\" }], client_auth = \"optional\", client_ca = \"ca.pem\" }\n\
         [[routes]]\npath = \"/api/beside\"\nupstream = \"users\"\nauth = \"none\"\npriority = \"high\"\ninvalidates = [\"users\"]\n\
         client_certificate = true\nforward_client_certificate = true\nmirror = { upstream = \"accounts\", percent = 7 }\n",
    );
    let answer = ask(&config, "POST /api/v1/beside", None, None);
    for part in [
        "priority   high\n",
        "certificate of any client of ours\n",
        "certificate the upstream is told it\n",
        "mirror     7 % to accounts\n",
        "forgets what is tagged users\n",
    ] {
        assert!(answer.contains(part), "{part} is missing in\n{answer}");
    }
    assert!(ask(&config, "GET /api/v1/users", None, None).contains("priority   low, shed first\n"));
}
