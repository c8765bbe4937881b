//! Reading, patching and deleting: who may, which version, and what a race does.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use shared::auth::User;
use shared::domain::ApiKeyId;
use shared::store::{RevocationList, Verdict};

use crate::testing::{Backend, PASSWORD, Setup, on_both};

on_both! {
    a_user_is_read_by_whom_it_concerns,
    a_patch_keeps_clears_and_refuses,
    who_takes_no_json_is_told_before_anything_is_done,
    of_many_patches_of_one_revision_one_wins,
    a_deletion_is_soft_and_ends_everything,
    a_password_change_ends_the_other_sessions,
    only_a_session_of_ones_own_changes_the_password,
    only_a_session_of_ones_own_changes_how_one_signs_in,
    a_password_change_ends_sessions_that_have_just_expired,
}

async fn a_user_is_read_by_whom_it_concerns(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    let support = service.with_roles("helper", &["user", "support"]).await;
    let path = format!("/api/v1/users/{}", ada.id);
    let read = service.call(Method::GET, "/api/v1/users/me").by(&ada).send().await.expect(200);
    assert_eq!(read.text("/id"), ada.id.to_string());
    for reader in [&ada, &support, &service.administrator().await] {
        assert_eq!(service.call(Method::GET, &path).by(reader).send().await.expect(200).bytes, read.bytes);
    }
    service.call(Method::GET, &path).by(&bob).send().await.expect_problem(404, "not_found");
    for id in ["nonsense", "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11"] {
        service
            .call(Method::GET, &format!("/api/v1/users/{id}"))
            .by(&bob)
            .send()
            .await
            .expect_problem(404, "not_found");
    }
    service.call(Method::GET, &path).send().await.expect_problem(401, "token_required");
    service.call(Method::DELETE, &path).by(&support).send().await.expect_problem(403, "forbidden");
    let tag = read.header("etag");
    let unchanged = service.call(Method::GET, &path).by(&ada).header("if-none-match", &tag).send().await.expect(304);
    assert_eq!((unchanged.header("etag"), unchanged.bytes.len()), (tag, 0));

    for (condition, status) in [("\"0-v1\"", 412), ("*", 200), (read.header("etag").as_str(), 200)] {
        let read = service.call(Method::GET, &path).by(&ada).header("if-match", condition).send().await.expect(status);
        assert_eq!(read.header("content-type").contains("problem"), status == 412);
    }

    let v2 = service.call(Method::GET, "/api/v2/users/me").by(&ada).send().await.expect(200).json();
    assert_eq!(
        (&v2["status"], &v2["roles"], &v2["email_verified"]),
        (&json!("active"), &json!(["user"]), &json!(false))
    );
    let untold = json!({"first_name": null, "last_name": null, "birth_date": null, "phone": null, "address": null});
    assert_eq!((&v2["created_at"], &v2["profile"]), (&json!("2026-03-01T12:00:00.000000Z"), &untold));

    let bare = reqwest::get(format!("http://{}/api/v1/users/me", service.addr)).await.unwrap();
    assert_eq!(bare.status(), 401);
    let bare: serde_json::Value = serde_json::from_slice(&bare.bytes().await.unwrap()).unwrap();
    assert_eq!(bare["code"], "assertion_required");
    service.stop().await;
}

async fn a_patch_keeps_clears_and_refuses(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    service.person("bobby").await;
    let patch = |version: &str, body: serde_json::Value| {
        service.call(Method::PATCH, &format!("/api/{version}/users/me")).by(&ada).json(&body).send()
    };
    assert_eq!(patch("v1", json!({"name": "Ada", "phone": "+14155550123"})).await.expect(200).text("/name"), "Ada");
    let v2 = patch("v2", json!({"username": "countess"})).await.expect(200).json();
    assert_eq!(
        (&v2["name"], &v2["username"], &v2["profile"]["phone"]),
        (&json!("Ada"), &json!("countess"), &json!("+14155550123"))
    );
    let v2 = patch("v2", json!({"name": null, "profile": null})).await.expect(200).json();
    assert_eq!((&v2["name"], &v2["profile"]["phone"]), (&json!(null), &json!(null)));
    let now = patch("v2", json!({})).await.expect(200);
    service.clock.advance(Duration::from_secs(1));
    let same = json!({"email": ada.email, "username": "countess", "name": null, "profile": {"phone": null}});
    for nothing in [json!({}), same] {
        let again = patch("v2", nothing).await.expect(200);
        assert_eq!((&again.bytes, again.header("etag")), (&now.bytes, now.header("etag")), "nothing has changed");
    }
    assert_ne!(patch("v2", json!({"username": "Countess"})).await.expect(200).header("etag"), now.header("etag"));
    for required in ["email", "username"] {
        let problem = patch("v1", json!({required: null})).await.expect_problem(422, "validation_failed");
        assert_eq!(problem.text("/errors/0/pointer"), format!("/{required}"));
    }
    for refused in [json!({"roles": ["admin"]}), json!({"id": "x"}), json!({"username": "a"})] {
        patch("v1", refused).await.expect_problem(422, "validation_failed");
    }
    patch("v1", json!({"email": "BOBBY@example.org"})).await.expect_problem(409, "email_taken");
    patch("v1", json!({"username": "Bobby"})).await.expect_problem(409, "username_taken");
    let merge = service.call(Method::PATCH, "/api/v1/users/me").by(&ada);
    merge.json(&json!({})).header("if-match", "\"0-v1\"").send().await.expect_problem(412, "stale_precondition");
    service.stop().await;
}

