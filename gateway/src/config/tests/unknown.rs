//! A key that nobody knows is a mistake with its line, however deep it stands.

use super::read;

/// A key that nobody knows in every kind of table.
const UNKNOWN: &str = r#"nonsense = 1
"server.workers" = 4
breaker = { probes = 3, probez = 4 }
upstreams = [
  { name = "a", url = "http://a", urll = "http://b",
    health = 1 },
  { name = "b", url = "http://b" },
]
[server]
"limits.url_bytes" = 5
[server.limits]
url_bites = 5
[server.listen]
port = 80
[telemetry.deep.deeper]
key = 1
[[nothing.at.all]]
key = 1
[[versions.served]]
name = "v1"
sunnset = "2027-01-01T00:00:00Z"
[[routes]]
path = "/a"
upstream = "a"
fallback = { status = 503, body = "x", bodyy = "x", statuss = 1 }
[[routes]]
path = "/b"
upstream = "b"
mirror.upstream = "a"
mirror.upstreem = "a"
[routes.fallback]
body = "x"
status = 503
content = "x"
[[routes]]
path = "/c"
upstream = "b"
split = [{ upstream = "a", weight = 1, wait = 2 }, { upstream = "b", "percent.of" = 3 }]
"#;

#[test]
fn every_unknown_key_is_named_with_its_line_however_deep_it_stands() {
    let errors =
        read(UNKNOWN, &[("TOLLGATE_GATEWAY__SERVER__LIMITS__URL_BITES", "5"), ("TOLLGATE_GATEWAY__NONSENSE", "1")])
            .unwrap_err();
    for part in [
        ".toml:1: nonsense: unknown key",
        ".toml:2: \"server.workers\": unknown key",
        ".toml:3: breaker.probez: unknown key; did you mean `probes`?",
        ".toml:5: upstreams[0].urll: unknown key; did you mean `url`?",
        ".toml:6: upstreams[0].health: ",
        ".toml:10: server.\"limits.url_bytes\": unknown key",
        ".toml:12: server.limits.url_bites: unknown key; did you mean `url_bytes`?",
        ".toml:13: server.listen: expected text, found a table",
        ".toml:15: telemetry.deep: unknown key",
        ".toml:17: nothing: unknown key",
        ".toml:21: versions.served[0].sunnset: unknown key; did you mean `sunset`?",
        ".toml:25: routes[0].fallback.bodyy: unknown key; did you mean `body`?",
        ".toml:25: routes[0].fallback.statuss: unknown key; did you mean `status`?",
        ".toml:30: routes[1].mirror.upstreem: unknown key; did you mean `upstream`?",
        ".toml:34: routes[1].fallback.content: unknown key",
        ".toml:29: routes[1].mirror.percent: is missing",
        ".toml:38: routes[2].split[0].weight: unknown key",
        ".toml:38: routes[2].split[0].wait: unknown key",
        ".toml:38: routes[2].split[1].percent.of: unknown key",
        "TOLLGATE_GATEWAY__SERVER__LIMITS__URL_BITES: server.limits.url_bites: unknown key",
        "TOLLGATE_GATEWAY__NONSENSE: nonsense: unknown key",
    ] {
        assert!(errors.contains(part), "{part} is missing in\n{errors}");
    }
    assert!(errors.contains("21 mistake(s)"), "{errors}");
}
