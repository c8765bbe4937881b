//! Composition, keys, exactness and headers of rate limits, on time that is moved by hand.

use std::net::TcpListener;
use std::num::NonZeroU64;

use actix_web::http::header::{AUTHORIZATION, CONTENT_LENGTH, TRANSFER_ENCODING};
use shared::clock::Clock;
use shared::domain::{Role, Roles};
use shared::store::{RedisOptions, Stores};
use time::macros::datetime;

use super::*;
use crate::config::{self, Config};
use crate::policy::authenticate::Principal;
use crate::policy::client::Client;

/// The defaults, with policies of one's own in place of theirs.
fn config(policies: &str) -> config::RateLimit {
    let file = std::env::temp_dir().join(format!("tollgate-limits-{}.toml", uuid::Uuid::new_v4()));
    let own = "[rate_limit]\nanonymous = [\"one\"]\nroles = []\n[[routes]]\npath = \"/x\"\nupstream = \"users\"\n";
    std::fs::write(&file, if policies.is_empty() { String::new() } else { format!("{own}{policies}") }).unwrap();
    let config = Config::load(Some(&file), &[]).map_err(|errors| errors.to_string()).unwrap();
    std::fs::remove_file(&file).unwrap();
    config.rate_limit
}

fn sets(config: &config::RateLimit, own: &[&str], general: bool, cost: u32, route: &str) -> PolicySets {
    let own: Vec<String> = own.iter().map(|name| (*name).to_owned()).collect();
    Policies::compile(config).sets(Scope { own: &own, general, cost, by_size: None, route })
}

/// A limiter, and somebody who asks it.
struct Bench {
    clock: Clock,
    limiter: RateLimiter,
    metrics: Metrics,
    headers: HeaderMap,
    principal: Option<Principal>,
}

impl Bench {
    fn new() -> Self {
        let clock = Clock::manual(datetime!(2026-01-01 0:00 UTC));
        let limiter = RateLimiter::new(Counters::memory(clock.clone()));
        Self { clock, limiter, metrics: Metrics::default(), headers: HeaderMap::new(), principal: None }
    }

    async fn judge(&self, sets: &PolicySets, ip: &str, down: LimiterDown) -> Judgement {
        let client = Client { ip: ip.parse().unwrap(), tls: false };
        let caller = Caller { client, principal: self.principal.as_ref(), headers: &self.headers };
        self.limiter.take(sets.of_caller(caller), caller, down, &self.metrics).await
    }

    async fn passes(&self, sets: &PolicySets, ip: &str) -> bool {
        self.judge(sets, ip, LimiterDown::Share).await.refused.is_none()
    }

    /// How many pass, of at most a thousand.
    async fn passing(&self, sets: &PolicySets, ip: &str) -> u32 {
        for passed in 0..1_000 {
            if !self.passes(sets, ip).await {
                return passed;
            }
        }
        1_000
    }

    fn says(&self, line: &str) -> bool {
        self.metrics.encode().contains(line)
    }
}

fn announced(judgement: Judgement) -> (String, String) {
    let mut headers = HeaderMap::new();
    judgement.notice.unwrap().announce(&mut headers);
    let text = |name| headers.get(name).unwrap().to_str().unwrap().to_owned();
    (text(RATE_LIMIT), text(RATE_LIMIT_POLICY))
}

fn policy(more: &str) -> String {
    format!("[[rate_limit.policies]]\nname = \"one\"\n{more}\n")
}

#[actix_web::test]
async fn two_hundred_at_once_then_a_hundred_a_minute() {
    let (bench, sets) = (Bench::new(), sets(&config(""), &[], true, 1, ""));
    assert_eq!(bench.passing(&sets, "192.0.2.1").await, 200);
    let refused = bench.judge(&sets, "192.0.2.1", LimiterDown::Share).await.refused.unwrap();
    assert_eq!(refused.code(), Code::RateLimited);
    assert!(bench.passes(&sets, "192.0.2.2").await, "another address has its own");
    bench.clock.advance(Duration::from_millis(600));
    assert_eq!(bench.passing(&sets, "192.0.2.1").await, 1);
}