async fn who_takes_no_json_is_told_before_anything_is_done(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let call = |method: Method, path: &str, accept: &str| service.call(method, path).by(&ada).header("accept", accept);
    for accept in ["text/xml", "*/*;q=0"] {
        let name = json!({"name": "Somebody Else"});
        let patched = call(Method::PATCH, "/api/v1/users/me", accept).json(&name).send().await;
        assert!(!patched.expect_problem(406, "not_acceptable").header("x-request-id").is_empty());
        call(Method::GET, "/api/v1/users/me", accept).send().await.expect_problem(406, "not_acceptable");
        call(Method::GET, "/api/v1/users/me/nothing", accept).send().await.expect_problem(404, "not_found");
    }
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let read = call(Method::GET, "/api/v1/users/me", browser).send().await.expect(200);
    assert_eq!(read.json()["name"], json!(null));
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2";
    for (path, accept) in [
        ("/metrics", prometheus),
        ("/.well-known/jwks.json", "application/jwk-set+json"),
        ("/.well-known/oauth-authorization-server", browser),
        ("/openapi.json", "application/vnd.oai.openapi+json"),
        ("/livez", "text/plain"),
    ] {
        call(Method::GET, path, accept).send().await.expect(200);
    }
    service.stop().await;
}

async fn of_many_patches_of_one_revision_one_wins(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let tag = service.call(Method::GET, "/api/v1/users/me").by(&ada).send().await.header("etag");
    let patch = |i: usize| {
        let body = json!({"name": format!("Ada {i}")});
        service.call(Method::PATCH, "/api/v1/users/me").by(&ada).json(&body).header("if-match", &tag).send()
    };
    let answers = join_all((0..16).map(patch)).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 412).count(), 15);
    service.stop().await;
}

async fn a_deletion_is_soft_and_ends_everything(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    service.call(Method::DELETE, "/api/v1/users/me").by(&ada).send().await.expect(204);
    service.password_grant(&ada.email, PASSWORD).await.expect_problem(400, "invalid_grant");
    service.refresh(&ada.refresh_token).await.expect_problem(400, "invalid_grant");
    let again = json!({"email": ada.email, "username": "other", "password": PASSWORD});
    service.register(&again).await.expect_problem(409, "email_taken");
    let path = format!("/api/v2/users/{}", ada.id);
    assert_eq!(service.call(Method::GET, &path).by(&admin).send().await.expect(200).text("/status"), "deleted");
    service
        .call(Method::PATCH, &path)
        .by(&admin)
        .json(&json!({"name": "x"}))
        .send()
        .await
        .expect_problem(409, "state_conflict");

    let restore = || service.call(Method::POST, &format!("{path}/restore")).by(&admin).send();
    assert_eq!(restore().await.expect(200).text("/status"), "active");
    restore().await.expect_problem(409, "state_conflict");
    let ada = service.sign_in(&ada.email).await;

    service.call(Method::DELETE, "/api/v1/users/me").by(&ada).send().await.expect(204);
    service.clock.advance(Duration::from_secs(30 * 86_400));
    restore().await.expect_problem(409, "state_conflict");
    service.stop().await;
}

