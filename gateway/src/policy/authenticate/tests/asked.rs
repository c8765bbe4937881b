//! API keys and opaque tokens: whoever is asked about them may be slow, broken or lying, and is asked as seldom as can be.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::domain::{ApiKeyId, Permission, Role, UserId};
use shared::store::Revocation;
use time::macros::datetime;

use super::fixture::*;
use super::*;

const KEY: &str = "tgk_0123456789abcdef";

fn clock() -> Clock {
    Clock::manual(datetime!(2026-01-01 0:00 UTC))
}

/// A gateway whose users-service is this stub.
fn with_users(clock: &Clock, stub: &Stub, more: &str) -> Gate {
    let more = format!("introspection.timeout = \"{PATIENT}\"\n{more}\n[services.users]\nurl = \"{}\"", stub.url);
    Gate::new(clock, &config(&more))
}

/// Longer than any stall of a busy machine: one that counts as a pause lasts for as long as the clock stands still.
const PATIENT: &str = "30s";

/// A gateway that asks this stub about opaque tokens.
fn with_issuer(clock: &Clock, stub: &Stub, timeout: &str, more: &str) -> Gate {
    let more = format!(
        "introspection.timeout = \"{timeout}\"\nintrospection.max_in_flight = 4\nintrospection.capacity = 64\n[[authentication.issuers]]\nname = \"corp\"\n\
         issuer = \"{CORP}\"\nintrospection = {{ url = \"{}/introspect\", client_id = \"gate way\", \
         client_secret = \"p:%\" }}\n{more}",
        stub.url
    );
    Gate::new(clock, &config(&more))
}

fn about_key(clock: &Clock, key: ApiKeyId, user: UserId, ver: i64) -> Value {
    json!({
        "active": true, "sub": user, "jti": key, "ver": ver, "roles": ["user", "admin"], "scope": "accounts:read",
        "permissions": ["audit:read"], "exp": clock.now_seconds() + 3_600, "token_type": "api_key",
    })
}

#[actix_web::test]
async fn users_service_is_asked_once_about_a_key_and_its_word_is_bounded_by_the_scope() {
    let clock = clock();
    let (key, user) = (ApiKeyId::generate(&clock), UserId::generate(&clock));
    let stub = Stub::start(Play::Say(about_key(&clock, key, user, 3)));
    let gate = with_users(&clock, &stub, "");
    for headers in [
        &[("authorization", format!("Bearer {KEY}"))][..],
        &[("x-api-key", KEY.to_owned())],
        &[("authorization", format!("Bearer {KEY}")), ("x-api-key", KEY.to_owned())],
    ] {
        let lines: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let principal = gate.ask(&lines, Auth::Required).await.unwrap().unwrap();
        assert_eq!(principal.api_key(), Some(key.to_string().as_str()));
        assert_eq!((principal.who(), principal.reach()), (user.to_string().as_str(), Reach::Bounded));
        let told = principal.caller().user.unwrap();
        assert_eq!((told.session, told.api_key, told.scope.as_str()), (None, Some(key), "accounts:read"));
        assert!(principal.roles.has(Role::Admin) && principal.has_scope("accounts:read"));
        assert!(told.permissions.has(Permission::AuditRead) && !principal.has_scope("audit:read"));
    }
    assert_eq!(stub.count(), 1);
    assert_eq!(stub.last.lock().1, format!("token={KEY}&token_type_hint=api_key"));
    let assertion = stub.header(shared::auth::HEADER).unwrap();
    let secret = shared::config::Secret::from("s".repeat(32));
    let verifier = shared::auth::Verifier::new(&secret, shared::auth::AUDIENCE_USERS, clock.clone()).unwrap();
    let caller = verifier.verify(&assertion, "POST", "/api/v1/auth/introspect").unwrap();
    assert!(caller.is_gateway && caller.user.is_none());
    // Another worker has not verified it, but the gateway has asked.
    gate.forget();
    assert!(gate.api_key(KEY).await.is_ok());
    assert_eq!(stub.count(), 1);
    clock.advance(Duration::from_secs(31));
    assert!(gate.api_key(KEY).await.is_ok());
    assert_eq!(stub.count(), 2, "an answer is believed for half a minute");
    stub.stop().await;
}

