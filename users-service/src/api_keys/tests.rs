//! What a key opens and for how long, who may make one, and that nothing stored opens anything.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use shared::auth::User;
use shared::domain::ApiKeyId;
use shared::store::RevocationList;

use crate::testing::{Answer, Backend, Person, Running, Setup, on_both};

on_both! {
    a_key_is_shown_once_and_nothing_stored_opens_anything,
    a_gateway_is_told_what_a_key_is_worth_this_moment,
    a_revoked_key_is_told_to_gateways_at_once,
    what_cannot_be_made_is_refused_with_every_fault,
    of_many_at_once_no_more_are_made_than_one_may_have,
    only_a_fresh_session_of_ones_own_makes_keys,
    a_use_is_noted_once_a_minute_and_off_the_path,
    whoever_manages_keys_sees_and_ends_anybodys,
    keys_go_with_their_time_and_with_their_user,
}

const KEYS: &str = "/api/v1/users/me/api-keys";

impl Running {
    async fn make_key(&self, person: &Person, name: &str, scopes: &[&str]) -> Answer {
        self.call(Method::POST, KEYS).by(person).json(&json!({"name": name, "scopes": scopes})).send().await
    }

    async fn ask_about(&self, key: &str) -> Value {
        let fields = [("token", key), ("token_type_hint", "api_key")];
        let asked = self.call(Method::POST, "/api/v1/auth/introspect").gateway().form(&fields).send().await;
        asked.expect(200).json()
    }
}

async fn a_key_is_shown_once_and_nothing_stored_opens_anything(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let body = json!({"name": "  nightly report ", "scopes": ["users:read", "accounts:read", "users:read"]});
    let post = async |body: &Value| service.call(Method::POST, KEYS).by(&ada).key("k1").json(body).send().await;
    let made = post(&body).await.expect(201);
    let (key, id) = (made.text("/key"), made.text("/id"));
    assert_eq!(made.header("location"), format!("{KEYS}/{id}"));
    assert_eq!(made.header("cache-control"), "no-store");
    let shown = json!({
        "id": id, "name": "nightly report", "prefix": key[..12], "scopes": ["accounts:read", "users:read"],
        "created_at": made.text("/created_at"), "expires_at": null, "last_used_at": null,
    });
    let mut all = shown.clone();
    all["key"] = json!(key);
    assert_eq!(made.json(), all);
    post(&body).await.expect_problem(409, "idempotency_not_replayable");
    post(&json!({"name": "other", "scopes": ["users:read"]})).await.expect_problem(422, "idempotency_key_reused");
    let listed = service.call(Method::GET, KEYS).by(&ada).send().await.expect(200);
    assert_eq!(listed.json(), json!({"data": [shown]}));
    let get = |at: &str, by: &Person| service.call(Method::GET, at).by(by);
    let location = made.header("location");
    let answer = get(&location, &ada).send().await.expect(200);
    assert_eq!(answer.json(), shown);
    get(&location, &ada).header("if-none-match", answer.header("etag")).send().await.expect(304);
    get(&location, &service.administrator().await).send().await.expect_problem(404, "not_found");
    get(&format!("{KEYS}/nonsense"), &ada).send().await.expect_problem(404, "not_found");
    // A failure is not kept: the same Idempotency-Key can be used again once it is mended.
    let again = async |body: &Value| service.call(Method::POST, KEYS).by(&ada).key("k2").json(body).send().await;
    again(&body).await.expect_problem(409, "state_conflict");
    again(&json!({"name": "second", "scopes": ["users:read"]})).await.expect(201);

    let kept = "SELECT count(*) FROM idempotency_keys WHERE length(body) > 0 OR length(headers) > 0 OR status > 0";
    assert_eq!(service.ground.count(kept).await, 0, "that it was carried out, and nothing else");
    assert_eq!(service.ground.count("SELECT count(*) FROM idempotency_keys").await, 2);
    for column in ["detail", "kind", "actor"] {
        let sql = format!("SELECT count(*) FROM audit_events WHERE {column} LIKE '%{}%'", &key[13..]);
        assert_eq!(service.ground.count(&sql).await, 0, "{column}");
    }
    let shown = format!("SELECT count(*) FROM api_keys WHERE prefix = '{}' AND length(digest) = 32", &key[..12]);
    assert_eq!(service.ground.count(&shown).await, 1, "and of the key, only what is shown and its hash");
    service.stop().await;
}

