//! Signing in and out.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use shared::domain::SessionId;

use super::*;
use crate::testing::{Backend, Setup, on_both};

on_both! {
    the_tokens_are_in_cookies_alone,
    it_is_the_password_grant_by_another_door,
    signing_out_ends_the_session_and_takes_the_cookies_back,
    whoever_signs_in_again_leaves_no_session_behind,
    what_is_no_request_to_sign_in_is_refused,
}

async fn the_tokens_are_in_cookies_alone(backend: Backend) {
    let service = Setup::on(backend).set("sessions.idle", "30d").start().await;
    newcomer(&service, "adalovelace").await;
    let call = service.call(Method::POST, SESSION).json(&json!({"username": "adalovelace", "password": PASSWORD}));
    let answer = call.header("user-agent", "A browser/1.0").send().await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let jar = Jar::of(&answer);
    let rest = "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=";
    let expected = [
        format!("{ACCESS}={}; {rest}300", jar.access),
        format!("{ACCESS}-refresh={}; {rest}{}", jar.refresh, 30 * 86_400),
    ];
    assert_eq!(answer.cookies(), expected);
    assert!(jar.access.starts_with("ey") && jar.refresh.starts_with("tgr_"), "{jar:?}");
    let said = String::from_utf8_lossy(&answer.bytes).into_owned();
    assert!(!said.contains(&jar.access) && !said.contains("tgr_") && !said.contains("token"), "{said}");
    let ada = jar.person("adalovelace@example.org");
    let (id, user) = (ada.claims.sid.to_string(), ada.id.to_string());
    assert_eq!((answer.text("/id"), answer.text("/user_id"), answer.text("/scope")), (id.clone(), user, "api".into()));
    assert_eq!(
        (answer.json()["expires_in"].as_i64(), answer.text("/expires_at").as_str()),
        (Some(300), "2026-03-31T12:00:00.000000Z")
    );

    let session =
        service.call(Method::GET, &format!("/api/v1/users/me/sessions/{id}")).by(&ada).send().await.expect(200);
    assert_eq!((session.text("/carrier"), session.text("/user_agent")), ("cookie".into(), "A browser/1.0".into()));
    // Its end comes nearer, and the cookies with it.
    service.clock.advance(Duration::from_secs(30 * 86_400 - 100));
    let late = refresh(&service, &jar.line()).await.expect(200);
    assert!(late.cookies().iter().all(|line| line.ends_with("; Max-Age=100")), "{:?}", late.cookies());
    service.stop().await;
}

async fn it_is_the_password_grant_by_another_door(backend: Backend) {
    let service = Setup::on(backend).set("throttle.enabled", "true").set("throttle.attempts", "3").start().await;
    newcomer(&service, "adalovelace").await;
    newcomer(&service, "bobby").await;
    for (who, password) in [("adalovelace", "wrong horse 9"), ("nobody", PASSWORD), ("adalovelace", "")] {
        let refused = sign_in(&service, who, password).await.expect_problem(400, "invalid_grant");
        assert!(refused.json().get("error").is_none(), "no OAuth endpoint");
        assert!(refused.cookies().is_empty());
    }
    // Counted together, whichever door they come to.
    service.password_grant("adalovelace", "wrong horse 9").await.expect_problem(400, "invalid_grant");
    sign_in(&service, "adalovelace", PASSWORD).await.expect_problem(429, "rate_limited");
    service.password_grant("adalovelace", PASSWORD).await.expect_problem(429, "rate_limited");
    let admin = service.administrator().await;
    let bobby =
        Jar::of(&sign_in(&service, "bobby@example.org", PASSWORD).await.expect(200)).person("bobby@example.org");
    service.call(Method::POST, &format!("/api/v1/users/{}/disable", bobby.id)).by(&admin).send().await.expect(200);
    let shut_out = sign_in(&service, "bobby", PASSWORD).await.expect_problem(400, "invalid_grant");
    assert!(shut_out.cookies().is_empty());
    let failed = "SELECT count(*) FROM audit_events WHERE kind = 'sign_in.failed'";
    assert_eq!(service.ground.count(failed).await, 5, "each on record before its answer");
    service.stop().await;
}

