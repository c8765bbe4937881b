//! Setting an app up, and taking it away.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use shared::auth::User;
use shared::domain::ApiKeyId;

use crate::testing::{Authenticator, Backend, PASSWORD, Setup, on_both};

on_both! {
    an_app_is_set_up_and_taken_away,
    an_offer_ends_and_the_last_one_counts,
    of_many_confirmations_one_wins,
    a_key_cannot_change_how_its_user_signs_in,
    who_has_just_been_signed_out_sets_nothing_up,
    an_administrator_lets_in_who_has_lost_theirs,
    a_browser_is_asked_for_the_factor,
}

const TOTP: &str = "/api/v1/users/me/mfa/totp";
const CONFIRM: &str = "/api/v1/users/me/mfa/totp/confirm";
const CODES: &str = "/api/v1/users/me/mfa/recovery-codes";

async fn an_app_is_set_up_and_taken_away(backend: Backend) {
    let service = Setup::on(backend).set("mfa.issuer", "The Bank").start().await;
    let ada = service.person("adalovelace").await;
    let factors = || service.call(Method::GET, "/api/v2/users/me/mfa").by(&ada).send();
    let none = json!({"factors": [], "recovery_codes_left": 0});
    assert_eq!(factors().await.expect(200).json(), none);
    service.post_by(&ada, CODES, None).await.expect_problem(409, "state_conflict");
    service.call(Method::DELETE, TOTP).by(&ada).send().await.expect_problem(404, "not_found");
    service.post_by(&ada, CONFIRM, Some(&json!({"code": "123456"}))).await.expect_problem(409, "state_conflict");

    let offer = service.post_by(&ada, TOTP, None).await.expect(201);
    assert_eq!(offer.header("cache-control"), "no-store");
    let uri = offer.text("/otpauth_uri");
    assert!(uri.starts_with("otpauth://totp/The%20Bank:adalovelace") && uri.contains(&offer.text("/secret")), "{uri}");
    assert!(offer.text("/qr_svg").starts_with("<svg "));
    // Nothing has changed yet.
    assert_eq!(factors().await.expect(200).json(), none);
    service.sign_in(&ada.email).await;
    service.call(Method::DELETE, TOTP).by(&ada).send().await.expect_problem(404, "not_found");
    for code in ["", "000000x", "0410-4G30-A1G7-8HZF-QZ7Y-ZBZE"] {
        let wrong = service.post_by(&ada, CONFIRM, Some(&json!({"code": code}))).await;
        let wrong = wrong.expect_problem(422, "validation_failed");
        assert_eq!(
            (wrong.text("/errors/0/pointer"), wrong.text("/errors/0/code")),
            ("/code".into(), "incorrect".into())
        );
    }
    for bad in [json!({}), json!({"code": 287_082}), json!({"code": "287082", "more": 1})] {
        assert!([400, 422].contains(&service.post_by(&ada, CONFIRM, Some(&bad)).await.status), "{bad}");
    }
    service.post_by(&ada, TOTP, Some(&json!({"secret": "mine"}))).await.expect_problem(422, "validation_failed");
    let app = Authenticator::new(&offer.text("/secret"));
    let code = json!({"code": app.code(&service.clock)});
    let confirmed = service.post_by(&ada, CONFIRM, Some(&code)).await.expect(200);
    assert_eq!(confirmed.json()["recovery_codes"].as_array().unwrap().len(), 10);
    let mail = service.mail(&ada.email, "How you sign in at").await;
    assert!(mail.text.contains("From now on") && mail.html.contains("From now on"), "{mail:?}");
    let at =
        json!({"factors": [{"kind": "totp", "added_at": "2026-03-01T12:00:00.000000Z"}], "recovery_codes_left": 10});
    assert_eq!(factors().await.expect(200).json(), at);
    service.post_by(&ada, CONFIRM, Some(&code)).await.expect_problem(409, "state_conflict");
    service.post_by(&ada, TOTP, None).await.expect_problem(409, "state_conflict");
    service.password_grant(&ada.email, PASSWORD).await.expect_problem(403, "mfa_required");

    let before = service.mails(&ada.email, "How you sign in at");
    service.call(Method::DELETE, TOTP).by(&ada).send().await.expect(204);
    let mail = service.another_mail(&ada.email, "How you sign in at", &before).await;
    assert!(mail.text.contains("no longer asked"), "{mail:?}");
    assert_eq!(factors().await.expect(200).json(), none);
    service.sign_in(&ada.email).await;
    service.call(Method::DELETE, TOTP).by(&ada).send().await.expect_problem(404, "not_found");
    service.stop().await;
}