async fn a_gateway_is_told_what_a_key_is_worth_this_moment(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    let expires_at = shared::clock::rfc3339(service.clock.now() + Duration::from_secs(3_600));
    let body = json!({"name": "x", "scopes": ["accounts:read"], "expires_at": expires_at});
    let made = service.call(Method::POST, KEYS).by(&ada).json(&body).send().await.expect(201);
    let key = made.text("/key");
    let said = service.ask_about(&key).await;
    let now = service.clock.now_seconds();
    assert_eq!(
        said,
        json!({"active": true, "token_type": "api_key", "sub": ada.id, "jti": made.text("/id"), "ver": 1,
            "roles": ["user"], "scope": "accounts:read", "iat": now, "exp": now + 3_600})
    );
    let nothing = json!({"active": false});
    let slip = key.replace('_', "-");
    for text in ["tgk_", "x", &slip, &key[1..], &format!("{key} "), &ada.refresh_token] {
        assert_eq!(service.ask_about(text).await, nothing, "{text}");
    }
    for (call, active) in [("disable", false), ("enable", true)] {
        let path = format!("/api/v1/users/{}/{call}", ada.id);
        service.call(Method::POST, &path).by(&admin).send().await.expect(200);
        assert_eq!(service.ask_about(&key).await["active"], active, "{call}");
    }
    let other = service.sign_in(&ada.email).await;
    service.call(Method::DELETE, "/api/v1/users/me").by(&other).send().await.expect(204);
    assert_eq!(service.ask_about(&key).await, nothing);
    service.call(Method::POST, &format!("/api/v1/users/{}/restore", ada.id)).by(&admin).send().await.expect(200);
    assert_eq!(service.ask_about(&key).await["active"], true);
    service.clock.advance(Duration::from_secs(3_600));
    assert_eq!(service.ask_about(&key).await, nothing);

    let fields = [("token", key.as_str())];
    for nobody in [None, Some(ada.user()), Some(admin.user())] {
        let call = service.call(Method::POST, "/api/v1/auth/introspect").form(&fields);
        let call = match nobody {
            Some(user) => call.user(user),
            None => call,
        };
        let answer = call.send().await;
        let told = answer.status == 200 && answer.json()["active"] != false;
        assert!(!told, "only a gateway is told");
    }
    let scraped = service.call(Method::GET, "/metrics").send().await;
    let scraped = String::from_utf8(scraped.bytes).unwrap();
    assert!(scraped.contains("tollgate_users_api_keys_asked_total{outcome=\"malformed\"} 6"), "{scraped}");
    service.stop().await;
}

async fn a_revoked_key_is_told_to_gateways_at_once(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let list = Arc::new(RevocationList::new(service.clock.clone()));
    let _follower = service.stores.revocations.follow(Arc::clone(&list));
    let (ada, eve) = (service.person("adalovelace").await, service.person("evelyn").await);
    let made = service.make_key(&ada, "x", &["users:read"]).await.expect(201);
    let (id, path): (ApiKeyId, _) = (made.text("/id").parse().unwrap(), format!("{KEYS}/{}", made.text("/id")));
    let delete = async |path: &str, by: &Person| service.call(Method::DELETE, path).by(by).send().await;
    delete(&path, &eve).await.expect_problem(404, "not_found");
    delete(&format!("{KEYS}/nonsense"), &ada).await.expect_problem(404, "not_found");
    assert!(!list.has_key(id) && service.ask_about(&made.text("/key")).await["active"] == true);
    let seen = async || service.call(Method::GET, &path).by(&ada).send().await;
    seen().await.expect(200);
    // Twice at once: one has revoked it.
    let both = join_all([delete(&path, &ada), delete(&path, &ada)]).await;
    seen().await.expect_problem(404, "not_found");
    let mut statuses: Vec<_> = both.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404]);
    assert!(list.has_key(id), "known when it is answered");
    assert_eq!(service.ask_about(&made.text("/key")).await, json!({"active": false}));
    assert_eq!(service.call(Method::GET, KEYS).by(&ada).send().await.json(), json!({"data": []}));
    service.make_key(&ada, "x", &["users:read"]).await.expect(201);
    service.stop().await;
}