#[actix_web::test]
async fn a_revoked_key_is_refused_at_once_and_a_newer_password_asks_again() {
    let clock = clock();
    let (key, user) = (ApiKeyId::generate(&clock), UserId::generate(&clock));
    let stub = Stub::start(Play::Say(about_key(&clock, key, user, 3)));
    let gate = with_users(&clock, &stub, "");
    assert!(gate.api_key(KEY).await.is_ok());
    let expires_at = clock.now() + Duration::from_secs(300);
    // The user's version moves on (a new password): the key is still good, and its issuer says so.
    clock.advance(Duration::from_secs(1));
    gate.revoked.apply(&Revocation::User { user, ver: 4, expires_at });
    stub.say(about_key(&clock, key, user, 4));
    assert!(gate.api_key(KEY).await.is_ok());
    assert_eq!(stub.count(), 2);
    // Disabled: the issuer says so, and is not asked again and again.
    gate.revoked.apply(&Revocation::User { user, ver: 5, expires_at });
    clock.advance(Duration::from_secs(1));
    stub.say(json!({"active": false}));
    for _ in 0..10 {
        assert_eq!(gate.api_key(KEY).await.unwrap_err().code(), Code::ApiKeyInvalid);
    }
    assert_eq!(stub.count(), 3);

    let (other, text) = (ApiKeyId::generate(&clock), "tgk_another");
    stub.say(about_key(&clock, other, user, 5));
    assert!(gate.api_key(text).await.is_ok());
    gate.revoked.apply(&Revocation::ApiKey { key: other, expires_at });
    let refused = gate.api_key(text).await.unwrap_err();
    assert_eq!(refused.code(), Code::ApiKeyInvalid);
    assert!(challenges(&refused)[0].contains("The API key was revoked."));
    clock.advance(Duration::from_secs(31));
    assert!(gate.api_key(text).await.is_err(), "whatever its issuer says");
    stub.stop().await;
}

#[actix_web::test]
async fn a_key_whose_body_comes_late_is_asked_about_only_if_its_user_changed() {
    let clock = clock();
    let (key, user) = (ApiKeyId::generate(&clock), UserId::generate(&clock));
    let stub = Stub::start(Play::Say(about_key(&clock, key, user, 3)));
    let gate = with_users(&clock, &stub, "");
    let seen = gate.api_key(KEY).await.unwrap();
    clock.advance(Duration::from_secs(60));
    assert!(gate.once_more(KEY, &seen).await.is_ok());
    assert_eq!(stub.count(), 1, "what was said when the request came is good enough");
    let expires_at = clock.now() + Duration::from_secs(300);
    gate.revoked.apply(&Revocation::User { user, ver: 4, expires_at });
    stub.say(about_key(&clock, key, user, 4));
    let now = gate.once_more(KEY, &seen).await.unwrap();
    assert_eq!((now.caller().user.unwrap().ver, stub.count()), (4, 2));
    gate.revoked.apply(&Revocation::User { user, ver: 5, expires_at });
    clock.advance(Duration::from_secs(1));
    stub.set(Play::Text(500, String::new()));
    assert_eq!(gate.once_more(KEY, &now).await.unwrap_err().code(), Code::IssuerUnavailable);
    clock.advance(Duration::from_secs(1));
    stub.say(json!({"active": false}));
    assert_eq!(gate.once_more(KEY, &now).await.unwrap_err().code(), Code::ApiKeyInvalid);
    gate.revoked.apply(&Revocation::ApiKey { key, expires_at });
    let asked = stub.count();
    assert_eq!(gate.once_more(KEY, &now).await.unwrap_err().code(), Code::ApiKeyInvalid);
    assert_eq!(stub.count(), asked);
    stub.stop().await;
}

