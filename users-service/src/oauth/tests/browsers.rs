//! What ties a request to one browser, and what other pages and other browsers cannot do with it.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::testing::{Backend, Browser, PASSWORD, REDIRECT, Running, Setup, on_both, parameter};

on_both! {
    another_browsers_request_cannot_be_approved,
    a_foreign_page_signs_nobody_in,
    signing_in_is_the_password_grants_own_path,
    whoever_has_the_password_is_told_on_the_page_why_they_do_not_get_in,
    what_was_allowed_is_not_asked_again,
    who_does_not_allow_it_sends_the_client_away,
    a_request_waits_ten_minutes_and_is_decided_once,
    what_ends_sessions_ends_requests_and_codes,
    what_a_browsers_session_stood_for_ends_with_it,
    a_grant_that_outlasts_its_session_asks_for_a_recent_proof,
}

async fn another_browsers_request_cannot_be_approved(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid"]).await;
    let (mut hers, mut thiefs) = (Browser::new(&service), Browser::new(&service));
    let page = thiefs.authorize(&Browser::request(&client, "openid")).await.expect(200);
    let request = Browser::hidden(&page);
    // Her browser has a cookie of its own, or none.
    for _ in 0..2 {
        let signed_in = hers.sign_in(&page, &ada.email).await.expect(400);
        assert!(signed_in.header("location").is_empty());
        hers.get(&format!("/oauth/consent?request={request}")).await.expect(400);
        hers.submit("/oauth/consent", &[("request", &request), ("decision", "allow")]).await.expect(400);
        hers.authorize(&Browser::request(&client, "openid")).await.expect(200);
    }
    assert_ne!(hers.cookie, thiefs.cookie);
    // And she signs in for her own; the thief's stays unproven.
    let own = hers.authorize(&Browser::request(&client, "openid")).await.expect(200);
    let at = hers.sign_in(&own, &ada.email).await.expect(303).header("location");
    thiefs.get(&format!("/oauth/consent?request={request}")).await.expect(400);
    thiefs.submit("/oauth/consent", &[("request", &request), ("decision", "allow")]).await.expect(400);
    let proven = parameter(&at, "request").unwrap();
    thiefs.submit("/oauth/consent", &[("request", &proven), ("decision", "allow")]).await.expect(400);
    // Two cookies of that name are none.
    let both = format!("{}; {}", thiefs.cookie, hers.cookie);
    let call = service.call(Method::GET, &format!("/oauth/consent?request={proven}")).header("cookie", both);
    call.send().await.expect(400);
    service.stop().await;
}

