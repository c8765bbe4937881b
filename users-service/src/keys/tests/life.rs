//! The keys of running services: the schedule, two at once on one database, other algorithms, and what a release before
//! left behind.

use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use reqwest::Method;
use sea_orm::ConnectionTrait;
use sea_orm_migration::MigratorTrait;

use super::orders::events;
use crate::config::Config;
use crate::db::Database;
use crate::db::migration::Migrator;
use crate::keys::Algorithm;
use crate::keys::purpose::Purpose;
use crate::keys::rows;
use crate::keys::signing::SigningKey;
use crate::testing::{Answer, Backend, Ground, PASSWORD, Running, Setup, on_both};

on_both! {
    a_key_is_published_before_it_signs_and_for_as_long_as_what_it_has_signed,
    two_services_rotate_once,
    the_key_of_the_release_before_goes_on,
    what_an_instance_of_the_release_before_makes_is_taken_over,
    another_algorithm_is_a_rotation,
    every_algorithm_signs_in,
}

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

/// The published keys of access tokens; those of ID tokens stand behind them.
pub(super) async fn kids(service: &Running) -> Vec<String> {
    let set = service.call(Method::GET, "/.well-known/jwks.json").send().await.expect(200).json();
    let database = database(&service.ground).await;
    let of_id_tokens = rows::load(database.read(), Purpose::Id).await.unwrap();
    database.close().await;
    let kids = set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned());
    kids.filter(|kid| !of_id_tokens.keys().iter().any(|held| held.key.kid == *kid)).collect()
}

/// Waits until the published keys are as they should be.
pub(super) async fn until_kids(service: &Running, hold: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..1_000 {
        let kids = kids(service).await;
        if hold(&kids) {
            return kids;
        }
        ticks.tick().await;
    }
    panic!("the keys stay {:?}", kids(service).await)
}

pub(super) fn kid_of(tokens: &Answer) -> String {
    jsonwebtoken::decode_header(tokens.text("/access_token")).unwrap().kid.unwrap()
}

async fn sign_in(service: &Running) -> Answer {
    service.password_grant("root@example.com", PASSWORD).await.expect(200)
}

fn quick(backend: Backend) -> Setup {
    Setup::on(backend).set("keys.reload", "50ms")
}

async fn a_key_is_published_before_it_signs_and_for_as_long_as_what_it_has_signed(backend: Backend) {
    let service = quick(backend).start().await;
    let first = kids(&service).await;
    assert_eq!(first.len(), 2, "one signs, the next is known already");
    assert_eq!(kid_of(&sign_in(&service).await), first[0]);
    let page = service.call(Method::GET, "/.well-known/jwks.json").send().await;
    service.clock.advance(DAY * 30 - MINUTE);
    let late = sign_in(&service).await;
    assert_eq!(kid_of(&late), first[0]);
    service.clock.advance(MINUTE);
    let second = until_kids(&service, |kids| kids.len() == 3).await;
    assert_eq!((&second[0], &second[2]), (&first[1], &first[0]));
    assert_eq!(kid_of(&sign_in(&service).await), second[0]);
    let again = service.call(Method::GET, "/.well-known/jwks.json").header("if-none-match", page.header("etag"));
    assert_ne!(again.send().await.expect(200).header("etag"), page.header("etag"));

    // What the key before has signed is still believed: it ends its session.
    let token = late.text("/access_token");
    service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", &token)]).send().await.expect(200);
    service.refresh(&late.text("/refresh_token")).await.expect_problem(400, "invalid_grant");
    let metrics = service.call(Method::GET, "/metrics").send().await.expect(200);
    let metrics = String::from_utf8(metrics.bytes).unwrap();
    for line in [
        "tollgate_users_signing_keys{state=\"active\"} 1",
        "tollgate_users_signing_keys{state=\"standby\"} 1",
        "tollgate_users_signing_keys{state=\"previous\"} 1",
        "tollgate_users_signing_keys{state=\"revoked\"} 0",
        "tollgate_users_signing_key_age_seconds 0",
        "tollgate_users_signing_key_rotations_total 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "no {line} in {metrics}");
    }
    // A minute for those who are late, an hour for the longest token under any settings, half a minute for clocks.
    service.clock.advance(MINUTE * 61 + MINUTE / 2 - Duration::from_millis(1));
    assert_eq!(kids(&service).await, second);
    service.clock.advance(Duration::from_millis(1));
    assert_eq!(kids(&service).await, second[..2]);
    service.stop().await;
}

async fn two_services_rotate_once(backend: Backend) {
    let one = quick(backend).start().await;
    let two = quick(backend).at(one.clock.clone()).start_on(one.ground.shared()).await;
    let mut before = kids(&one).await;
    assert_eq!(kids(&two).await, before);
    for _ in 0..5 {
        one.clock.advance(DAY * 30);
        let after = until_kids(&one, |kids| kids.first() == before.get(1) && kids.len() == 3).await;
        assert_eq!(until_kids(&two, |kids| kids == after).await, after);
        let signed = [sign_in(&one).await, sign_in(&two).await].map(|tokens| kid_of(&tokens));
        assert_eq!(signed, [after[0].clone(), after[0].clone()]);
        before = after;
    }
    assert_eq!(events(&one.ground, "signing_key.rotated").await.len(), 5, "once each, whoever did it");
    two.halt().await;
    one.stop().await;
}

pub(super) async fn database(ground: &Ground) -> Database {
    let env = [("IDENTITY__SECRET", "x".repeat(32)), ("DATABASE__URL", ground.url.clone())];
    let config = Config::load(None, &env.map(|(key, value)| (format!("TOLLGATE_USERS__{key}"), value))).unwrap();
    Database::connect(&config.database).await.unwrap()
}

