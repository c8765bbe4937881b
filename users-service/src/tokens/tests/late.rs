//! A refresh that everything ends in the midst of.

use sqlx::{Connection, Executor};

use crate::testing::{Backend, Person, Running, Setup};

/// What a reset does, while a refresh stands before the row of its user: it has read the session, and all reading of users
/// waits for whoever holds the table.
async fn refreshed_during_a_reset(service: &Running, ada: &Person) -> u16 {
    let mut other = sqlx::PgConnection::connect(&service.ground.url).await.unwrap();
    other.execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass";
    let (answer, ()) = futures_util::future::join(service.refresh(&ada.refresh_token), async {
        service.until_count(waiting, 1).await;
        let reset = "UPDATE users SET ver = ver + 1; UPDATE sessions SET ended_at = 1; COMMIT";
        other.execute(reset).await.unwrap();
    })
    .await;
    answer.status
}

#[actix_web::test]
async fn a_refresh_during_a_reset_outlives_nothing() {
    let service = Setup::on(Backend::Postgres).start().await;
    let ada = service.person("adalovelace").await;
    // The worker reads users, too.
    service.until_mails("sent", 1).await;
    assert_eq!(refreshed_during_a_reset(&service, &ada).await, 400, "the successor");
    // The same for one that is handed out again.
    let ada = service.sign_in(&ada.email).await;
    service.refresh(&ada.refresh_token).await.expect(200);
    assert_eq!(refreshed_during_a_reset(&service, &ada).await, 400, "the successor once more");
    service.stop().await;
}
