//! Where GET is, HEAD is, and answers what GET would without its content (RFC 9110, section 9.3.2). A parameter that an
//! operation lacks is refused: whoever sends it means something by it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::openapi::refuses_unknown_parameters;
use crate::testing::{Backend, PASSWORD, Setup, on_both};

on_both! {
    a_head_is_answered_wherever_a_get_is,
    a_parameter_that_an_operation_lacks_is_refused_whatever_it_does,
    oauth_ignores_parameters_that_it_does_not_know,
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

async fn a_parameter_that_an_operation_lacks_is_refused_whatever_it_does(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    let count = "SELECT CAST(sum(revision + ver) + 1000 * count(*) AS bigint) FROM users";
    let before = service.ground.count(count).await;
    let document: Value = serde_json::from_str(&crate::openapi::document()).unwrap();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let named = path.replace("{id}", &ada.id.to_string()).replace("{name}", "user");
        let part = |part: &str| if part.starts_with('{') { ada.id.to_string() } else { part.to_owned() };
        let named = named.split('/').map(part).collect::<Vec<_>>().join("/");
        for (method, operation) in item.as_object().unwrap() {
            if !refuses_unknown_parameters(&format!("{method} {path}")) {
                continue;
            }
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let call = |query: &str| {
                let call = service.call(method.clone(), &format!("{named}?{query}")).by(&admin);
                let example = &operation["requestBody"]["content"]["application/json"]["example"];
                if example.is_object() { call.json(example) } else { call }
            };
            for (query, status, pointer, code) in
                [("nope=true", 422, "?nope", "unknown_parameter"), ("nope=1&nope=2", 400, "?nope", "repeated")]
            {
                let answer = call(query).send().await;
                let said = format!("{method} {named}?{query}: {}", String::from_utf8_lossy(&answer.bytes));
                assert_eq!(answer.status, status, "{said}");
                let fault = &answer.json()["errors"][0];
                assert_eq!((&fault["pointer"], &fault["code"]), (&json!(pointer), &json!(code)), "{said}");
                asked += 1;
            }
        }
    }
    assert!(asked > 200, "every operation is asked: {asked}");
    assert_eq!(service.ground.count(count).await, before);
    // The gateway's own word passes, and a body that is none is told first.
    service.call(Method::GET, "/api/v1/users/me?version=1").by(&ada).send().await.expect(200);
    let patch = service.call(Method::PATCH, "/api/v1/users/me?nope=1").by(&ada).json(&json!([]));
    patch.send().await.expect_problem(400, "malformed_body");
    let head = service.call(Method::HEAD, "/api/v1/users/me/export?nope=1").by(&ada).send().await;
    assert_eq!(head.status, 422);
    service.stop().await;
}

async fn oauth_ignores_parameters_that_it_does_not_know(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let fields = [("grant_type", "password"), ("username", "adalovelace"), ("password", PASSWORD)];
    let post = async |path: &str, fields: &[(&str, &str)]| {
        service.call(Method::POST, path).by(&ada).form(fields).send().await.expect(200)
    };
    for version in ["v1", "v2"] {
        let auth = format!("/api/{version}/auth");
        let token = post(&format!("{auth}/token?nope=1"), &fields).await.text("/access_token");
        post(&format!("{auth}/revoke?nope=1"), &[("token", &token), ("nope", "1")]).await;
        for method in [Method::GET, Method::POST] {
            service.call(method, &format!("{auth}/userinfo?nope=1")).by(&ada).send().await.expect(200);
        }
        let client = service.machine(&["accounts:read"]).await;
        let asked = service.call(Method::POST, &format!("{auth}/introspect?nope=1")).shown_by(&client);
        asked.form(&[("token", "tgr_unknown")]).send().await.expect(200);
    }
    service.call(Method::GET, "/.well-known/jwks.json?nope=1").send().await.expect(200);
    service.stop().await;
}
