//! Clients through the service: made, changed and removed by administrators in sessions of their own, by nobody else.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::ApiKeyId;

use crate::testing::{Backend, Person, REDIRECT, Registered, Running, Setup, database, on_both};

on_both! {
    a_client_lives_and_tells_its_secret_once,
    pages_of_clients_skip_and_repeat_none,
    only_an_administrator_in_a_session_changes_clients,
    what_a_client_may_be,
    a_key_registers_once_and_tells_nothing_twice,
    an_old_secret_goes_on_for_a_day_or_ends_now,
}

const CLIENTS: &str = "/api/v1/clients";

fn machine() -> Value {
    json!({"name": "Machine", "grant_types": ["client_credentials"], "scopes": ["accounts:read"]})
}

fn at(id: &str) -> String {
    format!("{CLIENTS}/{id}")
}

async fn a_client_lives_and_tells_its_secret_once(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let made = service.call(Method::POST, CLIENTS).by(&admin).json(&machine()).send().await.expect(201);
    let (id, secret) = (made.text("/id"), made.text("/secret"));
    assert_eq!((made.header("location"), made.header("etag")), (at(&id), "\"1\"".to_owned()));
    assert!(secret.starts_with("tgc_") && secret.len() == 47, "{secret}");
    let read = service.call(Method::GET, &at(&id)).by(&admin).send().await.expect(200);
    assert!(!String::from_utf8_lossy(&read.bytes).contains("tgc_"));
    assert_eq!((read.text("/type"), read.json()["disabled"].clone()), ("confidential".to_owned(), json!(false)));
    let same = service.call(Method::GET, &at(&id)).by(&admin).header("if-none-match", "\"1\"");
    same.send().await.expect(304);

    let patch = |tag: &str, body: Value| {
        service.call(Method::PATCH, &at(&id)).by(&admin).header("if-match", tag).json(&body).send()
    };
    let changed = patch("\"1\"", json!({"name": "Engine"})).await.expect(200);
    assert_eq!((changed.text("/name"), changed.header("etag")), ("Engine".to_owned(), "\"2\"".to_owned()));
    patch("\"1\"", json!({"name": "Late"})).await.expect_problem(412, "stale_precondition");
    assert_eq!(patch("\"2\"", json!({"name": "Engine"})).await.expect(200).header("etag"), "\"2\"", "nothing changed");
    patch("*", json!({"name": null})).await.expect_problem(422, "validation_failed");

    let public = json!({"name": "App", "type": "public", "grant_types": ["authorization_code"], "scopes": ["openid"],
        "redirect_uris": [REDIRECT, "http://127.0.0.1/cb"]});
    let public = service.call(Method::POST, CLIENTS).by(&admin).json(&public).send().await.expect(201);
    assert!(public.json().get("secret").is_none());
    let secret_of = service.call(Method::POST, &format!("{}/secret", at(&public.text("/id")))).by(&admin);
    secret_of.json(&json!({})).send().await.expect_problem(409, "state_conflict");

    let database = database(&service.ground).await;
    let rows = crate::clients::find(database.read(), id.parse().unwrap()).await.unwrap().unwrap();
    assert!(!format!("{rows:?}").contains(&secret) && rows.knows(&secret, 0));
    database.close().await;
    let delete = || service.call(Method::DELETE, &at(&id)).by(&admin).send();
    delete().await.expect(204);
    delete().await.expect_problem(404, "not_found");
    service.call(Method::GET, &at(&id)).by(&admin).send().await.expect_problem(404, "not_found");
    service.stop().await;
}