async fn a_password_change_ends_the_other_sessions(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let here = service.person("adalovelace").await;
    let there = service.sign_in(&here.email).await;
    let change = |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        service.call(Method::PUT, "/api/v1/users/me/password").by(&here).json(&body).send()
    };
    let new = "another horse battery 8 staple";
    change("not the password 1", new).await.expect_problem(422, "validation_failed");
    change(PASSWORD, "adalovelace 12345").await.expect_problem(422, "validation_failed");
    change(PASSWORD, "another horse\u{0} 8 staple").await.expect_problem(422, "validation_failed");
    let names = json!({"profile": {"first_name": "Augusta", "last_name": "Byron-King"}});
    service.call(Method::PATCH, "/api/v2/users/me").by(&here).json(&names).send().await.expect(200);
    for own in ["augusta and 12 more", "lord BYRON's horse 8", "a king's horse 12345"] {
        let refused = change(PASSWORD, own).await.expect_problem(422, "validation_failed");
        assert_eq!(refused.text("/errors/0/code"), "own_name", "{own}");
    }
    change(PASSWORD, new).await.expect(204);
    service.refresh(&there.refresh_token).await.expect_problem(400, "invalid_grant");
    service.refresh(&here.refresh_token).await.expect(200);
    service.password_grant(&here.email, PASSWORD).await.expect_problem(400, "invalid_grant");
    service.password_grant(&here.email, new).await.expect(200);
    service.stop().await;
}

async fn only_a_session_of_ones_own_changes_the_password(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let body = json!({"current_password": PASSWORD, "new_password": "another horse battery 8 staple"});
    let change = |user| service.call(Method::PUT, "/api/v1/users/me/password").user(user).json(&body).send();
    let key = ApiKeyId::generate(&service.clock);
    let others = [
        User { session: None, api_key: Some(key), scope: "users:read users:write".to_owned(), ..ada.user() },
        User { api_key: Some(key), ..ada.user() },
        User { session: None, ..ada.user() },
        User { scope: "openid users:write".to_owned(), ..ada.user() },
        User { scope: "apis".to_owned(), ..ada.user() },
    ];
    for other in others {
        change(other).await.expect_problem(403, "forbidden");
    }
    service.sign_in(&ada.email).await;
    change(ada.user()).await.expect(204);
    service.stop().await;
}

async fn only_a_session_of_ones_own_changes_how_one_signs_in(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    let key = ApiKeyId::generate(&service.clock);
    let path = format!("/api/v1/users/{}", ada.id);
    let patch = |user, body| service.call(Method::PATCH, &path).user(user).json(&body).send();
    let (email, name) = (json!({"email": "countess@example.org"}), json!({"username": "countess"}));
    for person in [&ada, &admin] {
        let by_key = User { session: None, api_key: Some(key), scope: "users:write".to_owned(), ..person.user() };
        let by_client = User { scope: "openid users:write".to_owned(), ..person.user() };
        for user in [by_key, by_client] {
            for body in [&email, &name] {
                patch(user.clone(), body.clone()).await.expect_problem(403, "forbidden");
            }
            let same = json!({"email": ada.email, "username": "adalovelace", "name": "Ada"});
            patch(user, same).await.expect(200);
        }
    }
    assert_eq!(service.ground.count("SELECT count(*) FROM links WHERE purpose = 'change_email'").await, 0);
    patch(ada.user(), email).await.expect(200);
    patch(admin.user(), name).await.expect(200);
    service.stop().await;
}

async fn a_password_change_ends_sessions_that_have_just_expired(backend: Backend) {
    let setup = || Setup::on(backend).set("sessions.lifetime", "10m");
    let service = setup().start().await;
    let old = service.person("adalovelace").await;
    service.clock.advance(Duration::from_secs(7 * 60));
    let refreshed = service.refresh(&old.refresh_token).await.expect(200);
    assert_eq!(refreshed.json()["expires_in"], 180, "no token outlives its session");
    let here = service.sign_in(&old.email).await;
    service.clock.advance(Duration::from_secs(3 * 60 + 1));
    // A start sweeps at once; what may still have a living token must outlast it.
    let clock = service.clock.clone();
    let service = setup().at(clock).start_on(service.halt().await).await;
    let list = Arc::new(RevocationList::new(service.clock.clone()));
    let _follower = service.stores.revocations.follow(Arc::clone(&list));
    let body = json!({"current_password": PASSWORD, "new_password": "another horse battery 8 staple"});
    service.call(Method::PUT, "/api/v1/users/me/password").by(&here).json(&body).send().await.expect(204);
    assert_eq!(list.check(old.id, old.claims.sid, old.claims.ver), Verdict::Revoked);
    assert_eq!(list.check(here.id, here.claims.sid, here.claims.ver), Verdict::Valid);
    service.stop().await;
}
