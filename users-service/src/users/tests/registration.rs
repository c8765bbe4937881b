//! Registering: validation, duplicates also under race, idempotency.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, Executor};

use crate::testing::{Backend, PASSWORD, Setup, on_both};

on_both! {
    a_registration_is_answered_and_can_sign_in,
    every_fault_is_named_at_once,
    only_plain_json_is_a_body,
    of_many_who_want_one_address_exactly_one_gets_it,
    a_retry_under_a_key_gets_the_first_answer,
    many_at_once_under_one_key_are_one_registration,
    undisclosed_duplicates_look_like_any_other,
}

fn ada() -> Value {
    json!({"email": "Ada@Example.org", "username": "Ada", "password": PASSWORD, "name": "Countess Lovelace", "phone": "+14155550123"})
}

async fn a_registration_is_answered_and_can_sign_in(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let created = service.register(&ada()).await.expect(201);
    let body = created.json();
    assert_eq!(
        body,
        json!({"id": created.text("/id"), "email": "Ada@Example.org", "username": "Ada", "name": "Countess Lovelace"})
    );
    assert_eq!(created.header("location"), format!("/api/v1/users/{}", created.text("/id")));
    for identifier in ["ada@example.org", "ADA@EXAMPLE.ORG", "ada", "ＡＤＡ"] {
        let tokens = service.password_grant(identifier, PASSWORD).await.expect(200);
        assert_eq!(
            (tokens.json()["token_type"].clone(), tokens.json()["expires_in"].clone()),
            (json!("Bearer"), json!(300))
        );
        assert_eq!(tokens.header("cache-control"), "no-store");
    }
    service
        .call(Method::GET, "/api/v1/users/me")
        .by(&service.sign_in("ada@example.org").await)
        .send()
        .await
        .expect(200);
    service.stop().await;
}

async fn every_fault_is_named_at_once(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let bad = json!({"email": "ada", "username": "a b", "password": "short", "name": "", "phone": "123"});
    let problem = service.register(&bad).await.expect_problem(422, "validation_failed").json();
    let pointers: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/email", "/username", "/name", "/phone", "/password"]);
    let with = |member: &str, value: Value| {
        let mut body = ada();
        body[member] = value;
        body
    };
    let nothing = service.register(&json!({"foo": 1, "bar": 2})).await.expect_problem(422, "validation_failed").json();
    let pointers: Vec<_> =
        nothing["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers.concat(), "/bar/foo/email/username/password");
    service.register(&with("roles", json!(["admin"]))).await.expect_problem(422, "validation_failed");
    service.register(&with("email", json!(5))).await.expect_problem(400, "malformed_body");
    for password in [
        "countess battery 9",
        "ada@Example.org 1",
        "1234567890",
        "no digits in here",
        "pass\0word1234",
        &"9x".repeat(65),
    ] {
        service.register(&with("password", json!(password))).await.expect_problem(422, "validation_failed");
    }
    service
        .call(Method::POST, "/api/v1/users")
        .form(&[("email", "a")])
        .send()
        .await
        .expect_problem(415, "unsupported_media_type");
    service.call(Method::PUT, "/api/v1/users").json(&ada()).send().await.expect_problem(405, "method_not_allowed");
    service.stop().await;
}

async fn only_plain_json_is_a_body(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let post = || service.call(Method::POST, "/api/v1/users");
    for kind in ["application/merge-patch+json", "application/foo+json", "text/plain"] {
        post().body(kind, &ada()).send().await.expect_problem(415, "unsupported_media_type");
    }
    for coding in ["gzip", "identity, br"] {
        let coded = post().json(&ada()).header("content-encoding", coding).send().await;
        coded.expect_problem(415, "unsupported_media_type");
    }
    let token = service.call(Method::POST, "/api/v1/auth/token").form(&[("grant_type", "password")]);
    let coded = token.header("content-encoding", "gzip").send().await.expect_problem(415, "unsupported_media_type");
    assert_eq!(coded.text("/error"), "invalid_request");
    post().json(&ada()).header("content-encoding", "identity").send().await.expect(201);
    let ada = service.sign_in("ada@example.org").await;
    for kind in ["application/merge-patch+json", "application/json; charset=utf-8"] {
        let patch = service.call(Method::PATCH, "/api/v1/users/me").by(&ada).body(kind, &json!({"name": "Ada"}));
        patch.send().await.expect(200);
    }
    let patch = service.call(Method::PATCH, "/api/v1/users/me").by(&ada).body("application/foo+json", &json!({}));
    patch.send().await.expect_problem(415, "unsupported_media_type");
    service.stop().await;
}

async fn of_many_who_want_one_address_exactly_one_gets_it(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let bodies = (0..24).map(|i| json!({"email": if i % 2 == 0 { "ada@example.org" } else { "ADA@example.ORG" }, "username": format!("ada{i}"), "password": PASSWORD}));
    let answers = join_all(bodies.map(|body| async { service.register(&{ body }).await })).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(created, 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.expect_problem(409, "email_taken");
    }
    let bodies =
        (0..24).map(|i| json!({"email": format!("b{i}@example.org"), "username": "Bob", "password": PASSWORD}));
    let answers = join_all(bodies.map(|body| async { service.register(&{ body }).await })).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 409 && answer.json()["code"] == "username_taken").count(),
        23
    );
    service.stop().await;
}