/// A key as the release before writes it.
async fn old_key(database: &Database, created_at: i64) -> String {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let literal = |bytes: &[u8]| match database.kind() {
        crate::db::Kind::Postgres => format!("'\\x{}'", hex::encode(bytes)),
        crate::db::Kind::Sqlite => format!("x'{}'", hex::encode(bytes)),
    };
    let (private, public) = (literal(&key.private), literal(&key.public));
    let sql = format!(
        "INSERT INTO signing_keys (kid, algorithm, private_key, public_key, created_at) \
         VALUES ('{}', 'EdDSA', {private}, {public}, {created_at})",
        key.kid
    );
    database.read().execute_unprepared(&sql).await.unwrap();
    key.kid
}

async fn the_key_of_the_release_before_goes_on(backend: Backend) {
    let ground = Ground::lay(backend).await;
    let before = database(&ground).await;
    Migrator::up(before.read(), Some(2)).await.unwrap();
    let (older, newest) = (old_key(&before, 1_000_000).await, old_key(&before, 2_000_000).await);
    before.close().await;
    let service = quick(backend).start_on(ground).await;
    let shown = kids(&service).await;
    assert_eq!((&shown[0], &shown[2], shown.len()), (&newest, &older, 3), "it signs, and another is ready");
    assert_eq!(kid_of(&sign_in(&service).await), newest);
    // Its month begins with the first service that knows of months.
    service.clock.advance(DAY * 29);
    assert_eq!(until_kids(&service, |kids| kids.len() == 2).await, shown[..2]);
    assert_eq!(kid_of(&sign_in(&service).await), newest);
    service.clock.advance(DAY);
    until_kids(&service, |kids| kids.first() == shown.get(1)).await;
    service.stop().await;
}

async fn what_an_instance_of_the_release_before_makes_is_taken_over(backend: Backend) {
    let ground = Ground::lay(backend).await;
    let old = database(&ground).await;
    old.migrate().await.unwrap();
    let kid = old_key(&old, 1_000_000).await;
    old.close().await;
    let service = quick(backend).start_on(ground).await;
    assert_eq!(kid_of(&sign_in(&service).await), kid);
    assert_eq!(kids(&service).await.len(), 2);
    service.stop().await;
}

async fn another_algorithm_is_a_rotation(backend: Backend) {
    let service = quick(backend).start().await;
    let (clock, first) = (service.clock.clone(), kids(&service).await);
    clock.advance(MINUTE * 15);
    let ground = service.halt().await;
    let service = quick(backend).at(clock.clone()).set("tokens.algorithm", "ES256").start_on(ground).await;
    let tokens = sign_in(&service).await;
    assert_eq!(kid_of(&tokens), first[0], "nobody knows the new key yet");
    let published = kids(&service).await;
    assert_ne!(published[1], first[1], "the one that would have been next has never signed");
    clock.advance(MINUTE * 15);
    let after = until_kids(&service, |kids| kids.first() == published.get(1)).await;
    assert!(after.contains(&first[0]), "what the old algorithm has signed stays good");
    let header = jsonwebtoken::decode_header(sign_in(&service).await.text("/access_token")).unwrap();
    assert_eq!((header.alg, header.kid.as_ref()), (jsonwebtoken::Algorithm::ES256, after.first()));
    service.stop().await;
}

async fn every_algorithm_signs_in(backend: Backend) {
    for algorithm in Algorithm::ALL {
        let service = quick(backend).set("tokens.algorithm", algorithm.as_str()).start().await;
        let token = sign_in(&service).await.text("/access_token");
        let set = service.call(Method::GET, "/.well-known/jwks.json").send().await.expect(200);
        let set: JwkSet = serde_json::from_slice(&set.bytes).unwrap();
        let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(algorithm.jwt());
        validation.set_audience(&["tollgate"]);
        validation.validate_exp = false;
        let read = jsonwebtoken::decode::<serde_json::Value>(&token, &key, &validation);
        assert!(read.is_ok(), "{algorithm:?}: {read:?}");
        service.stop().await;
    }
}

#[actix_web::test]
async fn without_a_key_that_signs_it_is_not_ready_and_says_so() {
    let service = quick(Backend::Sqlite).start().await;
    let refresh_token = sign_in(&service).await.text("/refresh_token");
    let database = database(&service.ground).await;
    let run = async |sql: &str| database.read().execute_unprepared(sql).await.map(drop).unwrap();
    run("CREATE TRIGGER no_more BEFORE INSERT ON signing_keys BEGIN SELECT RAISE(ABORT, 'no more keys'); END").await;
    run("DELETE FROM signing_keys").await;
    let is_ready = async || service.call(Method::GET, "/readyz").send().await;
    until_status(503, is_ready).await.expect_problem(503, "keys_unavailable");
    service.password_grant("root@example.com", PASSWORD).await.expect_problem(503, "keys_unavailable");
    service.refresh(&refresh_token).await.expect_problem(503, "keys_unavailable");
    service.clock.advance(Duration::from_secs(11));
    run("DROP TRIGGER no_more").await;
    assert_eq!(until_status(200, is_ready).await.json()["dependencies"]["signing_keys"], "ok");
    // Nobody has used it up: to come back with it is no replay.
    service.refresh(&refresh_token).await.expect(200);
    sign_in(&service).await;
    database.close().await;
    service.stop().await;
}

async fn until_status(status: u16, ask: impl AsyncFn() -> Answer) -> Answer {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..1_000 {
        let answer = ask().await;
        if answer.status == status {
            return answer;
        }
        ticks.tick().await;
    }
    ask().await.expect(status)
}
