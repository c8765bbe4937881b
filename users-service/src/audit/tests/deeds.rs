//! Every deed is recorded: an operation that is not in the table below fails, and so does a kind that nothing writes.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::Role;

use super::*;
use crate::keys::{KeyOrder, obey};
use crate::testing::{Backend, Browser, Device, PASSWORD, Person, Registered, Setup, VERIFIER, on_both};

on_both! { every_kind_is_written_by_its_deed, }

/// What each operation that changes something leaves behind.
const DEEDS: [(&str, &[Kind]); 49] = [
    ("register", &[Kind::UserRegistered, Kind::RegistrationDeclined]),
    (
        "token",
        &[
            Kind::SignInSucceeded,
            Kind::SignInFailed,
            Kind::SignInThrottled,
            Kind::SignInShed,
            Kind::RefreshReplayed,
            Kind::ClientRefused,
            Kind::ClientThrottled,
            Kind::CodeRedeemed,
            Kind::CodeRefused,
            Kind::CodeReused,
            Kind::RecoveryCodeUsed,
            Kind::PasskeyCloned,
        ],
    ),
    ("revoke", &[Kind::SessionEnded, Kind::ClientTokensEnded]),
    ("introspect", &[Kind::ClientRefused, Kind::ClientThrottled]),
    ("userinfo_by_post", &[]),
    ("register_client", &[Kind::ClientMade]),
    ("patch_client", &[Kind::ClientChanged]),
    ("delete_client", &[Kind::ClientRemoved]),
    ("make_client_secret", &[Kind::ClientSecretMade]),
    (
        "create_cookie_session",
        &[Kind::SignInSucceeded, Kind::SignInFailed, Kind::SignInThrottled, Kind::SignInShed, Kind::PasskeyCloned],
    ),
    ("refresh_cookie_session", &[Kind::RefreshReplayed]),
    ("delete_cookie_session", &[Kind::SessionEnded]),
    ("delete_session", &[Kind::SessionEnded]),
    ("delete_sessions", &[Kind::SessionEnded]),
    ("delete_consent", &[Kind::ConsentWithdrawn, Kind::SessionEnded]),
    (
        "change_password",
        &[Kind::PasswordChanged, Kind::PasswordChangeFailed, Kind::PasswordChangeThrottled, Kind::SessionGuessedIn],
    ),
    (
        "step_up",
        &[
            Kind::StepUpSucceeded,
            Kind::StepUpFailed,
            Kind::StepUpThrottled,
            Kind::SessionGuessedIn,
            Kind::PasskeyCloned,
        ],
    ),
    // What a browser is asked changes nothing.
    ("passkey_sign_in_options", &[]),
    ("passkey_step_up_options", &[]),
    ("passkey_options", &[]),
    ("add_passkey", &[Kind::PasskeyAdded]),
    ("patch_passkey", &[Kind::PasskeyRenamed]),
    ("delete_passkey", &[Kind::PasskeyRemoved]),
    ("start_totp", &[Kind::FactorStarted]),
    ("confirm_totp", &[Kind::FactorAdded, Kind::FactorFailed, Kind::FactorThrottled]),
    ("delete_totp", &[Kind::FactorRemoved]),
    ("delete_factors", &[Kind::FactorRemoved]),
    ("renew_recovery_codes", &[Kind::RecoveryCodesMade]),
    ("verify_email", &[Kind::EmailVerified, Kind::EmailChanged]),
    ("reset_password", &[Kind::PasswordReset]),
    // Asked for by whoever knows an address: nobody is looked up, and what comes of it is above.
    ("resend_verification", &[]),
    ("forgot_password", &[]),
    ("patch_user", &[Kind::EmailChangeAsked, Kind::EmailChanged, Kind::UsernameChanged, Kind::UserChanged]),
    ("put_avatar", &[Kind::UserChanged]),
    ("delete_avatar", &[Kind::UserChanged]),
    ("put_profile", &[Kind::UserChanged]),
    ("export_user", &[Kind::DataExported]),
    ("delete_user", &[Kind::UserDeleted]),
    ("set_roles", &[Kind::RolesChanged]),
    ("make_role", &[Kind::RoleMade]),
    ("patch_role", &[Kind::RoleChanged]),
    ("delete_role", &[Kind::RoleRemoved]),
    ("make_api_key", &[Kind::ApiKeyMade]),
    ("delete_api_key", &[Kind::ApiKeyRevoked]),
    ("delete_api_key_of", &[Kind::ApiKeyRevoked]),
    ("send_password_reset", &[Kind::PasswordResetSent]),
    ("disable_user", &[Kind::UserDisabled]),
    ("enable_user", &[Kind::UserEnabled]),
    ("restore_user", &[Kind::UserRestored]),
];

