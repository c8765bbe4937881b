//! What one caller got, no other gets.

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::store::Revocation;

use super::super::harness::{eventually, within};
use super::super::keys::shop::Issuer;
use super::origin::{Act, Cached, ok};

/// The caller's name in an assertion is not readable here, so the upstream numbers its answers: whoever gets a number
/// that another got before was given another's answer.
async fn numbered(settings: &str, headers: &'static str) -> (Cached, Issuer) {
    asked(settings, "auth = \"optional\"", move |n, _| ok(headers, &n.to_string())).await
}

async fn asked(
    settings: &str,
    route: &str,
    reply: impl Fn(usize, &str) -> Act + Send + Sync + 'static,
) -> (Cached, Issuer) {
    let issuer = Issuer::start().await;
    let more = format!("authentication.jwks_url = \"http://{}/\"", issuer.addr);
    let cached = Cached::with(&format!("mode = \"honour\"{settings}"), route, &more, reply).await;
    within(async { while cached.metric("signing_keys{issuer=\"default\"}").await == 0 {} }).await;
    (cached, issuer)
}

impl Cached {
    async fn of(&self, path: &str, token: &str) -> String {
        let got = self.ask(path, &[("authorization", &format!("Bearer {token}"))]).await;
        assert_eq!(got.status, 200, "{got:?}");
        got.body
    }
}

#[tokio::test]
async fn every_caller_has_answers_of_their_own() {
    for headers in
        ["Cache-Control: private, max-age=60", "Cache-Control: max-age=60", "Cache-Control: public, max-age=60"]
    {
        let (cached, issuer) = numbered("", headers).await;
        let (ann, ben) = (issuer.token(), issuer.token());
        assert_eq!(cached.of("/api/c/me", &ann).await, "0");
        assert_eq!(cached.of("/api/c/me", &ben).await, "1");
        assert_eq!(cached.get("/api/c/me").await.body, "2", "nor does an anonymous caller get it");
        assert_eq!(cached.of("/api/c/me", &ann).await, "0");
        assert_eq!(cached.of("/api/c/me", &ben).await, "1");
    }
}

#[tokio::test]
async fn another_role_session_scope_or_version_is_another_caller() {
    let (cached, issuer) = numbered("", "Cache-Control: private, max-age=60").await;
    let claims = Issuer::claims();
    let with = |changes: Value| {
        let mut claims = claims.clone();
        changes.as_object().unwrap().iter().for_each(|(name, value)| claims[name] = value.clone());
        issuer.sign(&claims)
    };
    let other_session = Issuer::claims()["sid"].clone();
    let tokens = [
        with(json!({})),
        with(json!({"roles": ["user", "admin"]})),
        with(json!({"roles": []})),
        with(json!({"sid": other_session})),
        with(json!({"scope": "raw:read"})),
        with(json!({"ver": 2})),
    ];
    for _ in 0..2 {
        for (n, token) in tokens.iter().enumerate() {
            assert_eq!(cached.of("/api/c/me", token).await, n.to_string());
        }
    }
    // A token that is renewed with the same rights is the same caller.
    assert_eq!(cached.of("/api/c/me", &with(json!({"jti": "another"}))).await, "0");
}

#[tokio::test]
async fn an_answer_for_everybody_is_one_that_both_the_upstream_and_the_route_call_so() {
    let (cached, issuer) = numbered(", shared = true", "Cache-Control: public, max-age=60").await;
    let (ann, ben) = (issuer.token(), issuer.token());
    assert_eq!(cached.of("/api/c/x", &ann).await, "0");
    assert_eq!(cached.of("/api/c/x", &ben).await, "0");
    assert_eq!(cached.get("/api/c/x").await.body, "0");
    assert!(cached.ask("/api/c/x", &[("cookie", "s=1")]).await.is_hit());

    for headers in [
        "Cache-Control: private, max-age=60",
        "Cache-Control: max-age=60",
        "Cache-Control: public, private, max-age=60",
    ] {
        let (cached, issuer) = numbered(", shared = true", headers).await;
        let (ann, ben) = (issuer.token(), issuer.token());
        assert_eq!(cached.of("/api/c/x", &ann).await, "0", "{headers}");
        assert_eq!(cached.of("/api/c/x", &ben).await, "1", "{headers}");
        assert_eq!(cached.of("/api/c/x", &ann).await, "0", "{headers}");
    }
}

