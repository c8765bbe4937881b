//! The cache by itself and through the service: what is changed is read as it is, whoever read it when.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use shared::clock::Clock;
use shared::domain::UserId;
use shared::store::Stores;

use super::*;
use crate::testing::{Backend, Person, Running, Setup, on_both};
use crate::users::Status;
use crate::users::profile::Profile;

on_both! { whatever_changes_somebody_is_read_at_once, }

fn cache(clock: &Clock, ttl: &str) -> UserCache {
    let config = crate::config::Cache { ttl: serde_json::from_value(json!(ttl)).unwrap(), max_bytes: 1 << 20 };
    UserCache::new(&config, &Stores::memory(clock.clone()), Kind::Sqlite, clock)
}

fn user(clock: &Clock, revision: i64) -> User {
    User {
        id: UserId::generate(clock),
        seq: 1,
        email: "ada@example.org".to_owned(),
        username: "ada".to_owned(),
        name: Some("Ada".to_owned()),
        profile: Profile { phone: Some("+14155550123".to_owned()), ..Profile::default() },
        roles: "user".parse::<shared::domain::Role>().into_iter().collect(),
        custom_roles: vec!["auditor".to_owned()],
        permissions: shared::domain::Permissions::default(),
        status: Status::Active,
        email_verified: true,
        ver: 3,
        revision,
        created_at: clock.now(),
        updated_at: clock.now() + Duration::from_micros(7),
    }
}

async fn read(cache: &UserCache, user: &User) -> (User, Looked) {
    let (found, looked) = cache.get(user.id, async || Ok::<_, ()>(Some(user.clone()))).await.unwrap();
    (found.unwrap(), looked)
}

#[actix_web::test]
async fn what_is_kept_is_the_user_until_they_change_or_its_time_is_over() {
    let clock = Clock::manual(time::macros::datetime!(2026-03-01 12:00 UTC));
    let (cache, old) = (cache(&clock, "60s"), user(&clock, 1));
    let new = User { revision: 2, ..old.clone() };
    assert_eq!(read(&cache, &old).await, (old.clone(), Looked::Miss));
    assert_eq!(read(&cache, &new).await, (old.clone(), Looked::Hit), "every member comes back");
    let debt = cache.owe(vec![old.id]);
    assert_eq!(read(&cache, &old).await.1, Looked::Bypassed, "it is being changed");
    cache.settle(debt).await;
    assert_eq!(read(&cache, &new).await, (new.clone(), Looked::Miss));
    clock.advance(Duration::from_secs(60));
    assert_eq!(read(&cache, &new).await.1, Looked::Miss);
    let nobody = cache.get(UserId::generate(&clock), async || Ok::<_, ()>(None)).await.unwrap();
    assert_eq!(nobody, (None, Looked::Miss), "that there is nobody is not kept");
}

#[actix_web::test]
async fn what_was_read_before_a_change_is_not_kept_after_it() {
    let clock = Clock::system();
    let (cache, old) = (cache(&clock, "60s"), user(&clock, 1));
    let new = User { revision: 2, ..old.clone() };
    let slow = cache.get(old.id, async || {
        // Read, and then somebody changes it before it is kept.
        let debt = cache.owe(vec![old.id]);
        cache.settle(debt).await;
        Ok::<_, ()>(Some(old.clone()))
    });
    assert_eq!(slow.await.unwrap(), (Some(old.clone()), Looked::Miss));
    assert_eq!(read(&cache, &new).await, (new, Looked::Miss));
}

#[actix_web::test]
async fn whoever_is_cut_off_leaves_a_debt_that_is_paid() {
    let clock = Clock::system();
    let (cache, old) = (cache(&clock, "60s"), user(&clock, 1));
    let new = User { revision: 2, ..old.clone() };
    read(&cache, &old).await;
    drop(cache.owe(vec![old.id]));
    assert_eq!(read(&cache, &new).await, (new.clone(), Looked::Bypassed));
    // Another instance's, which shares what is kept and owes nothing.
    let other = cache.beside();
    let paying = tokio::spawn(cache.clone().pay(Duration::from_secs(1)));
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    while read(&other, &old).await.1 == Looked::Hit {
        ticks.tick().await;
    }
    // Purged, and the commit was still under way: what was before is kept again, but not here, and not for long.
    assert_eq!(read(&other, &new).await, (old.clone(), Looked::Hit));
    assert_eq!(read(&cache, &new).await.1, Looked::Bypassed);
    while read(&cache, &new).await.1 == Looked::Bypassed {
        ticks.tick().await;
    }
    assert_eq!(read(&cache, &new).await, (new.clone(), Looked::Hit));
    assert_eq!(read(&other, &new).await, (new, Looked::Hit));
    paying.abort();
}

