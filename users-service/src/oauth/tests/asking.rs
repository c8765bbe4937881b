//! What may be asked: whom an answer may go to comes first, and then the client is told what is wrong.

use reqwest::Method;
use serde_json::json;

use crate::testing::{Answer, Backend, Browser, REDIRECT, Setup, on_both, parameter};

on_both! {
    nobody_is_sent_where_the_client_is_not,
    whatever_else_is_wrong_the_client_is_told,
    a_plain_challenge_is_refused,
    a_form_may_ask_too,
    pages_let_nothing_in,
}

type Fields = Vec<(&'static str, String)>;

fn with(fields: &Fields, name: &'static str, value: &str) -> Fields {
    let mut fields: Fields = fields.iter().filter(|(known, _)| *known != name).cloned().collect();
    fields.push((name, value.to_owned()));
    fields
}

fn without(fields: &Fields, name: &str) -> Fields {
    fields.iter().filter(|(known, _)| *known != name).cloned().collect()
}

fn is_page(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.header("location"));
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(answer.header("location").is_empty() && answer.header("set-cookie").is_empty());
}

async fn nobody_is_sent_where_the_client_is_not(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let client = service.web_client(&["openid"]).await;
    let gone = service.web_client(&["openid"]).await;
    let admin = service.administrator().await;
    let disable = service.call(Method::PATCH, &format!("/api/v1/clients/{}", gone.id)).by(&admin);
    disable.json(&json!({"disabled": true})).send().await.expect(200);
    let sound = Browser::request(&client, "openid");
    let mut browser = Browser::new(&service);
    let mut bad = vec![
        without(&sound, "client_id"),
        without(&sound, "redirect_uri"),
        with(&sound, "client_id", "nobody"),
        with(&sound, "client_id", &admin.id.to_string()),
        with(&sound, "client_id", &gone.id),
        [sound.clone(), vec![("client_id", client.id.clone())]].concat(),
        [sound.clone(), vec![("redirect_uri", REDIRECT.to_owned())]].concat(),
        [sound.clone(), vec![("redirect_uri", "https://evil.example/".to_owned())]].concat(),
        with(&sound, "state", &"x".repeat(20_000)),
    ];
    for near in
        ["https://evil.example/", "https://books.example.com/callback", &format!("{REDIRECT}/"), "javascript:alert(1)"]
    {
        bad.push(with(&sound, "redirect_uri", near));
    }
    let many = vec![("x", "1".to_owned()); 60];
    bad.push([sound.clone(), many].concat());
    for fields in bad {
        is_page(&browser.authorize(&fields).await, 400);
    }
    let hostile = with(&sound, "client_id", "\"><script>alert(1)</script>");
    let page = browser.authorize(&hostile).await;
    assert!(!String::from_utf8_lossy(&page.bytes).contains("<script"));
    service.stop().await;
}