async fn an_offer_ends_and_the_last_one_counts(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let start = async || Authenticator::new(&service.post_by(&ada, TOTP, None).await.expect(201).text("/secret"));
    let confirm = async |app: &Authenticator| {
        service.post_by(&ada, CONFIRM, Some(&json!({"code": app.code(&service.clock)}))).await
    };
    let (first, second) = (start().await, start().await);
    assert_ne!(first.secret, second.secret);
    confirm(&first).await.expect_problem(422, "validation_failed");
    service.clock.advance(Duration::from_secs(15 * 60));
    service.clock.advance(Duration::from_micros(1));
    confirm(&second).await.expect_problem(409, "state_conflict");
    let proof = json!({"password": PASSWORD});
    service.post_by(&ada, TOTP, None).await.expect_problem(401, "step_up_required");
    service.post_by(&ada, "/api/v1/auth/step-up", Some(&proof)).await.expect(204);
    let third = start().await;
    service.clock.advance(Duration::from_secs(15 * 60));
    confirm(&third).await.expect(200);
    // A start sweeps: what was never confirmed goes, what was stays.
    let bob = service.person("bobby").await;
    service.post_by(&bob, TOTP, None).await.expect(201);
    service.clock.advance(Duration::from_secs(16 * 60));
    let clock = service.clock.clone();
    let service = Setup::on(backend).at(clock).start_on(service.halt().await).await;
    service.until_count("SELECT count(*) FROM totp_factors", 1).await;
    service.password_grant(&ada.email, PASSWORD).await.expect_problem(403, "mfa_required");
    service.stop().await;
}

async fn of_many_confirmations_one_wins(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let offer = service.post_by(&ada, TOTP, None).await.expect(201);
    let code = json!({"code": Authenticator::new(&offer.text("/secret")).code(&service.clock)});
    let answers = join_all((0..10).map(|_| service.post_by(&ada, CONFIRM, Some(&code)))).await;
    let (done, late): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((done.len(), late.len()), (1, 9));
    for answer in late {
        answer.expect_problem(409, "state_conflict");
    }
    // The codes that somebody has on paper are those that are good.
    service.sign_in_with(&ada.email, &done[0].text("/recovery_codes/9")).await.expect(200);
    assert_eq!(service.ground.count("SELECT count(*) FROM recovery_codes").await, 10);
    service.stop().await;
}

async fn a_key_cannot_change_how_its_user_signs_in(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let key = ApiKeyId::generate(&service.clock);
    let calls = [
        (Method::GET, "/api/v1/users/me/mfa"),
        (Method::POST, TOTP),
        (Method::DELETE, TOTP),
        (Method::POST, CONFIRM),
        (Method::POST, CODES),
        (Method::POST, "/api/v1/auth/step-up"),
        (Method::PUT, "/api/v1/users/me/password"),
        (Method::DELETE, "/api/v1/users/me"),
    ];
    let body = |path: &str| match path {
        CONFIRM => Some(json!({"code": "123456"})),
        "/api/v1/auth/step-up" => Some(json!({"password": PASSWORD})),
        "/api/v1/users/me/password" => Some(json!({"current_password": PASSWORD, "new_password": "battery horse 8"})),
        _ => None,
    };
    let all = "users:read users:write accounts:read accounts:write";
    let by_key = User { session: None, api_key: Some(key), scope: all.to_owned(), ..ada.user() };
    let with_api = User { api_key: Some(key), ..ada.user() };
    let by_client = User { scope: format!("openid {all}"), ..ada.user() };
    for user in [by_key, with_api, by_client] {
        for (method, path) in &calls {
            let call = service.call(method.clone(), path).user(user.clone());
            let call = match body(path) {
                Some(body) => call.json(&body),
                None => call,
            };
            call.send().await.expect_problem(403, "forbidden");
        }
    }
    for (method, path) in calls {
        let call = service.call(method, path);
        let call = match body(path) {
            Some(body) => call.json(&body),
            None => call,
        };
        call.send().await.expect_problem(401, "token_required");
    }
    assert_eq!(service.ground.count("SELECT count(*) FROM totp_factors").await, 0);
    service.stop().await;
}