#[actix_web::test]
async fn nothing_is_kept_where_nobody_would_hear_of_a_change() {
    let clock = Clock::system();
    let off = cache(&clock, "0s");
    let config = crate::config::Cache { ttl: serde_json::from_value(json!("60s")).unwrap(), max_bytes: 1 << 20 };
    let alone = UserCache::new(&config, &Stores::memory(clock.clone()), Kind::Postgres, &clock);
    for cache in [off, alone] {
        let user = user(&clock, 1);
        for _ in 0..2 {
            assert_eq!(read(&cache, &user).await.1, Looked::Bypassed);
        }
        assert!(cache.owe(vec![user.id]).is_none());
    }
}

async fn shown(service: &Running, by: &Person, whom: &Person) -> serde_json::Value {
    let path = format!("/api/v2/users/{}", whom.id);
    let first = service.call(Method::GET, &path).by(by).send().await.expect(200);
    let second = service.call(Method::GET, &path).by(by).send().await.expect(200);
    assert_eq!((&first.bytes, first.header("etag")), (&second.bytes, second.header("etag")));
    first.json()
}

async fn whatever_changes_somebody_is_read_at_once(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    assert_eq!(shown(&service, &admin, &ada).await["email_verified"], false);
    let token = service.mail(&ada.email, "Confirm").await.token();
    let verify = service.call(Method::POST, "/api/v1/auth/email/verify").json(&json!({"token": token}));
    verify.send().await.expect(204);
    assert_eq!(shown(&service, &admin, &ada).await["email_verified"], true);
    let path = format!("/api/v1/users/{}", ada.id);
    let put = |at: &str, body: serde_json::Value| service.call(Method::PUT, &format!("/api/v1/users/{at}")).json(&body);
    let roles = json!({"roles": ["user", "support"]});
    put(&format!("{}/roles", ada.id), roles.clone()).by(&admin).send().await.expect(200);
    assert_eq!(shown(&service, &admin, &ada).await["roles"], roles["roles"]);
    let name = json!({"name": "Ada"});
    service.call(Method::PATCH, &path).by(&ada).json(&name).send().await.expect(200);
    assert_eq!(shown(&service, &admin, &ada).await["name"], "Ada");
    let profile = json!({"first_name": "Ada", "last_name": "King"});
    put("me/profile", profile).by(&ada).send().await.expect(200);
    assert_eq!(shown(&service, &admin, &ada).await["profile"]["last_name"], "King");
    for (call, status) in [("disable", "disabled"), ("enable", "active")] {
        service.call(Method::POST, &format!("{path}/{call}")).by(&admin).send().await.expect(200);
        assert_eq!(shown(&service, &admin, &ada).await["status"], status);
    }
    let before = shown(&service, &admin, &ada).await;
    let ada = service.sign_in(&ada.email).await;
    let stale =
        service.call(Method::GET, &format!("/api/v2/users/{}", ada.id)).by(&admin).header("if-match", "\"0-v2\"");
    stale.send().await.expect_problem(412, "stale_precondition");
    service.call(Method::DELETE, &path).by(&ada).send().await.expect(204);
    assert_eq!(shown(&service, &admin, &ada).await["status"], "deleted");
    service.call(Method::POST, &format!("{path}/restore")).by(&admin).send().await.expect(200);
    let mut after = shown(&service, &admin, &ada).await;
    after["updated_at"] = before["updated_at"].clone();
    assert_eq!(after, before);
    let said = String::from_utf8(service.call(Method::GET, "/metrics").send().await.bytes).unwrap();
    let hits = said.lines().find(|line| line.starts_with("tollgate_users_cache_total{result=\"hit\"}"));
    let hits = hits.map_or(0, |line| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap());
    assert_eq!(hits > 0, backend == Backend::Sqlite, "{said}");
    service.stop().await;
}
