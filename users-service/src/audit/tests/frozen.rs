//! An instance that stands still with the head of the chain in its hand holds up the others for seconds, not for ever.

use sea_orm::{ConnectionTrait, DbBackend, QuerySelect, Statement};

use super::*;
use crate::db::entity::audit_head;
use crate::testing::{Backend, PASSWORD, Setup};

#[actix_web::test]
async fn who_stands_still_with_the_head_is_put_off_it() {
    let service = Setup::on(Backend::Postgres).start().await;
    service.person("adalovelace").await;
    let database = database(&service.ground).await;
    for (setting, value) in [
        ("lock_timeout", "3s"),
        ("idle_in_transaction_session_timeout", "5s"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_user_timeout", "10000"),
    ] {
        let sql = Statement::from_string(DbBackend::Postgres, format!("SHOW {setting}"));
        let row = database.read().query_one_raw(sql).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(0).unwrap(), value, "{setting}");
    }
    let frozen = database.write().await.unwrap();
    audit_head::Entity::find().lock_exclusive().one(frozen.transaction()).await.unwrap().unwrap();
    // Right and wrong: both wait for the head, and neither for long.
    let answers = futures_util::future::join(
        service.password_grant("adalovelace", PASSWORD),
        service.password_grant("adalovelace", "wrong horse 9"),
    );
    let (right, wrong) = tokio::time::timeout(std::time::Duration::from_secs(20), answers).await.expect("in time");
    // Whose wait ends in time is put off; whoever came behind another may find the head free by then.
    assert!([200, 503].contains(&right.status) && [400, 503].contains(&wrong.status), "{right:?} {wrong:?}");
    // By itself the server ends what stands still: what waited is written, and the frozen one can do nothing more.
    until_events(&service, |events| count(events, Kind::SignInFailed) == 1).await;
    audit_head::Entity::find().one(frozen.transaction()).await.unwrap_err();
    drop(frozen);
    database.close().await;
    service.stop().await;
}

/// Whoever holds the head is waited for by everybody: rows and head are written in one statement.
#[actix_web::test]
async fn rows_and_head_are_one_statement() {
    let service = Setup::on(Backend::Postgres).start().await;
    service.person("adalovelace").await;
    let database = database(&service.ground).await;
    let sql = "SELECT cmin::text || ' ' || xmin::text AS at FROM audit_head \
               UNION SELECT cmin::text || ' ' || xmin::text FROM audit_events WHERE seq = (SELECT seq FROM audit_head)";
    let rows = database.read().query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    assert_eq!(rows.len(), 1, "the same command of the same transaction");
    database.close().await;
    service.stop().await;
}
