//! Throttling of sign-ins: what strangers try delays nobody on a device that is known, and hides who is registered.

use std::time::Duration;

use reqwest::Method;
use sea_orm::EntityTrait;

use crate::db::entity::known_device;
use crate::sweeper;
use crate::testing::{Answer, Backend, PASSWORD, Person, Running, Setup, on_both};

on_both! {
    a_known_device_signs_in_under_attack,
    a_known_device_is_no_way_around_the_pair,
    names_that_nobody_has_are_counted_like_any_other,
    one_network_tries_so_often_as_whomever,
    a_device_is_forgotten_in_time_and_with_its_user,
    a_reset_opens_the_way_from_where_it_is_done,
}

const DAY: Duration = Duration::from_secs(86_400);
const WRONG: &str = "wrong horse 9";

fn guarded(backend: Backend) -> Setup {
    let setup = Setup::on(backend).set("throttle.enabled", "true").set("throttle.attempts", "3");
    setup.set("throttle.identifier_attempts", "5")
}

async fn attempt(service: &Running, who: &str, password: &str, from: &str) -> Answer {
    let form = [("grant_type", "password"), ("username", who), ("password", password)];
    service.call(Method::POST, "/api/v1/auth/token").from(from).form(&form).send().await
}

/// From a different network each.
async fn attack(service: &Running, who: &str, times: u8) -> Vec<u16> {
    let mut statuses = Vec::new();
    for number in 0..times {
        statuses.push(attempt(service, who, WRONG, &format!("198.51.{number}.1")).await.status);
    }
    statuses
}

async fn known(service: &Running) -> usize {
    known_device::Entity::find().all(service.app.database.read()).await.unwrap().len()
}

async fn a_known_device_signs_in_under_attack(backend: Backend) {
    let service = guarded(backend).start().await;
    // From 192.0.2.7, like everybody here.
    let ada = service.person("adalovelace").await;
    // As a name, which she has not used yet: she signed in with her address.
    assert_eq!(attack(&service, "adalovelace", 6).await, [400, 400, 400, 400, 400, 429]);
    let delayed = attempt(&service, "adalovelace", PASSWORD, "203.0.113.9").await.expect_problem(429, "rate_limited");
    assert_eq!(delayed.header("retry-after"), "180", "not locked out there either, only delayed");
    for from in ["192.0.2.7", "192.0.2.99", "::ffff:192.0.2.7"] {
        attempt(&service, "adalovelace", PASSWORD, from).await.expect(200);
    }
    // However the attack goes on.
    attack(&service, "adalovelace", 20).await;
    attempt(&service, &ada.email, PASSWORD, "192.0.2.7").await.expect(200);
    service.clock.advance(Duration::from_secs(180));
    attempt(&service, "adalovelace", PASSWORD, "203.0.113.9").await.expect(200);
    attempt(&service, "adalovelace", PASSWORD, "203.0.113.10").await.expect(200);
    let scrape = String::from_utf8(service.call(Method::GET, "/metrics").send().await.expect(200).bytes).unwrap();
    assert!(scrape.contains(r#"tollgate_users_throttled_total{counter="identifier"}"#), "{scrape}");
    service.stop().await;
}

async fn a_known_device_is_no_way_around_the_pair(backend: Backend) {
    let service = guarded(backend).start().await;
    service.person("adalovelace").await;
    for _ in 0..3 {
        attempt(&service, "adalovelace", WRONG, "192.0.2.7").await.expect_problem(400, "invalid_grant");
    }
    attempt(&service, "adalovelace", PASSWORD, "192.0.2.7").await.expect_problem(429, "rate_limited");
    service.stop().await;
}

async fn names_that_nobody_has_are_counted_like_any_other(backend: Backend) {
    let service = guarded(backend).start().await;
    // Registered, but never signed in: no attempt of theirs is counted yet.
    let body = serde_json::json!({"email": "ada@example.org", "username": "adalovelace", "password": PASSWORD});
    service.register(&body).await.expect(201);
    let long = "x".repeat(300);
    let mut seen = Vec::new();
    for who in ["adalovelace", "nobodyatall", "nobody@example.org", long.as_str()] {
        seen.push(attack(&service, who, 9).await);
    }
    assert_eq!(seen[0], [400, 400, 400, 400, 400, 429, 429, 429, 429]);
    assert!(seen.iter().all(|statuses| *statuses == seen[0]), "{seen:?}");
    service.stop().await;
}

async fn one_network_tries_so_often_as_whomever(backend: Backend) {
    let service = guarded(backend).set("throttle.network_attempts", "4").start().await;
    for number in 0..4 {
        let from = format!("198.51.100.{number}");
        attempt(&service, &format!("victim{number}"), WRONG, &from).await.expect_problem(400, "invalid_grant");
    }
    attempt(&service, "victim9", WRONG, "198.51.100.200").await.expect_problem(429, "rate_limited");
    attempt(&service, "victim9", WRONG, "198.51.101.200").await.expect_problem(400, "invalid_grant");
    for number in 0..4 {
        let from = format!("2001:db8::{number}");
        attempt(&service, &format!("victim{number}"), WRONG, &from).await.expect_problem(400, "invalid_grant");
    }
    attempt(&service, "victim9", WRONG, "2001:db8::ffff:1").await.expect_problem(429, "rate_limited");
    service.stop().await;
}

async fn a_device_is_forgotten_in_time_and_with_its_user(backend: Backend) {
    let service = guarded(backend).set("retention.sweep_every", "365d").start().await;
    let ada = service.person("adalovelace").await;
    let before = known(&service).await;
    service.clock.advance(89 * DAY);
    attack(&service, "adalovelace", 6).await;
    attempt(&service, "adalovelace", PASSWORD, "192.0.2.7").await.expect(200);
    assert_eq!(known(&service).await, before, "seen again, not twice");
    service.clock.advance(90 * DAY);
    attack(&service, "adalovelace", 6).await;
    attempt(&service, "adalovelace", PASSWORD, "192.0.2.7").await.expect_problem(429, "rate_limited");
    sweeper::sweep(&service.app).await.unwrap();
    assert_eq!(known(&service).await, 0);
    service.clock.advance(DAY);
    let ada = Person::of(&ada.email, &attempt(&service, "adalovelace", PASSWORD, "192.0.2.7").await.expect(200));
    assert_eq!(known(&service).await, 1);
    service.call(Method::DELETE, "/api/v1/users/me").by(&ada).send().await.expect(204);
    service.clock.advance(31 * DAY);
    sweeper::sweep(&service.app).await.unwrap();
    assert_eq!(known(&service).await, 0, "purged");
    service.stop().await;
}

async fn a_reset_opens_the_way_from_where_it_is_done(backend: Backend) {
    let service = guarded(backend).start().await;
    let ada = service.person("adalovelace").await;
    attack(&service, &ada.email, 6).await;
    let from = "203.0.113.9";
    attempt(&service, &ada.email, PASSWORD, from).await.expect_problem(429, "rate_limited");
    let body = serde_json::json!({"email": ada.email});
    service.call(Method::POST, "/api/v1/auth/password/forgot").from(from).json(&body).send().await.expect(202);
    let token = service.mail(&ada.email, "password").await.token();
    let new = "another horse battery 8 staple";
    let body = serde_json::json!({"token": token, "new_password": new});
    service.call(Method::POST, "/api/v1/auth/password/reset").from(from).json(&body).send().await.expect(204);
    attempt(&service, &ada.email, new, from).await.expect(200);
    service.stop().await;
}