async fn what_cannot_be_made_is_refused_with_every_fault(backend: Backend) {
    let service = Setup::on(backend).set("api_keys.longest", "1d").start().await;
    let ada = service.person("adalovelace").await;
    let post = async |body: &Value| service.call(Method::POST, KEYS).by(&ada).json(body).send().await;
    let at = |seconds: i64| shared::clock::rfc3339(service.clock.now() + time::Duration::seconds(seconds));
    let scopes = json!(["users:read"]);
    for (body, pointers) in [
        (json!({"name": "", "scopes": scopes}), &["/name"][..]),
        (json!({"name": "   ", "scopes": scopes}), &["/name"]),
        (json!({"name": "x".repeat(51), "scopes": scopes}), &["/name"]),
        (json!({"name": "a\u{0}b", "scopes": scopes}), &["/name"]),
        (json!({"name": "x", "scopes": []}), &["/scopes"]),
        (json!({"name": "x", "scopes": ["api"]}), &["/scopes/0"]),
        (
            json!({"name": "x", "scopes": ["users:read", "openid", "*", "users:read accounts:read"]}),
            &["/scopes/1", "/scopes/2", "/scopes/3"],
        ),
        (json!({"name": "x", "scopes": vec!["users:read"; 65]}), &["/scopes"]),
        (json!({"name": "x", "scopes": scopes, "expires_at": "tomorrow"}), &["/expires_at"]),
        (json!({"name": "x", "scopes": scopes, "expires_at": at(0)}), &["/expires_at"]),
        (json!({"name": "x", "scopes": scopes, "expires_at": at(86_401)}), &["/expires_at"]),
        (json!({"name": "", "scopes": ["x"], "expires_at": ""}), &["/name", "/scopes/0", "/expires_at"]),
    ] {
        let problem = post(&body).await.expect_problem(422, "validation_failed").json();
        let found: Vec<_> =
            problem["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].clone()).collect();
        assert_eq!(json!(found), json!(pointers), "{body}");
    }
    for body in [
        json!({}),
        json!({"name": "x"}),
        json!({"name": 1, "scopes": scopes}),
        json!({"name": "x", "scopes": "users:read"}),
    ] {
        assert!([400, 422].contains(&post(&body).await.status), "{body}");
    }
    post(&json!({"name": "x", "scopes": scopes, "user_id": ada.id})).await.expect(422);
    for fine in [
        json!({"name": "x", "scopes": scopes, "expires_at": at(86_400)}),
        json!({"name": "é".repeat(50), "scopes": scopes, "expires_at": null}),
    ] {
        post(&fine).await.expect(201);
    }
    service.stop().await;
}

async fn of_many_at_once_no_more_are_made_than_one_may_have(backend: Backend) {
    let service = Setup::on(backend).set("api_keys.per_user", "3").start().await;
    let ada = service.person("adalovelace").await;
    let same = join_all((0..5).map(|_| service.make_key(&ada, "same", &["users:read"]))).await;
    assert_eq!(same.iter().filter(|answer| answer.status == 201).count(), 1, "{same:?}");
    let names: Vec<_> = (0..10).map(|number| number.to_string()).collect();
    let all = join_all(names.iter().map(|name| service.make_key(&ada, name, &["users:read"]))).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 201).count(), 2, "{all:?}");
    for answer in same.into_iter().chain(all).filter(|answer| answer.status != 201) {
        answer.expect_problem(409, "state_conflict");
    }
    let listed = service.call(Method::GET, KEYS).by(&ada).send().await.json();
    let first = listed["data"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(listed["data"].as_array().unwrap().len(), 3);
    service.call(Method::DELETE, &format!("{KEYS}/{first}")).by(&ada).send().await.expect(204);
    service.make_key(&ada, "another", &["users:read"]).await.expect(201);
    service.stop().await;
}

async fn only_a_fresh_session_of_ones_own_makes_keys(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let key = ApiKeyId::generate(&service.clock);
    let by_key = User { session: None, api_key: Some(key), scope: "users:read users:write".to_owned(), ..ada.user() };
    let by_client = User { scope: "openid users:read users:write".to_owned(), ..ada.user() };
    let body = json!({"name": "x", "scopes": ["users:read"]});
    for user in [by_key, by_client] {
        let call = |method, path: &str| service.call(method, path).user(user.clone());
        call(Method::POST, KEYS).json(&body).send().await.expect_problem(403, "forbidden");
        call(Method::GET, KEYS).send().await.expect_problem(403, "forbidden");
        call(Method::DELETE, &format!("{KEYS}/{key}")).send().await.expect_problem(403, "forbidden");
    }
    service.call(Method::POST, KEYS).json(&body).send().await.expect_problem(401, "token_required");
    service.clock.advance(Duration::from_secs(301));
    service.make_key(&ada, "x", &["users:read"]).await.expect_problem(401, "step_up_required");
    let fresh = service.sign_in(&ada.email).await;
    service.make_key(&fresh, "x", &["users:read"]).await.expect(201);
    // Signed out meanwhile: the token is one of before.
    service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", &fresh.refresh_token)]).send().await.expect(200);
    service.make_key(&fresh, "y", &["users:read"]).await.expect_problem(401, "token_invalid");
    service.stop().await;
}

