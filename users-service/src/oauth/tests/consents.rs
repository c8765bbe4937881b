//! What a user has allowed clients, as they see it, and what goes when they take it back.

use std::time::Duration;

use futures_util::future::join;
use reqwest::Method;
use serde_json::{Value, json};
use shared::auth::User;
use shared::domain::ApiKeyId;

use crate::testing::{Answer, Backend, Browser, Person, Registered, Running, Setup, on_both, parameter};

on_both! {
    one_sees_what_one_has_allowed,
    what_is_taken_back_ends_with_all_that_came_of_it,
    no_key_and_no_clients_token_looks_or_takes_back,
    nothing_slips_through_while_it_is_taken_back,
}

const MINE: &str = "/api/v1/users/me/consents";

async fn list(service: &Running, by: &Person) -> Value {
    service.call(Method::GET, MINE).by(by).send().await.expect(200).json()["data"].clone()
}

async fn take_back(service: &Running, by: &Person, client: &str) -> Answer {
    service.call(Method::DELETE, &format!("{MINE}/{client}")).by(by).send().await
}

async fn tokens(service: &Running, client: &Registered, scope: &str, who: &Person) -> Person {
    let code = Browser::new(service).code(client, scope, &who.email).await;
    Person::of(&who.email, &service.redeem(client, &code).await.expect(200))
}