#[actix_web::test]
async fn whoever_shows_a_client_has_the_limits_of_clients() {
    let config = Config::load(None, &[]).map_err(|errors| errors.to_string()).unwrap();
    let row = config.routes.iter().find(|row| row.path == "/api/auth/token").unwrap();
    let (mut bench, sets) = (Bench::new(), Policies::compile(&config.rate_limit).of_route(row));
    let authorizations = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        values.iter().for_each(|value| headers.append(AUTHORIZATION, HeaderValue::from_static(value)));
        headers
    };
    assert_eq!(bench.passing(&sets, "192.0.2.1").await, 10);
    // Who signs in there has used up what signing in has, and the clients have all that the address has left.
    bench.headers = authorizations(&["Basic eDp5"]);
    assert_eq!(bench.passing(&sets, "192.0.2.1").await, 190);
    // A name that is made up is no other door.
    bench.headers = authorizations(&["bASIC ejp5"]);
    assert!(!bench.passes(&sets, "192.0.2.1").await);
    for (last, none) in
        [&["Bearer x"][..], &["Basic"], &["Basicx"], &["Basic a", "Basic b"], &["Bearer x", "Basic a"], &[]]
            .into_iter()
            .enumerate()
    {
        bench.headers = authorizations(none);
        assert_eq!(bench.passing(&sets, &format!("192.0.2.{}", last + 10)).await, 10, "{none:?}");
    }
}

#[actix_web::test]
async fn a_refusal_by_one_policy_charges_none() {
    let (bench, sets) = (Bench::new(), sets(&config(""), &["sign_in"], true, 1, ""));
    assert_eq!(bench.passing(&sets, "192.0.2.1").await, 10);
    let (limit, policy) = announced(bench.judge(&sets, "192.0.2.1", LimiterDown::Share).await);
    assert_eq!(limit, "\"address\";r=190;t=1, \"sign_in\";r=0;t=6");
    assert_eq!(policy, "\"address\";q=100;w=60;tollgate-burst=200, \"sign_in\";q=10;w=60;tollgate-burst=10");
}

#[actix_web::test]
async fn every_window_of_a_policy_holds_and_is_announced() {
    let windows = "windows = [{ quota = 100, window = \"1h\", burst = 50 }, { quota = 60, window = \"90s\" }]";
    let config = config(&policy(&format!("key = \"address\"\nquota = 10\nwindow = \"1s\"\nburst = 20\n{windows}")));
    let (bench, sets) = (Bench::new(), sets(&config, &[], true, 1, ""));
    let (limit, policy) = announced(bench.judge(&sets, "192.0.2.1", LimiterDown::Share).await);
    assert_eq!(limit, "\"one\";r=19;t=1, \"one-1h\";r=49;t=36, \"one-90s\";r=59;t=2");
    assert!(policy.contains("\"one-1h\";q=100;w=3600;tollgate-burst=50, \"one-90s\";q=60;w=90;tollgate-burst=60"));
    assert_eq!(bench.passing(&sets, "192.0.2.1").await, 19, "the short one first");
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(bench.passing(&sets, "192.0.2.1").await, 20);
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(bench.passing(&sets, "192.0.2.1").await, 10, "and then the hour's burst is used up");
}

#[actix_web::test]
async fn a_cost_is_taken_whole_and_zero_takes_nothing() {
    let config = config(&policy("key = \"address\"\nquota = 10\nwindow = \"10s\""));
    let (bench, dear, free) = (Bench::new(), sets(&config, &[], true, 4, ""), sets(&config, &[], true, 0, ""));
    assert_eq!(bench.passing(&dear, "192.0.2.1").await, 2);
    let judged = bench.judge(&dear, "192.0.2.1", LimiterDown::Share).await;
    assert_eq!(announced(judged).0, "\"one\";r=2;t=1");
    assert_eq!(bench.passing(&free, "192.0.2.1").await, 1_000);
    assert_eq!(bench.passing(&sets(&config, &[], true, 1, ""), "192.0.2.1").await, 2, "they have one counter");
    assert_eq!(bench.passing(&free, "192.0.2.1").await, 1_000, "who looks is never refused");
}

