//! What asks for a proof of a moment ago, who can give it, and what a race does.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use shared::auth::User;
use shared::domain::ApiKeyId;
use sqlx::{Connection, Executor};

use crate::testing::{Answer, Backend, PASSWORD, Person, Running, Setup, on_both};

on_both! {
    step_up_asks_for_a_recent_sign_in,
    a_step_up_is_for_one_session,
    whoever_guesses_is_counted_and_held,
    a_session_has_so_many_guesses_from_wherever,
    of_fifty_guesses_at_once_ten_are_looked_at,
    only_a_session_of_ones_own_steps_up,
    an_ended_session_proves_nothing,
    a_session_of_before_has_to_prove_itself,
}

const NEW: &str = "another horse battery 8 staple";

async fn step_up(service: &Running, person: &Person, password: &str) -> Answer {
    let body = json!({"password": password});
    service.call(Method::POST, "/api/v1/auth/step-up").by(person).json(&body).send().await
}

async fn move_to(service: &Running, person: &Person, email: &str) -> Answer {
    service.call(Method::PATCH, "/api/v1/users/me").by(person).json(&json!({"email": email})).send().await
}

async fn delete(service: &Running, person: &Person) -> Answer {
    service.call(Method::DELETE, "/api/v1/users/me").by(person).send().await
}

async fn step_up_asks_for_a_recent_sign_in(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    service.clock.advance(Duration::from_secs(300));
    move_to(&service, &ada, "one@example.net").await.expect(200);
    service.clock.advance(Duration::from_millis(1));
    let refused = move_to(&service, &ada, "two@example.net").await.expect_problem(401, "step_up_required");
    let challenge = "Bearer error=\"insufficient_user_authentication\", max_age=300";
    assert_eq!(refused.header("www-authenticate"), challenge);
    delete(&service, &ada).await.expect_problem(401, "step_up_required");
    // What says the same as before, or nothing of the kind, asks for nothing.
    move_to(&service, &ada, &ada.email).await.expect(200);
    let name = json!({"name": "Ada"});
    service.call(Method::PATCH, "/api/v1/users/me").by(&ada).json(&name).send().await.expect(200);
    // Nor does a refresh prove anything.
    service.refresh(&ada.refresh_token).await.expect(200);
    delete(&service, &ada).await.expect_problem(401, "step_up_required");

    let wrong = step_up(&service, &ada, "wrong horse 9").await.expect_problem(422, "validation_failed");
    let said = (wrong.text("/errors/0/pointer"), wrong.text("/errors/0/code"));
    assert_eq!(said, ("/password".to_owned(), "incorrect".to_owned()));
    delete(&service, &ada).await.expect_problem(401, "step_up_required");
    step_up(&service, &ada, PASSWORD).await.expect(204);
    move_to(&service, &ada, "three@example.net").await.expect(200);
    service.clock.advance(Duration::from_secs(300));
    delete(&service, &ada).await.expect(204);
    step_up(&service, &ada, PASSWORD).await.expect_problem(401, "token_invalid");
    service.stop().await;
}

async fn a_step_up_is_for_one_session(backend: Backend) {
    let service = Setup::on(backend).set("sessions.step_up", "1m").start().await;
    let here = service.person("adalovelace").await;
    let there = service.sign_in(&here.email).await;
    let admin = service.administrator().await;
    service.clock.advance(Duration::from_secs(61));
    step_up(&service, &here, PASSWORD).await.expect(204);
    let refused = delete(&service, &there).await.expect_problem(401, "step_up_required");
    assert!(refused.header("www-authenticate").ends_with("max_age=60"));
    // An administrator's deletion of others asks for nothing, of themselves it does.
    let by_admin = async |person: &Person| {
        service.call(Method::DELETE, &format!("/api/v1/users/{}", person.id)).by(&admin).send().await
    };
    by_admin(&admin).await.expect_problem(401, "step_up_required");
    by_admin(&here).await.expect(204);
    service.stop().await;
}

