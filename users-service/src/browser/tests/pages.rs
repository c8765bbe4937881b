//! Who a page of ours sees before its browser.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::test::TestRequest;

use super::*;
use crate::browser::{given, signed_in};
use crate::sessions::Carrier;
use crate::testing::{Backend, Setup, on_both};
use crate::tokens;

on_both! { a_page_knows_who_is_signed_in_and_changes_nothing, }

fn request(cookies: &str) -> HttpRequest {
    TestRequest::get().uri("/oauth/authorize").insert_header(("cookie", cookies)).to_http_request()
}

async fn a_page_knows_who_is_signed_in_and_changes_nothing(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let jar = newcomer(&service, "adalovelace").await;
    let (ada, app) = (jar.person("adalovelace@example.org"), service.app.clone());
    let at = service.clock.now_micros();
    service.clock.advance(Duration::from_secs(3_600));
    let who = async |cookies: &str| signed_in(&app, &request(cookies)).await.unwrap();
    for _ in 0..2 {
        let visitor = who(&jar.line()).await.unwrap();
        assert_eq!((visitor.session, visitor.user.id), (ada.claims.sid, ada.id), "long after the access token");
        assert_eq!((visitor.proof.at, visitor.proof.amr.as_str()), (at, "pwd"));
    }
    let client = service.sign_in("adalovelace@example.org").await;
    let forged = [
        String::new(),
        format!("{ACCESS}={}", jar.access),
        format!("{ACCESS}-refresh={}", client.refresh_token),
        format!("{ACCESS}-refresh={}A", jar.refresh),
        format!("{}; {}", jar.line(), jar.line()),
    ];
    for cookies in forged {
        assert_eq!(who(&cookies).await, None, "{cookies}");
    }
    let granted = tokens::refresh(&app, &jar.refresh, Carrier::Cookie, None, None).await.unwrap();
    let [access, refresh] = given(&app, &granted);
    assert!(who(&jar.line()).await.is_some(), "another tab was faster");
    service.clock.advance(Duration::from_millis(10_001));
    assert_eq!(who(&jar.line()).await, None, "replayed, but a look ends nothing");
    let line = format!("{}={}; {}={}", access.name(), access.value(), refresh.name(), refresh.value());
    assert!(who(&line).await.is_some());
    let admin = service.administrator().await;
    let path = format!("/api/v1/users/{}/disable", ada.id);
    service.call(Method::POST, &path).by(&admin).send().await.expect(200);
    assert_eq!(who(&line).await, None, "shut out");
    service.stop().await;
}
