//! Signing in with passkeys.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Spoil, bad_manners, synced};
use crate::testing::{Backend, Device, ELIGIBLE, PASSWORD, Person, Running, Setup, base64url, on_both};

on_both! {
    a_passkey_signs_in_and_a_replayed_assertion_does_not,
    fifty_uses_of_one_assertion_sign_in_once,
    what_was_not_signed_as_asked_is_refused,
    every_member_of_an_assertion_counts,
    a_twin_of_a_key_is_found_out,
    only_a_right_assertion_learns_of_the_status,
    a_browser_signs_in_with_a_passkey,
    passkeys_are_counted_each_for_itself,
}

const GRANT: &str = "urn:tollgate:params:oauth:grant-type:passkey";

async fn sessions(service: &Running, amr: &str) -> i64 {
    service.ground.count(&format!("SELECT count(*) FROM sessions WHERE amr = '{amr}'")).await
}

async fn events(service: &Running, kind: &str) -> i64 {
    service.ground.count(&format!("SELECT count(*) FROM audit_events WHERE kind = '{kind}'")).await
}

async fn a_passkey_signs_in_and_a_replayed_assertion_does_not(backend: Backend) {
    let service = Setup::on(backend).set("sessions.per_user", "3").start().await;
    let ada = service.person("adalovelace").await;
    let options = service.request_options().await;
    assert_eq!((&options["rpId"], &options["allowCredentials"]), (&json!("localhost"), &json!([])));
    assert_ne!(options["challenge"], service.request_options().await["challenge"]);
    let mut devices = [Device::new(), Device::ed25519(), Device::rsa(), synced()];
    let id = service.add_passkey(&ada, &mut devices[0]).await;
    for device in &mut devices[1..] {
        service.add_passkey(&ada, device).await;
    }
    // No code is asked for: a passkey is two factors.
    service.enrol(&ada).await;
    let known = "SELECT count(*) FROM known_devices";
    assert_eq!(service.ground.count(known).await, 1);
    for device in &mut devices {
        let credential = device.get(&service.request_options().await);
        let signed_in = service.passkey_grant_with(&credential).await.expect(200);
        assert_eq!((signed_in.header("cache-control"), signed_in.text("/scope")), ("no-store".into(), "api".into()));
        let there = Person::of(&ada.email, &signed_in);
        assert_eq!(there.id, ada.id);
        service.call(Method::GET, "/api/v1/users/me").by(&there).send().await.expect(200);
        service.refresh(&there.refresh_token).await.expect(200);
        service.passkey_grant_with(&credential).await.expect_problem(400, "invalid_grant");
    }
    assert_eq!(sessions(&service, "pop user mfa").await, 4);
    assert_eq!(service.ground.count("SELECT count(*) FROM sessions WHERE ended_at IS NULL").await, 3);
    assert_eq!((events(&service, "sign_in.failed").await, events(&service, "sign_in.succeeded").await), (4, 5));
    let shown = service.call(Method::GET, &format!("/api/v1/users/me/passkeys/{id}"));
    let there = Person::of(&ada.email, &service.passkey_grant(&mut devices[0]).await.expect(200));
    assert_eq!(shown.by(&there).send().await.expect(200).text("/last_used_at"), "2026-03-01T12:00:30.000000Z");
    // Nor when its time is over and nobody remembers that it was answered.
    let credential = devices[0].get(&service.request_options().await);
    service.passkey_grant_with(&credential).await.expect(200);
    service.clock.advance(Duration::from_secs(300));
    service.passkey_grant_with(&credential).await.expect_problem(400, "invalid_grant");
    crate::sweeper::sweep(&service.app).await.unwrap();
    let answered = "SELECT count(*) FROM answered_challenges";
    assert_eq!(service.ground.count(answered).await, 10, "an instance's clock may be behind");
    service.clock.advance(Duration::from_secs(3_600));
    crate::sweeper::sweep(&service.app).await.unwrap();
    assert_eq!(service.ground.count(answered).await, 0);
    service.passkey_grant_with(&credential).await.expect_problem(400, "invalid_grant");
    let fields = [("grant_type", GRANT), ("credential", "{}")];
    let call = service.call(Method::POST, "/api/v1/auth/token").form(&fields);
    call.send().await.expect_problem(400, "invalid_request");
    let credential = devices[0].get(&service.request_options().await).to_string();
    let fields = [("grant_type", GRANT), ("credential", &credential), ("scope", "api admin")];
    let call = service.call(Method::POST, "/api/v1/auth/token").form(&fields);
    call.send().await.expect_problem(400, "invalid_scope");
    service.stop().await;
}

