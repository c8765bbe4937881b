//! Introspection: who may ask, and what they learn.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use shared::auth::{AUDIENCE_USERS, Caller, HEADER, Signer};
use shared::config::Secret;

use super::machines::claims;
use crate::testing::{Backend, Browser, REDIRECT, Setup, on_both};

on_both! {
    only_clients_with_a_secret_and_administrators_ask,
    a_client_learns_nothing_of_anothers_tokens,
    the_gateway_asks_about_keys,
}

const PATH: &str = "/api/v1/auth/introspect";

async fn only_clients_with_a_secret_and_administrators_ask(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    let client = service.web_client(&["openid"]).await;
    let public = json!({"name": "App", "type": "public", "grant_types": ["authorization_code"], "scopes": ["openid"],
        "redirect_uris": [REDIRECT]});
    let public = service.client(&public).await;
    let ask = |token: &str| service.call(Method::POST, PATH).form(&[("token", token)]);
    let token = service.password_grant(&ada.email, crate::testing::PASSWORD).await.text("/access_token");
    ask(&token).send().await.expect_problem(401, "invalid_client");
    ask(&token).by(&ada).send().await.expect_problem(401, "invalid_client");
    ask(&token).basic(&client.id, "tgc_x").send().await.expect_problem(401, "invalid_client");
    let named = [("token", token.as_str()), ("client_id", &public.id)];
    service.call(Method::POST, PATH).form(&named).send().await.expect_problem(401, "invalid_client");
    ask("").by(&admin).send().await.expect_problem(400, "invalid_request");
    let said = ask(&token).by(&admin).send().await.expect(200);
    assert_eq!(said.header("cache-control"), "no-store");
    let (said, from) = (said.json(), claims(&token));
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "sid", "scope"] {
        assert_eq!(said[name], from[name], "{name}");
    }
    assert_eq!((&said["active"], &said["token_type"]), (&json!(true), &json!("Bearer")));
    assert_eq!(ask(&token).shown_by(&client).send().await.expect(200).json(), said);
    for nothing in ["x", "tgr_x", "tgk_x", "a.b.c"] {
        assert_eq!(ask(nothing).by(&admin).send().await.expect(200).json(), json!({"active": false}), "{nothing}");
    }
    // Over: by time, by revocation, by its user.
    service.clock.advance(Duration::from_secs(300));
    assert_eq!(ask(&token).by(&admin).send().await.expect(200).json(), json!({"active": false}));
    let tokens = service.password_grant(&ada.email, crate::testing::PASSWORD).await;
    let token = tokens.text("/access_token");
    let refresh = ask(&tokens.text("/refresh_token")).by(&admin).send().await.expect(200).json();
    assert_eq!((&refresh["active"], &refresh["token_type"]), (&json!(true), &json!("refresh_token")));
    service.call(Method::POST, &format!("/api/v1/users/{}/disable", ada.id)).by(&admin).send().await.expect(200);
    for token in [token, tokens.text("/refresh_token")] {
        assert_eq!(ask(&token).by(&admin).send().await.expect(200).json(), json!({"active": false}));
    }
    service.stop().await;
}

async fn a_client_learns_nothing_of_anothers_tokens(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    let (client, other) = (service.web_client(&["openid"]).await, service.machine(&["accounts:read"]).await);
    let code = Browser::new(&service).code(&client, "openid", &ada.email).await;
    let tokens = service.redeem(&client, &code).await.expect(200);
    let (access, refresh) = (tokens.text("/access_token"), tokens.text("/refresh_token"));
    let inactive: Value = json!({"active": false});
    for token in [&access, &refresh] {
        assert_eq!(service.introspect(&other, token).await, inactive);
        let own = service.introspect(&client, token).await;
        assert_eq!((&own["active"], &own["client_id"]), (&json!(true), &json!(client.id)));
        let call = service.call(Method::POST, PATH).by(&admin).form(&[("token", token)]);
        assert_eq!(call.send().await.expect(200).json(), own);
    }
    assert_eq!(service.introspect(&client, &ada.refresh_token).await, inactive, "a user's own");
    let own = service.own_token(&other).await.text("/access_token");
    assert_eq!(service.introspect(&client, &own).await, inactive);
    assert_eq!(service.introspect(&other, &own).await["sub"], json!(other.id));
    service.stop().await;
}

async fn the_gateway_asks_about_keys(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let signer =
        Signer::new(&Secret::from("a secret of the tests, long enough".to_owned()), service.clock.clone()).unwrap();
    let caller = Caller { is_gateway: true, ..Caller::default() };
    let assertion = signer.sign(AUDIENCE_USERS, "POST", PATH, &caller).unwrap();
    let asked = reqwest::Client::new().post(format!("http://{}{PATH}", service.addr)).header(HEADER, assertion);
    let asked = asked.form(&[("token", "tgk_unknown")]).send().await.unwrap();
    assert_eq!(asked.status(), 200);
    assert_eq!(asked.json::<Value>().await.unwrap(), json!({"active": false}));
    service.stop().await;
}
