//! How passkeys are kept, who may touch them, and what ends them.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use shared::auth::User;
use shared::domain::ApiKeyId;

use crate::testing::{Backend, Device, PASSWORD, Person, Running, Setup, on_both};

on_both! {
    only_a_session_of_ones_own_touches_passkeys,
    an_administrator_takes_them_and_a_new_password_does_not,
    whoever_shows_first_that_an_address_is_theirs_finds_nobodys_keys,
    an_export_shows_them_and_a_purge_takes_them,
    a_flood_of_challenges_writes_nothing,
}

const PASSKEYS: &str = "/api/v1/users/me/passkeys";

async fn only_a_session_of_ones_own_touches_passkeys(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let id = service.add_passkey(&ada, &mut Device::new()).await;
    let one = format!("{PASSKEYS}/{id}");
    let options = format!("{PASSKEYS}/options");
    let calls = [
        (Method::GET, PASSKEYS),
        (Method::POST, PASSKEYS),
        (Method::POST, &options),
        (Method::GET, &one),
        (Method::PATCH, &one),
        (Method::DELETE, &one),
        (Method::POST, "/api/v1/auth/step-up/options"),
    ];
    let all = "users:read users:write accounts:read accounts:write";
    let key = ApiKeyId::generate(&service.clock);
    let by_key = User { session: None, api_key: Some(key), scope: all.to_owned(), ..ada.user() };
    let by_client = User { scope: format!("openid {all}"), ..ada.user() };
    for (method, path) in calls {
        let call = || {
            let call = service.call(method.clone(), path);
            match (&method, path) {
                (&Method::POST, PASSKEYS) => call.json(&json!({"name": "x", "credential": "{}"})),
                (&Method::PATCH, _) => call.json(&json!({"name": "x"})),
                _ => call,
            }
        };
        for user in [&by_key, &by_client] {
            call().user(user.clone()).send().await.expect_problem(403, "forbidden");
        }
        call().send().await.expect_problem(401, "token_required");
    }
    assert_eq!(service.ground.count("SELECT count(*) FROM passkeys").await, 1);
    service.stop().await;
}

async fn an_administrator_takes_them_and_a_new_password_does_not(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    let mut device = Device::new();
    service.add_passkey(&ada, &mut device).await;
    let token = service.mail(&ada.email, "Confirm").await.token();
    let body = json!({"token": token});
    service.call(Method::POST, "/api/v1/auth/email/verify").json(&body).send().await.expect(204);
    choose_another_password(&service, &ada).await;
    let there = service.passkey_grant(&mut device).await.expect(200);
    // Taking one's app away takes no passkey.
    let there = crate::testing::Person::of(&ada.email, &there);
    service.enrol(&there).await;
    service.call(Method::DELETE, "/api/v1/users/me/mfa/totp").by(&there).send().await.expect(204);
    service.passkey_grant(&mut device).await.expect(200);
    let path = format!("/api/v1/users/{}/mfa", ada.id);
    for _ in 0..2 {
        service.call(Method::DELETE, &path).by(&admin).send().await.expect(204);
    }
    service.passkey_grant(&mut device).await.expect_problem(400, "invalid_grant");
    service.refresh(&there.refresh_token).await.expect_problem(400, "invalid_grant");
    let removed = "SELECT count(*) FROM audit_events WHERE kind = 'factor.removed'";
    assert_eq!(service.ground.count(removed).await, 2, "the app by its owner, the passkeys by the administrator");
    service.stop().await;
}

async fn choose_another_password(service: &Running, whose: &Person) {
    let forgot = service.call(Method::POST, "/api/v1/auth/password/forgot").json(&json!({"email": whose.email}));
    forgot.send().await.expect(202);
    let token = service.mail(&whose.email, "Choose").await.token();
    let body = json!({"token": token, "new_password": "another horse battery 8 staple"});
    service.call(Method::POST, "/api/v1/auth/password/reset").json(&body).send().await.expect(204);
}

async fn whoever_shows_first_that_an_address_is_theirs_finds_nobodys_keys(backend: Backend) {
    let service = Setup::on(backend).start().await;
    // Registered by a stranger, who keeps what opens it without the password.
    let stranger = service.person("adalovelace").await;
    let mut device = Device::new();
    service.add_passkey(&stranger, &mut device).await;
    let new = json!({"name": "for later", "scopes": ["users:read"]});
    service.call(Method::POST, "/api/v1/users/me/api-keys").by(&stranger).json(&new).send().await.expect(201);
    choose_another_password(&service, &stranger).await;
    service.passkey_grant(&mut device).await.expect_problem(400, "invalid_grant");
    service.refresh(&stranger.refresh_token).await.expect_problem(400, "invalid_grant");
    let living = "SELECT count(*) FROM api_keys WHERE revoked_at IS NULL";
    assert_eq!(service.ground.count(living).await, 0);
    let told = "SELECT count(*) FROM revocations WHERE kind = 'api_key'";
    assert_eq!(service.ground.count(told).await, 1, "and every gateway is told");
    service.stop().await;
}

async fn an_export_shows_them_and_a_purge_takes_them(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let mut device = Device::new();
    let id = service.add_passkey(&ada, &mut device).await;
    service.passkey_grant(&mut device).await.expect(200);
    let export = service.call(Method::GET, "/api/v1/users/me/export").by(&ada).send().await.expect(200).json();
    let shown = json!([{
        "id": id, "name": "my phone", "backup_eligible": false, "backed_up": false, "transports": ["hybrid", "internal"],
        "created_at": "2026-03-01T12:00:00.000000Z", "last_used_at": "2026-03-01T12:00:00.000000Z",
    }]);
    assert_eq!(export["passkeys"], shown);
    service.call(Method::DELETE, "/api/v1/users/me").by(&ada).send().await.expect(204);
    service.clock.advance(Duration::from_secs(31 * 86_400));
    crate::sweeper::sweep(&service.app).await.unwrap();
    assert_eq!(service.ground.count("SELECT count(*) FROM passkeys").await, 0);
    service.passkey_grant(&mut device).await.expect_problem(400, "invalid_grant");
    service.register(&json!({"email": ada.email, "username": "adalovelace", "password": PASSWORD})).await.expect(201);
    service.stop().await;
}

async fn a_flood_of_challenges_writes_nothing(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let mut device = Device::new();
    service.add_passkey(&ada, &mut device).await;
    let rows = "SELECT count(*) FROM answered_challenges";
    let before = service.ground.count(rows).await;
    for _ in 0..50 {
        let mut credential = device.get(&service.request_options().await);
        credential["response"]["signature"] = json!("AAAA");
        service.passkey_grant_with(&credential).await.expect(400);
    }
    assert_eq!(service.ground.count(rows).await, before);
    service.stop().await;
}
