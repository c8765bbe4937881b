//! Refreshes that are one transaction: what its queue promises, and what it leaves to others.

use std::time::Duration;

use futures_util::future::{FutureExt, join, join_all};
use shared::problem::Code;
use sqlx::{Connection, Executor};
use uuid::Uuid;

use super::super::rotator::Drains;
use super::super::{Agent, Carrier, Opening, Presented, RefreshMetrics, RefreshToken, Rotator, find, open};
use crate::db::Database;
use crate::testing::{Backend, Person, Running, Setup, database, on_both};

on_both! {
    who_finds_the_queue_full_keeps_their_token,
    who_hangs_up_keeps_their_token,
    a_token_is_good_for_its_client_alone,
    many_sessions_move_on_in_one_transaction,
    what_cannot_be_told_is_looked_up,
    nobody_refreshes_for_somebody_who_is_shut_out,
}

const IDLE: Duration = Duration::from_secs(14 * 86_400);

fn rotator(places: usize, service: &Running, database: &Database) -> (Rotator, Drains) {
    Rotator::open(places, database.clone(), service.clock.clone(), IDLE, RefreshMetrics::default())
}

fn presented(service: &Running, token: &str, client: Option<Uuid>) -> Presented {
    let token = RefreshToken::open(token, Carrier::Token, &service.app.keys.refresh).unwrap();
    Presented { token, client, origin: "2001:db8::7".parse().ok() }
}

async fn counter(service: &Running, person: &Person) -> i64 {
    find(service.app.database.read(), person.claims.sid).await.unwrap().unwrap().state.counter
}

async fn who_finds_the_queue_full_keeps_their_token(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    let database = database(&service.ground).await;
    let (rotator, drains) = rotator(1, &service, &database);
    let mut waiting = Box::pin(rotator.rotate(presented(&service, &ada.refresh_token, None)));
    assert!(waiting.as_mut().now_or_never().is_none(), "it waits");
    let refused = rotator.rotate(presented(&service, &bob.refresh_token, None)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Overloaded);
    let task = tokio::spawn(drains.run());
    let rotated = waiting.await.unwrap().unwrap();
    assert_eq!((rotated.session.state.counter, rotated.session.id, rotated.user.id), (2, ada.claims.sid, ada.id));
    assert_eq!((counter(&service, &ada).await, counter(&service, &bob).await), (2, 1));
    let rotated = rotator.rotate(presented(&service, &bob.refresh_token, None)).await.unwrap().unwrap();
    assert_eq!((rotated.session.state.counter, rotated.user.id), (2, bob.id));
    drop(rotator);
    task.await.unwrap();
    database.close().await;
    service.stop().await;
}

async fn who_hangs_up_keeps_their_token(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let database = database(&service.ground).await;
    let (rotator, drains) = rotator(4, &service, &database);
    assert!(rotator.rotate(presented(&service, &ada.refresh_token, None)).now_or_never().is_none());
    drop(rotator);
    drains.run().await;
    assert_eq!(counter(&service, &ada).await, 1);
    database.close().await;
    service.stop().await;
}

async fn a_token_is_good_for_its_client_alone(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let (client, other) = (Uuid::new_v4(), Uuid::new_v4());
    let app = &service.app;
    let write = app.database.write().await.unwrap();
    let agent = Agent { carrier: Carrier::Token, name: None };
    let opening = Opening::with_password(ada.id, "api".to_owned(), None).by(&agent);
    let opening = Opening { client: Some(client), ..opening };
    let session = open(&write, opening, Duration::from_secs(3_600), &app.clock).await.unwrap();
    write.commit().await.unwrap();
    let token = RefreshToken { session: session.id, counter: 1 }.seal(Carrier::Token, &app.keys.refresh);
    for wrong in [None, Some(other)] {
        assert!(app.rotator.rotate(presented(&service, &token, wrong)).await.unwrap().is_none());
    }
    service.refresh(&token).await.expect_problem(400, "invalid_grant");
    let rotated = app.rotator.rotate(presented(&service, &token, Some(client))).await.unwrap().unwrap();
    assert_eq!((rotated.session.client, rotated.session.state.counter), (Some(client), 2), "it has not ended for that");
    service.stop().await;
}

