//! What a code is worth, and how often.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::testing::{Answer, Backend, PASSWORD, Person, Running, Setup, on_both};

on_both! {
    fifty_uses_of_one_code_sign_in_once,
    a_recovery_code_dies_once,
    a_code_is_good_once_wherever_it_is_used,
    only_a_right_password_learns_of_the_factor,
    codes_are_counted_before_they_are_looked_at,
    a_session_alone_uses_up_nobodys_codes,
    what_matters_most_asks_for_the_factor,
    a_new_password_leaves_the_factor_on,
}

async fn step_up(service: &Running, person: &Person, otp: Option<&str>) -> Answer {
    let body = match otp {
        Some(otp) => json!({"password": PASSWORD, "otp": otp}),
        None => json!({"password": PASSWORD}),
    };
    service.post_by(person, "/api/v1/auth/step-up", Some(&body)).await
}

async fn amr(service: &Running, amr: &str) -> i64 {
    service.ground.count(&format!("SELECT count(*) FROM sessions WHERE amr = '{amr}'")).await
}

async fn fifty_uses_of_one_code_sign_in_once(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let app = service.enrol(&ada).await;
    let code = app.code(&service.clock);
    let before = service.ground.count("SELECT count(*) FROM sessions").await;
    let answers = join_all((0..50).map(|_| service.sign_in_with(&ada.email, &code))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, [400; 49].as_slice()));
    assert_eq!(service.ground.count("SELECT count(*) FROM sessions").await, before + 1);
    service.sign_in_with(&ada.email, &app.code_after(&service.clock, 1)).await.expect(200);
    service.stop().await;
}

async fn a_recovery_code_dies_once(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let app = service.enrol(&ada).await;
    assert_eq!(app.recovery_codes.iter().collect::<HashSet<_>>().len(), 10);
    let code = app.recovery_codes[3].as_str();
    let answers = join_all((0..20).map(|_| service.sign_in_with(&ada.email, code))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 400).count(), 19);
    let left = service.call(Method::GET, "/api/v1/users/me/mfa").by(&ada).send().await.expect(200).json();
    assert_eq!(left["recovery_codes_left"], 9);
    let mail = service.mail(&ada.email, "How you sign in").await;
    service.until_mails("waiting", 0).await;
    let all = service.mails(&ada.email, "How you sign in");
    assert!(all.iter().any(|mail| mail.text.contains("9 are left") && mail.html.contains("9 are left")), "{mail:?}");
    // However it is written; and it is nobody else's.
    let bob = service.person("bobby").await;
    let bobs = service.enrol(&bob).await;
    service.sign_in_with(&bob.email, &app.recovery_codes[4]).await.expect_problem(400, "invalid_grant");
    let typed = app.recovery_codes[4].to_lowercase().replace('-', " ");
    service.sign_in_with(&ada.email, &typed).await.expect(200);
    service.sign_in_with(&bob.email, &bobs.recovery_codes[0]).await.expect(200);
    // New ones void what is left of the old ones.
    let renewed = service.post_by(&ada, "/api/v1/users/me/mfa/recovery-codes", None).await.expect(200);
    service.sign_in_with(&ada.email, &app.recovery_codes[5]).await.expect_problem(400, "invalid_grant");
    service.sign_in_with(&ada.email, &renewed.text("/recovery_codes/0")).await.expect(200);
    service.stop().await;
}

async fn a_code_is_good_once_wherever_it_is_used(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let app = service.enrol(&ada).await;
    // The one that confirmed the app is still a code of about now.
    let confirming = app.code_after(&service.clock, -1);
    service.sign_in_with(&ada.email, &confirming).await.expect_problem(400, "invalid_grant");
    step_up(&service, &ada, Some(&confirming)).await.expect(422);
    let code = app.code(&service.clock);
    step_up(&service, &ada, Some(&code)).await.expect(204);
    service.sign_in_with(&ada.email, &code).await.expect_problem(400, "invalid_grant");
    // Of one step on and then of now: what is older than the last is not good any more.
    let (now, next) = (app.code(&service.clock), app.code_after(&service.clock, 1));
    service.sign_in_with(&ada.email, &next).await.expect(200);
    step_up(&service, &ada, Some(&now)).await.expect(422);
    service.sign_in_with(&ada.email, &app.code_after(&service.clock, 2)).await.expect_problem(400, "invalid_grant");
    // A recovery code too, and a step-up that comes to nothing uses none up.
    let code = app.recovery_codes[0].as_str();
    let wrong = json!({"password": "wrong horse 9", "otp": code});
    let refused = service.post_by(&ada, "/api/v1/auth/step-up", Some(&wrong)).await.expect(422);
    assert_eq!(refused.text("/errors/0/pointer"), "/password");
    step_up(&service, &ada, Some(code)).await.expect(204);
    let refused = step_up(&service, &ada, Some(code)).await.expect_problem(422, "validation_failed");
    assert_eq!(refused.text("/errors/0/pointer"), "/otp");
    service.stop().await;
}

