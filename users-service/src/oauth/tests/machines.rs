//! Clients that act for themselves, and how a client shows who it is.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use shared::store::RevocationList;

use crate::testing::{Backend, PASSWORD, Registered, Setup, on_both, until};
use crate::tokens::Claims;

on_both! {
    a_client_gets_a_token_of_its_own,
    a_client_shows_itself_in_one_way,
    no_client_signs_a_user_in_with_their_password,
    who_is_not_that_client_is_throttled_and_the_client_is_not,
    a_made_up_client_reaches_no_users_credentials,
    what_ends_a_client_ends_its_tokens,
}

const TOKEN: &str = "/api/v1/auth/token";

pub(super) fn claims(token: &str) -> Value {
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

async fn a_client_gets_a_token_of_its_own(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let machine = service.machine(&["accounts:read", "users:read", "openid"]).await;
    let answer = service.own_token(&machine).await.expect(200);
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store".into(), "no-cache".into()));
    let body = answer.json();
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("Bearer"), &json!(300), &json!("accounts:read users:read"))
    );
    assert!(body.get("refresh_token").is_none() && body.get("id_token").is_none(), "{body}");
    let said = claims(&answer.text("/access_token"));
    assert_eq!((&said["sub"], &said["client_id"]), (&json!(machine.id), &json!(machine.id)));
    assert_eq!(
        (&said["roles"], &said["ver"], &said["scope"]),
        (&json!([]), &json!(0), &json!("accounts:read users:read"))
    );
    let again: Claims =
        serde_json::from_value(claims(&service.own_token(&machine).await.text("/access_token"))).unwrap();
    assert_eq!((json!(again.sid), again.is_of_client()), (said["sid"].clone(), true));
    let asking =
        async |scope: &str| service.grant(&machine, &[("grant_type", "client_credentials"), ("scope", scope)]).await;
    assert_eq!(asking("users:read").await.expect(200).text("/scope"), "users:read");
    for more in ["users:read users:write", "openid", "api", "root", "users:read  accounts:read", "é"] {
        let refused = asking(more).await.expect_problem(400, "invalid_scope");
        assert_eq!(refused.text("/error"), "invalid_scope", "{more}");
    }
    let web = service.web_client(&["accounts:read"]).await;
    let refused = service.own_token(&web).await.expect_problem(400, "unauthorized_client");
    assert_eq!(refused.text("/error"), "unauthorized_client");
    // Whatever the gateway would vouch for, the service takes no client for a user.
    let external = shared::auth::External {
        issuer: "http://127.0.0.1:8080".to_owned(),
        subject: machine.id.clone(),
        roles: shared::domain::Roles::NONE,
        scope: "users:read openid".to_owned(),
    };
    for path in ["/api/v1/users/me", "/api/v1/auth/userinfo"] {
        let call = service.call(Method::GET, path).external(external.clone());
        call.send().await.expect_problem(401, "token_required");
    }
    service.stop().await;
}

async fn a_client_shows_itself_in_one_way(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let machine = service.machine(&["accounts:read"]).await;
    let (id, secret) = (machine.id.as_str(), machine.secret.as_deref().unwrap());
    let public = json!({"name": "App", "type": "public", "grant_types": ["authorization_code"], "scopes": ["openid"],
        "redirect_uris": ["https://app.example.com/cb"]});
    let public = service.client(&public).await;
    let grant = ("grant_type", "client_credentials");
    let post = async |fields: &[(&str, &str)]| {
        service.call(Method::POST, TOKEN).form(&[&[grant], fields].concat()).send().await
    };
    post(&[("client_id", id), ("client_secret", secret)]).await.expect(200);
    for fields in [
        &[] as &[(&str, &str)],
        &[("client_id", id)],
        &[("client_id", id), ("client_secret", "tgc_x")],
        &[("client_id", id), ("client_secret", "")],
        &[("client_secret", secret)],
        &[("client_id", "nobody"), ("client_secret", secret)],
        &[("client_id", &public.id), ("client_secret", secret)],
    ] {
        let refused = post(fields).await.expect_problem(401, "invalid_client");
        assert_eq!(
            (refused.text("/error"), refused.header("www-authenticate")),
            ("invalid_client".into(), "Bearer".into())
        );
    }
    post(&[("client_id", &public.id)]).await.expect_problem(400, "unauthorized_client");
    let basic = |id: &str, secret: &str, fields: &[(&str, &str)]| {
        service.call(Method::POST, TOKEN).basic(id, secret).form(&[&[grant], fields].concat()).send()
    };
    basic(id, secret, &[("client_id", id)]).await.expect(200);
    for (id, secret) in [(id, "tgc_x"), (id, ""), ("", secret), ("nobody", secret), (id, &format!("{secret}&x"))] {
        let refused = basic(id, secret, &[]).await.expect_problem(401, "invalid_client");
        assert_eq!(refused.header("www-authenticate"), "Basic realm=\"tollgate\"", "{id}");
    }
    for both in
        [&[("client_id", id), ("client_secret", secret)][..], &[("client_secret", secret)], &[("client_id", "other")]]
    {
        let refused = basic(id, secret, both).await.expect_problem(400, "invalid_request");
        assert_eq!(refused.text("/error"), "invalid_request");
    }
    let twice = service.call(Method::POST, TOKEN).basic(id, secret).basic(id, secret).form(&[grant]);
    twice.send().await.expect_problem(400, "invalid_request");
    for odd in ["Basic", "Basic !!!", "Basic eA=="] {
        let call = service.call(Method::POST, TOKEN).header("authorization", odd).form(&[grant]);
        call.send().await.expect_problem(401, "invalid_client");
    }
    service.stop().await;
}

