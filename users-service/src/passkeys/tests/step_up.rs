//! Proving once more who one is, with a passkey.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::testing::{Answer, Backend, Device, PASSWORD, Person, Running, Setup, on_both};

on_both! {
    a_passkey_proves_what_matters_most,
    a_proof_is_of_one_session_and_good_once,
    an_app_adds_to_how_a_session_was_opened,
}

async fn an_app_adds_to_how_a_session_was_opened(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let mut device = Device::new();
    service.add_passkey(&ada, &mut device).await;
    let here = Person::of(&ada.email, &service.passkey_grant(&mut device).await.expect(200));
    service.enrol(&here).await;
    let with =
        async |amr: &str| service.ground.count(&format!("SELECT count(*) FROM sessions WHERE amr = '{amr}'")).await;
    assert_eq!((with("pop user mfa otp").await, with("pwd").await), (1, 1), "no password was shown here");
    service.stop().await;
}

const STEP_UP: &str = "/api/v1/auth/step-up";
const OPTIONS: &str = "/api/v1/auth/step-up/options";
const EXPORT: &str = "/api/v1/users/me/export";

async fn proof(service: &Running, person: &Person, device: &mut Device) -> Value {
    let options = service.post_by(person, OPTIONS, None).await.expect(200).json();
    json!({"credential": device.get(&options).to_string()})
}

async fn export(service: &Running, person: &Person) -> Answer {
    service.call(Method::GET, EXPORT).by(person).send().await
}

async fn a_passkey_proves_what_matters_most(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    service.post_by(&ada, OPTIONS, None).await.expect_problem(409, "state_conflict");
    let mut device = Device::new();
    service.add_passkey(&ada, &mut device).await;
    let options = service.post_by(&ada, OPTIONS, None).await.expect(200).json();
    assert_eq!(options["allowCredentials"][0]["id"], passki::Passki::base64_encode(&device.id));
    service.clock.advance(Duration::from_secs(301));
    export(&service, &ada).await.expect_problem(401, "step_up_required");
    let right = proof(&service, &ada, &mut device).await;
    service.post_by(&ada, STEP_UP, Some(&right)).await.expect(204);
    export(&service, &ada).await.expect(200);
    // Where a code would be asked for, a passkey is as much.
    service.enrol(&ada).await;
    service.clock.advance(Duration::from_secs(301));
    service.post_by(&ada, STEP_UP, Some(&json!({"password": PASSWORD}))).await.expect_problem(403, "mfa_required");
    let right = proof(&service, &ada, &mut device).await;
    service.post_by(&ada, STEP_UP, Some(&right)).await.expect(204);
    export(&service, &ada).await.expect(200);
    let proved = "SELECT count(*) FROM audit_events WHERE kind = 'step_up.succeeded'";
    assert_eq!(service.ground.count(proved).await, 2);
    // An assertion need not name its user here: the session does.
    let options = service.post_by(&ada, OPTIONS, None).await.expect(200).json();
    let mut credential = device.get(&options);
    credential["response"]["userHandle"] = Value::Null;
    service.post_by(&ada, STEP_UP, Some(&json!({"credential": credential.to_string()}))).await.expect(204);
    service.stop().await;
}

async fn a_proof_is_of_one_session_and_good_once(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    let there = service.sign_in(&ada.email).await;
    let (mut device, mut bobs) = (Device::new(), Device::new());
    service.add_passkey(&ada, &mut device).await;
    service.add_passkey(&bob, &mut bobs).await;
    let wrong = async |person: &Person, body: &Value| {
        let answer = service.post_by(person, STEP_UP, Some(body)).await.expect_problem(422, "validation_failed");
        assert_eq!(answer.text("/errors/0/pointer"), "/credential");
    };
    let right = proof(&service, &ada, &mut device).await;
    wrong(&there, &right).await;
    wrong(&bob, &right).await;
    service.post_by(&ada, STEP_UP, Some(&right)).await.expect(204);
    wrong(&ada, &right).await;
    let sign_in = json!({"credential": device.get(&service.request_options().await).to_string()});
    wrong(&ada, &sign_in).await;
    // Ada's session, Bob's key.
    let options = service.post_by(&ada, OPTIONS, None).await.expect(200).json();
    wrong(&ada, &json!({"credential": bobs.get(&options).to_string()})).await;
    wrong(&ada, &json!({"credential": "{}"})).await;
    wrong(&ada, &json!({"credential": "{}", "password": PASSWORD})).await;
    let late = proof(&service, &ada, &mut device).await;
    service.clock.advance(Duration::from_secs(300));
    wrong(&ada, &late).await;
    device.count = 1;
    let twin = proof(&service, &ada, &mut device).await;
    wrong(&ada, &twin).await;
    let cloned = "SELECT count(*) FROM audit_events WHERE kind = 'passkey.cloned'";
    assert_eq!(service.ground.count(cloned).await, 1);
    let token = ada.refresh_token.as_str();
    device.count = 50;
    let right = proof(&service, &ada, &mut device).await;
    service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", token)]).send().await.expect(200);
    service.post_by(&ada, STEP_UP, Some(&right)).await.expect_problem(401, "token_invalid");
    service.stop().await;
}