/// Without what differs in every answer.
fn told(answer: &Answer) -> Value {
    let mut told = answer.json();
    for member in ["request_id", "timestamp"] {
        told.as_object_mut().unwrap().remove(member);
    }
    told
}

async fn only_a_right_password_learns_of_the_factor(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let app = service.enrol(&ada).await;
    let needed = service.password_grant(&ada.email, PASSWORD).await.expect_problem(403, "mfa_required");
    assert_eq!(needed.text("/error"), "mfa_required");
    let wrong_password = service.password_grant(&ada.email, "wrong horse 9").await.expect(400);
    let nobody = service.sign_in_with("nobody", "123456").await.expect(400);
    let last = app.recovery_codes[0].replace(|c: char| c != '-', "0");
    for otp in ["123456", "000000", " ", "x", "１２３４５６", &last, &"9".repeat(5_000), "'; DROP TABLE users; --"]
    {
        let wrong_code = service.sign_in_with(&ada.email, otp).await.expect_problem(400, "invalid_grant");
        assert_eq!((told(&wrong_code), told(&wrong_code)), (told(&wrong_password), told(&nobody)), "{otp}");
    }
    // Empty is not sent; and who needs none may send one.
    service.sign_in_with(&ada.email, "").await.expect_problem(403, "mfa_required");
    service.person("bobby").await;
    service.sign_in_with("bobby", "123456").await.expect(200);
    assert_eq!(amr(&service, "pwd otp mfa").await, 1, "where it was confirmed");
    service.sign_in_with(&ada.email, &app.code(&service.clock)).await.expect(200);
    assert_eq!(amr(&service, "pwd otp mfa").await, 2);
    // Shut out, they are told that, and nothing of the factor; and whoever has not the password is told neither.
    let admin = service.administrator().await;
    service.call(Method::POST, &format!("/api/v1/users/{}/disable", ada.id)).by(&admin).send().await.expect(200);
    let shut = service.password_grant(&ada.email, PASSWORD).await.expect(400);
    assert_eq!((shut.text("/code").as_str(), shut.text("/detail").contains("disabled")), ("invalid_grant", true));
    let guessed = service.password_grant(&ada.email, "wrong horse 9").await.expect(400);
    assert_eq!(told(&guessed), told(&wrong_password));
    let failed = "SELECT count(*) FROM audit_events WHERE kind = 'sign_in.failed'";
    assert_eq!(service.ground.count(failed).await, 14, "each of them is on record");
    service.stop().await;
}

async fn a_session_alone_uses_up_nobodys_codes(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let app = service.enrol(&ada).await;
    for _ in 0..12 {
        let guess = json!({"code": "000000"});
        let answer = service.post_by(&ada, "/api/v1/users/me/mfa/totp/confirm", Some(&guess)).await;
        assert!([409, 429].contains(&answer.status), "{}", answer.status);
    }
    service.sign_in_with(&ada.email, &app.code(&service.clock)).await.expect(200);
    step_up(&service, &ada, Some(&app.code_after(&service.clock, 1))).await.expect(204);
    service.stop().await;
}