async fn a_use_is_noted_once_a_minute_and_off_the_path(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let key = service.make_key(&ada, "x", &["users:read"]).await.expect(201).text("/key");
    let last = async || {
        let listed = service.call(Method::GET, KEYS).by(&ada).send().await.json();
        listed["data"][0]["last_used_at"].as_str().map(str::to_owned)
    };
    assert_eq!(last().await, None);
    let used_at = |at: i64| format!("SELECT count(*) FROM api_keys WHERE last_used_at = {at}");
    let first = service.clock.now_micros();
    service.ask_about(&key).await;
    service.until_count(&used_at(first), 1).await;
    assert_eq!(last().await, Some(shared::clock::rfc3339(service.clock.now())));
    service.clock.advance(Duration::from_secs(59));
    service.ask_about(&key).await;
    service.clock.advance(Duration::from_secs(1));
    service.ask_about(&key).await;
    service.until_count(&used_at(first + 60_000_000), 1).await;
    // What is noted when the service stops is not lost.
    service.clock.advance(Duration::from_secs(60));
    let third = service.clock.now_micros();
    service.ask_about(&key).await;
    let clock = service.clock.clone();
    let ground = service.halt().await;
    assert_eq!(ground.count(&used_at(third)).await, 1);
    Setup::on(backend).at(clock).start_on(ground).await.stop().await;
}

async fn whoever_manages_keys_sees_and_ends_anybodys(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, eve, admin) =
        (service.person("adalovelace").await, service.person("evelyn").await, service.administrator().await);
    let made = service.make_key(&ada, "x", &["users:read"]).await.expect(201);
    let path = format!("/api/v1/users/{}/api-keys", ada.id);
    let key = format!("{path}/{}", made.text("/id"));
    let call = |method, path: &str, by: &Person| service.call(method, path).by(by).send();
    call(Method::GET, &path, &eve).await.expect_problem(403, "forbidden");
    call(Method::DELETE, &key, &eve).await.expect_problem(403, "forbidden");
    let role = json!({"name": "warden", "permissions": ["keys:manage"]});
    service.call(Method::POST, "/api/v1/roles").by(&admin).json(&role).send().await.expect(201);
    let eve = service.with_roles_of(&admin, &eve, &["user", "warden"]).await;
    let listed = call(Method::GET, &path, &eve).await.expect(200).json();
    assert_eq!((&listed["data"][0]["name"], listed["data"][0].get("key")), (&json!("x"), None));
    let other = format!("/api/v1/users/{}/api-keys/{}", eve.id, made.text("/id"));
    call(Method::DELETE, &other, &eve).await.expect_problem(404, "not_found");
    call(Method::DELETE, &key, &eve).await.expect(204);
    call(Method::DELETE, &key, &admin).await.expect_problem(404, "not_found");
    assert_eq!(service.ask_about(&made.text("/key")).await, json!({"active": false}));
    let nobody = format!("/api/v1/users/{}/api-keys", ApiKeyId::generate(&service.clock));
    call(Method::GET, &nobody, &admin).await.expect_problem(404, "not_found");
    service.stop().await;
}

async fn keys_go_with_their_time_and_with_their_user(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, eve) = (service.person("adalovelace").await, service.person("evelyn").await);
    let soon = shared::clock::rfc3339(service.clock.now() + Duration::from_secs(60));
    let body = json!({"name": "short", "scopes": ["users:read"], "expires_at": soon});
    service.call(Method::POST, KEYS).by(&ada).json(&body).send().await.expect(201);
    let revoked = service.make_key(&ada, "revoked", &["users:read"]).await.expect(201).text("/id");
    service.call(Method::DELETE, &format!("{KEYS}/{revoked}")).by(&ada).send().await.expect(204);
    service.make_key(&ada, "long", &["users:read"]).await.expect(201);
    service.make_key(&eve, "eve's", &["users:read"]).await.expect(201);
    service.call(Method::DELETE, "/api/v1/users/me").by(&eve).send().await.expect(204);
    assert_eq!(service.ground.count("SELECT count(*) FROM api_keys").await, 4);
    service.clock.advance(Duration::from_secs(31 * 86_400));
    // A start sweeps at once.
    let clock = service.clock.clone();
    let service = Setup::on(backend).at(clock).start_on(service.halt().await).await;
    service.until_count("SELECT count(*) FROM api_keys", 1).await;
    assert_eq!(service.ground.count("SELECT count(*) FROM api_keys WHERE name = 'long'").await, 1);
    service.stop().await;
}
