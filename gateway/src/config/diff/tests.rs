//! What is told of each kind of change, and what is never told.

use super::*;

const SECRET: &str = "an assertion secret for the tests, long enough";

fn side(file: &str) -> Side {
    let path = std::env::temp_dir().join(format!("tollgate-diff-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&path, file).unwrap();
    let side = Side::read(Some(&path), &[]).map_err(|error| error.to_string());
    std::fs::remove_file(&path).unwrap();
    side.unwrap()
}

fn told(from: &str, to: &str) -> Vec<String> {
    diff(&side(from), &side(to)).iter().map(ToString::to_string).collect()
}

const ROUTES: &str = r#"
[[routes]]
path = "/a"
upstream = "users"
[[routes]]
path = "/b"
methods = ["GET"]
upstream = "users"
[[routes]]
path = "/b"
methods = ["POST"]
upstream = "users"
roles = ["admin"]
"#;

#[test]
fn nothing_is_nothing_however_it_is_written() {
    assert!(told("", "").is_empty());
    assert!(told("", "server.workers = 0\nbreaker = { probes = 3 }").is_empty(), "a default that is written out");
    assert!(told("upstream.timeout = \"60s\"", "upstream.timeout = \"1m\"").is_empty());
    let explicit = ROUTES.replacen("path = \"/a\"", "path = \"/a\"\nauth = \"required\"\nprivate = true", 1);
    assert!(told(ROUTES, &explicit).is_empty());
    assert_eq!(describe(&side(""), &side("")), "nothing would change\n");
}

#[test]
fn settings_are_told_by_their_key_with_both_values() {
    let to = "server.workers = 4\ncors.origins = [\"https://a.example\"]\nbreaker.open_for = \"2s\"";
    assert_eq!(
        told("", to),
        [
            "~ breaker.open_for: \"1s\" -> \"2s\"",
            "~ cors.origins: [] -> [\"https://a.example\"]",
            "~ server.workers: 0 -> 4",
        ]
    );
}

#[test]
fn what_takes_a_restart_is_said() {
    let text = describe(&side(""), &side("server.workers = 4\nbreaker.probes = 7"));
    assert_eq!(text, "~ breaker.probes: 3 -> 7\n~ server.workers: 0 -> 4\nwith a restart only: server.workers\n");
    assert_eq!(describe(&side(""), &side("breaker.probes = 7")), "~ breaker.probes: 3 -> 7\n");
}

#[test]
fn routes_are_told_by_their_path_wherever_they_stand() {
    let mut rows: Vec<_> = ROUTES.split("[[routes]]").filter(|row| !row.trim().is_empty()).collect();
    rows.reverse();
    let moved: String = rows.iter().map(|row| format!("[[routes]]{row}")).collect();
    assert!(told(ROUTES, &moved).is_empty(), "their order says nothing");

    let changed = ROUTES.replace("roles = [\"admin\"]", "roles = [\"support\"]\ntimeout = \"5s\"");
    assert_eq!(
        told(ROUTES, &changed),
        ["~ routes /b POST.roles: [\"admin\"] -> [\"support\"]", "~ routes /b POST.timeout: unset -> \"5s\""]
    );
    let limited = ROUTES.replacen("path = \"/a\"", "path = \"/a\"\nmethods = [\"GET\"]", 1);
    assert_eq!(told(ROUTES, &limited), ["~ routes /a.methods: [] -> [\"GET\"]"]);

    let added = format!("{ROUTES}[[routes]]\npath = \"/c\"\nupstream = \"accounts\"\nbody = 7\n");
    assert_eq!(told(ROUTES, &added), ["+ routes /c: { body = 7, path = \"/c\", upstream = \"accounts\" }"]);
    assert_eq!(told(&added, ROUTES), ["- routes /c: { body = 7, path = \"/c\", upstream = \"accounts\" }"]);
}

#[test]
fn upstreams_and_policies_are_told_by_their_name_and_order_counts() {
    let shops = |first: &str, second: &str| {
        format!(
            "upstreams = [{{ name = \"{first}\", url = \"http://{first}\" }}, {{ name = \"{second}\", url = \"http://{second}\" }}]"
        )
    };
    assert_eq!(
        told(&shops("a", "b"), &shops("a", "c")),
        [
            "- upstreams \"b\": { name = \"b\", url = \"http://b\" }",
            "+ upstreams \"c\": { name = \"c\", url = \"http://c\" }"
        ]
    );
    assert_eq!(told(&shops("a", "b"), &shops("b", "a")), ["~ upstreams: now in the order \"b\", \"a\""]);
    let moved = shops("a", "b").replace("http://b", "http://elsewhere");
    assert_eq!(told(&shops("a", "b"), &moved), ["~ upstreams \"b\".url: \"http://b\" -> \"http://elsewhere\""]);
    let added = told("", &shops("a", "b"));
    assert!(added.len() == 2 && added.iter().all(|line| line.starts_with("+ upstreams")), "{added:?}");
}

#[test]
fn that_a_secret_changes_is_told_and_the_secret_is_not() {
    let with = |secret: &str, redis: &str| format!("identity.secret = \"{secret}\"\nredis.url = \"{redis}\"");
    let (one, other) =
        (with(SECRET, "redis://:hunter2@r"), with(&SECRET.replace("tests", "others"), "redis://:hunter3@r"));
    assert_eq!(told(&one, &other), ["~ identity.secret: another secret", "~ redis.url: another secret"]);
    assert!(told(&one, &one).is_empty());
    assert_eq!(told("", &one), ["~ identity.secret: \"\" -> \"***\"", "~ redis.url: \"\" -> \"***\""]);
    let running = Side::only_shown(side(&one).shown);
    assert!(diff(&running, &side(&other)).is_empty(), "of a running gateway's secrets nobody knows");
}
