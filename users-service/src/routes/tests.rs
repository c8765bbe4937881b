//! Where GET is, HEAD is, and answers what GET would without its content (RFC 9110, section 9.3.2).

use reqwest::Method;
use serde_json::Value;

use crate::testing::{Backend, Setup, on_both};

on_both! {
    a_head_is_answered_wherever_a_get_is,
}

/// What no document lists.
const PAGES: [&str; 7] =
    ["/oauth/authorize", "/oauth/consent", "/account/reset", "/livez", "/readyz", "/metrics", "/openapi.json"];

async fn a_head_is_answered_wherever_a_get_is(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let document: Value = serde_json::from_str(&crate::openapi::document()).unwrap();
    let listed = document["paths"].as_object().unwrap().iter();
    let listed: Vec<_> = listed.filter(|(_, item)| item.get("get").is_some()).map(|(path, _)| path.clone()).collect();
    assert!(listed.len() > 20, "{listed:?}");
    let mut shown = Vec::new();
    let nobody = uuid::Uuid::from_u128(7).to_string();
    for path in listed.iter().map(String::as_str).chain(PAGES) {
        let path = path.replace("users/{id}", "users/me").replace("{name}", "user");
        let path = path.split('/').map(|part| if part.starts_with('{') { &nobody } else { part });
        let path = path.collect::<Vec<_>>().join("/");
        let ask = async |method| service.call(method, &path).by(&admin).send().await;
        let (got, head) = (ask(Method::GET).await, ask(Method::HEAD).await);
        assert_ne!(got.status, 405, "GET {path}");
        assert_eq!((head.status, head.bytes.len()), (got.status, 0), "HEAD {path}");
        // Of what it would say there is either the length or no word (RFC 9110, section 8.6).
        assert!(head.header("content-length") != "0" || got.bytes.is_empty(), "HEAD {path} is said to be empty");
        if got.status == 200 {
            shown.push(path.clone());
        }
        assert_eq!(head.header("content-type"), got.header("content-type"), "HEAD {path}");
        let allow = ask(Method::TRACE).await.expect(405).header("allow");
        assert!(allow.contains("GET, HEAD"), "{path} allows {allow}");
    }
    // Two refusals are alike without having looked at anything.
    for path in
        ["/api/v1/users/me", "/api/v1/users/me/export", "/api/v1/users/me/api-keys", "/api/v1/users/me/passkeys"]
    {
        assert!(shown.iter().any(|known| known == path), "{path} is not among {shown:?}");
    }
    service.stop().await;
}
