//! The list: who may read it, what narrows it, and that a cursor neither skips nor repeats.

use reqwest::Method;
use serde_json::Value;

use super::*;
use crate::testing::{Answer, Backend, PASSWORD, Person, Setup, on_both};

#[test]
fn the_document_names_every_kind() {
    let document = crate::openapi::document();
    for kind in Kind::ALL {
        assert!(document.contains(&format!("`{}`", kind.as_str())), "{}", kind.as_str());
    }
}

on_both! {
    administrators_read_it_and_nobody_else,
    filters_narrow_it,
    a_cursor_goes_on_while_events_are_written,
    what_is_asked_wrongly_is_named,
}

async fn ask(service: &Running, by: &Person, query: &str) -> Answer {
    service.call(Method::GET, &format!("/api/v1/audit/events{query}")).by(by).send().await
}

async fn rows(service: &Running, by: &Person, query: &str) -> Vec<Value> {
    ask(service, by, query).await.expect(200).json()["data"].as_array().unwrap().clone()
}

async fn administrators_read_it_and_nobody_else(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let answer = ask(&service, &admin, "").await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.text("/data/0/kind"), "sign_in.succeeded");
    assert_eq!(answer.text("/data/0/actor/id"), admin.id.to_string());
    assert_eq!(answer.text("/data/0/user_id"), admin.id.to_string());
    assert_eq!(answer.text("/data/0/client_ip"), "192.0.2.7");
    assert_eq!(answer.text("/data/1/kind"), "user.administrator_made");
    assert_eq!(answer.json()["data"][1]["actor"], serde_json::json!({"kind": "system", "id": null}));
    for path in ["/api/v1/audit/events", "/api/v2/audit/events"] {
        service.call(Method::GET, path).send().await.expect_problem(401, "token_required");
        service.call(Method::HEAD, path).by(&admin).send().await.expect(200);
        for (name, roles) in [("user", &["user"][..]), ("support", &["support"]), ("treasurer", &["treasurer"])] {
            let person = service.with_roles(&format!("{name}{}", &path[5..7]), roles).await;
            service.call(Method::GET, path).by(&person).send().await.expect_problem(403, "forbidden");
            let told = rows(&service, &admin, &format!("?kind=call.refused&actor={}", person.id)).await;
            assert_eq!((told.len(), &told[0]["detail"]["call"]), (1, &format!("GET {path}").into()));
        }
        service.call(Method::POST, path).by(&admin).send().await.expect_problem(405, "method_not_allowed");
    }
    let head = ask(&service, &admin, "?limit=1").await.expect(200);
    let place: Place = format!("{}:{}", head.json()["data"][0]["seq"], head.text("/data/0/hash")).parse().unwrap();
    let database = database(&service.ground).await;
    let verdict = verify(&database, Some(place), 0).await.unwrap();
    assert!(matches!(verdict, Verdict::Whole { .. }), "what the list shows is what verify-audit takes: {verdict:?}");
    database.close().await;
    service.stop().await;
}

async fn filters_narrow_it(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    service.clock.advance(std::time::Duration::from_secs(3_600));
    service.call(Method::POST, &format!("/api/v1/users/{}/disable", ada.id)).by(&admin).send().await.expect(200);
    service.password_grant("AdaLovelace", PASSWORD).await.expect(400);
    service.password_grant("nobody at all", PASSWORD).await.expect(400);
    let kinds = async |query: &str| -> Vec<String> {
        let rows = rows(&service, &admin, query).await;
        rows.iter().map(|row| row["kind"].as_str().unwrap().to_owned()).collect()
    };
    let ada_s = format!("?user={}", ada.id);
    assert_eq!(kinds(&ada_s).await, ["user.disabled", "sign_in.succeeded", "user.registered"], "newest first");
    assert_eq!(kinds(&format!("{ada_s}&sort_order=asc&limit=1")).await, ["user.registered"]);
    assert_eq!(kinds(&format!("{ada_s}&actor={}", admin.id)).await, ["user.disabled"]);
    let shouted = admin.id.to_string().to_uppercase();
    assert_eq!(kinds(&format!("{ada_s}&actor={shouted}")).await, ["user.disabled"], "an id is an id");
    assert_eq!(kinds("?actor=https://issuer.example+somebody").await, [""; 0]);
    assert_eq!(kinds(&format!("?session={}", ada.claims.sid)).await, ["sign_in.succeeded"]);
    assert_eq!(kinds("?kind=user.disabled").await, ["user.disabled"]);
    assert_eq!(kinds("?outcome=failed").await, ["sign_in.failed"; 2]);
    assert_eq!(kinds("?identifier=adalovelace").await, ["sign_in.failed"], "however it was spelt");
    assert_eq!(kinds("?identifier=nobody+at+all").await, ["sign_in.failed"]);
    assert_eq!(kinds("?identifier=somebody").await, [""; 0]);
    assert_eq!(kinds("?from=2026-03-01T13:00:00Z").await, ["sign_in.failed", "sign_in.failed", "user.disabled"]);
    assert_eq!(kinds("?to=2026-03-01T13:00:00Z&kind=sign_in.succeeded").await, ["sign_in.succeeded"; 2]);
    service.stop().await;
}

async fn a_cursor_goes_on_while_events_are_written(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    for name in ["one", "two", "three"] {
        service.person(name).await;
    }
    for order in ["desc", "asc"] {
        let all = rows(&service, &admin, &format!("?limit=100&sort_order={order}")).await;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = ask(&service, &admin, &format!("?limit=3&sort_order={order}{cursor}")).await.expect(200).json();
            seen.extend(page["data"].as_array().unwrap().clone());
            service.administrator().await;
            match page["page"]["next_cursor"].as_str() {
                Some(next) if seen.len() < all.len() => cursor = format!("&cursor={next}"),
                Some(_) | None => break,
            }
        }
        seen.truncate(all.len());
        assert_eq!(seen, all, "{order}");
    }
    service.stop().await;
}

async fn what_is_asked_wrongly_is_named(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    service.person("adalovelace").await;
    for (query, status, code) in [
        ("?kind=user.promoted", 422, "validation_failed"),
        ("?outcome=odd", 422, "validation_failed"),
        ("?actor=adalovelace", 422, "validation_failed"),
        ("?sort_order=up", 422, "validation_failed"),
        ("?page=1", 422, "validation_failed"),
        ("?limit=0", 422, "validation_failed"),
        ("?user=me", 400, "malformed_query"),
        ("?session=x", 400, "malformed_query"),
        ("?from=yesterday", 400, "malformed_query"),
        ("?actor=a&actor=b", 400, "malformed_query"),
        ("?cursor=x", 400, "invalid_cursor"),
    ] {
        ask(&service, &admin, query).await.expect_problem(status, code);
    }
    let of_users = service.call(Method::GET, "/api/v2/users?limit=1").by(&admin).send().await.expect(200);
    let of_ours = ask(&service, &admin, "?limit=1").await.expect(200).text("/page/next_cursor");
    let cursor = of_users.text("/page/next_cursor");
    ask(&service, &admin, &format!("?cursor={cursor}")).await.expect_problem(400, "invalid_cursor");
    ask(&service, &admin, &format!("?sort_order=asc&cursor={of_ours}")).await.expect_problem(400, "invalid_cursor");
    service.stop().await;
}
