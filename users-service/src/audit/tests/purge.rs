//! Purging: the chain stays whole, that something happened stays known, and nothing says to whom it belonged.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::*;
use crate::testing::{Backend, PASSWORD, Person, Setup, on_both};

on_both! {
    a_purge_leaves_the_chain_whole_and_nothing_personal,
    of_somebody_elses_user_time_takes_name_and_address,
}

const HOME: &str = "198.51.100.9";

async fn a_purge_leaves_the_chain_whole_and_nothing_personal(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let ada = json!({"email": "ada@example.org", "username": "adalovelace", "password": PASSWORD});
    service.call(Method::POST, "/api/v1/users").from(HOME).json(&ada).send().await.expect(201);
    let grant = |password: &'static str| {
        let fields = [("grant_type", "password"), ("username", "adalovelace"), ("password", password)];
        service.call(Method::POST, "/api/v1/auth/token").from(HOME).form(&fields).send()
    };
    grant("wrong horse 9").await.expect_problem(400, "invalid_grant");
    let ada = Person::of("ada@example.org", &grant(PASSWORD).await.expect(200));
    let path = format!("/api/v1/users/{}", ada.id);
    let patch = json!({"email": "countess@example.org", "username": "countess"});
    service.call(Method::PATCH, &path).by(&admin).json(&patch).send().await.expect(200);
    service.call(Method::DELETE, "/api/v1/users/me").by(&ada).from(HOME).send().await.expect(204);
    let before = events_of(&service.ground).await;
    let personal = ["ada@example.org", "adalovelace", "countess", HOME];
    let said = format!("{before:?}");
    assert!(personal.iter().all(|text| said.contains(text)), "{said}");

    let clock = service.clock.clone();
    clock.advance(Duration::from_secs(31 * 86_400));
    let service = Setup::on(backend).at(clock).start_on(service.halt().await).await;
    let after = until_events(&service, |events| count(events, Kind::UserPurged) == 1).await;
    let said = format!("{after:?}");
    for text in personal {
        assert!(!said.contains(text), "{text} is left in {said}");
    }
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((before.seq, &before.kind, &before.hash), (after.seq, &after.kind, &after.hash));
        assert_eq!((before.subject_id, &before.actor, before.at), (after.subject_id, &after.actor, after.at));
    }
    let by_admin = after.iter().find(|event| event.kind == Kind::EmailChanged.as_str()).unwrap();
    assert_eq!(
        (by_admin.detail.as_ref(), by_admin.origin.as_deref()),
        (None, Some("192.0.2.7")),
        "where others were stays"
    );
    let database = database(&service.ground).await;
    let verdict = verify(&database, None, i64::MAX).await.unwrap();
    assert!(matches!(verdict, Verdict::Whole { taken, .. } if taken > 0), "{verdict:?}");
    database.close().await;
    service.stop().await;
}

async fn of_somebody_elses_user_time_takes_name_and_address(backend: Backend) {
    const THEIRS: &str = "their-name-for-charles";
    let service = Setup::on(backend).start().await;
    let external = shared::auth::External {
        issuer: "https://issuer.example".to_owned(),
        subject: THEIRS.to_owned(),
        roles: shared::domain::Roles::NONE,
        scope: String::new(),
    };
    let body = json!({"email": "ada@example.org", "username": "adalovelace", "password": PASSWORD});
    let call = service.call(Method::POST, "/api/v1/users").external(external).from(HOME);
    call.header("x-request-id", "by-charles").json(&body).send().await.expect(201);
    let written = events_of(&service.ground).await.pop().unwrap();
    assert_eq!((written.actor_kind.as_str(), &detail(&written)["external"]), ("external", &json!(THEIRS)));
    assert!(!written.actor.unwrap().contains(THEIRS), "what stays does not say who it was");
    let admin = service.administrator().await;
    let query = format!("/api/v1/audit/events?actor=https://issuer.example+{THEIRS}");
    let found = service.call(Method::GET, &query).by(&admin).send().await.expect(200);
    assert_eq!(
        (found.text("/data/0/kind"), found.text("/data/0/request_id")),
        ("user.registered".into(), "by-charles".into())
    );
    let clock = service.clock.clone();
    clock.advance(Duration::from_secs(366 * 86_400));
    let service = Setup::on(backend).at(clock).start_on(service.halt().await).await;
    let taken = |events: &[Model]| events.iter().all(|event| event.actor_kind != "external" || event.detail.is_none());
    let after = format!("{:?}", until_events(&service, taken).await);
    assert!([THEIRS, HOME, "by-charles"].iter().all(|text| !after.contains(text)), "{after}");
    let database = database(&service.ground).await;
    assert!(matches!(verify(&database, None, i64::MAX).await.unwrap(), Verdict::Whole { .. }));
    database.close().await;
    service.stop().await;
}

#[test]
fn a_sweep_looks_at_nothing_but_what_is_due() {
    let due = sea_orm::QueryTrait::build(&crate::audit::store::strangers(7), sea_orm::DbBackend::Sqlite);
    goes_by(due, "audit_events_strangers");
}

#[test]
fn a_session_is_found_by_its_index() {
    let of =
        sea_orm::QueryFilter::filter(Entity::find(), sea_orm::ColumnTrait::eq(&Column::SessionId, uuid::Uuid::nil()));
    goes_by(
        sea_orm::QueryTrait::build(&of.order_by_desc(Column::Seq), sea_orm::DbBackend::Sqlite),
        "audit_events_session",
    );
}

/// Holds SQLite's plan for a statement against the index that is for it.
fn goes_by(mut plan: sea_orm::Statement, index: &str) {
    let folder = tempfile::tempdir().unwrap();
    actix_web::rt::System::new().block_on(async {
        let database = crate::db::Database::connect(&crate::testing::config(&folder).database).await.unwrap();
        database.migrate().await.unwrap();
        plan.sql = format!("EXPLAIN QUERY PLAN {}", plan.sql);
        let plan = database.read().query_one_raw(plan).await.unwrap().unwrap();
        let plan: String = plan.try_get("", "detail").unwrap();
        assert!(plan.contains(index), "{plan}");
        database.close().await;
    });
}