async fn pages_of_clients_skip_and_repeat_none(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(service.client(&machine()).await.id);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = service.call(Method::GET, &format!("{CLIENTS}?limit=2{cursor}")).by(&admin).send().await.expect(200);
        let page = page.json();
        seen.extend(page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["page"]["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, made);
    let odd = async |query: &str| service.call(Method::GET, &format!("{CLIENTS}?{query}")).by(&admin).send().await;
    odd("cursor=zz").await.expect_problem(400, "invalid_cursor");
    odd("limit=0").await.expect_problem(422, "validation_failed");
    odd("q=x").await.expect_problem(422, "validation_failed");
    service.stop().await;
}

async fn only_an_administrator_in_a_session_changes_clients(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let client = service.machine(&["accounts:read"]).await;
    let (user, support) = (service.person("ada").await, service.with_roles("sue", &["user", "support"]).await);
    let calls = |client: &Registered| {
        [
            (Method::POST, CLIENTS.to_owned(), Some(machine())),
            (Method::PATCH, at(&client.id), Some(json!({"name": "Mine"}))),
            (Method::POST, format!("{}/secret", at(&client.id)), Some(json!({"now": true}))),
            (Method::DELETE, at(&client.id), None),
        ]
    };
    let refused = async |who: Option<shared::auth::User>, status: u16, code: &str| {
        for (method, path, body) in calls(&client) {
            let mut call = service.call(method.clone(), &path);
            if let Some(who) = who.clone() {
                call = call.user(who);
            }
            if let Some(body) = body {
                call = call.json(&body);
            }
            call.send().await.expect_problem(status, code);
        }
    };
    refused(None, 401, "token_required").await;
    refused(Some(user.user()), 403, "forbidden").await;
    refused(Some(support.user()), 403, "forbidden").await;
    // What stands for an administrator and is less than a session of theirs.
    let key = ApiKeyId::generate(&service.clock);
    refused(Some(shared::auth::User { session: None, api_key: Some(key), ..admin.user() }), 403, "forbidden").await;
    refused(Some(shared::auth::User { scope: "users:write".to_owned(), ..admin.user() }), 403, "forbidden").await;
    let ended = service.administrator().await;
    let token = [("token", ended.refresh_token.as_str())];
    service.call(Method::POST, "/api/v1/auth/revoke").form(&token).send().await.expect(200);
    refused(Some(ended.user()), 401, "token_invalid").await;
    for who in [&user, &support] {
        for path in [CLIENTS.to_owned(), at(&client.id)] {
            service.call(Method::GET, &path).by(who).send().await.expect_problem(403, "forbidden");
        }
    }
    let nobody = admin.id.to_string();
    for id in [nobody.as_str(), "me", "zz"] {
        service.call(Method::GET, &at(id)).by(&admin).send().await.expect_problem(404, "not_found");
        service.call(Method::DELETE, &at(id)).by(&admin).send().await.expect_problem(404, "not_found");
    }
    service.own_token(&client).await.expect(200);
    service.stop().await;
}

async fn what_a_client_may_be(backend: Backend) {
    let service = Setup::on(backend).set("oauth.scopes", "payments").start().await;
    let admin = service.administrator().await;
    let post = async |body: &Value| service.call(Method::POST, CLIENTS).by(&admin).json(body).send().await;
    let web = json!({"name": "Web", "grant_types": ["authorization_code"], "scopes": ["openid"], "redirect_uris": [REDIRECT]});
    let with = |base: &Value, member: &str, value: Value| {
        let mut body = base.clone();
        body[member] = value;
        body
    };
    let machine = machine();
    let bad = [
        (with(&machine, "name", json!("")), "/name"),
        (with(&machine, "name", json!(" x")), "/name"),
        (with(&machine, "name", json!("x\u{202e}y")), "/name"),
        (with(&machine, "name", json!("x".repeat(61))), "/name"),
        (with(&machine, "grant_types", json!([])), "/grant_types"),
        (with(&machine, "grant_types", json!(["refresh_token"])), "/grant_types"),
        (with(&machine, "type", json!("public")), "/grant_types"),
        (with(&machine, "scopes", json!([])), "/scopes"),
        (with(&machine, "scopes", json!(["root"])), "/scopes/0"),
        (with(&machine, "scopes", json!(["accounts:read", "a b"])), "/scopes/1"),
        (with(&machine, "scopes", json!(["api"])), "/scopes"),
        (with(&machine, "scopes", json!(["openid", "email"])), "/scopes"),
        (with(&machine, "redirect_uris", json!([REDIRECT])), "/redirect_uris"),
        (with(&web, "redirect_uris", json!([])), "/redirect_uris"),
        (with(&web, "redirect_uris", json!([REDIRECT, "http://books.example.com/"])), "/redirect_uris/1"),
        (with(&web, "redirect_uris", json!(vec![REDIRECT; 21])), "/redirect_uris"),
        (with(&web, "owner", json!("me")), "/owner"),
    ];
    for (body, pointer) in bad {
        let refused = post(&body).await.expect_problem(422, "validation_failed").json();
        let found = refused["errors"].as_array().unwrap().iter().any(|error| error["pointer"] == pointer);
        assert!(found, "{body}: {refused}");
    }
    for (member, value) in [("name", json!(1)), ("scopes", json!("openid")), ("trusted", json!("yes"))] {
        post(&with(&machine, member, value)).await.expect_problem(400, "malformed_body");
    }
    let all = post(&json!({"name": "", "grant_types": [], "scopes": ["x"], "redirect_uris": ["x"]})).await.expect(422);
    assert!(all.json()["errors"].as_array().unwrap().len() >= 4, "all at once: {}", all.json());
    post(&with(&machine, "scopes", json!(["payments", "accounts:read"]))).await.expect(201);
    post(&with(&with(&web, "scopes", json!(["api"])), "trusted", json!(true))).await.expect(201);
    service.stop().await;
}

async fn a_key_registers_once_and_tells_nothing_twice(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let post = |body: Value| service.call(Method::POST, CLIENTS).by(&admin).key("k-1").json(&body).send();
    let made = post(machine()).await.expect(201);
    post(machine()).await.expect_problem(409, "idempotency_not_replayable");
    let list = service.call(Method::GET, CLIENTS).by(&admin).send().await.expect(200).json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    let kept = service.query_text("SELECT body FROM idempotency_keys").await;
    assert!(!kept.contains("tgc_") && !kept.contains(&made.text("/secret")), "{kept}");
    service.stop().await;
}

async fn an_old_secret_goes_on_for_a_day_or_ends_now(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let first = service.machine(&["accounts:read"]).await;
    let renew = async |now: bool| {
        let admin: Person = service.administrator().await;
        let call = service.call(Method::POST, &format!("{}/secret", at(&first.id))).by(&admin);
        let made = call.json(&json!({"now": now})).send().await.expect(200);
        (Registered { secret: Some(made.text("/secret")), ..first.clone() }, made.json())
    };
    let (second, view) = renew(false).await;
    assert!(view["previous_secret_until"].is_string());
    let before = service.own_token(&first).await.expect(200).text("/access_token");
    service.own_token(&second).await.expect(200);
    assert_eq!(service.introspect(&second, &before).await["active"], true);
    service.clock.advance(Duration::from_secs(86_400));
    service.own_token(&first).await.expect_problem(401, "invalid_client");
    let token = service.own_token(&second).await.expect(200).text("/access_token");
    let (third, view) = renew(true).await;
    assert!(view["previous_secret_until"].is_null());
    service.own_token(&second).await.expect_problem(401, "invalid_client");
    assert_eq!(service.introspect(&third, &token).await, json!({"active": false}), "tokens of before are void");
    let fresh = service.own_token(&third).await.expect(200).text("/access_token");
    assert_eq!(service.introspect(&third, &fresh).await["active"], true);
    service.stop().await;
}

impl Running {
    /// One column of a statement's rows, as text.
    async fn query_text(&self, sql: &str) -> String {
        use sea_orm::{ConnectionTrait, Statement};
        let database = database(&self.ground).await;
        let backend = database.read().get_database_backend();
        let rows = database.read().query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
        let texts =
            rows.iter().map(|row| String::from_utf8_lossy(&row.try_get::<Vec<u8>>("", "body").unwrap()).into_owned());
        let text = texts.collect();
        database.close().await;
        text
    }
}