async fn who_has_just_been_signed_out_sets_nothing_up(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let offer = service.post_by(&ada, TOTP, None).await.expect(201);
    let code = json!({"code": Authenticator::new(&offer.text("/secret")).code(&service.clock)});
    let token = ada.refresh_token.as_str();
    service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", token)]).send().await.expect(200);
    service.post_by(&ada, CONFIRM, Some(&code)).await.expect_problem(401, "token_invalid");
    service.post_by(&ada, TOTP, None).await.expect_problem(401, "token_invalid");
    service.post_by(&ada, CODES, None).await.expect_problem(401, "token_invalid");
    service.sign_in(&ada.email).await;
    service.stop().await;
}

async fn an_administrator_lets_in_who_has_lost_theirs(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, bob, admin) =
        (service.person("adalovelace").await, service.person("bobby").await, service.administrator().await);
    service.enrol(&ada).await;
    let path = format!("/api/v1/users/{}/mfa", ada.id);
    let reset = |user: User| service.call(Method::DELETE, &path).user(user).send();
    reset(bob.user()).await.expect_problem(403, "forbidden");
    reset(ada.user()).await.expect_problem(403, "forbidden");
    let key = User { session: None, api_key: Some(ApiKeyId::generate(&service.clock)), ..admin.user() };
    reset(key).await.expect_problem(403, "forbidden");
    service.clock.advance(Duration::from_secs(301));
    reset(admin.user()).await.expect_problem(401, "step_up_required");
    service.password_grant(&ada.email, PASSWORD).await.expect_problem(403, "mfa_required");
    let admin = service.administrator().await;
    let before = service.mails(&ada.email, "How you sign in at");
    reset(admin.user()).await.expect(204);
    reset(admin.user()).await.expect(204);
    assert!(service.another_mail(&ada.email, "How you sign in at", &before).await.text.contains("administrator"));
    service.refresh(&ada.refresh_token).await.expect_problem(400, "invalid_grant");
    service.sign_in(&ada.email).await;
    let removed = "SELECT count(*) FROM audit_events WHERE kind = 'factor.removed'";
    assert_eq!(service.ground.count(removed).await, 1, "what is so already is not done again");
    // Nor is it the way round one's own: there one proves the factor.
    service.enrol(&admin).await;
    let again = service.password_grant(&admin.email, PASSWORD).await.expect_problem(403, "mfa_required");
    drop(again);
    let nobody = "/api/v1/users/01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11/mfa";
    service.call(Method::DELETE, nobody).by(&admin).send().await.expect_problem(404, "not_found");
    service.stop().await;
}

async fn a_browser_is_asked_for_the_factor(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let app = service.enrol(&ada).await;
    let sign_in = async |otp: Option<&str>| {
        let body = json!({"username": "adalovelace", "password": PASSWORD, "otp": otp});
        service.call(Method::POST, "/api/v1/auth/session").json(&body).send().await
    };
    for nothing in [None, Some("")] {
        assert!(sign_in(nothing).await.expect_problem(403, "mfa_required").json().get("error").is_none());
    }
    sign_in(Some("123456")).await.expect_problem(400, "invalid_grant");
    let code = app.code(&service.clock);
    sign_in(Some(&code)).await.expect(200);
    sign_in(Some(&code)).await.expect_problem(400, "invalid_grant");
    service.sign_in_with(&ada.email, &code).await.expect_problem(400, "invalid_grant");
    service.stop().await;
}