#[actix_web::test]
async fn keys_are_401_without_an_endpoint_and_503_without_an_answer() {
    let clock = clock();
    let stub = Stub::start(Play::Text(404, "{}".to_owned()));
    let gate = with_users(&clock, &stub, "");
    for _ in 0..5 {
        assert_eq!(gate.api_key(KEY).await.unwrap_err().code(), Code::ApiKeyInvalid);
    }
    assert_eq!(stub.count(), 1, "what is not known is remembered");
    clock.advance(Duration::from_secs(6));
    stub.set(Play::Text(500, String::new()));
    assert_eq!(gate.api_key(KEY).await.unwrap_err().code(), Code::IssuerUnavailable);
    let off = with_users(&clock, &stub, "api_keys.introspection = \"\"");
    assert_eq!(off.api_key(KEY).await.unwrap_err().code(), Code::ApiKeyInvalid);
    assert_eq!(stub.count(), 2);
    stub.stop().await;
}

#[actix_web::test]
async fn keys_of_the_configuration_need_nobody() {
    let clock = clock();
    // printf 'hunter2-hunter2' | sha256sum
    let hash = hex::encode(introspect::fingerprint("hunter2-hunter2"));
    let more = format!(
        "[[authentication.api_keys.keys]]\nname = \"billing\"\nsha256 = \"{hash}\"\nscopes = [\"reports:read\"]\n\
         roles = [\"support\"]\nexpires_at = \"2026-01-01T00:01:00Z\"\n"
    );
    let gate = Gate::new(&clock, &config(&format!("api_keys.introspection = \"\"\n{more}")));
    let principal = gate.api_key("hunter2-hunter2").await.unwrap();
    assert_eq!((principal.api_key(), principal.who()), (Some("billing"), "tollgate-gateway#billing"));
    assert!(!principal.is_user() && principal.roles.has(Role::Support) && principal.reach() == Reach::Bounded);
    let wrong = gate.bearer("hunter2-hunter2").await.unwrap_err();
    assert_eq!(wrong.code(), Code::TokenInvalid, "without the prefix it is no key, remembered or not");
    for near in ["hunter2-hunter3", "HUNTER2-HUNTER2", hash.as_str(), "billing"] {
        assert_eq!(gate.api_key(near).await.unwrap_err().code(), Code::ApiKeyInvalid, "{near}");
    }
    let at_ours = gate.issuers.accepted(&[], true);
    let refused = gate.ask_at(&[("x-api-key", "hunter2-hunter2")], Auth::Required, at_ours).await;
    assert_eq!(refused.unwrap_err().code(), Code::ApiKeyInvalid, "no user of ours");
    clock.advance(Duration::from_secs(60));
    assert_eq!(gate.api_key("hunter2-hunter2").await.unwrap_err().code(), Code::ApiKeyInvalid);
}

#[actix_web::test]
async fn an_opaque_token_is_asked_about_once_by_everybody_together() {
    let clock = clock();
    let stub = Stub::start(Play::Hang);
    let gate = with_issuer(&clock, &stub, PATIENT, "");
    let said = json!({"active": true, "sub": "alice", "scope": "a b", "exp": clock.now_seconds() + 10});
    let many = join_all((0..200).map(|_| gate.bearer("opaque")));
    let (answers, ()) = tokio::join!(many, async {
        until("somebody asks", async || stub.count() > 0).await;
        stub.say(said);
    });
    assert!(answers.iter().all(Result::is_ok) && answers.len() == 200);
    assert_eq!(stub.count(), 1, "200 at once, one question");
    assert_eq!(stub.header("authorization").unwrap(), "Basic Z2F0ZSUyMHdheTpwJTNBJTI1", "gate%20way:p%3A%25");
    assert_eq!(stub.last.lock().1, "token=opaque&token_type_hint=access_token");
    clock.advance(Duration::from_secs(10));
    stub.say(json!({"active": false}));
    assert_eq!(gate.bearer("opaque").await.unwrap_err().code(), Code::TokenInvalid, "believed until its end at most");
    stub.stop().await;
}