#[tokio::test]
async fn nobody_who_waits_beside_a_caller_gets_that_callers_answer() {
    for settings in ["", ", shared = true"] {
        let (cached, issuer) = asked(settings, "auth = \"optional\"", |n, _| {
            let (head, body) = ("HTTP/1.1 200 OK\r\nCache-Control: private, max-age=60\r\n", n.to_string());
            Act::Wait(String::new(), format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
        })
        .await;
        let tokens: Vec<_> = (0..20).map(|_| issuer.token()).collect();
        let asking = join_all(tokens.iter().map(|token| cached.of("/api/c/me", token)));
        let letting_go = async {
            cached.origin.called(1).await;
            cached.origin.let_go();
        };
        let (mut bodies, ()) = tokio::join!(asking, letting_go);
        bodies.sort();
        bodies.dedup();
        assert_eq!((bodies.len(), cached.origin.calls()), (20, 20), "{settings}");
    }
}

#[tokio::test]
async fn credentials_that_the_gateway_has_not_checked_are_nobodys() {
    let (cached, _issuer) = asked("", "auth = \"none\"\nforward_authorization = true", |n, _| {
        ok("Cache-Control: max-age=60", &n.to_string())
    })
    .await;
    assert_eq!(cached.get("/api/c/x").await.body, "0");
    for (n, name) in ["cookie", "authorization", "x-api-key"].into_iter().enumerate() {
        let got = cached.ask("/api/c/x", &[(name, "Basic eDp5")]).await;
        assert!(got.body == (n + 1).to_string() && got.cache().contains("fwd=bypass"), "{name}: {got:?}");
    }
    assert!(cached.get("/api/c/x").await.body == "0", "what is kept for those without stays theirs");
}

#[tokio::test]
async fn what_nobody_has_checked_stays_nobodys_beside_a_token_that_holds() {
    let (cached, issuer) = numbered("", "Cache-Control: private, max-age=60").await;
    let bearer = format!("Bearer {}", issuer.token());
    let ask = async |more: &[(&str, &str)]| {
        cached.ask("/api/c/me", &[&[("authorization", bearer.as_str())], more].concat()).await.body
    };
    assert_eq!(ask(&[]).await, "0");
    assert_eq!(ask(&[("cookie", "session=ann")]).await, "1");
    assert_eq!(ask(&[("cookie", "session=ben")]).await, "2");
    assert_eq!(ask(&[("cookie", "session=ann")]).await, "3", "what an upstream says to a cookie is kept for nobody");
    assert_eq!(ask(&[]).await, "0");
}

#[tokio::test]
async fn a_token_that_does_not_hold_gets_nothing_that_is_kept() {
    let (cached, issuer) = numbered("", "Cache-Control: private, max-age=60").await;
    let claims = Issuer::claims();
    assert_eq!(cached.of("/api/c/me", &issuer.sign(&claims)).await, "0");
    let forged = Issuer::start().await.sign(&claims);
    let got = cached.ask("/api/c/me", &[("authorization", &format!("Bearer {forged}"))]).await;
    assert_eq!(got.status, 401, "{got:?}");
    assert!(!got.headers.contains_key("age"));
}

/// What ends until the tests are over.
async fn revoke(cached: &Cached, claims: &Value, what: impl Fn(&Value, time::OffsetDateTime) -> Revocation) {
    let expires_at = cached.clock.now() + time::Duration::hours(1);
    cached.gate.stores.revocations.publish(&what(claims, expires_at)).await.unwrap();
}

fn of<T: serde::de::DeserializeOwned>(claims: &Value, name: &str) -> T {
    serde_json::from_value(claims[name].clone()).unwrap()
}

#[tokio::test]
async fn what_is_kept_for_a_session_is_given_to_nobody_once_it_has_ended() {
    for by_user in [false, true] {
        let (cached, issuer) = numbered("", "Cache-Control: private, max-age=60").await;
        let claims = Issuer::claims();
        let token = issuer.sign(&claims);
        assert_eq!(cached.of("/api/c/me", &token).await, "0");
        assert_eq!(cached.of("/api/c/me", &token).await, "0");
        revoke(&cached, &claims, |claims, expires_at| match by_user {
            false => Revocation::Session { sid: of(claims, "sid"), expires_at },
            true => Revocation::User { user: of(claims, "sub"), ver: 2, expires_at },
        })
        .await;
        let bearer = format!("Bearer {token}");
        let ask = async || cached.ask("/api/c/me", &[("authorization", &bearer)]).await;
        eventually(async || ask().await.status == 401).await;
        let refused = ask().await;
        assert!(refused.cache().is_empty() && !refused.headers.contains_key("age"), "{refused:?}");
        // Who signs in anew asks anew.
        let mut anew = claims.clone();
        (anew["sid"], anew["ver"]) = (Issuer::claims()["sid"].clone(), json!(2));
        assert_eq!(cached.of("/api/c/me", &issuer.sign(&anew)).await, "1");
    }
}

#[tokio::test]
async fn what_is_kept_for_a_role_is_not_given_to_who_has_lost_it() {
    let restricted =
        "[[routes]]\npath = \"/api/c/admins\"\nupstream = \"raw\"\nroles = [\"admin\"]\ncache = { mode = \"honour\" }";
    let issuer = Issuer::start().await;
    let more = format!("authentication.jwks_url = \"http://{}/\"\n{restricted}", issuer.addr);
    let cached = Cached::with("mode = \"honour\", shared = true", "auth = \"optional\"", &more, |n, head| {
        let whose = if head.contains("/public") { "public" } else { "private" };
        ok(&format!("Cache-Control: {whose}, max-age=60"), &n.to_string())
    })
    .await;
    within(async { while cached.metric("signing_keys{issuer=\"default\"}").await == 0 {} }).await;
    let mut claims = Issuer::claims();
    claims["roles"] = json!(["admin", "user"]);
    let token = issuer.sign(&claims);
    for (path, body) in [("/api/c/me", "0"), ("/api/c/admins", "1"), ("/api/c/public", "2")] {
        assert_eq!(cached.of(path, &token).await, body);
        assert_eq!(cached.of(path, &token).await, body, "it is kept");
    }
    revoke(&cached, &claims, |claims, expires_at| Revocation::Roles {
        user: of(claims, "sub"),
        ver: 2,
        roles: [shared::domain::Role::User].into_iter().collect(),
        permissions: shared::domain::Permissions::NONE,
        expires_at,
    })
    .await;
    let bearer = format!("Bearer {token}");
    eventually(async || cached.ask("/api/c/admins", &[("authorization", &bearer)]).await.status == 403).await;
    assert_eq!(
        cached.of("/api/c/me", &token).await,
        "3",
        "what an administrator was told is not for who is none any more"
    );
    assert_eq!(cached.of("/api/c/public", &token).await, "2", "what is everybody's is theirs too");
}
