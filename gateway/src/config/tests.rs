//! The shipped defaults are valid and documented; mistakes are reported all at once.

mod authentication;
mod unknown;

use super::*;

fn read(file: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let path = std::env::temp_dir().join(format!("tollgate-gateway-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&path, file).unwrap();
    let env: Vec<_> = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let read = Config::load(Some(&path), &env).map_err(|errors| errors.to_string());
    std::fs::remove_file(&path).unwrap();
    read
}

#[test]
fn the_defaults_are_a_configuration() {
    let config = read("", &[]).unwrap();
    assert_eq!(config.server.listen.port(), 8080);
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9090");
    let address = config.rate_limit.policies.iter().find(|policy| policy.name == "address").unwrap();
    assert_eq!((address.quota, address.burst), (Some(100), Some(200)));
    let sign_in = config.rate_limit.policies.iter().find(|policy| policy.name == "sign_in").unwrap();
    assert_eq!((sign_in.quota, sign_in.burst), (Some(10), Some(10)));
}

#[test]
fn the_names_that_scripts_rely_on_work() {
    let config = read(
        "",
        &[
            ("TOLLGATE_GATEWAY__SERVER__LISTEN", "0.0.0.0:1"),
            ("TOLLGATE_GATEWAY__AUTHENTICATION__ISSUER", "https://api.example.com"),
            ("TOLLGATE_GATEWAY__ADMIN__LISTEN", "0.0.0.0:2"),
            ("TOLLGATE_GATEWAY__RATE_LIMIT__ENABLED", "false"),
            ("TOLLGATE_GATEWAY__REDIS__URL", "redis://r"),
        ],
    )
    .unwrap();
    assert_eq!((config.server.listen.port(), config.admin.listen.port()), (1, 2));
    assert!(!config.rate_limit.enabled);
    assert_eq!(config.redis.url.expose(), "redis://r");
}

#[test]
fn keys_at_the_edge_need_a_caller_and_an_end() {
    let errors = read(
        r#"
[idempotency]
keep = "0s"
waiting_bytes = 262144
declines = [200, 404, 429]
[[routes]]
path = "/api/a"
upstream = "users"
auth = "optional"
idempotency = "edge"
timeout = "0s"
[[routes]]
path = "/api/b"
upstream = "users"
key_required = true
on_unknown = "retry"
idempotency_down = "pass"
[[routes]]
path = "/api/c"
upstream = "users"
idempotency = "edge"
on_unknown = "retry"
"#,
        &[],
    )
    .unwrap_err();
    for part in [
        "idempotency.keep: more than 0s",
        "idempotency.waiting_bytes: at least answer_bytes and 1 KiB",
        "idempotency.declines: 200 is no refusal for good",
        "idempotency.declines: 429 is no refusal for good",
        "routes[0].idempotency: a key is its caller's",
        "routes[0].idempotency: a claim must end",
        "routes[1].key_required: does nothing without",
        "routes[1].on_unknown: does nothing without",
        "routes[1].idempotency_down: does nothing without",
    ] {
        assert!(errors.contains(part), "{part} is missing in\n{errors}");
    }
    assert!(errors.contains("9 mistake(s)"), "{errors}");
}

#[test]
fn answers_on_their_way_into_the_cache_have_room_for_one() {
    let errors = read("[cache]\nahead_bytes = 1048575\n", &[]).unwrap_err();
    assert!(errors.contains("cache.ahead_bytes: at least entry_bytes"), "{errors}");
}

#[test]
fn every_key_has_a_comment_above_it_or_above_its_neighbours() {
    let mut explained = false;
    for line in DEFAULTS.lines() {
        match line.trim() {
            "" => explained = false,
            text if text.starts_with('#') => explained = true,
            "enabled = true" => {}
            text if text.starts_with('[') => explained = explained || text.starts_with("[["),
            text => assert!(explained || in_array_of_tables(text), "not documented: {text}"),
        }
    }
}

/// Keys of array tables are documented in the comment above their first element.
fn in_array_of_tables(line: &str) -> bool {
    let key = line.split('=').next().unwrap_or_default().trim();
    DEFAULTS.lines().any(|text| text.starts_with('#') && text.contains(key))
}

#[test]
fn all_mistakes_come_at_once_with_their_places() {
    let errors = read(
        r#"
[server]
trusted_proxies = ["10.0.0.0/99"]
[services.users]
url = "ftp://x"
[authentication]
jwks_url = "ftp://x"
[redis]
url = "nonsense"
[admin]
listen = "127.0.0.1:8080"
[versions]
default = "v3"
[cors]
origins = ["https://a.example/path"]
[forwarding]
via = "two words"
[compression]
codings = ["gzip", "gzip"]
types = ["json"]
gzip_level = 10
[[routes]]
path = "/api/**/x"
upstream = "nowhere"
methods = ["get"]
limits = ["none"]
client_limits = ["either"]
roles = ["admin"]
auth = "optional"
version = "v9"
"#,
        &[],
    )
    .unwrap_err();
    for part in [
        "trusted_proxies: `10.0.0.0/99` is no address",
        "services.users.url: `ftp://x`",
        "authentication.jwks_url: an http",
        "redis.url: no address",
        "admin.listen: `server.listen`",
        "versions.default: this version is not served",
        "cors.origins: `https://a.example/path` is no origin",
        "forwarding.via: one word",
        "compression.codings: a coding stands twice",
        "compression.types: `json` is none of",
        "compression.gzip_level: 1 to 9",
        "routes[0].path: `/api/**/x`",
        "routes[0].upstream: there is no upstream `nowhere`",
        "routes[0].methods: methods are written in capitals",
        "routes[0].limits: there is no policy `none`",
        "routes[0].client_limits: there is no policy `either`",
        "routes[0].client_limits: only with `forward_authorization`",
        "routes[0].auth: roles, a permission and scopes need `required`",
        "routes[0].version: no such version",
    ] {
        assert!(errors.contains(part), "{part} is missing in\n{errors}");
    }
    assert!(read("[server]\nlisen = \"x\"", &[]).unwrap_err().contains("did you mean `listen`"));
}

#[test]
fn limits_that_cannot_hold_are_refused() {
    let errors = read(
        r#"
[rate_limit]
timeout = "5s"
ipv6_prefix = 129
[[rate_limit.policies]]
name = "a"
key = "header"
quota = 3
window = "1500ms"
[[rate_limit.policies]]
name = "b"
key = "user"
header = "x-y"
window = "1m"
[[rate_limit.policies]]
name = "address"
key = "address"
windows = [{ quota = 5, window = "1m" }, { quota = 5, window = "60s", burst = 0 }]
[[rate_limit.policies]]
name = "user"
key = "user"
[[rate_limit.policies]]
name = "admin"
key = "user"
quota = 99991
window = "30d"
[[rate_limit.policies]]
name = "staff"
key = "header"
header = "no header"
quota = 1
window = "1s"
[[routes]]
path = "/x"
upstream = "users"
cost = 6
"#,
        &[],
    )
    .unwrap_err();
    for part in [
        "rate_limit.timeout: 1ms to 1s",
        "rate_limit.ipv6_prefix: 1 to 128",
        "policies[0].header: the key `header` needs",
        "policies[0].window: whole seconds",
        "policies[1].header: only goes with",
        "policies[1].quota: is missing",
        "policies[2].windows[1].window: the policy has a window of this length",
        "policies[2].windows[1].burst: at least 1",
        "policies[3].quota: quota and window, or `windows`",
        "policies[4].burst: at most 3474 can be counted exactly",
        "policies[5].header: no name of a header",
        "routes[0].cost: more than the burst of `address`",
    ] {
        assert!(
            errors.contains(part),
            "{part} is missing in
{errors}"
        );
    }
}

#[test]
fn a_composed_row_says_nothing_of_how_an_upstream_is_asked() {
    let composed = |more: &str| {
        let part = "[[routes]]\npath = \"/api/one\"\nupstream = \"users\"\nretries = 1\n";
        let parts = "compose = [{ name = \"one\", path = \"/api/one\" }]";
        read(&format!("{part}[[routes]]\npath = \"/api/all\"\nmethods = [\"GET\"]\n{parts}\n{more}"), &[])
    };
    composed("timeout = \"5s\"\ncost = 2").unwrap();
    for more in [
        "retries = 0",
        "retries = 3",
        "fallback = { status = 200, body = \"{}\" }",
        "hedge = \"1s\"",
        "cache = { mode = \"honour\" }",
        "websocket = true",
    ] {
        let errors = composed(more).map(drop).expect_err(more);
        assert!(errors.contains("routes[1].compose: how parts are asked"), "{more}: {errors}");
    }
}

#[test]
fn what_a_body_takes_needs_its_bound_and_a_request_that_takes_something() {
    let row = "[[routes]]\npath = \"/x\"\nupstream = \"users\"\ncost = 0\ncost_bytes = 1024\n";
    let errors = read(row, &[]).unwrap_err();
    for part in ["routes[0].cost_bytes: needs the row's `body`", "routes[0].cost_bytes: a `cost` of 0 takes nothing"] {
        assert!(errors.contains(part), "{part} is missing in\n{errors}");
    }
}

#[test]
fn no_copy_of_a_key_set_outlives_its_time() {
    let config = read("", &[]).unwrap();
    let sets = config.routes.iter().filter(|row| row.path.ends_with("jwks.json") || row.path.ends_with("-keys.json"));
    let kept: Vec<_> = sets.filter_map(|row| row.cache.as_ref()).collect();
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|kept| kept.stale_if_error.is_none() && kept.stale_while_revalidate.is_none()));
}

#[test]
fn tls_wants_certificates_and_authorities_before_it_asks_for_any() {
    let errors = read(
        r#"
[server]
body_timeout = "0s"
[tls]
redirect_listen = "nowhere"
client_auth = "required"
admin = true
[[routes]]
path = "/x"
upstream = "users"
client_names = ["a"]
"#,
        &[],
    )
    .unwrap_err();
    for part in [
        "server.body_rate: only with server.body_timeout",
        "tls.redirect_listen: there is no certificate",
        "tls.redirect_listen: an address and a port",
        "tls.client_auth: there is no certificate",
        "tls.client_ca: who issues",
        "tls.admin: there is no certificate",
        "routes[0].client_names: only with `client_certificate = true`",
    ] {
        assert!(errors.contains(part), "{part} is missing in\n{errors}");
    }
    let asked = "[[routes]]\npath = \"/x\"\nupstream = \"users\"\nclient_certificate = true\n";
    assert!(read(asked, &[]).unwrap_err().contains("routes[0].client_certificate: nobody is asked for one"));
}
