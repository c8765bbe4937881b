//! A request before anybody has signed in for it: whose it is, and what it costs.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::testing::{Answer, Backend, Browser, REDIRECT, Setup, on_both, parameter};

on_both! {
    strangers_write_no_rows,
    a_foreign_form_takes_no_request_away,
    what_is_signed_in_for_is_what_the_client_may_by_then,
    a_page_is_answered_by_a_page,
}

const ROWS: &str = "SELECT count(*) FROM authorizations";

async fn strangers_write_no_rows(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid"]).await;
    let request = Browser::request(&client, "openid");
    let mut browser = Browser::new(&service);
    let mut pages = Vec::new();
    for _ in 0..5 {
        pages.push(browser.authorize(&request).await.expect(200));
        Browser::new(&service).authorize(&request).await.expect(200);
    }
    let wrong = [("request", &*Browser::hidden(&pages[0])), ("username", &ada.email), ("password", "wrong horse 9")];
    browser.submit("/oauth/sign-in", &wrong).await.expect(400);
    assert_eq!(service.ground.count(ROWS).await, 0);
    // Who signs in writes one, also when they press the button twice at once.
    let again = service.call(Method::POST, "/oauth/sign-in").header("cookie", browser.cookie.clone());
    let fields =
        [("request", &*Browser::hidden(&pages[0])), ("username", &ada.email), ("password", crate::testing::PASSWORD)];
    let again = again.header("sec-fetch-site", "same-origin").form(&fields).send();
    let (first, second) = futures_util::future::join(browser.sign_in(&pages[0], &ada.email), again).await;
    assert!([first.status, second.status].contains(&303), "{} {}", first.status, second.status);
    assert_eq!(service.ground.count(ROWS).await, 1);
    // In another tab she goes on with another.
    let at = browser.sign_in(&pages[4], &ada.email).await.expect(303).header("location");
    browser.get(&at).await.expect(200);
    assert_eq!(service.ground.count(ROWS).await, 2);
    // What nobody decides is swept away when its time is over.
    service.clock.advance(Duration::from_secs(601));
    crate::sweeper::sweep(&service.app).await.unwrap();
    assert_eq!(service.ground.count(ROWS).await, 0);
    service.stop().await;
}

async fn a_foreign_form_takes_no_request_away(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid"]).await;
    let request = Browser::request(&client, "openid");
    let form: Vec<_> = request.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut browser = Browser::new(&service);
    let page = browser.authorize(&request).await.expect(200);
    let cookie = browser.cookie.clone();
    // With it comes no cookie, which is Lax, and none is set.
    let call = service.call(Method::POST, "/oauth/authorize").header("sec-fetch-site", "cross-site");
    let sent_on = call.form(&form).send().await.expect(303);
    assert!(sent_on.header("set-cookie").is_empty());
    // The link that it becomes brings the cookie, and leaves it as it is.
    let at = sent_on.header("location");
    assert_eq!(parameter(&at, "state").as_deref(), Some("st&te"));
    let other = browser.get(&at).await.expect(200);
    assert_eq!(browser.cookie, cookie);
    for page in [&page, &other] {
        let at = browser.sign_in(page, &ada.email).await.expect(303).header("location");
        browser.get(&at).await.expect(200);
    }
    // Nothing is asked by way of it of whoever is signed in, either.
    let silent = [&form[..], &[("prompt", "none")]].concat();
    let sent_on = service.call(Method::POST, "/oauth/authorize").form(&silent).send().await.expect(303);
    let refused = browser.get(&sent_on.header("location")).await.expect(303).header("location");
    assert_eq!(parameter(&refused, "error").as_deref(), Some("login_required"));
    service.stop().await;
}

async fn what_is_signed_in_for_is_what_the_client_may_by_then(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    let client = service.web_client(&["openid", "profile"]).await;
    let path = format!("/api/v1/clients/{}", client.id);
    let patch = async |body: serde_json::Value| {
        service.call(Method::PATCH, &path).by(&admin).json(&body).send().await.expect(200);
    };
    let mut browser = Browser::new(&service);
    let page = browser.authorize(&Browser::request(&client, "openid profile")).await.expect(200);
    patch(json!({"scopes": ["openid"]})).await;
    let refused = browser.sign_in(&page, &ada.email).await.expect(303).header("location");
    assert_eq!(parameter(&refused, "error").as_deref(), Some("invalid_scope"));
    patch(json!({"scopes": ["openid", "profile"], "redirect_uris": ["https://books.example.com/other"]})).await;
    is_page(&browser.sign_in(&page, &ada.email).await, 400);
    patch(json!({"redirect_uris": [REDIRECT], "disabled": true})).await;
    is_page(&browser.sign_in(&page, &ada.email).await, 400);
    assert_eq!(service.ground.count(ROWS).await, 0);
    patch(json!({"disabled": false})).await;
    browser.sign_in(&page, &ada.email).await.expect(303);
    service.stop().await;
}

fn is_page(answer: &Answer, status: u16) {
    let kind = answer.header("content-type");
    assert_eq!((answer.status, kind.as_str()), (status, "text/html; charset=utf-8"));
}

async fn a_page_is_answered_by_a_page(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let client = service.web_client(&["openid"]).await;
    let mut browser = Browser::new(&service);
    let page = browser.authorize(&Browser::request(&client, "openid")).await.expect(200);
    let request = Browser::hidden(&page);
    for path in [
        format!("/oauth/consent?request={request}&request={request}"),
        format!("/oauth/consent?request={request}&request=%ff"),
        "/oauth/consent?request=%00".to_owned(),
        "/oauth/consent?request=%ff".to_owned(),
        "/oauth/consent".to_owned(),
        "/oauth/authorize".to_owned(),
        "/oauth/authorize?%ff=%ff&%ff=%ff".to_owned(),
    ] {
        is_page(&browser.get(&path).await, 400);
    }
    for path in ["/account/verify?token=a&token=a", "/account/reset?token=%00", "/account/email?token="] {
        is_page(&browser.get(path).await, 410);
    }
    browser.get("/account/%ff").await.expect_problem(404, "not_found");
    let post = |body: &[u8]| {
        service.call(Method::POST, "/oauth/authorize").bytes("application/x-www-form-urlencoded", body).send()
    };
    is_page(&post(b"client_id=\xff\xfe").await, 400);
    is_page(&post("x".repeat(300_000).as_bytes()).await, 400);
    // Written out it is longer than any address may be.
    is_page(&post("\u{e9}".repeat(2_000).as_bytes()).await, 400);
    for path in ["/oauth/sign-in", "/oauth/consent"] {
        is_page(&browser.submit(path, &[("request", &request), ("request", &request)]).await, 400);
    }
    service.stop().await;
}