async fn a_retry_under_a_key_gets_the_first_answer(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let post = |body: Value, key: &'static str| service.call(Method::POST, "/api/v1/users").json(&body).key(key).send();
    let first = post(ada(), "k1").await.expect(201);
    assert_eq!(first.header("idempotent-replayed"), "");
    let again = post(ada(), "\"k1\"").await.expect(201);
    assert_eq!((&again.bytes, again.header("idempotent-replayed").as_str()), (&first.bytes, "true"));
    assert_eq!(again.header("location"), first.header("location"));

    let mut other = ada();
    other["name"] = json!("Somebody Else");
    post(other, "k1").await.expect_problem(422, "idempotency_key_reused");
    let mut other = ada();
    other["password"] = json!("another horse battery 9 staple");
    post(other, "k1").await.expect_problem(422, "idempotency_key_reused");

    let next = service.call(Method::POST, "/api/v2/users").json(&ada()).key("k1").send().await.expect(201);
    assert_eq!((&next.bytes, next.header("location")), (&first.bytes, first.header("location")), "in any version");

    let mut eve = json!({"email": "eve@example.org", "username": "ada", "password": PASSWORD});
    post(eve.clone(), "k2").await.expect_problem(409, "username_taken");
    assert_eq!(post(eve.clone(), "k2").await.expect(409).header("idempotent-replayed"), "", "a refusal is not frozen");
    eve["username"] = json!("evelyn");
    post(eve, "k2").await.expect(201);

    let mut bob = json!({"email": "bob@example.org", "username": "bob", "password": "short"});
    post(bob.clone(), "k1").await.expect_problem(422, "validation_failed");
    bob["password"] = json!(PASSWORD);
    post(bob, "k1").await.expect(201);
    post(ada(), "").await.expect_problem(400, "idempotency_key_invalid");
    service.stop().await;
}

async fn many_at_once_under_one_key_are_one_registration(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let post = || service.call(Method::POST, "/api/v1/users").json(&ada()).key("once").send();
    let answers = join_all((0..24).map(|_| post())).await;
    let bodies: std::collections::HashSet<_> =
        answers.iter().map(|answer| (answer.status, answer.bytes.clone())).collect();
    assert_eq!(bodies.len(), 1, "one answer for all: {bodies:?}");
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotent-replayed").is_empty()).count(), 1);
    assert_eq!(answers[0].status, 201);
    service.stop().await;
}

/// On SQLite there is one writer: nothing else holds rows.
#[actix_web::test]
async fn under_a_key_work_waits_for_rows_as_long_as_without() {
    let service = Setup::on(Backend::Postgres).set("idempotency.wait", "1ms").start().await;
    let mut other = sqlx::PgConnection::connect(&service.ground.url).await.unwrap();
    other.execute("BEGIN; LOCK TABLE users IN EXCLUSIVE MODE").await.unwrap();
    let request = service.call(Method::POST, "/api/v1/users").json(&ada()).key("k").send();
    let (answer, ()) = futures_util::future::join(request, async {
        other.execute("SELECT pg_sleep(0.3)").await.unwrap();
        other.execute("COMMIT").await.unwrap();
    })
    .await;
    answer.expect(201);
    service.stop().await;
}

async fn undisclosed_duplicates_look_like_any_other(backend: Backend) {
    let service = Setup::on(backend).set("registration.disclose_existing", "false").start().await;
    let first = service.register(&ada()).await.expect(202);
    let second = service.register(&ada()).await.expect(202);
    assert_eq!(first.bytes, second.bytes);
    assert_eq!((first.header("location"), second.header("location")), (String::new(), String::new()));
    service.stop().await;
}