async fn a_foreign_page_signs_nobody_in(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid"]).await;
    let mut browser = Browser::new(&service);
    let page = browser.authorize(&Browser::request(&client, "openid")).await.expect(200);
    let request = Browser::hidden(&page);
    let fields = [("request", request.as_str()), ("username", &ada.email), ("password", PASSWORD)];
    let decide = [("request", request.as_str()), ("decision", "allow")];
    for headers in [
        &[] as &[(&str, &str)],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1:8081")],
        &[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8080")],
        &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
    ] {
        for (path, form) in [("/oauth/sign-in", &fields[..]), ("/oauth/consent", &decide[..])] {
            let mut call = service.call(Method::POST, path).header("cookie", browser.cookie.clone()).form(form);
            for (name, value) in headers {
                call = call.header(name, *value);
            }
            let refused = call.send().await.expect(403);
            assert_eq!(refused.header("content-type"), "text/html; charset=utf-8", "{headers:?}");
        }
    }
    // An old browser says where a form stands in its own way.
    let call = service.call(Method::POST, "/oauth/sign-in").header("cookie", browser.cookie.clone()).form(&fields);
    call.header("origin", "http://127.0.0.1:8080").send().await.expect(303);
    service.stop().await;
}

async fn signing_in_is_the_password_grants_own_path(backend: Backend) {
    let setup = Setup::on(backend).set("throttle.enabled", "true").set("throttle.attempts", "2");
    let service = setup.start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid"]).await;
    let mut browser = Browser::new(&service);
    let page = browser.authorize(&Browser::request(&client, "openid")).await.expect(200);
    let request = Browser::hidden(&page);
    let mut attempt = async |who: &str, password: &str| {
        let fields = [("request", request.as_str()), ("username", who), ("password", password)];
        browser.submit("/oauth/sign-in", &fields).await
    };
    let wrong = attempt(&ada.email, "wrong horse 9").await.expect(400);
    let unknown = attempt("nobody@example.org", "wrong horse 9").await.expect(400);
    let text = |answer: &crate::testing::Answer, who: &str| String::from_utf8_lossy(&answer.bytes).replace(who, "");
    assert_eq!(text(&wrong, &ada.email), text(&unknown, "nobody@example.org"), "known or not");
    attempt("", "").await.expect(400);
    attempt(&ada.email, "wrong horse 9").await.expect(400);
    // What was tried there counts here.
    let late = attempt(&ada.email, PASSWORD).await.expect(429);
    assert!(!late.header("retry-after").is_empty());
    service.password_grant(&ada.email, PASSWORD).await.expect_problem(429, "rate_limited");
    service.clock.advance(Duration::from_secs(300));
    attempt(&ada.email, PASSWORD).await.expect(303);
    service.stop().await;
}

async fn whoever_has_the_password_is_told_on_the_page_why_they_do_not_get_in(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    let client = service.web_client(&["openid"]).await;
    let mut browser = Browser::new(&service);
    let page = browser.authorize(&Browser::request(&client, "openid")).await.expect(200);
    let request = Browser::hidden(&page);
    let mut attempt = async |password: &str| {
        let fields = [("request", request.as_str()), ("username", &ada.email), ("password", password)];
        String::from_utf8(browser.submit("/oauth/sign-in", &fields).await.expect(400).bytes).unwrap()
    };
    let path = format!("/api/v1/users/{}", ada.id);
    for (method, path, told) in [
        (Method::POST, format!("{path}/disable"), "The account is disabled."),
        (Method::DELETE, path, "The account is deleted."),
    ] {
        let call = service.call(method, &path).by(&admin).send().await;
        assert!(call.status < 300, "{path}");
        assert!(attempt(PASSWORD).await.contains(told), "{told}");
        let wrong = attempt("wrong horse 9").await;
        assert!(!wrong.contains(told) && wrong.contains("are not valid"), "{wrong}");
    }
    service.stop().await;

    let service = Setup::on(backend).set("registration.require_verified_email", "true").start().await;
    let email = "adalovelace@example.org";
    service.register(&json!({"email": email, "username": "adalovelace", "password": PASSWORD})).await.expect(201);
    let client = service.web_client(&["openid"]).await;
    let mut browser = Browser::new(&service);
    let page = browser.authorize(&Browser::request(&client, "openid")).await.expect(200);
    let refused = browser.sign_in(&page, email).await.expect(403);
    assert!(String::from_utf8_lossy(&refused.bytes).contains("has to be confirmed first"));
    service.stop().await;
}

async fn what_was_allowed_is_not_asked_again(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid", "profile", "email"]).await;
    let mut browser = Browser::new(&service);
    let asked = async |browser: &mut Browser<'_>, fields: &[(&'static str, String)]| {
        let page = browser.authorize(fields).await.expect(200);
        let next = browser.sign_in(&page, &ada.email).await.expect(303).header("location");
        let next = browser.get(&next).await;
        if next.status == 200 {
            let request = Browser::hidden(&next);
            browser.submit("/oauth/consent", &[("request", &request), ("decision", "allow")]).await.expect(303);
        }
        next
    };
    let small = Browser::request(&client, "openid");
    let page = asked(&mut browser, &small).await.expect(200);
    let html = String::from_utf8_lossy(&page.bytes).into_owned();
    assert!(html.contains("Bookkeeper") && html.contains("adalovelace") && html.contains("https://books.example.com"));
    assert!(html.contains("Know that it is you") && !html.contains("e-mail address</li>"), "{html}");
    let quiet = asked(&mut browser, &small).await.expect(303);
    assert!(parameter(&quiet.header("location"), "code").is_some());
    let more = Browser::request(&client, "openid email");
    asked(&mut browser, &more).await.expect(200);
    asked(&mut browser, &more).await.expect(303);
    asked(&mut browser, &small).await.expect(303);
    let anyhow = [small.clone(), vec![("prompt", "consent".to_owned())]].concat();
    asked(&mut browser, &anyhow).await.expect(200);

    let trusted = json!({"name": "Own", "grant_types": ["authorization_code"], "scopes": ["openid", "api"],
        "redirect_uris": [REDIRECT, "http://127.0.0.1/cb"], "trusted": true});
    let trusted = service.client(&trusted).await;
    asked(&mut browser, &Browser::request(&trusted, "openid")).await.expect(303);
    // Any program on the same machine could listen there.
    let mut local = Browser::request(&trusted, "openid");
    local
        .iter_mut()
        .filter(|(name, _)| *name == "redirect_uri")
        .for_each(|(_, uri)| *uri = "http://127.0.0.1:51004/cb".into());
    for _ in 0..2 {
        asked(&mut browser, &local).await.expect(200);
    }
    service.stop().await;
}

