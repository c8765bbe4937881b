//! Who sees and ends whose sessions, and what that takes.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use shared::auth::User;
use shared::domain::{ApiKeyId, UserId};

use crate::testing::{Answer, Backend, PASSWORD, Person, Running, Setup, on_both};

on_both! {
    one_sees_ones_own_sessions_and_nobody_elses,
    ending_another_takes_a_recent_proof,
    ending_all_ends_this_one_too,
    administrators_end_anybodys_and_support_only_looks,
    no_key_and_no_clients_token_looks_or_ends,
    what_is_over_is_not_there,
    what_comes_from_a_session_ends_with_it,
    a_session_has_its_tag,
    a_name_is_for_people_to_read,
}

const MINE: &str = "/api/v1/users/me/sessions";

fn of(person: &Person) -> String {
    format!("{MINE}/{}", person.claims.sid)
}

async fn get(service: &Running, by: &Person, path: &str) -> Answer {
    service.call(Method::GET, path).by(by).send().await
}

async fn delete(service: &Running, by: &Person, path: &str) -> Answer {
    service.call(Method::DELETE, path).by(by).send().await
}

async fn sign_in(service: &Running, agent: &str) -> Person {
    let form = [("grant_type", "password"), ("username", "adalovelace"), ("password", PASSWORD)];
    let call = service.call(Method::POST, "/api/v1/auth/token").header("user-agent", agent).from("192.0.2.8");
    Person::of("adalovelace@example.org", &call.form(&form).send().await.expect(200))
}

/// The ids that a list shows, in its order.
fn ids(list: &Answer) -> Vec<Value> {
    list.json()["data"].as_array().unwrap().iter().map(|session| session["id"].clone()).collect()
}

