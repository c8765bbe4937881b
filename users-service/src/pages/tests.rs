//! Pages through the service.

use reqwest::Method;
use serde_json::json;

use crate::testing::{Backend, PASSWORD, Setup, on_both};

on_both! {
    opening_a_link_uses_nothing_up,
    a_new_password_is_chosen_on_a_page,
}

async fn opening_a_link_uses_nothing_up(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let mail = service.mail(&ada.email, "Confirm").await;
    let path = mail.link().replace("http://127.0.0.1:8080", "");
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let page = service.call(method, &path).send().await.expect(200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(
            (page.header("referrer-policy"), page.header("cache-control")),
            ("no-referrer".into(), "no-store".into())
        );
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    }
    let page = service.call(Method::GET, &path).send().await;
    let html = String::from_utf8(page.bytes).unwrap();
    assert!(html.contains(&mail.token()) && !html.contains("<script"), "{html}");
    let hostile =
        service.call(Method::GET, "/account/verify?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").send().await;
    assert!(!String::from_utf8(hostile.bytes).unwrap().contains("<script"));

    let press = || service.call(Method::POST, "/account/verify").form(&[("token", &mail.token())]).send();
    assert!(String::from_utf8(press().await.expect(200).bytes).unwrap().contains("is confirmed"));
    let again = press().await.expect(410);
    assert_eq!(again.header("content-type"), "text/html; charset=utf-8");
    service.call(Method::GET, "/account/verify").send().await.expect(410);
    service.call(Method::GET, "/account/nothing?token=x").send().await.expect_problem(404, "not_found");
    service.call(Method::PUT, "/account/verify").send().await.expect_problem(405, "method_not_allowed");
    service.stop().await;
}

async fn a_new_password_is_chosen_on_a_page(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let forgot = service.call(Method::POST, "/api/v1/auth/password/forgot").json(&json!({"email": ada.email}));
    forgot.send().await.expect(202);
    let token = service.mail(&ada.email, "Choose").await.token();
    let submit = |password: &str| {
        service
            .call(Method::POST, "/account/reset")
            .form(&[("token", token.as_str()), ("new_password", password)])
            .send()
    };
    for weak in ["", "short", "adalovelace 123"] {
        let asked = String::from_utf8(submit(weak).await.expect(422).bytes).unwrap();
        assert!(asked.contains("class=\"fault\"") && asked.contains(&token), "{asked}");
    }
    submit("another horse battery 8 staple").await.expect(200);
    submit("another horse battery 8 staple").await.expect(410);
    service.password_grant(&ada.email, PASSWORD).await.expect_problem(400, "invalid_grant");
    service.password_grant(&ada.email, "another horse battery 8 staple").await.expect(200);
    service.stop().await;
}
