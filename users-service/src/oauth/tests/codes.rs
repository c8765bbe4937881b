//! Codes: good once, for one client, for one verifier, for a minute.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::machines::claims;
use crate::testing::{Backend, Browser, REDIRECT, Setup, VERIFIER, on_both};

on_both! {
    a_code_is_redeemed_for_tokens_and_an_id_token,
    anything_wrong_uses_a_code_up,
    of_twenty_exchanges_one_wins_and_then_none_is_left,
    a_public_client_redeems_by_its_verifier,
}

async fn a_code_is_redeemed_for_tokens_and_an_id_token(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid", "profile", "users:read"]).await;
    let mut browser = Browser::new(&service);
    let code = browser.code(&client, "openid users:read", &ada.email).await;
    service.clock.advance(Duration::from_secs(30));
    let answer = service.redeem(&client, &code).await.expect(200);
    assert_eq!((answer.text("/token_type"), answer.text("/scope")), ("Bearer".into(), "openid users:read".into()));
    assert_eq!(answer.header("cache-control"), "no-store");
    let access = claims(&answer.text("/access_token"));
    assert_eq!((&access["sub"], &access["client_id"]), (&json!(ada.id), &json!(client.id)));
    let (id_token, keys) = (answer.text("/id_token"), service.call(Method::GET, "/.well-known/jwks.json").send().await);
    let header = jsonwebtoken::decode_header(&id_token).unwrap();
    assert_eq!((header.typ.as_deref(), header.alg), (Some("JWT"), jsonwebtoken::Algorithm::EdDSA));
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&keys.bytes).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_audience(&[&client.id]);
    validation.set_issuer(&["http://127.0.0.1:8080"]);
    validation.validate_exp = false;
    let said = jsonwebtoken::decode::<Value>(&id_token, &key, &validation).unwrap().claims;
    let now = service.clock.now_seconds();
    assert_eq!((&said["sub"], &said["nonce"], &said["sid"]), (&json!(ada.id), &json!("n-0S6_WzA2Mj"), &access["sid"]));
    assert_eq!((&said["auth_time"], &said["iat"], &said["exp"]), (&json!(now - 30), &json!(now), &json!(now + 300)));
    assert_eq!((&said["amr"], said.get("email")), (&json!(["pwd"]), None));
    assert_eq!(said["at_hash"].as_str().unwrap().len(), 43, "half of SHA-512, with Ed25519");
    // What identifies a user to a client opens nothing here, whoever reads it.
    let read = service.introspect(&client, &id_token).await;
    assert_eq!(read, json!({"active": false}));
    assert_eq!(service.introspect(&client, &answer.text("/access_token")).await["active"], true);
    service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", &id_token)]).send().await.expect(200);
    assert_eq!(service.introspect(&client, &answer.text("/access_token")).await["active"], true);
    // Without `openid` there is none.
    let code = browser.code(&client, "users:read", &ada.email).await;
    assert!(service.redeem(&client, &code).await.expect(200).json().get("id_token").is_none());
    service.stop().await;
}

async fn anything_wrong_uses_a_code_up(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid"]).await;
    let other = service.web_client(&["openid"]).await;
    let mut browser = Browser::new(&service);
    let longer = format!("{VERIFIER}x");
    for (who, verifier, redirect) in [
        (&other, VERIFIER, REDIRECT),
        (&client, longer.as_str(), REDIRECT),
        (&client, crate::testing::CHALLENGE, REDIRECT),
        (&client, VERIFIER, "https://books.example.com/callback"),
        (&client, VERIFIER, "https://evil.example/"),
    ] {
        let code = browser.code(&client, "openid", &ada.email).await;
        service.redeem_with(who, &code, verifier, redirect).await.expect_problem(400, "invalid_grant");
        service.redeem(&client, &code).await.expect_problem(400, "invalid_grant");
    }
    let code = browser.code(&client, "openid", &ada.email).await;
    service.clock.advance(Duration::from_secs(60));
    service.redeem(&client, &code).await.expect_problem(400, "invalid_grant");
    // Who is not let in has used nothing up.
    let code = browser.code(&client, "openid", &ada.email).await;
    let thief = crate::testing::Registered { secret: Some("tgc_x".to_owned()), ..client.clone() };
    service.redeem(&thief, &code).await.expect_problem(401, "invalid_client");
    let lacking = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
    service.grant(&client, &lacking).await.expect_problem(400, "invalid_request");
    service.redeem(&client, &code).await.expect(200);
    for odd in ["tga_x", "", "x", &"x".repeat(5_000)] {
        let status = service.redeem(&client, odd).await.status;
        assert_eq!(status, 400, "{odd}");
    }
    service.stop().await;
}

async fn of_twenty_exchanges_one_wins_and_then_none_is_left(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid"]).await;
    let code = Browser::new(&service).code(&client, "openid", &ada.email).await;
    let answers = join_all((0..20).map(|_| service.redeem(&client, &code))).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(won.len(), 1);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 400)));
    // A code that came again was stolen from somebody: what it opened has ended.
    assert_eq!(service.introspect(&client, &won[0].text("/access_token")).await, json!({"active": false}));
    let refresh = won[0].text("/refresh_token");
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    service.grant(&client, &fields).await.expect_problem(400, "invalid_grant");
    // Her own session is another one.
    service.refresh(&ada.refresh_token).await.expect(200);
    service.stop().await;
}

async fn a_public_client_redeems_by_its_verifier(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let body = json!({"name": "App", "type": "public", "grant_types": ["authorization_code", "refresh_token"],
        "scopes": ["openid"], "redirect_uris": [REDIRECT]});
    let (app, other) = (service.client(&body).await, service.client(&body).await);
    let mut browser = Browser::new(&service);
    let code = browser.code(&app, "openid", &ada.email).await;
    let tokens = service.redeem(&app, &code).await.expect(200);
    let refresh = async |client_id: &str, token: &str| {
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        if !client_id.is_empty() {
            fields.push(("client_id", client_id));
        }
        service.call(Method::POST, "/api/v1/auth/token").form(&fields).send().await
    };
    let token = tokens.text("/refresh_token");
    refresh(&other.id, &token).await.expect_problem(400, "invalid_grant");
    refresh("", &token).await.expect_problem(400, "invalid_grant");
    refresh(&app.id, &token).await.expect(200);
    let code = browser.code(&app, "openid", &ada.email).await;
    service.redeem(&other, &code).await.expect_problem(400, "invalid_grant");
    service.stop().await;
}