async fn one_sees_ones_own_sessions_and_nobody_elses(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (first, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    service.clock.advance(Duration::from_secs(60));
    let second = sign_in(&service, "A program/2.0").await;
    let list = get(&service, &second, MINE).await.expect(200);
    assert_eq!(list.header("cache-control"), "no-store");
    assert_eq!(ids(&list), [json!(second.claims.sid), json!(first.claims.sid)], "the last used first");
    let shown = list.json()["data"][0].clone();
    let expected = json!({
        "id": second.claims.sid, "created_at": "2026-03-01T12:01:00.000000Z", "last_used_at": "2026-03-01T12:01:00.000000Z",
        "expires_at": "2026-03-31T12:01:00.000000Z", "ip": "192.0.2.8", "user_agent": "A program/2.0", "carrier": "token",
        "client_id": null, "amr": ["pwd"], "current": true,
    });
    assert_eq!(shown, expected);
    let other = get(&service, &second, &of(&first)).await.expect(200).json();
    assert_eq!(
        (&other["current"], &other["ip"], &other["user_agent"]),
        (&json!(false), &json!("192.0.2.7"), &Value::Null)
    );
    // Used, it comes first again.
    service.clock.advance(Duration::from_secs(60));
    service.refresh(&first.refresh_token).await.expect(200);
    let list = get(&service, &second, MINE).await.expect(200);
    assert_eq!(ids(&list), [json!(first.claims.sid), json!(second.claims.sid)]);
    assert_eq!(list.json()["data"][0]["last_used_at"], "2026-03-01T12:02:00.000000Z");

    for path in [of(&bob), format!("{MINE}/nonsense"), format!("{MINE}/{}", UserId::generate(&service.clock))] {
        get(&service, &first, &path).await.expect_problem(404, "not_found");
        delete(&service, &first, &path).await.expect_problem(404, "not_found");
    }
    let bobs = format!("/api/v1/users/{}/sessions", bob.id);
    for path in [bobs.clone(), format!("{bobs}/{}", bob.claims.sid), format!("{bobs}/{}", first.claims.sid)] {
        get(&service, &first, &path).await.expect_problem(404, "not_found");
        delete(&service, &first, &path).await.expect_problem(404, "not_found");
        service.call(Method::GET, &path).send().await.expect_problem(401, "token_required");
    }
    assert_eq!(ids(&get(&service, &bob, MINE).await.expect(200)), [json!(bob.claims.sid)], "nothing has become of it");
    service.stop().await;
}

async fn ending_another_takes_a_recent_proof(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (first, second) = (service.person("adalovelace").await, sign_in(&service, "x").await);
    delete(&service, &first, &of(&second)).await.expect(204);
    assert!(service.is_revoked(second.claims.sid).await && !service.is_revoked(first.claims.sid).await);
    service.refresh(&second.refresh_token).await.expect_problem(400, "invalid_grant");
    delete(&service, &first, &of(&second)).await.expect_problem(404, "not_found");

    let third = sign_in(&service, "x").await;
    service.clock.advance(Duration::from_secs(301));
    delete(&service, &first, &of(&third)).await.expect_problem(401, "step_up_required");
    delete(&service, &first, MINE).await.expect_problem(401, "step_up_required");
    let proof = json!({"password": PASSWORD});
    service.call(Method::POST, "/api/v1/auth/step-up").by(&first).json(&proof).send().await.expect(204);
    delete(&service, &first, &of(&third)).await.expect(204);
    service.clock.advance(Duration::from_secs(301));
    delete(&service, &first, &of(&first)).await.expect(204);
    service.refresh(&first.refresh_token).await.expect_problem(400, "invalid_grant");
    // What has ended proves nothing, for as long as its access token still passes.
    let fourth = sign_in(&service, "x").await;
    delete(&service, &first, &of(&fourth)).await.expect_problem(401, "token_invalid");
    let ended = "SELECT count(*) FROM audit_events WHERE kind = 'session.ended'";
    assert_eq!(service.ground.count(ended).await, 3);
    service.stop().await;
}

async fn ending_all_ends_this_one_too(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    let all = [ada.clone(), sign_in(&service, "x").await, sign_in(&service, "y").await];
    delete(&service, &ada, MINE).await.expect(204);
    for person in &all {
        assert!(service.is_revoked(person.claims.sid).await);
        service.refresh(&person.refresh_token).await.expect_problem(400, "invalid_grant");
    }
    service.refresh(&bob.refresh_token).await.expect(200);
    assert_eq!(ids(&get(&service, &ada, MINE).await.expect(200)), Vec::<Value>::new());
    delete(&service, &ada, MINE).await.expect_problem(401, "token_invalid");
    let ended = "SELECT count(*) FROM audit_events WHERE kind = 'session.ended'";
    assert_eq!(service.ground.count(ended).await, 3, "each on record");
    service.sign_in(&ada.email).await;
    service.stop().await;
}

async fn administrators_end_anybodys_and_support_only_looks(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, second) = (service.person("adalovelace").await, sign_in(&service, "x").await);
    let support = service.with_roles("supporter", &["user", "support"]).await;
    let treasurer = service.with_roles("treasurer", &["user", "treasurer"]).await;
    let admin = service.administrator().await;
    // Theirs is not to be proved once more.
    service.clock.advance(Duration::from_secs(301));
    let path = format!("/api/v1/users/{}/sessions", ada.id);
    let one = format!("{path}/{}", ada.claims.sid);
    for staff in [&support, &admin] {
        let list = get(&service, staff, &path).await.expect(200);
        assert_eq!(ids(&list).len(), 2);
        assert!(list.json()["data"].as_array().unwrap().iter().all(|session| session["current"] == false));
        get(&service, staff, &one).await.expect(200);
        get(&service, staff, &format!("{path}/{}", staff.claims.sid)).await.expect_problem(404, "not_found");
        let nobody = format!("/api/v1/users/{}/sessions", UserId::generate(&service.clock));
        get(&service, staff, &nobody).await.expect_problem(404, "not_found");
    }
    for path in [&path, &one] {
        get(&service, &treasurer, path).await.expect_problem(404, "not_found");
        delete(&service, &treasurer, path).await.expect_problem(404, "not_found");
        delete(&service, &support, path).await.expect_problem(403, "forbidden");
    }
    delete(&service, &admin, &one).await.expect(204);
    assert!(service.is_revoked(ada.claims.sid).await && !service.is_revoked(second.claims.sid).await);
    delete(&service, &admin, &path).await.expect(204);
    assert!(service.is_revoked(second.claims.sid).await);
    delete(&service, &admin, &path).await.expect(204);
    let nobody = format!("/api/v1/users/{}/sessions", UserId::generate(&service.clock));
    delete(&service, &admin, &nobody).await.expect_problem(404, "not_found");
    let by_admin = format!("SELECT count(*) FROM audit_events WHERE kind = 'session.ended' AND actor = '{}'", admin.id);
    assert_eq!(service.ground.count(&by_admin).await, 2);
    service.stop().await;
}