#[actix_web::test]
async fn what_an_issuer_says_counts_only_when_it_is_plainly_an_access_token_for_us() {
    let clock = clock();
    let stub = Stub::start(Play::Hang);
    let gate = with_issuer(&clock, &stub, PATIENT, "audiences = [\"payments\"]");
    let now = clock.now_seconds();
    let good = json!({"active": true, "sub": "alice", "aud": ["x", "payments"], "iss": CORP, "exp": now + 60});
    let changed = |name: &str, value: Value| {
        let mut said = good.clone();
        said[name] = value;
        Play::Say(said)
    };
    let without_audience = json!({"active": true, "sub": "alice"});
    for (what, play, expected) in [
        ("a good one", Play::Say(good.clone()), None),
        ("an access token by name", changed("token_type", json!("bearer")), None),
        ("a refresh token", changed("token_use", json!("refresh_token")), Some(Code::TokenInvalid)),
        ("Keycloak's refresh token", changed("typ", json!("Refresh")), Some(Code::TokenInvalid)),
        ("a token of another kind", changed("token_type", json!("DPoP")), Some(Code::TokenInvalid)),
        ("inactive", json!({"active": false, "sub": "alice"}).into(), Some(Code::TokenInvalid)),
        ("over", changed("exp", json!(now - 60)), Some(Code::TokenInvalid)),
        ("not begun", changed("nbf", json!(now + 60)), Some(Code::TokenInvalid)),
        ("another's", changed("iss", json!(OURS)), Some(Code::TokenInvalid)),
        ("for others", changed("aud", json!("others")), Some(Code::TokenInvalid)),
        ("for nobody", Play::Say(without_audience), Some(Code::TokenInvalid)),
        ("without a subject", changed("sub", Value::Null), Some(Code::TokenInvalid)),
        ("active in words", changed("active", json!("true")), Some(Code::IssuerUnavailable)),
        ("no word of it", json!({}).into(), Some(Code::IssuerUnavailable)),
        ("a list", json!([]).into(), Some(Code::IssuerUnavailable)),
        (
            "twice",
            Play::Text(200, r#"{"active": false, "active": true, "sub": "a"}"#.to_owned()),
            Some(Code::IssuerUnavailable),
        ),
        ("cut", Play::Text(200, r#"{"active": tr"#.to_owned()), Some(Code::IssuerUnavailable)),
        ("a page", Play::Text(200, "<html>".to_owned()), Some(Code::IssuerUnavailable)),
        ("endless", Play::Text(200, "x".repeat(100_000)), Some(Code::IssuerUnavailable)),
        ("we are not known", Play::Text(401, String::new()), Some(Code::IssuerUnavailable)),
        ("nothing there", Play::Text(404, String::new()), Some(Code::IssuerUnavailable)),
        ("led elsewhere", Play::Text(302, String::new()), Some(Code::IssuerUnavailable)),
    ] {
        stub.set(play);
        let token = what.replace([' ', '\''], "-");
        let got = gate.bearer(&token).await.err().map(|problem| problem.code());
        assert_eq!(got, expected, "{what}");
    }
    assert!(
        gate.metrics.encode().contains("introspection_duration_seconds_count{issuer=\"corp\",outcome=\"active\"} 2")
    );
    stub.stop().await;
}

impl From<Value> for Play {
    fn from(said: Value) -> Self {
        Self::Say(said)
    }
}

#[actix_web::test]
async fn an_issuer_that_hangs_is_503_and_left_alone_for_a_moment() {
    let clock = clock();
    let stub = Stub::start(Play::Hang);
    let gate = with_issuer(&clock, &stub, "200ms", "");
    let many = join_all((0..20).map(|n| async move { n.to_string() }));
    let tokens = many.await;
    // Twenty different tokens, four places: whoever waits for one waits no longer than whoever has one.
    let refused = join_all(tokens.iter().map(|token| gate.bearer(token))).await;
    assert!(
        refused.iter().all(|answer| answer.as_ref().is_err_and(|problem| problem.code() == Code::IssuerUnavailable))
    );
    assert!(stub.count() <= 4, "{} at once", stub.count());
    let before = stub.count();
    assert_eq!(gate.bearer("later").await.unwrap_err().code(), Code::IssuerUnavailable);
    assert_eq!(stub.count(), before, "left alone");
    stub.say(json!({"active": true, "sub": "alice"}));
    clock.advance(Duration::from_secs(1));
    assert!(gate.bearer("later").await.is_ok(), "and no failure is remembered");
    // One that has no connection yet: the stub may still answer on one that it has.
    let gate = with_issuer(&clock, &stub, "200ms", "");
    let address = stub.url.trim_start_matches("http://").to_owned();
    stub.stop().await;
    until("nobody listens", async || tokio::net::TcpStream::connect(&address).await.is_err()).await;
    assert_eq!(gate.bearer("gone").await.unwrap_err().code(), Code::IssuerUnavailable, "refused connections too");
}

#[actix_web::test]
async fn an_issuer_that_hangs_for_longer_than_a_pause_is_left_alone_from_then_on() {
    let clock = clock();
    let stub = Stub::start(Play::Hang);
    let gate = with_issuer(&clock, &stub, "1100ms", "");
    assert_eq!(gate.bearer("slow").await.unwrap_err().code(), Code::IssuerUnavailable);
    let before = stub.count();
    // As much has passed meanwhile.
    clock.advance(Duration::from_secs(1));
    assert_eq!(gate.bearer("later").await.unwrap_err().code(), Code::IssuerUnavailable);
    assert_eq!(stub.count(), before, "left alone");
    stub.stop().await;
}

#[actix_web::test]
async fn a_flood_of_invented_tokens_does_not_push_out_a_known_one() {
    let clock = clock();
    let stub = Stub::start(Play::Say(json!({"active": true, "sub": "alice"})));
    let gate = with_issuer(&clock, &stub, PATIENT, "");
    let flood = async |from: usize, to: usize| {
        for n in from..to {
            assert!(gate.bearer(&format!("invented-{n}")).await.is_err());
        }
    };
    stub.say(json!({"active": false}));
    flood(0, 100).await;
    stub.say(json!({"active": true, "sub": "alice"}));
    for _ in 0..20 {
        gate.forget();
        assert!(gate.bearer("known").await.is_ok());
    }
    stub.say(json!({"active": false}));
    // Not many times as many as fit: what counts as often asked for fades by that.
    flood(100, 300).await;
    gate.forget();
    assert!(gate.bearer("known").await.is_ok(), "it would be refused now, if it were asked about");
    stub.stop().await;
}

#[actix_web::test]
async fn the_longest_prefix_says_whom_to_ask() {
    let clock = clock();
    let (one, two) =
        (Stub::start(Play::Say(json!({"active": false}))), Stub::start(Play::Say(json!({"active": false}))));
    let issuer = |name: &str, stub: &Stub, prefix: &str| {
        let iss = format!("https://{name}.example");
        format!(
            "[[authentication.issuers]]\nname = \"{name}\"\nissuer = \"{iss}\"\nintrospection = {{ url = \"{}\", prefix = \"{prefix}\" }}\n",
            stub.url
        )
    };
    let gate = Gate::new(&clock, &config(&(issuer("one", &one, "") + &issuer("two", &two, "two_"))));
    for (token, asked) in [("two_abc", (0, 1)), ("abc", (1, 1)), ("two", (2, 1))] {
        assert!(gate.bearer(token).await.is_err());
        assert_eq!((one.count(), two.count()), asked, "{token}");
    }
    let nobody = Gate::new(&clock, &config(&issuer("two", &two, "two_")));
    let refused = nobody.bearer("abc").await.unwrap_err();
    assert_eq!((refused.code(), two.count()), (Code::TokenInvalid, 1), "nobody's token asks nobody");
    one.stop().await;
    two.stop().await;
}
