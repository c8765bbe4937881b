//! Whoever ends many sessions takes them in one order: a client's, which are many users', and a user's, which are many
//! clients'. On PostgreSQL: SQLite has one writer.

use std::time::Duration;

use futures_util::future::{join, join3};
use reqwest::Method;
use serde_json::{Value, json};
use shared::domain::SessionId;
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::testing::{Answer, Backend, Browser, Call, PASSWORD, Person, Registered, Running, Setup};

/// The session of a code that somebody has given a client.
async fn session(service: &Running, client: &Registered, who: &Person) -> SessionId {
    let code = Browser::new(service).code(client, "openid", &who.email).await;
    Person::of(&who.email, &service.redeem(client, &code).await.expect(200)).claims.sid
}

async fn connect(service: &Running) -> PgConnection {
    PgConnection::connect(&service.ground.url).await.unwrap()
}

/// Waits until somebody waits for a row.
async fn until_somebody_waits(connection: &mut PgConnection) {
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    for _ in 0..2_000 {
        ticks.tick().await;
        if sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut *connection).await.unwrap() > 0 {
            return;
        }
    }
    panic!("nobody waits");
}

/// Makes a call while the first of two sessions is held by somebody else: it waits for that one, and has not taken the second,
/// although a statement that goes through the table would come across the second first.
async fn in_order(service: &Running, (first, second): (SessionId, SessionId), call: Call<'_>) -> Answer {
    let (first, second): (Uuid, Uuid) = (first.as_uuid().min(second.as_uuid()), first.as_uuid().max(second.as_uuid()));
    let (mut holder, mut watcher) = (connect(service).await, connect(service).await);
    let moved = sqlx::query("UPDATE sessions SET user_agent = 'moved' WHERE id = $1").bind(first);
    moved.execute(&mut holder).await.unwrap();
    holder.execute("BEGIN").await.unwrap();
    sqlx::query("SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE").bind(first).execute(&mut holder).await.unwrap();
    let look = async {
        until_somebody_waits(&mut watcher).await;
        let free = sqlx::query("SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE NOWAIT").bind(second);
        let free = free.execute(&mut watcher).await;
        let consents = watcher.execute("SELECT 1 FROM oauth_consents FOR UPDATE NOWAIT").await;
        holder.execute("ROLLBACK").await.unwrap();
        assert!(free.is_ok(), "the second is taken before the first: {free:?}");
        assert!(consents.is_ok(), "what comes after sessions is taken before: {consents:?}");
    };
    let (answer, ()) = join(call.send(), look).await;
    answer
}

#[actix_web::test]
async fn whoever_ends_many_sessions_begins_with_the_first() {
    let service = Setup::on(Backend::Postgres).start().await;
    let (client, admin) = (service.web_client(&["openid"]).await, service.administrator().await);
    let patch = |disabled: bool| {
        let call = service.call(Method::PATCH, &format!("/api/v1/clients/{}", client.id)).by(&admin);
        call.json(&json!({"disabled": disabled}))
    };
    let change = json!({"current_password": PASSWORD, "new_password": "another horse battery 8 staple"});
    let consent = format!("/api/v1/users/me/consents/{}", client.id);
    let calls: [(&str, Method, &str, Option<&Value>, u16); 4] = [
        ("annie", Method::PUT, "/api/v1/users/me/password", Some(&change), 204),
        ("bobby", Method::DELETE, "/api/v1/users/me/sessions", None, 204),
        ("carol", Method::DELETE, consent.as_str(), None, 204),
        ("david", Method::DELETE, "/api/v1/users/me", None, 204),
    ];
    for (name, method, path, body, status) in calls {
        let person = service.person(name).await;
        let two = (session(&service, &client, &person).await, session(&service, &client, &person).await);
        let call = service.call(method, path).by(&person);
        let call = body.into_iter().fold(call, |call, body| call.json(body));
        in_order(&service, two, call).await.expect(status);
    }
    let (eve, fay) = (service.person("evelyn").await, service.person("fayette").await);
    let two = (session(&service, &client, &eve).await, session(&service, &client, &fay).await);
    in_order(&service, two, patch(true)).await.expect(200);
    service.stop().await;
}

#[actix_web::test]
async fn ending_clients_and_users_at_once_is_no_deadlock() {
    let service = Setup::on(Backend::Postgres).start().await;
    let (one, two) = (service.web_client(&["openid"]).await, service.web_client(&["openid"]).await);
    let admin = service.administrator().await;
    let patch = |client: &Registered, disabled: bool| {
        let call = service.call(Method::PATCH, &format!("/api/v1/clients/{}", client.id)).by(&admin);
        call.json(&json!({"disabled": disabled})).send()
    };
    for round in 0..4 {
        let (ann, bob) =
            (service.person(&format!("annie{round}")).await, service.person(&format!("bobby{round}")).await);
        for _ in 0..2 {
            for person in [&ann, &bob] {
                session(&service, &one, person).await;
                session(&service, &two, person).await;
                // And a request under way.
                let mut browser = Browser::new(&service);
                let asked = [Browser::request(&one, "openid"), vec![("prompt", "consent".to_owned())]].concat();
                let page = browser.authorize(&asked).await.expect(200);
                browser.sign_in(&page, &person.email).await.expect(303);
            }
        }
        let change = json!({"current_password": PASSWORD, "new_password": "another horse battery 8 staple"});
        let end_all = |person: &Person| service.call(Method::DELETE, "/api/v1/users/me/sessions").by(person).send();
        let change = service.call(Method::PUT, "/api/v1/users/me/password").by(&bob).json(&change).send();
        let ((first, second), all, changed) =
            join3(join(patch(&one, true), patch(&two, true)), end_all(&ann), change).await;
        assert_eq!([first.status, second.status, all.status, changed.status], [200, 200, 204, 204], "round {round}");
        for client in [&one, &two] {
            patch(client, false).await.expect(200);
        }
    }
    service.stop().await;
}