async fn fifty_uses_of_one_assertion_sign_in_once(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    // One that does not count, so that nothing but the challenge tells.
    let mut device = Device::new();
    device.count = 0;
    service.add_passkey(&ada, &mut device).await;
    let credential = device.get(&service.request_options().await);
    let answers = join_all((0..50).map(|_| service.passkey_grant_with(&credential))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, [400; 49].as_slice()));
    assert_eq!(sessions(&service, "pop user mfa").await, 1);
    assert_eq!(events(&service, "passkey.cloned").await, 0);
    service.passkey_grant(&mut device).await.expect(200);
    service.stop().await;
}

/// How it is refused.
async fn refused(service: &Running, credential: &Value, why: &str) -> String {
    let answer = service.passkey_grant_with(credential).await;
    assert_eq!(answer.status, 400, "{why}: {}", String::from_utf8_lossy(&answer.bytes));
    answer.text("/code")
}

async fn what_was_not_signed_as_asked_is_refused(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let mut device = Device::new();
    service.add_passkey(&ada, &mut device).await;
    let right = device.manner.clone();
    // Its header may say that more follows, which nobody has to read.
    let made: Spoil = |device| device.manner.kind = Some("webauthn.create");
    let manners = bad_manners().into_iter().filter(|(why, _)| !why.starts_with("more"));
    for (why, spoil) in manners.chain([("not to sign in", made)]) {
        spoil(&mut device);
        let credential = device.get(&service.request_options().await);
        assert_eq!(refused(&service, &credential, why).await, "invalid_grant", "{why}");
        device.manner = right.clone();
    }
    device.manner.turned = ELIGIBLE;
    let credential = device.get(&service.request_options().await);
    assert_eq!(refused(&service, &credential, "copied all of a sudden").await, "invalid_grant");
    device.manner = right;

    // What was asked for something else.
    let mut others = vec![service.creation_options(&ada).await];
    others.push(service.post_by(&ada, "/api/v1/auth/step-up/options", None).await.expect(200).json());
    others.push(json!({"challenge": base64url(&[7; 56])}));
    others.push(json!({"challenge": ""}));
    for mut other in others {
        other["rpId"] = json!("localhost");
        assert_eq!(refused(&service, &device.get(&other), "another challenge").await, "invalid_grant");
    }
    let old = device.get(&service.request_options().await);
    service.clock.advance(Duration::from_secs(300));
    assert_eq!(refused(&service, &old, "over").await, "invalid_grant");
    assert_eq!(sessions(&service, "pop user mfa").await, 0);
    service.passkey_grant(&mut device).await.expect(200);
    service.stop().await;
}