async fn codes_are_counted_before_they_are_looked_at(backend: Backend) {
    let setup = Setup::on(backend).set("throttle.enabled", "true").set("throttle.attempts", "5");
    let service = setup.set("mfa.attempts", "3").start().await;
    let ada = service.person("adalovelace").await;
    let app = service.enrol(&ada).await;
    let code = || app.code(&service.clock);
    // Asked for a code, one has not signed in: wrong passwords in between go on counting.
    for _ in 0..2 {
        service.password_grant(&ada.email, "wrong horse 9").await.expect(400);
        service.password_grant(&ada.email, PASSWORD).await.expect(403);
    }
    service.sign_in_with(&ada.email, "123456").await.expect(400);
    service.sign_in_with(&ada.email, &code()).await.expect_problem(429, "rate_limited");
    // From elsewhere: the password has its own count there, but codes are counted for the user.
    let from = async |address: &str, otp: &str| {
        let fields = [("grant_type", "password"), ("username", &ada.email), ("password", PASSWORD), ("otp", otp)];
        service.call(Method::POST, "/api/v1/auth/token").from(address).form(&fields).send().await
    };
    from("192.0.2.8", "123456").await.expect(400);
    from("192.0.2.9", &app.recovery_codes[0][1..]).await.expect(400);
    for right in [code(), app.recovery_codes[0].clone()] {
        from("192.0.2.10", &right).await.expect_problem(429, "rate_limited");
        step_up(&service, &ada, Some(&right)).await.expect_problem(429, "rate_limited");
    }
    service.clock.advance(Duration::from_secs(300));
    from("192.0.2.10", &app.recovery_codes[0]).await.expect(200);
    // What was right gives back what was counted.
    for _ in 0..2 {
        from("192.0.2.10", "123456").await.expect(400);
    }
    from("192.0.2.10", &code()).await.expect(200);
    service.stop().await;
}

async fn what_matters_most_asks_for_the_factor(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (there, here) = (service.person("adalovelace").await, service.sign_in("adalovelace@example.org").await);
    let app = service.enrol(&here).await;
    let moving = json!({"email": "ada@example.net"});
    let patch =
        async |person: &Person| service.call(Method::PATCH, "/api/v1/users/me").by(person).json(&moving).send().await;
    // A sign-in of a moment ago, but from before there was a factor.
    patch(&there).await.expect_problem(401, "step_up_required");
    patch(&here).await.expect(200);
    step_up(&service, &there, None).await.expect_problem(403, "mfa_required");
    step_up(&service, &there, Some("123456")).await.expect_problem(422, "validation_failed");
    patch(&there).await.expect_problem(401, "step_up_required");
    step_up(&service, &there, Some(&app.code(&service.clock))).await.expect(204);
    patch(&there).await.expect(200);
    let delete =
        async |person: &Person| service.call(Method::DELETE, "/api/v1/users/me/mfa/totp").by(person).send().await;
    service.clock.advance(Duration::from_secs(301));
    delete(&there).await.expect_problem(401, "step_up_required");
    delete(&here).await.expect_problem(401, "step_up_required");
    let signed_in = service.sign_in_with(&here.email, &app.code(&service.clock)).await.expect(200);
    delete(&Person::of(&here.email, &signed_in)).await.expect(204);
    service.sign_in(&here.email).await;
    service.stop().await;
}

async fn a_new_password_leaves_the_factor_on(backend: Backend) {
    const NEW: &str = "another horse battery 8 staple";
    let service = Setup::on(backend).start().await;
    let (there, here) = (service.person("adalovelace").await, service.sign_in("adalovelace@example.org").await);
    let app = service.enrol(&here).await;
    let change = async |person: &Person| {
        let body = json!({"current_password": PASSWORD, "new_password": NEW});
        service.call(Method::PUT, "/api/v1/users/me/password").by(person).json(&body).send().await
    };
    change(&there).await.expect_problem(401, "step_up_required");
    change(&here).await.expect(204);
    service.password_grant(&here.email, NEW).await.expect_problem(403, "mfa_required");

    let forgot = json!({"email": here.email});
    service.call(Method::POST, "/api/v1/auth/password/forgot").json(&forgot).send().await.expect(202);
    let token = service.mail(&here.email, "Choose").await.token();
    let reset = json!({"token": token, "new_password": PASSWORD});
    service.call(Method::POST, "/api/v1/auth/password/reset").json(&reset).send().await.expect(204);
    service.password_grant(&here.email, PASSWORD).await.expect_problem(403, "mfa_required");
    service.sign_in_with(&here.email, &app.code(&service.clock)).await.expect(200);
    service.stop().await;
}