async fn who_does_not_allow_it_sends_the_client_away(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid"]).await;
    let mut browser = Browser::new(&service);
    let page = browser.authorize(&Browser::request(&client, "openid")).await.expect(200);
    browser.sign_in(&page, &ada.email).await.expect(303);
    let request = Browser::hidden(&page);
    browser.submit("/oauth/consent", &[("request", &request), ("decision", "perhaps")]).await.expect(400);
    let to = browser.submit("/oauth/consent", &[("request", &request), ("decision", "deny")]).await.expect(303);
    let to = to.header("location");
    assert_eq!(parameter(&to, "error").as_deref(), Some("access_denied"));
    assert_eq!((parameter(&to, "state").as_deref(), parameter(&to, "code")), (Some("st&te"), None));
    browser.submit("/oauth/consent", &[("request", &request), ("decision", "allow")]).await.expect(400);
    service.stop().await;
}

async fn a_request_waits_ten_minutes_and_is_decided_once(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid"]).await;
    let mut browser = Browser::new(&service);
    let page = browser.authorize(&Browser::request(&client, "openid")).await.expect(200);
    let request = Browser::hidden(&page);
    browser.sign_in(&page, &ada.email).await.expect(303);
    // Once is enough; and whoever guesses now is told nothing, right or wrong.
    let again = browser.sign_in(&page, &ada.email).await.expect(303).header("location");
    let fields = [("request", request.as_str()), ("username", &ada.email), ("password", "wrong horse 9")];
    assert_eq!(browser.submit("/oauth/sign-in", &fields).await.expect(303).header("location"), again);
    let allow = [("request", request.as_str()), ("decision", "allow")];
    let codes = futures_util::future::join_all((0..10).map(|_| async {
        let call = service.call(Method::POST, "/oauth/consent").header("cookie", browser.cookie.clone());
        call.header("sec-fetch-site", "same-origin").form(&allow).send().await.status
    }));
    let statuses = codes.await;
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    let page = browser.authorize(&Browser::request(&client, "openid")).await.expect(200);
    service.clock.advance(Duration::from_secs(600));
    browser.sign_in(&page, &ada.email).await.expect(400);
    for odd in ["", "request=", "request=zz", "request=01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55"] {
        browser.get(&format!("/oauth/consent?{odd}")).await.expect(400);
    }
    service.stop().await;
}

