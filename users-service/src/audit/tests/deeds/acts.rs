//! What people do, so that it is on record.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::Role;

use super::super::*;
use super::NEW;
use crate::testing::{Browser, Device, PASSWORD, Person, Registered, VERIFIER};

/// What administrators do; what is so already is not done again.
pub(super) async fn administer(service: &Running, admin: &Person, path: &str) {
    let patch =
        json!({"email": "countess@example.org", "username": "countess", "name": "Ada", "phone": "+14155550123"});
    service.call(Method::PATCH, path).by(admin).json(&patch).send().await.expect(200);
    for _ in 0..2 {
        let roles = json!({"roles": ["user", "support"]});
        service.call(Method::PUT, &format!("{path}/roles")).by(admin).json(&roles).send().await.expect(200);
    }
    let post = async |call: &str| {
        service.call(Method::POST, &format!("{path}/{call}")).by(admin).send().await.expect(200);
    };
    post("disable").await;
    post("disable").await;
    post("enable").await;
    service.call(Method::DELETE, path).by(admin).send().await.expect(204);
    post("restore").await;
}

/// What an operator does.
pub(super) async fn bring_over(service: &Running) {
    let line = json!({
        "email": "katherine@example.org", "username": "katherine",
        "password_hash": "$2b$04$9W1wWX8bKhTWZPJclWRsOOY03IgPDMM.3AEd1zOOAdCBby.tjdkg2",
    });
    let mut refusals = Vec::new();
    let (mut file, mut tell) =
        (std::io::Cursor::new(line.to_string()), |refusal: &crate::Refusal| refusals.push(format!("{refusal:?}")));
    let done = crate::import_users(&service.config, &service.clock, &mut file, crate::Dry::No, &mut tell).await;
    assert_eq!((done.unwrap().imported, refusals), (1, Vec::new()));
}

/// What custom roles, keys, and a link sent at an administrator's word come to.
pub(super) async fn hand_out_power(service: &Running, admin: &Person) {
    let call = async |method, path: &str, body: Option<Value>| {
        let call = service.call(method, path).by(admin);
        body.iter().fold(call, |call, body| call.json(body)).send().await
    };
    let role = json!({"name": "auditor", "permissions": ["audit:read"]});
    call(Method::POST, "/api/v1/roles", Some(role)).await.expect(201);
    for _ in 0..2 {
        call(Method::PATCH, "/api/v1/roles/auditor", Some(json!({"permissions": []}))).await.expect(200);
    }
    call(Method::DELETE, "/api/v1/roles/auditor", None).await.expect(204);
    for path in ["/api/v1/users/me/api-keys".to_owned(), format!("/api/v1/users/{}/api-keys", admin.id)] {
        let key = json!({"name": "report", "scopes": ["users:read"]});
        let made = call(Method::POST, "/api/v1/users/me/api-keys", Some(key)).await.expect(201);
        call(Method::DELETE, &format!("{path}/{}", made.text("/id")), None).await.expect(204);
    }
    call(Method::POST, &format!("/api/v1/users/{}/password-reset", admin.id), None).await.expect(202);
}

/// What links do.
pub(super) async fn by_mail(service: &Running) {
    let post = async |path: &str, body: Value| service.call(Method::POST, path).json(&body).send().await;
    // What was sent to them before they were shut out is good for nothing any more.
    service.until_mails("waiting", 0).await;
    let before = service.mails("countess@example.org", "Confirm");
    post("/api/v1/auth/email/resend", json!({"email": "countess@example.org"})).await.expect(202);
    let token = service.another_mail("countess@example.org", "Confirm", &before).await.token();
    post("/api/v1/auth/email/verify", json!({"token": token})).await.expect(204);
    post("/api/v1/auth/password/forgot", json!({"email": "countess@example.org"})).await.expect(202);
    let token = service.mail("countess@example.org", "Choose").await.token();
    post("/api/v1/auth/password/reset", json!({"token": token, "new_password": PASSWORD})).await.expect(204);
}

/// Sessions that end, and a token that comes twice.
pub(super) async fn come_and_go(service: &Running) {
    let token = service.sign_in("countess").await.refresh_token;
    for _ in 0..2 {
        service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", &token)]).send().await.expect(200);
    }
    let stolen = service.sign_in("countess").await.refresh_token;
    service.refresh(&stolen).await.expect(200);
    service.clock.advance(Duration::from_secs(60));
    for _ in 0..2 {
        service.refresh(&stolen).await.expect_problem(400, "invalid_grant");
    }
}