async fn whoever_guesses_is_counted_and_held(backend: Backend) {
    let service = Setup::on(backend).set("throttle.enabled", "true").set("throttle.attempts", "3").start().await;
    let ada = service.person("adalovelace").await;
    step_up(&service, &ada, "wrong horse 9").await.expect(422);
    step_up(&service, &ada, PASSWORD).await.expect(204);
    for _ in 0..2 {
        step_up(&service, &ada, "wrong horse 9").await.expect(422);
    }
    // The password is asked for in two places, and guessed in both together.
    let change = json!({"current_password": "wrong horse 9", "new_password": NEW});
    let change = service.call(Method::PUT, "/api/v1/users/me/password").by(&ada).json(&change).send();
    change.await.expect_problem(422, "validation_failed");
    let held = step_up(&service, &ada, PASSWORD).await.expect_problem(429, "rate_limited");
    assert_eq!(held.header("retry-after"), "100");
    service.clock.advance(Duration::from_secs(100));
    step_up(&service, &ada, PASSWORD).await.expect(204);
    for body in [json!({}), json!({"password": 1}), json!({"password": PASSWORD, "more": 1})] {
        let call = service.call(Method::POST, "/api/v1/auth/step-up").by(&ada).json(&body);
        assert!([400, 422].contains(&call.send().await.status), "{body}");
    }
    step_up(&service, &ada, &"9".repeat(4_000)).await.expect(422);
    service.stop().await;
}

/// From an address of its own each time.
async fn guess_from(service: &Running, person: &Person, place: usize, password: &str) -> Answer {
    let from = format!("198.51.100.{place}");
    if place.is_multiple_of(2) {
        let body = json!({"password": password});
        return service.call(Method::POST, "/api/v1/auth/step-up").by(person).from(&from).json(&body).send().await;
    }
    let body = json!({"current_password": password, "new_password": NEW});
    service.call(Method::PUT, "/api/v1/users/me/password").by(person).from(&from).json(&body).send().await
}

async fn a_session_has_so_many_guesses_from_wherever(backend: Backend) {
    // Also where nothing else is counted.
    for counted in ["true", "false"] {
        let service = Setup::on(backend).set("throttle.enabled", counted).start().await;
        let thief = service.person("adalovelace").await;
        let ada = service.sign_in(&thief.email).await;
        // A right one gives them back.
        for place in 0..9 {
            guess_from(&service, &thief, place, "wrong horse 9").await.expect(422);
        }
        guess_from(&service, &thief, 10, PASSWORD).await.expect(204);
        for place in 20..30 {
            guess_from(&service, &thief, place, "wrong horse 9").await.expect(422);
        }
        // The right one comes too late.
        guess_from(&service, &thief, 30, PASSWORD).await.expect_problem(401, "token_invalid");
        service.refresh(&thief.refresh_token).await.expect_problem(400, "invalid_grant");
        let revoked = "SELECT count(*) FROM revocations";
        assert_eq!(service.ground.count(revoked).await, 1, "gateways are told");
        guess_from(&service, &thief, 31, PASSWORD).await.expect_problem(401, "token_invalid");
        let ended = "SELECT count(*) FROM audit_events WHERE kind = 'session.guessed_in'";
        assert_eq!(service.ground.count(ended).await, 1, "once");
        // Whose it is are in as before, here and anew.
        step_up(&service, &ada, PASSWORD).await.expect(204);
        service.sign_in(&ada.email).await;
        service.stop().await;
    }
}

async fn of_fifty_guesses_at_once_ten_are_looked_at(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let guesses = (0..50).map(|place| guess_from(&service, &ada, place, "wrong horse 9"));
    let statuses: Vec<_> = futures_util::future::join_all(guesses).await.iter().map(|answer| answer.status).collect();
    let count = |status: u16| statuses.iter().filter(|is| **is == status).count();
    assert!((1..=10).contains(&count(422)) && count(422) + count(401) == 50, "{statuses:?}");
    let ended = "SELECT count(*) FROM audit_events WHERE kind = 'session.guessed_in'";
    assert_eq!(service.ground.count(ended).await, 1);
    service.stop().await;
}