async fn refresh(service: &Running, client: &Registered, token: &str) -> Answer {
    service.grant(client, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

async fn one_sees_what_one_has_allowed(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    let scopes = ["openid", "profile", "users:read"];
    let (books, other) = (service.web_client(&scopes).await, service.web_client(&scopes).await);
    assert_eq!(list(&service, &ada).await, json!([]));
    let hers = tokens(&service, &books, "openid profile", &ada).await;
    service.clock.advance(Duration::from_secs(60));
    Browser::new(&service).code(&other, "openid", &ada.email).await;
    let shown = |client: &Registered, scopes: &[&str], granted: &str, used: Option<&str>| json!({"client_id": client.id, "name": "Bookkeeper", "scopes": scopes, "granted_at": granted, "last_used_at": used});
    let (at, later) = ("2026-03-01T12:00:00.000000Z", "2026-03-01T12:01:00.000000Z");
    let first = shown(&books, &["openid", "profile"], at, Some(at));
    assert_eq!(list(&service, &ada).await, json!([shown(&other, &["openid"], later, None), first]));
    // What it may do adds up, and what it does shows.
    service.clock.advance(Duration::from_secs(60));
    refresh(&service, &books, &hers.refresh_token).await.expect(200);
    Browser::new(&service).code(&books, "openid users:read", &ada.email).await;
    let last = "2026-03-01T12:02:00.000000Z";
    let now = list(&service, &ada).await;
    assert_eq!(now[0], shown(&books, &scopes, last, Some(last)));
    assert_eq!(now[1]["client_id"], json!(other.id));
    // Nobody else's are there to be seen or taken back, and what is no id names nothing.
    assert_eq!(list(&service, &bob).await, json!([]));
    for odd in [books.id.as_str(), "me", "01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55", "%00", "x%20y"] {
        take_back(&service, &bob, odd).await.expect_problem(404, "not_found");
    }
    for status in [204, 404] {
        take_back(&service, &ada, &books.id).await.expect(status);
    }
    assert_eq!(list(&service, &ada).await, json!([now[1]]));
    // What goes with its client is not shown, either.
    let admin = service.administrator().await;
    service.call(Method::DELETE, &format!("/api/v1/clients/{}", other.id)).by(&admin).send().await.expect(204);
    assert_eq!(list(&service, &ada).await, json!([]));
    let call = service.call(Method::PUT, MINE).by(&ada).send().await;
    assert_eq!(call.expect_problem(405, "method_not_allowed").header("allow"), "GET, HEAD");
    service.stop().await;
}

async fn what_is_taken_back_ends_with_all_that_came_of_it(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    // However long ago she signed in: to end something is always possible.
    service.clock.advance(Duration::from_secs(3_600));
    let scopes = ["openid", "offline_access"];
    let (books, other) = (service.web_client(&scopes).await, service.web_client(&scopes).await);
    let whole = "openid offline_access";
    let (one, two) = (tokens(&service, &books, "openid", &ada).await, tokens(&service, &books, whole, &ada).await);
    let (elsewhere, bobs) = (tokens(&service, &other, whole, &ada).await, tokens(&service, &books, whole, &bob).await);
    let code = Browser::new(&service).code(&books, "openid", &ada.email).await;
    // A request that she has signed in for and not decided.
    let mut browser = Browser::new(&service);
    let request = [Browser::request(&books, "openid"), vec![("prompt", "consent".to_owned())]].concat();
    let page = browser.authorize(&request).await.expect(200);
    browser.sign_in(&page, &ada.email).await.expect(303);

    take_back(&service, &ada, &books.id).await.expect(204);
    for ended in [&one, &two] {
        service.until_revoked(ended.claims.sid).await;
        refresh(&service, &books, &ended.refresh_token).await.expect_problem(400, "invalid_grant");
    }
    service.redeem(&books, &code).await.expect_problem(400, "invalid_grant");
    let allow = [("request", &*Browser::hidden(&page)), ("decision", "allow")];
    browser.submit("/oauth/consent", &allow).await.expect(400);
    // Nobody else's, and nothing else of hers.
    refresh(&service, &other, &elsewhere.refresh_token).await.expect(200);
    refresh(&service, &books, &bobs.refresh_token).await.expect(200);
    service.refresh(&ada.refresh_token).await.expect(200);
    assert!(!service.is_revoked(ada.claims.sid).await && !service.is_revoked(bobs.claims.sid).await);
    // She is asked again.
    let mut browser = Browser::new(&service);
    let page = browser.authorize(&Browser::request(&books, "openid")).await.expect(200);
    let asked = browser.sign_in(&page, &ada.email).await.expect(303).header("location");
    browser.get(&asked).await.expect(200);
    // On record, once, and each session of it.
    let count = async |sql: &str| service.ground.count(sql).await;
    assert_eq!(count("SELECT count(*) FROM audit_events WHERE kind = 'consent.withdrawn'").await, 1);
    assert_eq!(count("SELECT count(*) FROM audit_events WHERE kind = 'session.ended'").await, 2);
    service.stop().await;
}

async fn no_key_and_no_clients_token_looks_or_takes_back(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid", "users:read", "users:write"]).await;
    let theirs = tokens(&service, &client, "openid users:read users:write", &ada).await;
    let key = Some(ApiKeyId::generate(&service.clock));
    let by_key = User { session: None, api_key: key, scope: "users:read users:write".to_owned(), ..ada.user() };
    let path = format!("{MINE}/{}", client.id);
    for user in [theirs.user(), by_key, User { session: None, ..ada.user() }] {
        for (method, path) in [(Method::GET, MINE), (Method::DELETE, path.as_str())] {
            service.call(method, path).user(user.clone()).send().await.expect_problem(403, "forbidden");
        }
    }
    for (method, path) in [(Method::GET, MINE), (Method::DELETE, path.as_str())] {
        service.call(method, path).send().await.expect_problem(401, "token_required");
    }
    refresh(&service, &client, &theirs.refresh_token).await.expect(200);
    service.stop().await;
}

async fn nothing_slips_through_while_it_is_taken_back(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid"]).await;
    for round in 0..8 {
        let code = Browser::new(&service).code(&client, "openid", &ada.email).await;
        let (redeemed, taken_back) = join(service.redeem(&client, &code), take_back(&service, &ada, &client.id)).await;
        taken_back.expect(204);
        // Whichever was first, nothing of it is good.
        if redeemed.status == 200 {
            let token = redeemed.text("/refresh_token");
            refresh(&service, &client, &token).await.expect_problem(400, "invalid_grant");
        } else {
            redeemed.expect_problem(400, "invalid_grant");
        }
        assert_eq!(list(&service, &ada).await, json!([]), "round {round}");
    }
    // Taken back while it is quietly allowed again: whoever was second asks, or is ended.
    for _ in 0..8 {
        let mut browser = Browser::new(&service);
        let back = browser.go_through(&Browser::request(&client, "openid"), &ada.email).await;
        assert!(parameter(&back, "code").is_some());
        let page = browser.authorize(&Browser::request(&client, "openid")).await.expect(200);
        let at = browser.sign_in(&page, &ada.email).await.expect(303).header("location");
        let (next, taken_back) = join(browser.get(&at), take_back(&service, &ada, &client.id)).await;
        taken_back.expect(204);
        if next.status == 303 {
            let code = parameter(&next.header("location"), "code").unwrap();
            service.redeem(&client, &code).await.expect_problem(400, "invalid_grant");
        }
    }
    service.stop().await;
}
