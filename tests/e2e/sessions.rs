//! Sign-in and refresh: uniform refusals, one successor under a race, and a replay that ends the session.

use futures_util::future::join_all;
use serde_json::Value;
use tests::client::{PASSWORD, newcomer, text};
use tests::stack::Service;
use tests::{Backend, Stack};

journeys!(
    fifty_refreshes_one_successor,
    an_old_refresh_token_ends_the_session,
    wrong_credentials_look_alike,
    names_are_folded,
    failed_sign_ins_are_throttled,
    what_others_need_to_verify
);

async fn fifty_refreshes_one_successor(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (visitor, ann) = (stack.client(), stack.register("ann").await);
    let answers = join_all((0..50).map(|_| visitor.refresh_grant(&ann.refresh_token))).await;
    let successor = answers[0].text("/refresh_token");
    for answer in answers {
        let answer = answer.expect(200);
        assert_eq!(answer.text("/refresh_token"), successor);
        assert_eq!((answer.text("/token_type").as_str(), answer.int("/expires_in")), ("Bearer", 300));
        assert_eq!(answer.must("cache-control"), "no-store");
    }
    assert_ne!(successor, ann.refresh_token);
    drop(visitor.refresh_grant(&successor).await.expect(200));
}

async fn an_old_refresh_token_ends_the_session(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (visitor, ann) = (stack.client(), stack.register("ann").await);
    let second = visitor.refresh_grant(&ann.refresh_token).await.expect(200).text("/refresh_token");
    let third = visitor.refresh_grant(&second).await.expect(200);
    visitor.refresh_grant(&ann.refresh_token).await.problem(400, "invalid_grant");
    visitor.refresh_grant(&third.text("/refresh_token")).await.problem(400, "invalid_grant");
    for bad in ["", "x", &format!("{}x", ann.refresh_token), &"y".repeat(4_000)] {
        let answer = visitor.refresh_grant(bad).await;
        assert!(answer.status == 400, "{answer}");
        assert!(["invalid_grant", "invalid_request"].contains(&answer.text("/error").as_str()), "{answer}");
    }
}

async fn wrong_credentials_look_alike(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (visitor, ann) = (stack.client(), stack.register("ann").await);
    let mut seen: Vec<Value> = Vec::new();
    for (username, password) in [
        (ann.email.as_str(), "wrong password 1"),
        ("nobody@example.com", PASSWORD),
        ("nobody", PASSWORD),
        (&ann.username, ""),
    ] {
        let answer = visitor.password_grant(username, password).await;
        let mut body = answer.is_problem();
        assert_eq!(answer.status, 400, "{answer}");
        assert_eq!(answer.must("cache-control"), "no-store");
        for own in ["request_id", "timestamp"] {
            body[own] = Value::Null;
        }
        seen.push(body);
    }
    assert!(seen[..3].iter().all(|body| *body == seen[0] && body["error"] == "invalid_grant"), "{seen:?}");
    let grant = |fields: &'static [(&'static str, &'static str)]| visitor.form("/api/v1/auth/token", fields);
    assert_eq!(
        grant(&[("grant_type", "magic")]).await.problem(400, "unsupported_grant_type")["error"],
        "unsupported_grant_type"
    );
    assert_eq!(grant(&[("username", "a")]).await.problem(400, "invalid_request")["error"], "invalid_request");
    assert_eq!(
        grant(&[("grant_type", "password"), ("grant_type", "password")]).await.problem(400, "invalid_request")["error"],
        "invalid_request"
    );
    let json = visitor.post("/api/v1/auth/token", serde_json::json!({"grant_type": "password"})).await;
    json.problem(415, "unsupported_media_type");
    let extra = [("grant_type", "password"), ("username", &ann.email), ("password", PASSWORD), ("nonsense", "ignored")];
    drop(visitor.form("/api/v1/auth/token", &extra).await.expect(200));
}

async fn names_are_folded(backend: Backend) {
    let stack = Stack::start(backend).await;
    let visitor = stack.client();
    let mut body = newcomer("Straße");
    let (email, username) = (text(&body, "/email").to_owned(), text(&body, "/username").to_owned());
    body["email"] = format!("Jörg.{username}@Bücher.example").into();
    let created = visitor.post("/api/v1/users", &body).await;
    if created.status == 422 {
        // A narrower alphabet is a rule of the product; folding is then seen on plain letters.
        body = newcomer("Strasse");
        drop(visitor.post("/api/v1/users", &body).await.expect(201));
    }
    let (email, username) = (
        text(&body, "/email").to_owned(),
        if created.status == 422 {
            text(&body, "/username").to_owned()
        } else {
            drop(email);
            username
        },
    );
    let upper = |original: &str| original.to_uppercase();
    let mut twin = newcomer("other");
    twin["email"] = upper(&email).into();
    visitor.post("/api/v1/users", &twin).await.problem(409, "email_taken");
    let mut twin = newcomer("other");
    twin["username"] = upper(&username).into();
    visitor.post("/api/v1/users", &twin).await.problem(409, "username_taken");
    for name in [upper(&email), upper(&username), username] {
        drop(visitor.password_grant(&name, PASSWORD).await.expect(200));
    }
}

async fn failed_sign_ins_are_throttled(backend: Backend) {
    let builder = Stack::builder(backend).set(Service::Users, "throttle.enabled", true).set(
        Service::Users,
        "throttle.attempts",
        3,
    );
    let stack = builder.start().await;
    let (visitor, ann, bob) = (stack.client(), stack.register("ann").await, stack.register("bob").await);
    for _ in 0..3 {
        visitor.password_grant(&ann.email, "wrong password 1").await.problem(400, "invalid_grant");
    }
    visitor.password_grant(&ann.email, PASSWORD).await.problem(429, "rate_limited");
    drop(visitor.password_grant(&bob.email, PASSWORD).await.expect(200));
}

async fn what_others_need_to_verify(backend: Backend) {
    let stack = Stack::start(backend).await;
    let visitor = stack.client();
    let keys = visitor.get("/.well-known/jwks.json").await.expect(200);
    assert!(keys.must("cache-control").contains("max-age="), "{keys}");
    let etag = keys.must("etag").to_owned();
    let fresh =
        visitor.call(reqwest::Method::GET, "/.well-known/jwks.json").header("if-none-match", &etag).send().await;
    assert_eq!((fresh.status, fresh.body.len()), (304, 0));
    let key = &keys.json()["keys"][0];
    assert_eq!(
        (key["kty"].as_str(), key["crv"].as_str(), key["alg"].as_str(), key["use"].as_str()),
        (Some("OKP"), Some("Ed25519"), Some("EdDSA"), Some("sig"))
    );
    assert!(key.get("d").is_none(), "the private half stays at home");

    let metadata = visitor.get("/.well-known/oauth-authorization-server").await.expect(200).json();
    for endpoint in ["token_endpoint", "jwks_uri", "revocation_endpoint"] {
        assert!(text(&metadata, &format!("/{endpoint}")).starts_with(text(&metadata, "/issuer")), "{metadata}");
    }
    let grants = metadata["grant_types_supported"].as_array().cloned().unwrap_or_default();
    assert!(grants.contains(&"password".into()) && grants.contains(&"refresh_token".into()), "{metadata}");
}
