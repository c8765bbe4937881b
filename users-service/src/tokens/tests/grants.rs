//! Sign-in and refresh through the service, on both back-ends.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::testing::{Backend, PASSWORD, Setup, on_both};

on_both! {
    fifty_refreshes_at_once_get_one_successor,
    a_replay_ends_the_session,
    a_session_ends_after_thirty_days,
    a_session_that_nobody_refreshes_ends,
    wrong_credentials_are_one_answer,
    a_long_identifier_is_nobody,
    the_throttle_holds_before_any_hashing,
    the_key_set_and_the_metadata_are_served,
    generated_credentials_are_shown_once,
    a_hash_with_old_parameters_is_renewed,
    sign_ins_at_once_renew_one_hash_and_all_pass,
    tokens_given_back_are_worth_nothing,
}

async fn fifty_refreshes_at_once_get_one_successor(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let answers = join_all((0..50).map(|_| service.refresh(&ada.refresh_token))).await;
    let successors: HashSet<_> = answers.into_iter().map(|answer| answer.expect(200).text("/refresh_token")).collect();
    assert_eq!(successors.len(), 1);
    let successor = successors.into_iter().next().unwrap();
    assert_ne!(successor, ada.refresh_token);
    service.clock.advance(Duration::from_secs(10));
    assert_eq!(service.refresh(&ada.refresh_token).await.expect(200).text("/refresh_token"), successor);
    let third = service.refresh(&successor).await.expect(200).text("/refresh_token");
    assert_ne!(third, successor);
    service.stop().await;
}

async fn a_replay_ends_the_session(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let successor = service.refresh(&ada.refresh_token).await.expect(200).text("/refresh_token");
    service.clock.advance(Duration::from_millis(10_001));
    let refused = service.refresh(&ada.refresh_token).await.expect_problem(400, "invalid_grant");
    assert_eq!(refused.text("/error"), "invalid_grant");
    service.refresh(&successor).await.expect_problem(400, "invalid_grant");
    service.refresh("tgr_nonsense").await.expect_problem(400, "invalid_grant");
    service.stop().await;
}

async fn a_session_ends_after_thirty_days(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let mut token = service.person("adalovelace").await.refresh_token;
    for _ in 0..5 {
        service.clock.advance(Duration::from_secs(5 * 86_400));
        token = service.refresh(&token).await.expect(200).text("/refresh_token");
    }
    service.clock.advance(Duration::from_secs(5 * 86_400));
    service.refresh(&token).await.expect_problem(400, "invalid_grant");
    service.stop().await;
}

async fn a_session_that_nobody_refreshes_ends(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let token = service.person("adalovelace").await.refresh_token;
    service.clock.advance(Duration::from_secs(14 * 86_400 - 1));
    let token = service.refresh(&token).await.expect(200).text("/refresh_token");
    service.clock.advance(Duration::from_secs(14 * 86_400));
    service.refresh(&token).await.expect_problem(400, "invalid_grant");
    service.stop().await;
}

async fn wrong_credentials_are_one_answer(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    service.call(Method::POST, &format!("/api/v1/users/{}/disable", ada.id)).by(&admin).send().await.expect(200);
    service.person("bobby").await;
    let wrong = "wrong horse 9";
    let mut details = HashSet::new();
    for (who, password) in
        [("bobby", wrong), ("nobody", PASSWORD), (ada.email.as_str(), wrong), ("x@y", &"9".repeat(4_000))]
    {
        let refused = service.password_grant(who, password).await.expect_problem(400, "invalid_grant").json();
        details.insert((refused["detail"].to_string(), refused["error"].to_string(), refused["title"].to_string()));
    }
    assert_eq!(details.len(), 1);
    let token = |fields: &[(&str, &str)]| service.call(Method::POST, "/api/v1/auth/token").form(fields).send();
    token(&[("username", "bobby")]).await.expect_problem(400, "invalid_request");
    token(&[("grant_type", "implicit")]).await.expect_problem(400, "unsupported_grant_type");
    let scoped = [("grant_type", "password"), ("username", "bobby"), ("password", PASSWORD), ("scope", "everything")];
    token(&scoped).await.expect_problem(400, "invalid_scope");
    let json = service.call(Method::POST, "/api/v1/auth/token").json(&json!({"grant_type": "password"})).send().await;
    json.expect_problem(415, "unsupported_media_type");
    service.stop().await;
}

async fn a_long_identifier_is_nobody(backend: Backend) {
    let service = Setup::on(backend).set("throttle.enabled", "true").set("throttle.attempts", "2").start().await;
    let label = "b".repeat(63);
    let email = format!("{}@{label}.{label}.{}", "a".repeat(64), "c".repeat(61));
    assert_eq!(email.len(), 254);
    let ada = json!({"email": email, "username": "adalovelace", "password": PASSWORD});
    service.register(&ada).await.expect(201);
    service.sign_in(&email).await;
    for tail in ["x", " ", "\u{301}"] {
        let longer = format!("{email}{tail}");
        let refused = service.password_grant(&longer, PASSWORD).await.expect_problem(400, "invalid_grant");
        assert_eq!(refused.text("/error"), "invalid_grant");
        service.password_grant(&longer, PASSWORD).await.expect_problem(400, "invalid_grant");
        service.password_grant(&longer, PASSWORD).await.expect_problem(429, "rate_limited");
    }
    service.sign_in(&email).await;
    service.stop().await;
}