/// A browser that somebody has signed in with, and the session's cookies.
async fn signed_in<'a>(service: &'a Running, who: &str) -> (Browser<'a>, String) {
    let body = json!({"username": who, "password": PASSWORD});
    let answer = service.call(Method::POST, "/api/v1/auth/session").json(&body).send().await.expect(200);
    let pairs: Vec<_> = answer.cookies().iter().filter_map(|line| line.split(';').next().map(str::to_owned)).collect();
    let mut browser = Browser::new(service);
    browser.cookie = pairs.join("; ");
    (browser, pairs.join("; "))
}

async fn what_a_browsers_session_stood_for_ends_with_it(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid"]).await;
    for ends_before_the_code in [true, false] {
        let (mut browser, cookies) = signed_in(&service, &ada.email).await;
        let request = [Browser::request(&client, "openid"), vec![("prompt", "consent".into())]].concat();
        let asked = browser.authorize(&request).await.expect(303).header("location");
        let page = browser.get(&asked).await.expect(200);
        let allow = [("request", &*Browser::hidden(&page)), ("decision", "allow")];
        let sign_out = || service.call(Method::DELETE, "/api/v1/auth/session").header("cookie", cookies.clone()).send();
        if ends_before_the_code {
            sign_out().await.expect(204);
            browser.submit("/oauth/consent", &allow).await.expect(400);
        } else {
            let back = browser.submit("/oauth/consent", &allow).await.expect(303).header("location");
            sign_out().await.expect(204);
            let code = parameter(&back, "code").unwrap();
            service.redeem(&client, &code).await.expect_problem(400, "invalid_grant");
        }
    }
    service.stop().await;
}

async fn a_grant_that_outlasts_its_session_asks_for_a_recent_proof(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid", "offline_access"]).await;
    let (mut browser, _) = signed_in(&service, &ada.email).await;
    let request = Browser::request(&client, "openid offline_access");
    browser.authorize(&request).await.expect(303);
    let (mut browser, _) = signed_in(&service, &ada.email).await;
    service.clock.advance(Duration::from_secs(301));
    browser.authorize(&request).await.expect(200);
    service.stop().await;
}

async fn what_ends_sessions_ends_requests_and_codes(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid"]).await;
    let mut browser = Browser::new(&service);
    let code = browser.code(&client, "openid", &ada.email).await;
    let page =
        browser.authorize(&[Browser::request(&client, "openid"), vec![("prompt", "consent".into())]].concat()).await;
    browser.sign_in(&page, &ada.email).await.expect(303);
    let change = json!({"current_password": PASSWORD, "new_password": "another horse battery 8 staple"});
    service.call(Method::PUT, "/api/v1/users/me/password").by(&ada).json(&change).send().await.expect(204);
    service.redeem(&client, &code).await.expect_problem(400, "invalid_grant");
    let request = Browser::hidden(&page);
    browser.submit("/oauth/consent", &[("request", &request), ("decision", "allow")]).await.expect(400);

    // The same for a user who is shut out, and for a client.
    let bob = service.person("bob").await;
    let code = Browser::new(&service).code(&client, "openid", &bob.email).await;
    let admin = service.administrator().await;
    service.call(Method::POST, &format!("/api/v1/users/{}/disable", bob.id)).by(&admin).send().await.expect(200);
    service.redeem(&client, &code).await.expect_problem(400, "invalid_grant");
    let eve = service.person("evelyn").await;
    let code = Browser::new(&service).code(&client, "openid", &eve.email).await;
    let path = format!("/api/v1/clients/{}", client.id);
    let patch =
        |disabled: bool| service.call(Method::PATCH, &path).by(&admin).json(&json!({"disabled": disabled})).send();
    patch(true).await.expect(200);
    service.redeem(&client, &code).await.expect_problem(401, "invalid_client");
    patch(false).await.expect(200);
    service.redeem(&client, &code).await.expect_problem(400, "invalid_grant");
    service.stop().await;
}
