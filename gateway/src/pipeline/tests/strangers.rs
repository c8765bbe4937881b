//! Credentials that nobody knows: how often a caller may make us ask about them, and how many may wait for the word.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use shared::clock::Clock;

use super::harness::*;
use super::keys::shop::Issuer;
use super::stub::{Reply, Stub, ok};

/// Three failures, and no more for a day.
const TIGHT: &str = "rate_limit.anonymous = [\"tight\"]\nrate_limit.roles = []\n\
    rate_limit.policies = [{ name = \"tight\", key = \"address\", quota = 3, window = \"24h\", burst = 3 }]\n";

const ROUTE: &str = "[[routes]]\npath = \"/api/open\"\nupstream = \"raw\"\nlimited = false\n";

/// What the issuer says.
const GOOD: u16 = 1;
const BAD: u16 = 2;
const NOTHING: u16 = 3;

struct Setting {
    gate: Gate,
    issuer: Stub,
    says: Arc<AtomicU16>,
    clock: Clock,
    _upstream: Stub,
}

impl Setting {
    async fn new(more: &str) -> Self {
        let upstream = Stub::start(|_, _| ok("through")).await;
        let says = Arc::new(AtomicU16::new(BAD));
        let saying = Arc::clone(&says);
        let issuer = Stub::start(move |_, _| match saying.load(Ordering::SeqCst) {
            GOOD => Reply::Answer(200, "{\"active\": true, \"sub\": \"alice\"}", Duration::from_millis(20)),
            BAD => Reply::Answer(200, "{\"active\": false}", Duration::from_millis(20)),
            _ => Reply::Hang,
        })
        .await;
        let more = format!(
            "{more}\n[[authentication.issuers]]\nname = \"corp\"\nissuer = \"https://corp.example\"\n\
             introspection = {{ url = \"http://{}/\" }}\n{ROUTE}",
            issuer.addr
        );
        let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
        let raw = format!("{{ name = \"raw\", url = \"http://{}\" }}", upstream.addr);
        let gate = Gate::at(clock.clone(), &raw, &more).await;
        Self { gate, issuer, says, clock, _upstream: upstream }
    }

    fn say(&self, what: u16) {
        self.says.store(what, Ordering::SeqCst);
    }

    async fn ask(&self, token: &str) -> u16 {
        ask(&self.gate, token).await
    }
}

async fn ask(gate: &Gate, token: &str) -> u16 {
    let answer = within(gate.client.get(gate.url("/api/open")).bearer_auth(token).send()).await.unwrap();
    if answer.status() == 429 {
        assert!(answer.headers().contains_key("retry-after") && answer.headers().contains_key("ratelimit"));
    }
    answer.status().as_u16()
}

#[tokio::test]
async fn who_makes_tokens_up_has_them_asked_about_as_often_as_they_may_fail() {
    let on = Setting::new(TIGHT).await;
    let mut statuses = Vec::new();
    for n in 0..10 {
        statuses.push(on.ask(&format!("invented-{n}")).await);
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429, 429, 429, 429, 429, 429]);
    assert_eq!(on.issuer.calls(), 3, "nobody is asked on behalf of who has no room");

    let on = Setting::new(TIGHT).await;
    let tokens: Vec<_> = (0..20).map(|n| format!("invented-{n}")).collect();
    let statuses = join_all(tokens.iter().map(|token| on.ask(token))).await;
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 3, "{statuses:?}");
    assert_eq!(on.issuer.calls(), 3, "nor when they come all at once");
}

#[tokio::test]
async fn nor_are_made_up_keys_asked_about_at_will() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let users = Stub::start(move |_, head| {
        counter.fetch_add(usize::from(head.contains("/auth/introspect")), Ordering::SeqCst);
        ok("{\"active\": false}")
    })
    .await;
    let text = format!(
        "upstreams = [{{ name = \"raw\", url = \"http://{}\" }}]\nservices.users.url = \"http://{0}\"\n{TIGHT}{ROUTE}",
        users.addr
    );
    let gate = Gate::with(&text, users.addr).await;
    let mut statuses = Vec::new();
    for n in 0..6 {
        let sent = gate.client.get(gate.url("/api/open")).header("x-api-key", format!("invented-{n}")).send();
        statuses.push(within(sent).await.unwrap().status().as_u16());
    }
    assert_eq!((statuses, asked.load(Ordering::SeqCst)), (vec![401, 401, 401, 429, 429, 429], 3));
}

#[tokio::test]
async fn who_has_a_good_token_is_charged_nothing_for_the_question() {
    let on = Setting::new(TIGHT).await;
    on.say(GOOD);
    for n in 0..10 {
        assert_eq!(on.ask(&format!("good-{n}")).await, 200);
    }
    let same = join_all((0..20).map(|_| on.ask("one-for-all"))).await;
    assert!(same.iter().all(|status| *status == 200), "one question for all of them: {same:?}");
    on.say(BAD);
    let mut statuses = Vec::new();
    for n in 0..4 {
        statuses.push(on.ask(&format!("invented-{n}")).await);
    }
    assert_eq!(statuses, [401, 401, 401, 429], "all the room was still there");
    on.say(GOOD);
    on.clock.advance(Duration::from_secs(31));
    let calls = on.issuer.calls();
    assert_eq!(on.ask("good-1").await, 200, "what was good is no stranger's");
    assert_eq!(on.issuer.calls(), calls + 1);
    assert_eq!(on.ask("unheard-of").await, 429);
}

