//! What is past its time goes, however much there is, and past whatever somebody holds.

use std::time::Duration;

use serde_json::json;
use sqlx::{Connection, Executor};

use super::sweep;
use crate::testing::{Backend, PASSWORD, Running, Setup, on_both};

on_both! {
    more_than_a_batch_goes_at_once,
    a_name_that_was_held_is_free_in_time,
}

const DAY: Duration = Duration::from_secs(86_400);

/// Sweeps only when it is told to.
async fn idle(setup: Setup) -> Running {
    setup.set("retention.sweep_every", "365d").start().await
}

async fn more_than_a_batch_goes_at_once(backend: Backend) {
    let service = idle(Setup::on(backend)).await;
    let empty = if backend == Backend::Sqlite { "x''" } else { "''::bytea" };
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1201)";
    let columns = "scope, route, key, fingerprint, status, headers, body, created_at";
    let rows = format!("SELECT 'scope', 'route', 'key' || i, {empty}, 200, '[]', {empty}, 0 FROM n");
    service.ground.run(&format!("{numbers} INSERT INTO idempotency_keys ({columns}) {rows}")).await;
    sweep(&service.app).await.unwrap();
    assert_eq!(service.ground.count("SELECT count(*) FROM idempotency_keys").await, 0);
    service.stop().await;
}

async fn a_name_that_was_held_is_free_in_time(backend: Backend) {
    let service = idle(Setup::on(backend).set("registration.disclose_existing", "false")).await;
    let register = async |email: &str, name: &str| {
        let body = json!({"email": email, "username": name, "password": PASSWORD});
        service.register(&body).await.expect(202);
    };
    register("ada@example.org", "adalovelace").await;
    register("ada@example.org", "burned").await;
    let held = "SELECT count(*) FROM users WHERE email_norm LIKE 'held %'";
    let taken = "SELECT count(*) FROM users WHERE username = 'burned' AND purged_at IS NULL";
    assert_eq!(service.ground.count(held).await, 1);
    service.clock.advance(364 * DAY);
    sweep(&service.app).await.unwrap();
    register("grace@example.org", "burned").await;
    assert_eq!((service.ground.count(held).await, service.ground.count(taken).await), (1, 0), "it is taken");
    service.clock.advance(2 * DAY);
    sweep(&service.app).await.unwrap();
    assert_eq!(service.ground.count(held).await, 0);
    register("grace@example.org", "burned").await;
    assert_eq!(service.ground.count(taken).await, 1);
    service.stop().await;
}

#[actix_web::test]
async fn a_sweep_waits_for_nobody() {
    let service = idle(Setup::on(Backend::Postgres)).await;
    service.person("adalovelace").await;
    service.person("bobby").await;
    service.clock.advance(120 * DAY);
    let mut other = sqlx::PgConnection::connect(&service.ground.url).await.unwrap();
    let hers = "user_id = (SELECT id FROM users WHERE username = 'adalovelace')";
    let hold = format!("BEGIN; SELECT 1 FROM known_devices WHERE {hers} FOR UPDATE");
    other.execute(sqlx::AssertSqlSafe(hold)).await.unwrap();
    // Waiting would end in a failure, after `lock_timeout`.
    sweep(&service.app).await.unwrap();
    let left = "SELECT count(*) FROM known_devices";
    assert_eq!(service.ground.count(left).await, 1, "passed over");
    other.execute("COMMIT").await.unwrap();
    sweep(&service.app).await.unwrap();
    assert_eq!(service.ground.count(left).await, 0);
    service.stop().await;
}