async fn only_a_session_of_ones_own_steps_up(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let key = ApiKeyId::generate(&service.clock);
    let by_key = User { session: None, api_key: Some(key), scope: "users:write".to_owned(), ..ada.user() };
    let by_client = User { scope: "openid users:write".to_owned(), ..ada.user() };
    for user in [by_key, by_client] {
        let body = json!({"password": PASSWORD});
        let call = |method, path| service.call(method, path).user(user.clone());
        let prove = call(Method::POST, "/api/v1/auth/step-up").json(&body).send().await;
        prove.expect_problem(403, "forbidden");
        call(Method::DELETE, "/api/v1/users/me").send().await.expect_problem(403, "forbidden");
    }
    let nobody = service.call(Method::POST, "/api/v1/auth/step-up").json(&json!({"password": PASSWORD})).send().await;
    nobody.expect_problem(401, "token_required");
    service.stop().await;
}

async fn an_ended_session_proves_nothing(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    let token = ada.refresh_token.as_str();
    service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", token)]).send().await.expect(200);
    step_up(&service, &ada, PASSWORD).await.expect_problem(401, "token_invalid");
    delete(&service, &ada).await.expect_problem(401, "token_invalid");
    // Nor does somebody else's.
    let user = User { session: bob.user().session, ..ada.user() };
    let body = json!({"password": PASSWORD});
    let call = service.call(Method::POST, "/api/v1/auth/step-up").user(user.clone()).json(&body);
    call.send().await.expect_problem(401, "token_invalid");
    let call = service.call(Method::DELETE, "/api/v1/users/me").user(user);
    call.send().await.expect_problem(401, "token_invalid");
    assert_eq!(service.ground.count("SELECT count(*) FROM audit_events WHERE kind = 'step_up.succeeded'").await, 0);
    service.stop().await;
}

async fn a_session_of_before_has_to_prove_itself(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    service.ground.run("UPDATE sessions SET authenticated_at = 0").await;
    delete(&service, &ada).await.expect_problem(401, "step_up_required");
    step_up(&service, &ada, PASSWORD).await.expect(204);
    delete(&service, &ada).await.expect(204);
    service.stop().await;
}

/// The hash is replaced while the password is being held against the one before.
async fn replaced_meanwhile(service: &Running, ada: &Person, by: &str) -> Answer {
    let mut other = sqlx::PgConnection::connect(&service.ground.url).await.unwrap();
    other.execute("BEGIN; SELECT 1 FROM users FOR UPDATE").await.unwrap();
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let (answer, ()) = futures_util::future::join(step_up(service, ada, PASSWORD), async {
        service.until_count(waiting, 1).await;
        let hash = format!("(SELECT password_hash FROM users WHERE username = '{by}')");
        let replace = format!("UPDATE users SET password_hash = {hash} WHERE username = 'adalovelace'; COMMIT");
        other.execute(sqlx::AssertSqlSafe(replace)).await.unwrap();
    })
    .await;
    answer
}

#[actix_web::test]
async fn what_is_replaced_meanwhile_is_looked_at_again() {
    let service = Setup::on(Backend::Postgres).start().await;
    let ada = service.person("adalovelace").await;
    service.person("bobby").await;
    let other = json!({"email": "carol@example.org", "username": "carol", "password": NEW});
    service.register(&other).await.expect(201);
    // Mail is read and written by the worker, which must not be who waits.
    service.until_mails("waiting", 0).await;
    replaced_meanwhile(&service, &ada, "bobby").await.expect(204);
    replaced_meanwhile(&service, &ada, "carol").await.expect_problem(422, "validation_failed");
    service.stop().await;
}