#[tokio::test]
async fn a_made_up_cookie_is_a_failure_also_where_nobody_may_come() {
    for free in ["limited = false", "cost = 0"] {
        let on = made_up_cookies(free, "").await;
        assert_eq!(on.gate.get("/api/free").await.status(), 200, "who shows nothing asks nothing");
    }
}

#[tokio::test]
async fn nor_does_a_limit_of_the_route_s_own_make_guessing_free() {
    let own = "limited = false\nlimits = [\"own\"]";
    for policy in [
        "key = \"address\"",
        "key = \"address\", per_route = true",
        "key = \"header\", header = \"x-tenant\"",
        "key = \"address\", shadow = true",
    ] {
        let on = made_up_cookies(own, &format!("{{ name = \"own\", quota = 1000, window = \"1h\", {policy} }}")).await;
        assert_eq!(on.gate.get("/api/free").await.status(), 200, "{policy}");
    }
    // What counts anyway counts once.
    made_up_cookies("limits = [\"own\"]", "{ name = \"own\", key = \"address\", quota = 1000, window = \"1h\" }").await;
}

/// A row with these settings, and one policy more, as somebody meets it who makes cookies up.
async fn made_up_cookies(row: &str, policy: &str) -> Setting {
    let row = format!("[[routes]]\npath = \"/api/free\"\nupstream = \"raw\"\nauth = \"optional\"\n{row}\n");
    let tight = if policy.is_empty() { TIGHT.to_owned() } else { TIGHT.replace(" }]", &format!(" }}, {policy}]")) };
    let on = Setting::new(&format!("{tight}{row}")).await;
    let mut statuses = Vec::new();
    for n in 0..5 {
        let cookie = format!("__Host-tollgate=invented-{n}");
        let asked = on.gate.client.get(on.gate.url("/api/free")).header("cookie", cookie).send();
        let answer = within(asked).await.unwrap();
        assert!(answer.headers().contains_key("ratelimit"), "{:?}", answer.headers());
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429], "{row} {policy}");
    assert_eq!(on.issuer.calls(), 3);
    on
}

#[tokio::test]
async fn a_limit_that_only_reports_turns_no_stranger_away() {
    let on = Setting::new(&TIGHT.replace("burst = 3", "burst = 3, shadow = true")).await;
    for n in 0..6 {
        assert_eq!(on.ask(&format!("invented-{n}")).await, 401);
    }
}

#[tokio::test]
async fn who_is_waited_for_leaves_places_for_the_others() {
    // Of 40 places anonymous requests may fill 24, strangers 12, and one address 3.
    let on = Setting::new("server.max_in_flight = 40\n").await;
    on.say(NOTHING);
    let tokens: Vec<_> = (0..10).map(|n| format!("invented-{n}")).collect();
    let turned_away = AtomicUsize::new(0);
    let all = join_all(tokens.iter().map(|token| async {
        let status = on.ask(token).await;
        turned_away.fetch_add(1, Ordering::SeqCst);
        status
    }));
    let others = async {
        until(|| turned_away.load(Ordering::SeqCst) >= 7).await;
        assert_eq!(on.gate.get("/api/t/x").await.status(), 200);
    };
    let (statuses, ()) = tokio::join!(all, others);
    assert!(statuses.iter().all(|status| *status == 503), "{statuses:?}");
    assert_eq!(on.issuer.calls(), 3);
}

#[tokio::test]
async fn nor_do_those_who_name_unknown_keys_fill_the_house() {
    let ours = Issuer::start().await;
    let set = reqwest::get(format!("http://{}/", ours.addr)).await.unwrap().text().await.unwrap();
    let set: &'static str = Box::leak(set.into_boxed_str());
    let keys = Stub::start(move |calls, _| if calls == 0 { ok(set) } else { Reply::Hang }).await;
    let upstream = Stub::start(|_, _| ok("through")).await;
    let more = format!(
        "server.max_in_flight = 40\nauthentication.jwks_url = \"http://{}/\"\nauthentication.cool_down = \"1ms\"\n\
         authentication.refetch_timeout = \"1s\"\n{ROUTE}",
        keys.addr
    );
    let gate = Gate::start(upstream.addr, &more).await;
    eventually(async || ask(&gate, &ours.token()).await == 200).await;
    let made_up = || {
        let (claims, key) = (json!({"iss": "http://127.0.0.1:8080"}), EncodingKey::from_secret(b"x"));
        let token = encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        // Only the algorithm's name counts before the key is looked for.
        let head = "{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"k9\"}";
        let head = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, head);
        [head.as_str(), token.split_once('.').unwrap().1].join(".")
    };
    let began = Instant::now();
    let tokens: Vec<_> = (0..10).map(|_| made_up()).collect();
    let statuses = join_all(tokens.iter().map(|token| async {
        let status = ask(&gate, token).await;
        (status, began.elapsed() > Duration::from_millis(900))
    }))
    .await;
    assert_eq!(statuses.iter().filter(|answer| **answer == (401, true)).count(), 3, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|answer| **answer == (503, false)).count(), 7, "{statuses:?}");
}