async fn every_member_of_an_assertion_counts(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    let (mut device, mut bobs) = (Device::new(), Device::new());
    service.add_passkey(&ada, &mut device).await;
    service.add_passkey(&bob, &mut bobs).await;
    let spoilt = async |device: &mut Device, pointer: &str, value: Value| {
        let mut credential = device.get(&service.request_options().await);
        *credential.pointer_mut(pointer).unwrap() = value;
        credential
    };
    let (adas, bobs_id) = (base64url(ada.id.as_uuid().as_bytes()), base64url(bob.id.as_uuid().as_bytes()));
    let strange = base64url(&[9; 70]);
    for (pointer, value) in [
        ("/response/signature", json!(strange)),
        ("/response/signature", json!("")),
        ("/response/signature", json!("=")),
        ("/response/userHandle", json!(bobs_id)),
        ("/response/userHandle", json!(null)),
        ("/response/userHandle", json!("")),
        ("/rawId", json!(base64url(&bobs.id))),
        ("/rawId", json!(base64url(&[7; 16]))),
        ("/rawId", json!("")),
    ] {
        let credential = spoilt(&mut device, pointer, value.clone()).await;
        assert_eq!(refused(&service, &credential, &format!("{pointer} {value}")).await, "invalid_grant");
    }
    // Bob's key, said to be Ada's.
    let credential = spoilt(&mut bobs, "/response/userHandle", json!(adas)).await;
    assert_eq!(refused(&service, &credential, "another's").await, "invalid_grant");
    // Every byte of what was signed counts.
    let credential = device.get(&service.request_options().await);
    for pointer in ["/response/authenticatorData", "/response/signature"] {
        let bytes = passki::Passki::base64_decode(credential.pointer(pointer).unwrap().as_str().unwrap()).unwrap();
        for at in [0, 31, 32, 36, bytes.len() - 1] {
            let (mut bytes, mut credential) = (bytes.clone(), credential.clone());
            bytes[at] ^= 0x20;
            *credential.pointer_mut(pointer).unwrap() = json!(base64url(&bytes));
            assert_eq!(refused(&service, &credential, &format!("{pointer} {at}")).await, "invalid_grant");
        }
    }
    for (pointer, value) in [
        ("/type", json!("password")),
        ("/rawId", json!(5)),
        ("/response/signature", json!("A".repeat(9_000))),
        ("/response/authenticatorData", json!(base64url(&[0; 38]))),
        ("/response/authenticatorData", json!(base64url(&[0; 20]))),
        ("/response/clientDataJSON", json!(base64url(b"{}"))),
        ("/response/clientDataJSON", json!(base64url("[".repeat(5_000).as_bytes()))),
    ] {
        let credential = spoilt(&mut device, pointer, value).await;
        assert_eq!(refused(&service, &credential, pointer).await, "invalid_request");
    }
    assert_eq!(sessions(&service, "pop user mfa").await, 0);
    service.passkey_grant_with(&credential).await.expect(200);
    service.stop().await;
}

async fn a_twin_of_a_key_is_found_out(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let mut device = Device::new();
    service.add_passkey(&ada, &mut device).await;
    device.count = 10;
    service.passkey_grant(&mut device).await.expect(200);
    for count in [0, 5, 10] {
        device.count = count;
        service.passkey_grant(&mut device).await.expect_problem(400, "invalid_grant");
    }
    assert_eq!(events(&service, "passkey.cloned").await, 3);
    // Its owner is told, once a day.
    let told = "SELECT count(*) FROM mails WHERE template = 'factor_changed'";
    assert_eq!(service.ground.count(told).await, 2, "that it was added, and that it has a twin");
    // Only what is signed rightly says anything.
    device.count = 3;
    let mut credential = device.get(&service.request_options().await);
    credential["response"]["signature"] = json!(base64url(&[9; 70]));
    service.passkey_grant_with(&credential).await.expect_problem(400, "invalid_grant");
    assert_eq!((events(&service, "passkey.cloned").await, events(&service, "sign_in.failed").await), (3, 4));
    // Two at once with one count are two of which one is a twin.
    device.count = 20;
    let one = device.get(&service.request_options().await);
    device.count = 20;
    let other = device.get(&service.request_options().await);
    let (one, other) = futures_util::join!(service.passkey_grant_with(&one), service.passkey_grant_with(&other));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!((statuses, events(&service, "passkey.cloned").await), ([200, 400], 4));
    service.passkey_grant(&mut device).await.expect(200);
    assert_eq!(service.ground.count(told).await, 2);
    service.clock.advance(Duration::from_hours(24));
    device.count = 1;
    service.passkey_grant(&mut device).await.expect_problem(400, "invalid_grant");
    assert_eq!(service.ground.count(told).await, 3, "the next day");
    service.stop().await;
}