#[actix_web::test]
async fn a_body_takes_by_its_length_and_whole_if_it_does_not_say_how_long_it_is() {
    let config = config(&policy("key = \"address\"\nquota = 100\nwindow = \"100s\""));
    let by_size = Some(BySize { bytes: NonZeroU64::new(1_000).unwrap(), most: 9_500 });
    let sets = Policies::compile(&config).sets(Scope { own: &[], general: true, cost: 1, by_size, route: "" });
    let mut bench = Bench::new();
    let announced_after = async |bench: &Bench| announced(bench.judge(&sets, "192.0.2.1", LimiterDown::Share).await).0;
    for (length, left) in [("999", 99), ("1000", 97), ("5999", 91), ("9500", 81), ("4294967296000000", 71)] {
        bench.headers.insert(CONTENT_LENGTH, length.parse().unwrap());
        let said = announced_after(&bench).await;
        assert!(said.starts_with(&format!("\"one\";r={left};")), "{length}: {said}");
    }
    bench.headers.clear();
    bench.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    assert!(announced_after(&bench).await.starts_with("\"one\";r=61;"));
    bench.headers.clear();
    assert!(announced_after(&bench).await.starts_with("\"one\";r=60;"), "no body at all");
}

#[actix_web::test]
async fn a_body_takes_no_more_than_a_policys_burst_and_as_much_of_every_other() {
    let own = "[[rate_limit.policies]]\nname = \"two\"\nkey = \"address\"\nquota = 100\nwindow = \"100s\"\n";
    let config = config(&format!("{}{own}", policy("key = \"address\"\nquota = 5\nwindow = \"1s\"")));
    let by_size = Some(BySize { bytes: NonZeroU64::MIN, most: 19 });
    let own = ["two".to_owned()];
    let sets = Policies::compile(&config).sets(Scope { own: &own, general: true, cost: 1, by_size, route: "" });
    let mut bench = Bench::new();
    bench.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    // Twenty units, and one a second comes back.
    for left in ["80", "61"] {
        let judged = bench.judge(&sets, "192.0.2.1", LimiterDown::Share).await;
        assert!(judged.refused.is_none(), "the largest passes where nothing else was taken");
        assert!(announced(judged).0.contains(&format!("\"two\";r={left};")));
        assert!(!bench.passes(&sets, "192.0.2.1").await, "and then nothing does");
        bench.clock.advance(Duration::from_secs(1));
    }
}

#[actix_web::test]
async fn a_shadow_counts_reports_and_refuses_nobody() {
    let shadow = policy("key = \"address\"\nquota = 3\nwindow = \"1m\"\nshadow = true");
    let real = "[[rate_limit.policies]]\nname = \"two\"\nkey = \"address\"\nquota = 10\nwindow = \"1m\"\n";
    let (bench, sets) = (Bench::new(), sets(&config(&format!("{shadow}{real}")), &["two"], true, 1, ""));
    let (limit, policy) = announced(bench.judge(&sets, "192.0.2.1", LimiterDown::Share).await);
    assert!(!limit.contains("one") && !policy.contains("one"), "clients do not see it: {limit} {policy}");
    assert_eq!(bench.passing(&sets, "192.0.2.1").await, 9);
    assert!(bench.says("rate_limit_decisions_total{policy=\"one\",decision=\"shadow_allowed\"} 3"));
    assert!(bench.says("rate_limit_decisions_total{policy=\"one\",decision=\"shadow_refused\"} 8"));
    assert!(bench.says("rate_limit_decisions_total{policy=\"two\",decision=\"refused\"} 1"));
    let alone = super::tests::sets(&config(&shadow), &[], true, 1, "");
    let judged = bench.judge(&alone, "192.0.2.2", LimiterDown::Share).await;
    assert!(judged.notice.is_none() && judged.refused.is_none());
}