async fn whatever_else_is_wrong_the_client_is_told(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let client = service.web_client(&["openid", "profile"]).await;
    let sound = Browser::request(&client, "openid");
    let mut browser = Browser::new(&service);
    let repeated = |name: &'static str| [sound.clone(), vec![(name, "x".to_owned())]].concat();
    let bad = [
        (without(&sound, "response_type"), "invalid_request"),
        (with(&sound, "response_type", "token"), "unsupported_response_type"),
        (with(&sound, "response_type", "code id_token"), "unsupported_response_type"),
        (with(&sound, "response_mode", "fragment"), "invalid_request"),
        (with(&sound, "scope", "openid email"), "invalid_scope"),
        (with(&sound, "scope", "openid  profile"), "invalid_scope"),
        (with(&sound, "scope", "api"), "invalid_scope"),
        (with(&sound, "prompt", "none"), "login_required"),
        (with(&sound, "prompt", "none login"), "invalid_request"),
        (with(&sound, "prompt", "create"), "invalid_request"),
        (with(&sound, "max_age", "-1"), "invalid_request"),
        (with(&sound, "max_age", "soon"), "invalid_request"),
        (with(&sound, "nonce", &"x".repeat(2_049)), "invalid_request"),
        (with(&sound, "nonce", "a\u{0}b"), "invalid_request"),
        (with(&sound, "request", "eyJ.x.y"), "request_not_supported"),
        (with(&sound, "request_uri", "https://evil.example/"), "request_uri_not_supported"),
        (repeated("scope"), "invalid_request"),
        (repeated("nonce"), "invalid_request"),
        (repeated("code_challenge"), "invalid_request"),
    ];
    for (fields, error) in bad {
        let answer = browser.authorize(&fields).await.expect(303);
        let to = answer.header("location");
        assert!(to.starts_with("https://books.example.com/callback?tenant=1&error="), "{to}");
        assert_eq!(parameter(&to, "error").as_deref(), Some(error), "{fields:?}");
        assert_eq!(parameter(&to, "state").as_deref(), Some("st&te"));
        assert_eq!(parameter(&to, "iss").as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(
            (answer.header("cache-control"), answer.header("referrer-policy")),
            ("no-store".into(), "no-referrer".into())
        );
        assert!(parameter(&to, "code").is_none() && answer.header("set-cookie").is_empty());
    }
    let to = browser.authorize(&repeated("state")).await.expect(303).header("location");
    assert_eq!((parameter(&to, "error").as_deref(), parameter(&to, "state")), (Some("invalid_request"), None));
    // What nobody knows is ignored (RFC 6749, section 3.1).
    browser.authorize(&with(&sound, "acr_values", "x")).await.expect(200);
    browser.authorize(&without(&without(&sound, "scope"), "state")).await.expect(200);
    service.stop().await;
}

async fn a_plain_challenge_is_refused(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let client = service.web_client(&["openid"]).await;
    let sound = Browser::request(&client, "openid");
    let mut browser = Browser::new(&service);
    for fields in [
        without(&sound, "code_challenge"),
        without(&sound, "code_challenge_method"),
        without(&without(&sound, "code_challenge"), "code_challenge_method"),
        with(&sound, "code_challenge_method", "plain"),
        with(&sound, "code_challenge_method", "s256"),
        with(&sound, "code_challenge", "short"),
        with(&sound, "code_challenge", &"x".repeat(44)),
        with(&sound, "code_challenge", &format!("{}=", "x".repeat(42))),
    ] {
        let to = browser.authorize(&fields).await.expect(303).header("location");
        assert_eq!(parameter(&to, "error").as_deref(), Some("invalid_request"), "{fields:?}");
    }
    service.stop().await;
}

async fn a_form_may_ask_too(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let client = service.web_client(&["openid"]).await;
    let sound = Browser::request(&client, "openid");
    let form: Vec<_> = sound.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let call = service.call(Method::POST, "/oauth/authorize").form(&form);
    let sent_on = call.send().await.expect(303).header("location");
    let page = Browser::new(&service).get(&sent_on).await.expect(200);
    assert!(page.header("set-cookie").starts_with("__Host-tollgate-oauth=tgb_"));
    for method in [Method::PUT, Method::DELETE] {
        let call = service.call(method, "/oauth/authorize").send().await;
        call.expect_problem(405, "method_not_allowed");
    }
    service.stop().await;
}

async fn pages_let_nothing_in(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let client = service.web_client(&["openid"]).await;
    let mut browser = Browser::new(&service);
    let hint = with(&Browser::request(&client, "openid"), "login_hint", "\"><script>alert(1)</script>");
    let page = browser.authorize(&hint).await.expect(200);
    let html = String::from_utf8_lossy(&page.bytes).into_owned();
    assert!(!html.contains("<script") && html.contains("&#34;&#62;&#60;script"), "{html}");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(policy.contains("form-action 'self' https:; base-uri 'none'; frame-ancestors 'none'"), "{policy}");
    assert_eq!(
        (page.header("referrer-policy"), page.header("cache-control")),
        ("same-origin".into(), "no-store".into())
    );
    assert_eq!(page.header("x-frame-options"), "DENY");
    let cookie = page.header("set-cookie");
    for part in ["__Host-tollgate-oauth=", "HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=600"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    service.stop().await;
}