async fn only_a_right_assertion_learns_of_the_status(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    let mut device = Device::new();
    service.add_passkey(&ada, &mut device).await;
    let told = async |device: &mut Device, right: bool| {
        let mut credential = device.get(&service.request_options().await);
        if !right {
            credential["response"]["signature"] = json!(base64url(&[9; 70]));
        }
        let answer = service.passkey_grant_with(&credential).await.expect_problem(400, "invalid_grant").json();
        answer["detail"].as_str().unwrap_or_default().to_owned()
    };
    let plain = told(&mut device, false).await;
    let path = format!("/api/v1/users/{}", ada.id);
    service.call(Method::POST, &format!("{path}/disable")).by(&admin).send().await.expect(200);
    assert!(told(&mut device, true).await.contains("disabled"));
    assert_eq!(told(&mut device, false).await, plain);
    service.call(Method::DELETE, &path).by(&admin).send().await.expect(204);
    assert!(told(&mut device, true).await.contains("deleted"));
    assert_eq!(told(&mut device, false).await, plain);
    service.call(Method::POST, &format!("{path}/restore")).by(&admin).send().await.expect(200);
    service.call(Method::POST, &format!("{path}/enable")).by(&admin).send().await.expect(200);
    service.passkey_grant(&mut device).await.expect(200);

    let (clock, ground) = (service.clock.clone(), service.halt().await);
    let strict = Setup::on(backend).at(clock.clone()).set("registration.require_verified_email", "true");
    let service = strict.start_on(ground).await;
    service.passkey_grant(&mut device).await.expect_problem(403, "email_not_verified");
    let ground = service.halt().await;
    let quiet = Setup::on(backend).at(clock.clone()).set("registration.disclose_existing", "false");
    let service = quiet.start_on(ground).await;
    service.passkey_grant(&mut device).await.expect_problem(400, "invalid_grant");
    let ground = service.halt().await;
    // For another site it is none.
    let moved = Setup::on(backend).at(clock).set("tokens.issuer", "https://api.example.com").start_on(ground).await;
    device.manner.origin = "https://api.example.com".to_owned();
    assert_eq!(moved.request_options().await["rpId"], "api.example.com");
    moved.passkey_grant(&mut device).await.expect(200);
    device.manner.site = Some("localhost".to_owned());
    moved.passkey_grant(&mut device).await.expect_problem(400, "invalid_grant");
    moved.stop().await;
}

async fn a_browser_signs_in_with_a_passkey(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let mut device = Device::new();
    service.add_passkey(&ada, &mut device).await;
    let post = async |body: Value| service.call(Method::POST, "/api/v1/auth/session").json(&body).send().await;
    let credential = device.get(&service.request_options().await).to_string();
    for both in [json!({"credential": credential, "password": PASSWORD}), json!({"credential": credential, "otp": "1"})]
    {
        let refused = post(both).await.expect_problem(422, "validation_failed");
        assert_eq!(refused.text("/errors/0/pointer"), "/credential");
    }
    let nothing = post(json!({})).await.expect_problem(422, "validation_failed").json();
    assert_eq!(
        (&nothing["errors"][0]["pointer"], &nothing["errors"][1]["pointer"]),
        (&json!("/username"), &json!("/password"))
    );
    post(json!({"credential": "{}"})).await.expect_problem(422, "validation_failed");
    let signed_in = post(json!({"credential": credential})).await.expect(200);
    assert_eq!((signed_in.cookies().len(), signed_in.text("/user_id")), (2, ada.id.to_string()));
    let again = post(json!({"credential": credential})).await.expect_problem(400, "invalid_grant");
    assert!(again.json().get("error").is_none() && again.cookies().is_empty());
    post(json!({"username": "adalovelace", "password": PASSWORD, "credential": null})).await.expect(200);
    service.stop().await;
}

async fn passkeys_are_counted_each_for_itself(backend: Backend) {
    let service = Setup::on(backend).set("throttle.enabled", "true").set("throttle.attempts", "2").start().await;
    let ada = service.person("adalovelace").await;
    let (mut one, mut other) = (Device::new(), Device::new());
    service.add_passkey(&ada, &mut one).await;
    service.add_passkey(&ada, &mut other).await;
    let mut wrong = one.get(&service.request_options().await);
    wrong["response"]["signature"] = json!(base64url(&[9; 70]));
    for status in [400, 400, 429] {
        service.passkey_grant_with(&wrong).await.expect(status);
    }
    service.passkey_grant(&mut one).await.expect_problem(429, "rate_limited");
    for _ in 0..3 {
        service.passkey_grant(&mut other).await.expect(200);
    }
    service.sign_in(&ada.email).await;
    service.clock.advance(Duration::from_secs(300));
    service.passkey_grant(&mut one).await.expect(200);
    service.stop().await;
}