/// What clients do, and administrators to them.
pub(super) async fn let_clients_in(service: &Running, admin: &Person) {
    let (web, machine) = (service.web_client(&["openid"]).await, service.machine(&["accounts:read"]).await);
    let code = Browser::new(service).code(&web, "openid", "countess").await;
    for status in [200, 400] {
        service.redeem(&web, &code).await.expect(status);
    }
    let code = Browser::new(service).code(&web, "openid", "countess").await;
    service.redeem_with(&web, &code, VERIFIER, "https://evil.example/").await.expect_problem(400, "invalid_grant");
    let ada = service.sign_in("countess").await;
    let consent = format!("/api/v1/users/me/consents/{}", web.id);
    for status in [204, 404] {
        service.call(Method::DELETE, &consent).by(&ada).send().await.expect(status);
    }
    let token = service.own_token(&machine).await.text("/access_token");
    let revoke = service.call(Method::POST, "/api/v1/auth/revoke").shown_by(&machine).form(&[("token", &token)]);
    revoke.send().await.expect(200);
    let thief = Registered { secret: Some("tgc_guessed".to_owned()), ..machine.clone() };
    for status in [401, 401, 429] {
        service.own_token(&thief).await.expect(status);
    }
    let path = format!("/api/v1/clients/{}", machine.id);
    let secret = service.call(Method::POST, &format!("{path}/secret")).by(admin).json(&json!({}));
    secret.send().await.expect(200);
    service.call(Method::PATCH, &path).by(admin).json(&json!({"disabled": true})).send().await.expect(200);
    service.call(Method::DELETE, &path).by(admin).send().await.expect(204);
}

/// What is wrong, and too often.
pub(super) async fn guess(service: &Running, ada: &Person) {
    let change = async |current: &str| {
        let body = json!({"current_password": current, "new_password": NEW});
        service.call(Method::PUT, "/api/v1/users/me/password").by(ada).json(&body).send().await
    };
    let step_up = async |password: &str| {
        let body = json!({"password": password});
        service.call(Method::POST, "/api/v1/auth/step-up").by(ada).json(&body).send().await
    };
    step_up("wrong horse 9").await.expect(422);
    step_up(PASSWORD).await.expect(204);
    change(PASSWORD).await.expect(204);
    for status in [422, 422, 429] {
        change("wrong horse 9").await.expect(status);
    }
    step_up(NEW).await.expect(429);
    for status in [400, 400, 429] {
        service.password_grant("countess", "wrong horse 9").await.expect(status);
    }
    let nobody = async |number: usize| service.password_grant(&format!("nobody{number}"), "wrong horse 9").await.status;
    let crowd = join_all((0..20).map(nobody)).await;
    assert!(crowd.contains(&503), "{crowd:?}");
}

/// What somebody does about their second factor.
pub(super) async fn protect(service: &Running) {
    let grace = service.person("gracehopper").await;
    let app = service.enrol(&grace).await;
    let code = app.recovery_codes[0].as_str();
    service.sign_in_with(&grace.email, code).await.expect(200);
    service.post_by(&grace, "/api/v1/users/me/mfa/recovery-codes", None).await.expect(200);
    service.call(Method::DELETE, "/api/v1/users/me/mfa/totp").by(&grace).send().await.expect(204);
    let mut device = Device::new();
    let key = service.add_passkey(&grace, &mut device).await;
    let path = format!("/api/v1/users/me/passkeys/{key}");
    service.call(Method::PATCH, &path).by(&grace).json(&json!({"name": "old"})).send().await.expect(200);
    service.passkey_grant(&mut device).await.expect(200);
    device.count = 0;
    service.passkey_grant(&mut device).await.expect_problem(400, "invalid_grant");
    service.call(Method::DELETE, &path).by(&grace).send().await.expect(204);
    service.post_by(&grace, "/api/v1/users/me/mfa/totp", None).await.expect(201);
    for status in [422, 422, 429] {
        let wrong = json!({"code": "wrong"});
        service.post_by(&grace, "/api/v1/users/me/mfa/totp/confirm", Some(&wrong)).await.expect(status);
    }
    for status in [422, 422, 422, 401] {
        let wrong = json!({"password": "wrong horse 9"});
        service.post_by(&grace, "/api/v1/auth/step-up", Some(&wrong)).await.expect(status);
        service.clock.advance(Duration::from_secs(150));
    }
}

/// With the role that an administrator gave them: a token of before they were deleted.
pub(super) fn as_support(ada: &Person) -> Person {
    let mut ada = ada.clone();
    ada.claims.roles = ada.claims.roles.with(Role::Support);
    ada
}