async fn many_sessions_move_on_in_one_transaction(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let (mut people, database) = (vec![service.person("bobby").await], database(&service.ground).await);
    for _ in 0..5 {
        people.push(service.sign_in(&ada.email).await);
    }
    let (rotator, drains) = rotator(64, &service, &database);
    let nobody = RefreshToken { counter: 9, ..presented(&service, &people[0].refresh_token, None).token };
    let stranger = rotator.rotate(Presented { token: nobody, client: None, origin: None });
    let twice =
        people.iter().chain(&people).map(|person| rotator.rotate(presented(&service, &person.refresh_token, None)));
    let all = join(stranger, join_all(twice));
    // All are in the queue before anybody looks.
    let ((stranger, rotated), ()) = join(all, async { drop(tokio::spawn(drains.run())) }).await;
    assert!(stranger.unwrap().is_none(), "ahead of its session: to be looked at");
    for (person, rotated) in people.iter().chain(&people).zip(rotated) {
        let rotated = rotated.unwrap().unwrap();
        assert_eq!(
            (rotated.session.id, rotated.user.id, rotated.session.state.counter),
            (person.claims.sid, person.id, 2)
        );
    }
    if backend == Backend::Postgres {
        let count = "SELECT count(DISTINCT xmin::text) FROM sessions WHERE counter = 2 AND last_ip = '2001:db8::7'";
        service.until_count(count, 1).await;
    }
    database.close().await;
    service.stop().await;
}

async fn what_cannot_be_told_is_looked_up(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let database = database(&service.ground).await;
    let (rotator, drains) = rotator(4, &service, &database);
    // Gone, as far as this one can see.
    database.close().await;
    let asked = rotator.rotate(presented(&service, &ada.refresh_token, None));
    let (rotated, ()) = join(asked, async { drop(tokio::spawn(drains.run())) }).await;
    assert!(rotated.unwrap().is_none());
    // And where the task itself is gone, nobody waits for it.
    let (rotator, drains) = self::rotator(4, &service, &database);
    let mut waiting = std::pin::pin!(rotator.rotate(presented(&service, &ada.refresh_token, None)));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(drains);
    assert!(waiting.await.unwrap().is_none());
    service.refresh(&ada.refresh_token).await.expect(200);
    service.stop().await;
}

async fn nobody_refreshes_for_somebody_who_is_shut_out(backend: Backend) {
    use sea_orm::ConnectionTrait;
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    // Which ends every session; but should one ever be left over, it is worth nothing.
    let sql = "UPDATE users SET disabled_at = 1 WHERE username = 'adalovelace'";
    service.app.database.read().execute_unprepared(sql).await.unwrap();
    service.refresh(&ada.refresh_token).await.expect_problem(400, "invalid_grant");
    assert_eq!(counter(&service, &ada).await, 1);
    service.stop().await;
}

#[actix_web::test]
async fn a_session_that_somebody_holds_holds_up_nobody_else() {
    let service = Setup::on(Backend::Postgres).start().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    let mut other = sqlx::PgConnection::connect(&service.ground.url).await.unwrap();
    let hold = format!("BEGIN; SELECT 1 FROM sessions WHERE id = '{}' FOR UPDATE", ada.claims.sid);
    other.execute(sqlx::AssertSqlSafe(hold)).await.unwrap();
    let (late, ()) = join(service.refresh(&ada.refresh_token), async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'";
        service.until_count(waiting, 1).await;
        // In the same queue, behind the one that waits.
        let (one, two) = join(service.refresh(&bob.refresh_token), service.refresh(&bob.refresh_token)).await;
        assert_eq!(one.expect(200).text("/refresh_token"), two.expect(200).text("/refresh_token"));
        other.execute("COMMIT").await.unwrap();
    })
    .await;
    late.expect(200);
    service.stop().await;
}
