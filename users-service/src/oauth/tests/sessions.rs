//! What a session that was opened for a client can do, and what ends it.

use reqwest::Method;
use serde_json::json;

use crate::testing::{Answer, Backend, Browser, PASSWORD, Person, Registered, Running, Setup, on_both};

on_both! {
    a_refresh_token_is_its_clients_alone,
    what_a_client_loses_its_next_tokens_lose,
    a_clients_token_changes_no_sign_in,
    user_info_goes_by_scope,
    a_confidential_clients_tokens_are_given_back_by_it_alone,
}

async fn tokens(service: &Running, client: &Registered, scope: &str, who: &Person) -> Answer {
    let code = Browser::new(service).code(client, scope, &who.email).await;
    service.redeem(client, &code).await.expect(200)
}

async fn refresh(service: &Running, client: &Registered, token: &str, scope: Option<&str>) -> Answer {
    let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
    fields.extend(scope.map(|scope| ("scope", scope)));
    service.grant(client, &fields).await
}

async fn a_refresh_token_is_its_clients_alone(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let (client, other) = (service.web_client(&["openid", "users:read"]).await, service.web_client(&["openid"]).await);
    let first = tokens(&service, &client, "openid users:read", &ada).await;
    let token = first.text("/refresh_token");
    service.refresh(&token).await.expect_problem(400, "invalid_grant");
    refresh(&service, &other, &token, None).await.expect_problem(400, "invalid_grant");
    let thief = Registered { secret: Some("tgc_x".to_owned()), ..client.clone() };
    refresh(&service, &thief, &token, None).await.expect_problem(401, "invalid_client");
    // None of that has used it up.
    let narrow = refresh(&service, &client, &token, Some("users:read")).await.expect(200);
    assert_eq!(narrow.text("/scope"), "users:read");
    let next = narrow.text("/refresh_token");
    for more in ["openid api", "users:write", "root"] {
        refresh(&service, &client, &next, Some(more)).await.expect_problem(400, "invalid_scope");
    }
    let whole = refresh(&service, &client, &next, None).await.expect(200);
    assert_eq!(whole.text("/scope"), "openid users:read", "what was not asked for once is not lost");
    // A client with no such grant gets none.
    let once = json!({"name": "Once", "grant_types": ["authorization_code"], "scopes": ["openid"],
        "redirect_uris": [crate::testing::REDIRECT]});
    let once = service.client(&once).await;
    assert!(tokens(&service, &once, "openid", &ada).await.json().get("refresh_token").is_none());
    // And a user's own takes any scope but another.
    let own = [("grant_type", "refresh_token"), ("refresh_token", ada.refresh_token.as_str()), ("scope", "openid")];
    service.call(Method::POST, "/api/v1/auth/token").form(&own).send().await.expect_problem(400, "invalid_scope");
    service.stop().await;
}

async fn what_a_client_loses_its_next_tokens_lose(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    let client = service.web_client(&["openid", "users:read"]).await;
    let path = format!("/api/v1/clients/{}", client.id);
    let patch = |body: serde_json::Value| service.call(Method::PATCH, &path).by(&admin).json(&body).send();
    let token = tokens(&service, &client, "openid users:read", &ada).await.text("/refresh_token");
    patch(json!({"scopes": ["openid"]})).await.expect(200);
    let next = refresh(&service, &client, &token, None).await.expect(200);
    assert_eq!(next.text("/scope"), "openid");
    patch(json!({"grant_types": ["authorization_code"]})).await.expect(200);
    refresh(&service, &client, &next.text("/refresh_token"), None).await.expect_problem(400, "unauthorized_client");
    patch(json!({"grant_types": ["authorization_code", "refresh_token"], "scopes": ["profile"]})).await.expect(200);
    refresh(&service, &client, &next.text("/refresh_token"), None).await.expect_problem(400, "invalid_grant");
    // Disabled, all that was opened for it is over, also when it is enabled again.
    patch(json!({"scopes": ["openid"]})).await.expect(200);
    let token = tokens(&service, &client, "openid", &ada).await;
    patch(json!({"disabled": true})).await.expect(200);
    patch(json!({"disabled": false})).await.expect(200);
    refresh(&service, &client, &token.text("/refresh_token"), None).await.expect_problem(400, "invalid_grant");
    assert_eq!(service.introspect(&client, &token.text("/access_token")).await, json!({"active": false}));
    service.refresh(&ada.refresh_token).await.expect(200);
    service.stop().await;
}

