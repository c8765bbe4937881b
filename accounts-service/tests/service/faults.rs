//! What breaks under the engine: a connection that is cut mid-commit, another writer that changes what was remembered.

use std::rc::Rc;

use futures_util::future::{join, join_all};
use sea_orm::ConnectionTrait;

use crate::client::{pay, user};
use crate::stack::{Stack, Which, run};

#[test]
fn on_postgres_a_cut_connection_pays_nobody_twice() {
    run(Which::Postgres, cut_connections);
}

#[test]
fn on_postgres_a_cut_connection_of_either_process_pays_nobody_twice() {
    run(Which::Shared, cut_connections);
}

async fn cut_connections(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 10_000).await;
    let to = stack.client.open(&who, "user").await;
    let db = accounts_service::db::Database::connect(&stack.url, 1).await.unwrap();
    let cut = async {
        for _ in 0..8 {
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tollgate-posting' \
                       AND datname = current_database()";
            db.pool.execute_unprepared(cut).await.unwrap();
            // Another transfer has to be through before the next cut.
            let key = uuid::Uuid::new_v4().to_string();
            stack.client.transfer(&who, &key, &pay(&to, &from, 10_001)).await.expect(422);
        }
    };
    let body = pay(&from, &to, 1);
    let clients = join_all((0..16).map(|n| {
        let (stack, who, body) = (&stack, &who, &body);
        async move {
            for round in 0..25 {
                let answer = stack.client.transfer(who, &format!("{n}-{round}"), body).await.expect(201);
                assert!(!answer.replayed());
            }
        }
    }));
    join(cut, clients).await;
    assert_eq!(stack.client.balance(&who, &to).await, 16 * 25);
    let chain = "SELECT 1 / (CASE WHEN count(*) = max(batch_no) THEN 1 ELSE 0 END) FROM ledger_batches";
    db.pool.execute_unprepared(chain).await.unwrap();
}