async fn no_key_and_no_clients_token_looks_or_ends(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    for person in [&ada, &admin] {
        let key = ApiKeyId::generate(&service.clock);
        let by_key =
            User { session: None, api_key: Some(key), scope: "users:read users:write".to_owned(), ..person.user() };
        let by_client = User { scope: "openid users:read users:write".to_owned(), ..person.user() };
        for user in [by_key, by_client] {
            for path in [MINE.to_owned(), of(&ada), format!("/api/v1/users/{}/sessions", ada.id)] {
                for method in [Method::GET, Method::DELETE] {
                    let call = service.call(method, &path).user(user.clone());
                    call.send().await.expect_problem(403, "forbidden");
                }
            }
        }
    }
    service.stop().await;
}

async fn what_is_over_is_not_there(backend: Backend) {
    let service = Setup::on(backend).set("sessions.lifetime", "10m").set("sessions.idle", "10m").start().await;
    let clock = service.clock.clone();
    let ada = service.person("adalovelace").await;
    let ended = sign_in(&service, "x").await;
    service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", &ended.refresh_token)]).send().await.expect(200);
    get(&service, &ada, &of(&ended)).await.expect_problem(404, "not_found");
    service.clock.advance(Duration::from_secs(300));
    let later = sign_in(&service, "x").await;
    service.clock.advance(Duration::from_secs(300));
    assert_eq!(ids(&get(&service, &later, MINE).await.expect(200)), [json!(later.claims.sid)]);
    get(&service, &later, &of(&ada)).await.expect_problem(404, "not_found");
    delete(&service, &later, &of(&ada)).await.expect_problem(404, "not_found");
    // Nor is what nobody uses.
    let ground = service.halt().await;
    let idle =
        Setup::on(backend).set("sessions.idle", "6m").set("sessions.lifetime", "10m").at(clock).start_on(ground).await;
    idle.clock.advance(Duration::from_secs(61));
    let last = sign_in(&idle, "x").await;
    assert_eq!(ids(&get(&idle, &last, MINE).await.expect(200)), [json!(last.claims.sid)]);
    get(&idle, &last, &of(&later)).await.expect_problem(404, "not_found");
    idle.stop().await;
}

async fn what_comes_from_a_session_ends_with_it(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    service.clock.advance(Duration::from_secs(1));
    let (child, bob) = (sign_in(&service, "x").await, service.person("bobby").await);
    let parent = "SELECT id FROM sessions ORDER BY created_at LIMIT 1";
    let whose = "SELECT user_id FROM sessions ORDER BY created_at LIMIT 1";
    let from = format!("UPDATE sessions SET parent_id = ({parent}) WHERE id <> ({parent}) AND user_id = ({whose})");
    service.ground.run(&from).await;
    service.call(Method::POST, "/api/v1/auth/revoke").form(&[("token", &ada.refresh_token)]).send().await.expect(200);
    for over in [&ada, &child] {
        assert!(service.is_revoked(over.claims.sid).await);
        service.refresh(&over.refresh_token).await.expect_problem(400, "invalid_grant");
    }
    service.refresh(&bob.refresh_token).await.expect(200);
    service.stop().await;
}

async fn a_session_has_its_tag(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let tag = get(&service, &ada, &of(&ada)).await.expect(200).header("etag");
    let again = |tag: &str| service.call(Method::GET, &of(&ada)).by(&ada).header("if-none-match", tag).send();
    assert_eq!(again(&tag).await.expect(304).header("etag"), tag);
    service.clock.advance(Duration::from_secs(60));
    service.refresh(&ada.refresh_token).await.expect(200);
    let next = again(&tag).await.expect(200).header("etag");
    let end = |tag: &str| service.call(Method::DELETE, &of(&ada)).by(&ada).header("if-match", tag).send();
    end(&tag).await.expect_problem(412, "stale_precondition");
    end(&next).await.expect(204);
    service.stop().await;
}

async fn a_name_is_for_people_to_read(backend: Backend) {
    let service = Setup::on(backend).start().await;
    service.person("adalovelace").await;
    let long = "a".repeat(300);
    for (sent, kept) in [
        ("  spaces around ", Some("spaces around")),
        ("caf\u{e9} \u{202e}txt.exe", Some("caf txt.exe")),
        ("\u{e9}\u{e9}", None),
        ("", None),
        ("<script>alert(1)</script>", Some("<script>alert(1)</script>")),
        (&long, Some(&long[..256])),
    ] {
        let person = sign_in(&service, sent).await;
        let shown = get(&service, &person, &of(&person)).await.expect(200).json();
        assert_eq!(shown["user_agent"].as_str(), kept, "{sent}");
    }
    service.stop().await;
}