#[actix_web::test]
async fn each_key_tells_callers_apart_in_its_own_way() {
    let user = || Some(Principal::sample(Roles::NONE.with(Role::User), ""));
    let treasurer = || Some(Principal::sample(Roles::NONE.with(Role::User).with(Role::Treasurer), ""));
    let header = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-tenant"), HeaderValue::from_static(value));
        headers
    };
    let bare = HeaderMap::new;
    type Who = (Option<Principal>, &'static str, HeaderMap);
    let (ann, one, other) = (user(), "2001:db8:0:1::1", "2001:db8:0:2::1");
    let key = |id: &str| ann.clone().map(|ann| ann.with_key(id));
    let rows: [(&str, Who, Who, bool); 19] = [
        ("address", (None, one, bare()), (ann.clone(), "2001:db8:0:1::2", bare()), true),
        ("address", (None, one, bare()), (None, other, bare()), false),
        ("user", (ann.clone(), one, bare()), (ann.clone(), other, bare()), true),
        ("user", (ann.clone(), one, bare()), (user(), one, bare()), false),
        ("user", (None, one, bare()), (None, one, bare()), true),
        ("api_key", (ann.clone(), one, bare()), (ann.clone(), other, bare()), true),
        ("api_key", (key("a"), one, bare()), (key("a"), other, bare()), true),
        ("api_key", (key("a"), one, bare()), (key("b"), one, bare()), false),
        ("api_key", (key("a"), one, bare()), (ann.clone(), one, bare()), false),
        ("user", (key("a"), one, bare()), (ann.clone(), one, bare()), true),
        ("role", (user(), one, bare()), (user(), other, bare()), true),
        ("role", (user(), one, bare()), (treasurer(), one, bare()), false),
        ("role", (None, one, bare()), (None, other, bare()), true),
        ("header", (None, one, header("a")), (None, other, header("a")), true),
        ("header", (None, one, header("a")), (None, one, header("b")), false),
        ("header", (None, one, bare()), (None, one, bare()), true),
        ("header", (None, one, bare()), (None, other, bare()), false),
        ("header", (None, one, header("")), (None, one, bare()), true),
        ("all", (None, one, bare()), (ann.clone(), other, bare()), true),
    ];
    for (key, first, second, same) in rows {
        let named = if key == "header" { "header = \"X-Tenant\"" } else { "" };
        let config = config(&policy(&format!("key = \"{key}\"\nquota = 1\nwindow = \"1m\"\n{named}")));
        let (mut bench, sets) = (Bench::new(), sets(&config, &[], true, 1, ""));
        let said = format!("{key} {first:?} {second:?}");
        for (index, (principal, ip, headers)) in [first, second].into_iter().enumerate() {
            (bench.principal, bench.headers) = (principal, headers);
            assert_eq!(bench.passes(&sets, ip).await, index == 0 || !same, "{said}");
        }
    }
}

#[actix_web::test]
async fn prefixes_are_as_configured_and_a_route_may_have_counters_of_its_own() {
    let text = policy("key = \"address\"\nquota = 1\nwindow = \"1m\"\nper_route = true");
    let config = config::RateLimit { ipv4_prefix: 24, ipv6_prefix: 48, ..config(&text) };
    let (first, second) = (sets(&config, &[], true, 1, "GET /a"), sets(&config, &[], true, 1, "GET /b"));
    let bench = Bench::new();
    for (ip, neighbour) in [("192.0.2.1", "192.0.2.99"), ("2001:db8:1:1::1", "2001:db8:1:2::1")] {
        assert!(bench.passes(&first, ip).await && !bench.passes(&first, neighbour).await);
        assert!(bench.passes(&second, neighbour).await, "another route");
    }
}

#[test]
fn the_first_matching_role_decides() {
    let sets = sets(&config(""), &[], true, 1, "");
    let name = |roles: Option<Roles>| sets.of_roles(roles).policies[0].name.to_string();
    assert_eq!(name(None), "address");
    assert_eq!(name(Some(Roles::NONE)), "address");
    assert_eq!(name(Some(Roles::NONE.with(Role::User))), "user");
    assert_eq!(name(Some(Roles::NONE.with(Role::User).with(Role::Support))), "staff");
    assert_eq!(name(Some(Roles::NONE.with(Role::User).with(Role::Admin))), "admin");
}

#[test]
fn switched_off_means_no_policy_and_no_header() {
    let off = sets(&config::RateLimit { enabled: false, ..config("") }, &["sign_in"], true, 1, "");
    assert!(off.of_roles(None).policies.is_empty());
    let own = sets(&config(""), &["sign_in"], false, 1, "");
    assert_eq!(own.of_roles(None).policies.len(), 1, "`limited = false` leaves only the route's own");
    let twice = sets(&config(""), &["sign_in", "address", "sign_in"], true, 1, "");
    assert_eq!(twice.of_roles(None).policies.len(), 2, "a policy named twice holds once");
}

/// Counters on a Redis that is not there: a port that nobody listens on.
async fn unreachable(clock: &Clock) -> Counters {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = RedisOptions { first_connection: Duration::from_millis(1), ..RedisOptions::default() };
    let stores = Stores::redis_with(&format!("redis://{free}"), clock.clone(), options).await;
    stores.unwrap().counters
}