async fn a_clients_token_changes_no_sign_in(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid", "users:read", "users:write"]).await;
    let granted = Person::of(&ada.email, &tokens(&service, &client, "openid users:read users:write", &ada).await);
    assert_eq!((granted.claims.scope.as_str(), granted.id), ("openid users:read users:write", ada.id));
    service.call(Method::GET, "/api/v1/users/me").by(&granted).send().await.expect(200);
    let change = json!({"current_password": PASSWORD, "new_password": "another horse battery 8 staple"});
    let put = service.call(Method::PUT, "/api/v1/users/me/password").by(&granted).json(&change);
    put.send().await.expect_problem(403, "forbidden");
    let patch = service.call(Method::PATCH, "/api/v1/users/me").by(&granted).json(&json!({"username": "mine"}));
    patch.send().await.expect_problem(403, "forbidden");
    service.stop().await;
}

async fn user_info_goes_by_scope(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let info = async |scope: &str| {
        let user = shared::auth::User { scope: scope.to_owned(), ..ada.user() };
        let get = service.call(Method::GET, "/api/v1/auth/userinfo").user(user.clone()).send().await;
        let post = service.call(Method::POST, "/api/v1/auth/userinfo").user(user).send().await;
        assert_eq!(get.status, post.status, "{scope}");
        assert!(get.status != 200 || get.bytes == post.bytes, "{scope}");
        get
    };
    assert_eq!(info("openid").await.expect(200).json(), json!({"sub": ada.id}));
    let profile = info("openid profile").await.expect(200).json();
    assert_eq!((&profile["preferred_username"], profile.get("email")), (&json!("adalovelace"), None));
    let email = info("openid email").await.expect(200).json();
    assert_eq!((&email["email"], &email["email_verified"]), (&json!(ada.email), &json!(false)));
    assert_eq!(info("api").await.expect(200).json()["preferred_username"], "adalovelace");
    for scope in ["", "profile email", "users:read", "openidx"] {
        let refused = info(scope).await.expect_problem(403, "forbidden");
        assert!(refused.header("www-authenticate").contains("insufficient_scope"), "{scope}");
    }
    service.call(Method::GET, "/api/v1/auth/userinfo").send().await.expect_problem(401, "token_required");
    service.stop().await;
}

async fn a_confidential_clients_tokens_are_given_back_by_it_alone(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let (client, other) = (service.web_client(&["openid"]).await, service.web_client(&["openid"]).await);
    let given = tokens(&service, &client, "openid", &ada).await;
    for token in [given.text("/access_token"), given.text("/refresh_token")] {
        let revoke = || service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", &token)]);
        revoke().send().await.expect_problem(401, "invalid_client");
        revoke().shown_by(&other).send().await.expect_problem(400, "unauthorized_client");
        revoke().basic(&client.id, "tgc_x").send().await.expect_problem(401, "invalid_client");
    }
    refresh(&service, &client, &given.text("/refresh_token"), None).await.expect(200);
    let token = given.text("/access_token");
    let revoke = service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", &token)]);
    revoke.shown_by(&client).send().await.expect(200);
    refresh(&service, &client, &given.text("/refresh_token"), None).await.expect_problem(400, "invalid_grant");
    // What is nobody's is nothing, whoever asks.
    let nothing = || service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", "x")]);
    nothing().shown_by(&client).send().await.expect(200);
    nothing().basic(&client.id, "tgc_x").send().await.expect_problem(401, "invalid_client");
    service.stop().await;
}