async fn signing_out_ends_the_session_and_takes_the_cookies_back(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let jar = newcomer(&service, "adalovelace").await;
    let rest = "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0";
    let taken_back = [format!("{ACCESS}=; {rest}"), format!("{ACCESS}-refresh=; {rest}")];
    // Also with a token of before: whoever holds it is whose session it is.
    let next = Jar::of(&refresh(&service, &jar.line()).await.expect(200));
    let out = sign_out(&service, &jar.line()).await.expect(204);
    assert_eq!(out.cookies(), taken_back);
    assert_eq!(out.header("clear-site-data"), "");
    let over = refresh(&service, &next.line()).await.expect_problem(401, "token_invalid");
    assert!(over.cookies().is_empty());
    let sid = next.person("adalovelace@example.org").claims.sid;
    assert!(service.is_revoked(sid).await, "gateways are told");
    for cookies in
        [next.line(), String::new(), format!("{ACCESS}-refresh=nonsense"), "x".to_owned(), "=; ;;".to_owned()]
    {
        assert_eq!(sign_out(&service, &cookies).await.expect(204).cookies(), taken_back, "{cookies}");
    }
    let ended = "SELECT count(*) FROM audit_events WHERE kind = 'session.ended'";
    assert_eq!(service.ground.count(ended).await, 1);
    service.stop().await;
}

async fn whoever_signs_in_again_leaves_no_session_behind(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let first = newcomer(&service, "adalovelace").await;
    newcomer(&service, "bobby").await;
    let again = async |who: &str, password: &str, held: &Jar| {
        let body = json!({"username": who, "password": password});
        service.call(Method::POST, SESSION).header("cookie", held.line()).json(&body).send().await
    };
    again("bobby", "wrong horse 9", &first).await.expect_problem(400, "invalid_grant");
    let kept = Jar::of(&refresh(&service, &first.line()).await.expect(200));
    // Whoever shares the browser takes its place.
    let bobby = Jar::of(&again("bobby", PASSWORD, &kept).await.expect(200));
    refresh(&service, &kept.line()).await.expect_problem(401, "token_invalid");
    refresh(&service, &bobby.line()).await.expect(200);
    let of: fn(&Jar) -> SessionId = |jar| jar.person("x").claims.sid;
    assert!(service.is_revoked(of(&kept)).await && !service.is_revoked(of(&bobby)).await);
    service.stop().await;
}

async fn what_is_no_request_to_sign_in_is_refused(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let jar = newcomer(&service, "adalovelace").await;
    let right = json!({"username": "adalovelace", "password": PASSWORD});
    for (body, status) in [
        (json!({}), 422),
        (json!({"username": "adalovelace"}), 422),
        (json!({"username": 1, "password": PASSWORD}), 400),
        (json!({"username": "adalovelace", "password": PASSWORD, "admin": true}), 422),
        (json!([right]), 400),
        (json!({"username": "a".repeat(4_000), "password": "9".repeat(4_000)}), 400),
        (json!({"username": "\u{0}", "password": "\u{0}"}), 400),
        (json!({"username": "adalovelace", "password": "9".repeat(70_000)}), 413),
    ] {
        let answer = service.call(Method::POST, SESSION).json(&body).send().await.expect(status);
        assert!(answer.cookies().is_empty(), "{body}");
    }
    let form = [("username", "adalovelace"), ("password", PASSWORD)];
    let by_form = service.call(Method::POST, SESSION).form(&form).send().await;
    by_form.expect_problem(415, "unsupported_media_type");
    let plain = service.call(Method::POST, SESSION).body("text/plain", &right).send().await;
    plain.expect_problem(415, "unsupported_media_type");
    let wish = service.call(Method::POST, REFRESH).header("cookie", jar.line()).json(&json!({"x": 1})).send().await;
    wish.expect_problem(422, "validation_failed");
    refresh(&service, &jar.line()).await.expect(200);
    service.call(Method::GET, SESSION).send().await.expect_problem(405, "method_not_allowed");
    service.stop().await;
}