async fn the_throttle_holds_before_any_hashing(backend: Backend) {
    let service = Setup::on(backend).set("throttle.enabled", "true").set("throttle.attempts", "3").start().await;
    service.person("adalovelace").await;
    for _ in 0..3 {
        service.password_grant("adalovelace", "wrong horse 9").await.expect_problem(400, "invalid_grant");
    }
    let held = service.password_grant("adalovelace", PASSWORD).await.expect_problem(429, "rate_limited");
    assert_eq!(held.header("retry-after"), "100");
    service.clock.advance(Duration::from_secs(100));
    service.password_grant("adalovelace", PASSWORD).await.expect(200);
    for _ in 0..3 {
        service.password_grant("adalovelace", "wrong horse 9").await.expect_problem(400, "invalid_grant");
    }
    service.stop().await;
}

async fn the_key_set_and_the_metadata_are_served(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let keys = service.call(Method::GET, "/.well-known/jwks.json").send().await.expect(200);
    assert_eq!((keys.text("/keys/0/alg"), keys.text("/keys/0/kty")), ("EdDSA".to_owned(), "OKP".to_owned()));
    assert_eq!(keys.header("cache-control"), "public, max-age=300, must-revalidate");
    let call = service.call(Method::GET, "/.well-known/jwks.json").header("if-none-match", keys.header("etag"));
    call.send().await.expect(304);
    let metadata = service.call(Method::GET, "/.well-known/oauth-authorization-server").send().await.expect(200).json();
    let path = "/.well-known/oauth-authorization-server";
    let tag = service.call(Method::GET, path).send().await.expect(200).header("etag");
    service.call(Method::GET, path).header("if-none-match", tag).send().await.expect(304);
    let openid = service.call(Method::GET, "/.well-known/openid-configuration").send().await.expect(200).json();
    assert_eq!(openid, metadata, "whichever way it is asked for");
    assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["EdDSA"]));
    // It lists only what works: whatever is there refuses what is not said, in its own words.
    for grant in metadata["grant_types_supported"].as_array().unwrap() {
        let form = [("grant_type", grant.as_str().unwrap())];
        let refused = service.call(Method::POST, "/api/v1/auth/token").form(&form).send().await;
        assert!(["invalid_request", "invalid_client"].contains(&refused.text("/error").as_str()), "{grant}");
    }
    for (name, endpoint) in metadata.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_endpoint")) {
        let path = endpoint.as_str().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap().to_owned();
        // A form there is sent on as a link.
        let method = if name == "authorization_endpoint" { Method::GET } else { Method::POST };
        let status = service.call(method, &path).form(&[("x", "y")]).send().await.status;
        assert!([400, 401].contains(&status), "{name}: {status}");
    }
    assert_eq!(metadata["token_endpoint"], "http://127.0.0.1:8080/api/v1/auth/token");
    for path in ["/livez", "/readyz", "/openapi.json", "/metrics"] {
        service.call(Method::GET, path).send().await.expect(200);
    }
    service.stop().await;
}

async fn generated_credentials_are_shown_once(backend: Backend) {
    let service = Setup::on(backend).set("bootstrap.admin_password", "").start().await;
    let made = service.bootstrap.clone().unwrap();
    service.password_grant(&made.email, made.password.expose()).await.expect(200);
    let ground = service.halt().await;
    let service = Setup::on(backend).set("bootstrap.admin_password", "").start_on(ground).await;
    assert!(service.bootstrap.is_none());
    service.password_grant(&made.email, made.password.expose()).await.expect(200);
    service.stop().await;
}

async fn a_hash_with_old_parameters_is_renewed(backend: Backend) {
    let service = Setup::on(backend).start().await;
    service.person("adalovelace").await;
    let ground = service.halt().await;
    let service = Setup::on(backend).set("hashing.passes", "2").start_on(ground).await;
    service.sign_in("adalovelace@example.org").await;
    let ground = service.halt().await;
    let stored = crate::testing::password_hash(&ground, "adalovelace").await;
    assert!(stored.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{stored}");
    let service = Setup::on(backend).start_on(ground).await;
    service.sign_in("adalovelace@example.org").await;
    service.stop().await;
}

async fn sign_ins_at_once_renew_one_hash_and_all_pass(backend: Backend) {
    let service = Setup::on(backend).start().await;
    service.person("adalovelace").await;
    let ground = service.halt().await;
    let stronger = Setup::on(backend).set("hashing.passes", "2").set("hashing.memory_kib", "4096");
    let service = stronger.set("hashing.workers", "8").start_on(ground).await;
    let sign_ins = (0..8).map(|_| service.password_grant("adalovelace", PASSWORD));
    for answer in join_all(sign_ins).await {
        answer.expect(200);
    }
    service.stop().await;
}

async fn tokens_given_back_are_worth_nothing(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let revoke = |token: String| async {
        service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", &{ token })]).send().await
    };
    revoke("nonsense".to_owned()).await.expect(200);
    service
        .call(Method::POST, "/api/v1/auth/revoke")
        .form(&[("x", "y")])
        .send()
        .await
        .expect_problem(400, "invalid_request");
    revoke(ada.refresh_token.clone()).await.expect(200);
    service.refresh(&ada.refresh_token).await.expect_problem(400, "invalid_grant");
    let tokens = service.password_grant(&ada.email, PASSWORD).await.expect(200);
    revoke(tokens.text("/access_token")).await.expect(200);
    service.refresh(&tokens.text("/refresh_token")).await.expect_problem(400, "invalid_grant");
    service.stop().await;
}
