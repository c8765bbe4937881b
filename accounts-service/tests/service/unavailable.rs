//! Outside the engine too, a database that cannot now is 503 and one that will not is 500.

use std::rc::Rc;

use accounts_service::db::{Database, problem};
use sea_orm::ConnectionTrait;
use serde_json::json;
use shared::problem::Code;

use crate::client::{Answer, user};
use crate::stack::{Stack, Which, run};

/// Ends the sessions of the service's pool.
const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tollgate-accounts' \
                   AND datname = current_database() AND pid <> pg_backend_pid()";

fn is_unavailable(answer: &Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (503, "database_unavailable"));
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn on_postgres_what_may_pass_is_503() {
    run(Which::Postgres, refusals);
}

async fn refusals(stack: Rc<Stack>) {
    let who = user();
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                  RAISE EXCEPTION 'no' USING ERRCODE = NEW.name; END $$;
                  CREATE TRIGGER refuse BEFORE INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION refuse()";
    db.pool.execute_unprepared(refuse).await.unwrap();
    let open = async |code: &str, headers: &[(&str, &str)]| {
        stack.client.post(&who, "/api/v1/accounts", headers, &json!({"name": code, "currency": "USD"})).await
    };
    for code in ["40001", "40P01", "55P03", "53100", "53300", "57P01", "57014", "58030", "25006"] {
        is_unavailable(&open(code, &[]).await);
        is_unavailable(&open(code, &[("idempotency-key", code)]).await);
    }
    for code in ["23514", "42601", "XX001"] {
        assert_eq!(open(code, &[]).await.expect(500).code(), "internal_error");
    }
}

#[test]
fn on_postgres_a_cut_connection_and_a_read_only_server_are_503() {
    run(Which::Postgres, cut_and_read_only);
}

async fn cut_and_read_only(stack: Rc<Stack>) {
    let who = user();
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let open =
        async || stack.client.post(&who, "/api/v1/accounts", &[], &json!({"name": "Savings", "currency": "USD"})).await;
    // The pool has as many broken sessions as were cut, and each is met once.
    let list = async || {
        let answer = stack.client.get(&who, "/api/v1/accounts").await;
        if answer.status != 200 {
            is_unavailable(&answer);
        }
        answer
    };
    open().await.expect(201);
    db.pool.execute_unprepared(CUT).await.unwrap();
    is_unavailable(&list().await);
    while list().await.status != 200 {}

    let read_only = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', \
                     current_database()); END $$";
    db.pool.execute_unprepared(read_only).await.unwrap();
    db.pool.execute_unprepared(CUT).await.unwrap();
    // Sessions that were cut, then those that can only read.
    while list().await.status != 200 {
        is_unavailable(&open().await);
    }
    is_unavailable(&open().await);
}

#[test]
fn on_sqlite_what_may_pass_is_503() {
    run(Which::Sqlite, hindered_file);
}

async fn hindered_file(stack: Rc<Stack>) {
    let write = "UPDATE ledger_head SET position = position";
    let grow = "INSERT INTO ledger_batches VALUES (1, 1, 1, 1, randomblob(32), randomblob(32), 1); \
                CREATE TABLE large AS SELECT randomblob(100000)";
    // Each with what makes it so: READONLY, FULL, BUSY.
    for (so, statement) in [("query_only = on", write), ("max_page_count = 1", grow), ("busy_timeout = 0", write)] {
        let db = Database::connect(&stack.url, 1).await.unwrap();
        let other = Database::connect(&stack.url, 1).await.unwrap();
        let held = other.write().await.unwrap();
        if so != "busy_timeout = 0" {
            held.rollback().await.unwrap();
        }
        db.pool.execute_unprepared(&format!("PRAGMA {so}")).await.unwrap();
        let refused = db.pool.execute_unprepared(statement).await.unwrap_err();
        let said = refused.to_string();
        assert_eq!(problem(refused).code(), Code::DatabaseUnavailable, "{so}: {said}");
    }
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let nonsense = db.pool.execute_unprepared("UPDATE ledger_head SET position = NULL").await.unwrap_err();
    assert_eq!(problem(nonsense).code(), Code::InternalError);
}