/// The password that somebody changes theirs to.
const NEW: &str = "another horse battery 8 staple";

/// What no operation does, or all of them, or a page.
const OTHERWISE: [Kind; 7] = [
    Kind::AdministratorMade,
    Kind::UserImported,
    Kind::ConsentGiven,
    Kind::UserPurged,
    Kind::SigningKeyRotated,
    Kind::SigningKeyRevoked,
    Kind::CallRefused,
];

#[test]
fn every_operation_that_changes_something_has_its_events() {
    let document: Value = serde_json::from_str(&crate::openapi::document()).unwrap();
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap()).filter(|(method, _)| *method != "get");
    for (_, operation) in operations.filter(|(_, operation)| operation.is_object()) {
        let id = operation["operationId"].as_str().unwrap();
        let id = id.strip_suffix("_v2").unwrap_or(id);
        assert!(DEEDS.iter().any(|(deed, _)| *deed == id), "{id} leaves nothing in the audit");
    }
    let told: HashSet<_> = DEEDS.iter().flat_map(|(_, kinds)| *kinds).chain(&OTHERWISE).collect();
    for kind in Kind::ALL {
        assert!(told.contains(kind), "nothing writes {}", kind.as_str());
    }
}

/// Who did it, whether to somebody, and in which session.
type Shape = (&'static str, bool, bool);

const fn shape(kind: Kind) -> Shape {
    match kind {
        Kind::AdministratorMade | Kind::UserImported | Kind::UserPurged => ("system", true, false),
        Kind::UserRegistered
        | Kind::EmailVerified
        | Kind::PasswordReset
        | Kind::RecoveryCodeUsed
        | Kind::PasskeyCloned => ("nobody", true, false),
        Kind::SigningKeyRotated | Kind::SigningKeyRevoked => ("system", false, false),
        Kind::RoleMade
        | Kind::RoleChanged
        | Kind::RoleRemoved
        | Kind::ClientMade
        | Kind::ClientChanged
        | Kind::ClientRemoved
        | Kind::ClientSecretMade => ("user", false, true),
        Kind::RegistrationDeclined
        | Kind::SignInFailed
        | Kind::SignInThrottled
        | Kind::SignInShed
        | Kind::ClientRefused
        | Kind::ClientThrottled
        | Kind::ClientTokensEnded => ("nobody", false, false),
        Kind::RefreshReplayed | Kind::CodeRefused | Kind::CodeReused => ("nobody", true, true),
        Kind::EmailChanged
        | Kind::EmailChangeAsked
        | Kind::UsernameChanged
        | Kind::UserChanged
        | Kind::RolesChanged
        | Kind::ApiKeyMade
        | Kind::ApiKeyRevoked
        | Kind::PasswordResetSent
        | Kind::UserDisabled
        | Kind::UserEnabled
        | Kind::UserDeleted
        | Kind::UserRestored
        | Kind::DataExported
        | Kind::PasswordChanged
        | Kind::PasswordChangeFailed
        | Kind::PasswordChangeThrottled
        | Kind::FactorStarted
        | Kind::FactorAdded
        | Kind::FactorRemoved
        | Kind::FactorFailed
        | Kind::FactorThrottled
        | Kind::PasskeyAdded
        | Kind::PasskeyRenamed
        | Kind::PasskeyRemoved
        | Kind::RecoveryCodesMade
        | Kind::StepUpSucceeded
        | Kind::StepUpFailed
        | Kind::StepUpThrottled
        | Kind::SessionGuessedIn
        | Kind::SignInSucceeded
        | Kind::SessionEnded
        | Kind::ConsentGiven
        | Kind::ConsentWithdrawn
        | Kind::CodeRedeemed
        | Kind::CallRefused => ("user", true, true),
    }
}

async fn every_kind_is_written_by_its_deed(backend: Backend) {
    let setup = Setup::on(backend).set("throttle.enabled", "true").set("throttle.attempts", "2");
    let setup = setup.set("hashing.workers", "1").set("hashing.queue", "1").set("hashing.memory_kib", "4096");
    let setup = setup.set("mfa.attempts", "2").set("sessions.wrong_proofs", "3");
    let service = setup.start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    let path = format!("/api/v1/users/{}", ada.id);
    administer(&service, &admin, &path).await;
    by_mail(&service).await;
    hand_out_power(&service, &admin).await;
    let ada = service.sign_in("countess@example.org").await;
    service.call(Method::GET, "/api/v1/users/me/export").by(&ada).send().await.expect(200);
    let moving = json!({"email": "ada@example.net"});
    service.call(Method::PATCH, "/api/v1/users/me").by(&ada).json(&moving).send().await.expect(200);
    come_and_go(&service).await;
    let_clients_in(&service, &admin).await;
    guess(&service, &ada).await;
    protect(&service).await;
    let (other, patch) = (format!("/api/v1/users/{}", admin.id), json!({"name": "x"}));
    let support = as_support(&ada);
    service.call(Method::PATCH, &other).by(&support).json(&patch).send().await.expect_problem(403, "forbidden");
    // And by itself.
    service.call(Method::DELETE, &path).by(&admin).send().await.expect(204);
    let clock = service.clock.clone();
    clock.advance(Duration::from_secs(31 * 86_400));
    let ground = service.halt().await;
    let before = events_of(&ground).await;
    let quiet = Setup::on(backend).set("registration.disclose_existing", "false");
    let service = quiet.at(clock).start_on(ground).await;
    service.register(&json!({"email": admin.email, "username": "usurper", "password": PASSWORD})).await.expect(202);
    let keys = service.call(Method::GET, "/.well-known/jwks.json").send().await.expect(200);
    let revoke = KeyOrder::Revoke(keys.text("/keys/0/kid"));
    let _ = obey(&service.config, &service.clock, revoke).await.unwrap();
    bring_over(&service).await;
    let events = until_events(&service, |events| count(events, Kind::UserPurged) == 1).await;

    for kind in Kind::ALL {
        let found: Vec<_> = events.iter().filter(|event| event.kind == kind.as_str()).collect();
        assert!(!found.is_empty(), "no {}", kind.as_str());
        for event in found {
            let is = (event.actor_kind.as_str(), event.subject_id.is_some(), event.session_id.is_some());
            assert_eq!((is, event.outcome.as_str()), (shape(*kind), kind.outcome().as_str()), "{}", kind.as_str());
        }
    }
    let once = [Kind::RolesChanged, Kind::UserDisabled, Kind::RefreshReplayed, Kind::PasswordChanged];
    for kind in once {
        assert_eq!(count(&events, kind), 1, "{} is not written by what changes nothing", kind.as_str());
    }
    // One was given back, and one was opened by a code that came twice.
    assert_eq!(count(&events, Kind::SessionEnded), 2);
    let of = |kind: Kind| before.iter().find(|event| event.kind == kind.as_str()).unwrap();
    let email = json!({"before": "adalovelace@example.org", "after": "countess@example.org"});
    assert_eq!(detail(of(Kind::EmailChanged)), email);
    assert_eq!(detail(of(Kind::UserChanged)), json!({"members": ["name", "phone"]}), "which, but not their values");
    assert_eq!(detail(of(Kind::CallRefused)), json!({"call": "PATCH /api/v1/users/{id}"}));
    assert_eq!(of(Kind::CallRefused).subject_id, Some(admin.id.as_uuid()));
    assert_eq!(of(Kind::RolesChanged).actor, Some(admin.id.to_string()));
    let said = format!("{before:?}");
    assert!(!said.contains(NEW) && !said.contains(PASSWORD) && !said.contains("wrong horse"));
    service.stop().await;
}

/// What administrators do; what is so already is not done again.
async fn administer(service: &Running, admin: &Person, path: &str) {
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
async fn bring_over(service: &Running) {
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
async fn hand_out_power(service: &Running, admin: &Person) {
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
async fn by_mail(service: &Running) {
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

async fn come_and_go(service: &Running) {
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
async fn let_clients_in(service: &Running, admin: &Person) {
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

async fn guess(service: &Running, ada: &Person) {
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
async fn protect(service: &Running) {
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
fn as_support(ada: &Person) -> Person {
    let mut ada = ada.clone();
    ada.claims.roles = ada.claims.roles.with(Role::Support);
    ada
}