#[actix_web::test]
async fn without_redis_each_instance_enforces_its_share_or_the_route_refuses() {
    let mut bench = Bench::new();
    bench.limiter = RateLimiter::new(unreachable(&bench.clock).await);
    let config = config::RateLimit { instances: 2, ..config("") };
    let sets = sets(&config, &["sign_in"], false, 1, "");
    for left in (0..5).rev() {
        let judged = bench.judge(&sets, "192.0.2.1", LimiterDown::Share).await;
        assert!(judged.refused.is_none());
        assert!(announced(judged).0.starts_with(&format!("\"sign_in\";r={left};")), "what passes here");
    }
    let refused = bench.judge(&sets, "192.0.2.1", LimiterDown::Share).await.refused.unwrap();
    assert_eq!(refused.code(), Code::RateLimited, "half of ten");
    let refused = bench.judge(&sets, "192.0.2.1", LimiterDown::Refuse).await.refused.unwrap();
    assert_eq!(refused.code(), Code::RateLimiterUnavailable);
    assert!(bench.says("tollgate_gateway_rate_limit_degraded_total 7"));
}

#[actix_web::test]
async fn the_view_shows_policies_counters_and_who_is_limited() {
    let text = "key = \"header\"\nheader = \"X-Tenant\"\nquota = 2\nwindow = \"1m\"\nper_route = true\nwindows = [{ quota = 9, window = \"1h\" }]";
    let config = config(&policy(text));
    let (bench, policies) = (Bench::new(), Policies::compile(&config));
    let sets = policies.sets(Scope { own: &[], general: true, cost: 1, by_size: None, route: "GET /a" });
    for _ in 0..34 {
        bench.passes(&sets, "192.0.2.1").await;
    }
    let view = serde_json::to_value(bench.limiter.view(&policies)).unwrap();
    assert_eq!((&view["store"], &view["degraded"], &view["keys"]), (&"memory".into(), &false.into(), &2.into()));
    let one = &view["policies"][0];
    assert_eq!((&one["key"], &one["header"], &one["per_route"]), (&"header".into(), &"X-Tenant".into(), &true.into()));
    assert_eq!((&one["windows"][1]["name"], &one["windows"][1]["burst"]), (&"one-1h".into(), &9.into()));
    let limited = &view["top"]["limited"][0];
    let who = (&limited["policy"], &limited["by"], &limited["key"], &limited["count"]);
    assert_eq!(who, (&"one@GET /a".into(), &"address".into(), &"192.0.2.1".into(), &32.into()));
    assert_eq!(view["top"]["active"][0]["count"], 48, "of three that were looked at");
}

#[tokio::test]
async fn each_key_counts_for_itself_in_place_of_its_users_role() {
    let ann = Principal::sample(Roles::NONE.with(Role::User), "");
    let mut config = Config::load(None, &[]).unwrap().rate_limit;
    for policy in &mut config.policies {
        (policy.quota, policy.burst) = match policy.name.as_str() {
            "api_key" => (Some(3), Some(3)),
            "user" => (Some(5), Some(5)),
            _ => (policy.quota, policy.burst),
        };
    }
    let all = sets(&config, &[], true, 1, "");
    let mut bench = Bench::new();
    let passing = async |bench: &mut Bench, principal: &Principal| {
        bench.principal = Some(principal.clone());
        bench.passing(&all, "192.0.2.1").await
    };
    assert_eq!(passing(&mut bench, &ann.clone().with_key("a")).await, 3);
    assert_eq!(passing(&mut bench, &ann.clone().with_key("b")).await, 3);
    assert_eq!(passing(&mut bench, &ann).await, 5, "which cost their user nothing");
    // An administrator's key has no more than any other.
    let root = Principal::sample(Roles::NONE.with(Role::Admin), "").with_key("c");
    assert_eq!(passing(&mut bench, &root).await, 3);
    config.policies.iter_mut().for_each(|policy| policy.for_keys = false);
    let alike = sets(&config, &[], true, 1, "");
    bench.principal = Some(Principal::sample(Roles::NONE.with(Role::User), "").with_key("d"));
    assert_eq!(bench.passing(&alike, "192.0.2.1").await, 5, "without such a policy a key counts as its user does");
}
