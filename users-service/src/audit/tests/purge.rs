//! Purging: the chain stays whole, that something happened stays known, and nothing says to whom it belonged.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::*;
use crate::testing::{Backend, PASSWORD, Person, Setup, on_both};

on_both! { a_purge_leaves_the_chain_whole_and_nothing_personal, }

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
    let verdict = verify(&database, None).await.unwrap();
    assert!(matches!(verdict, Verdict::Whole { taken, .. } if taken > 0), "{verdict:?}");
    database.close().await;
    service.stop().await;
}