async fn no_client_signs_a_user_in_with_their_password(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let machine = service.machine(&["accounts:read"]).await;
    let (id, secret) = (machine.id.as_str(), machine.secret.as_deref().unwrap());
    let own = [("grant_type", "password"), ("username", "root@example.com"), ("password", PASSWORD)];
    let post = || service.call(Method::POST, TOKEN);
    // What has no value counts as left out (RFC 6749, section 3.2), and some programs send every field.
    let with = async |fields: &[(&str, &str)]| post().form(&[&own, fields].concat()).send().await;
    with(&[("client_id", ""), ("client_secret", "")]).await.expect(200);
    let named: &[&[(&str, &str)]] = &[
        &[("client_id", id)],
        &[("client_id", id), ("client_secret", secret)],
        &[("client_id", id), ("client_secret", "tgc_x")],
        &[("client_id", "nobody")],
        &[("client_secret", secret)],
    ];
    for fields in named {
        let refused = with(fields).await.expect_problem(400, "unauthorized_client");
        assert_eq!(refused.text("/error"), "unauthorized_client", "{fields:?}");
    }
    // By its header it is counted as a client's, so nobody tries passwords by way of that.
    for odd in [
        post().basic(id, secret),
        post().header("authorization", "bAsIc x"),
        post().header("authorization", "Bearer x").basic(id, secret),
    ] {
        let refused = odd.form(&own).send().await.expect_problem(400, "unauthorized_client");
        assert_eq!(refused.text("/error"), "unauthorized_client");
    }
    service.stop().await;
}

async fn who_is_not_that_client_is_throttled_and_the_client_is_not(backend: Backend) {
    let service = Setup::on(backend).set("throttle.enabled", "true").set("throttle.attempts", "3").start().await;
    let machine = service.machine(&["accounts:read"]).await;
    let thief = Registered { secret: Some("tgc_guessed".to_owned()), ..machine.clone() };
    for _ in 0..3 {
        service.own_token(&thief).await.expect_problem(401, "invalid_client");
    }
    let unknown = Registered { id: "01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55".to_owned(), ..thief.clone() };
    for client in [&thief, &unknown] {
        let refused = service.own_token(client).await.expect_problem(429, "rate_limited");
        assert_eq!(refused.text("/error"), "temporarily_unavailable");
    }
    for _ in 0..5 {
        service.own_token(&machine).await.expect(200);
    }
    service.stop().await;
}

/// A gateway counts as a client whoever names one in its header: there is nothing of a user's to be had by way of that.
async fn a_made_up_client_reaches_no_users_credentials(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let mut device = crate::testing::Device::new();
    service.add_passkey(&ada, &mut device).await;
    let credential = device.get(&service.request_options().await);
    let text = credential.to_string();
    let metadata = service.call(Method::GET, "/.well-known/oauth-authorization-server").send().await.expect(200).json();
    for grant in metadata["grant_types_supported"].as_array().unwrap() {
        let grant = grant.as_str().unwrap();
        // A new grant has to be thought about here.
        let fields: &[(&str, &str)] = match grant {
            "password" => &[("username", &ada.email), ("password", crate::testing::PASSWORD)],
            "refresh_token" => &[("refresh_token", &ada.refresh_token)],
            "client_credentials" => &[],
            "authorization_code" => &[("code", "tga_x"), ("redirect_uri", "https://x.example"), ("code_verifier", "x")],
            "urn:tollgate:params:oauth:grant-type:passkey" => &[("credential", &text)],
            other => panic!("{other} by a made-up client"),
        };
        let fields = [&[("grant_type", grant)], fields].concat();
        let by_header = service.call(Method::POST, TOKEN).basic("made", "up").form(&fields).send().await;
        let refused = (by_header.status, by_header.text("/error"));
        let known = [(400, "unauthorized_client".to_owned()), (401, "invalid_client".to_owned())];
        assert!(known.contains(&refused), "{grant}: {refused:?}");
    }
    let refresh = async |fields: &[(&str, &str)]| {
        let call = service.call(Method::POST, TOKEN);
        call.form(&[&[("grant_type", "refresh_token")], fields].concat()).send().await
    };
    let in_form = [("refresh_token", ada.refresh_token.as_str()), ("client_id", "made"), ("client_secret", "up")];
    refresh(&in_form).await.expect_problem(401, "invalid_client");
    let machine = service.machine(&["accounts:read"]).await;
    for token in [ada.refresh_token.as_str(), "junk"] {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        service.call(Method::POST, TOKEN).basic("made", "up").form(&fields).send().await.expect(401);
        service.grant(&machine, &fields).await.expect_problem(400, "invalid_grant");
    }
    // Each was counted as a client's failure, and nothing of hers was used up.
    let refused = "SELECT count(*) FROM audit_events WHERE kind = 'client.refused'";
    assert!(service.ground.count(refused).await >= 5);
    let failed = "SELECT count(*) FROM audit_events WHERE kind = 'sign_in.failed'";
    assert_eq!(service.ground.count(failed).await, 0);
    service.refresh(&ada.refresh_token).await.expect(200);
    service.passkey_grant_with(&credential).await.expect(200);
    service.stop().await;
}

/// Whether gateways have been told that a token is void.
async fn until_void(list: &Arc<RevocationList>, token: &str) {
    let claims: Claims = serde_json::from_value(claims(token)).unwrap();
    until(|| list.has_session(claims.sid)).await;
}

async fn what_ends_a_client_ends_its_tokens(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let list = Arc::new(RevocationList::new(service.clock.clone()));
    let _follower = service.stores.revocations.follow(Arc::clone(&list));
    let machine = service.machine(&["accounts:read", "accounts:write"]).await;
    let admin = service.administrator().await;
    let path = format!("/api/v1/clients/{}", machine.id);
    let patch = |body: Value| service.call(Method::PATCH, &path).by(&admin).json(&body).send();
    let token = service.own_token(&machine).await.text("/access_token");
    patch(json!({"name": "Engine", "redirect_uris": []})).await.expect(200);
    let same = service.own_token(&machine).await.text("/access_token");
    assert_eq!(claims(&same)["sid"], claims(&token)["sid"], "a name ends nothing");

    patch(json!({"scopes": ["accounts:read"]})).await.expect(200);
    until_void(&list, &token).await;
    let token = service.own_token(&machine).await.text("/access_token");
    assert!(!list.has_session(serde_json::from_value::<Claims>(claims(&token)).unwrap().sid));
    // Given back by the client itself, and by nobody else.
    let revoke = async |call: crate::testing::Call<'_>| call.form(&[("token", &token)]).send().await;
    let at = || service.call(Method::POST, "/api/v1/auth/revoke");
    let other = service.machine(&["accounts:read"]).await;
    revoke(at()).await.expect_problem(401, "invalid_client");
    revoke(at().basic(&machine.id, "tgc_x")).await.expect_problem(401, "invalid_client");
    revoke(at().shown_by(&other)).await.expect_problem(400, "unauthorized_client");
    assert_eq!(service.introspect(&machine, &token).await["active"], true);
    for _ in 0..2 {
        revoke(at().shown_by(&machine)).await.expect(200);
    }
    until_void(&list, &token).await;

    let token = service.own_token(&machine).await.text("/access_token");
    patch(json!({"disabled": true})).await.expect(200);
    until_void(&list, &token).await;
    service.own_token(&machine).await.expect_problem(401, "invalid_client");
    patch(json!({"disabled": false})).await.expect(200);
    let token = service.own_token(&machine).await.expect(200).text("/access_token");
    service.clock.advance(Duration::from_secs(10));
    service.call(Method::DELETE, &path).by(&admin).send().await.expect(204);
    until_void(&list, &token).await;
    service.own_token(&machine).await.expect_problem(401, "invalid_client");
    service.stop().await;
}
