//! Roles, standing, the last administrator, and what reaches the gateways.

use std::sync::Arc;

use reqwest::Method;
use serde_json::json;
use shared::auth::User;
use shared::domain::{ApiKeyId, Permissions, Role, Roles};
use shared::store::{RevocationList, Verdict};

use crate::testing::{Backend, PASSWORD, Person, Running, Setup, on_both};

on_both! {
    a_change_of_standing_is_known_to_gateways_when_it_is_answered,
    the_last_administrator_stays,
    two_who_demote_each_other_leave_one,
    who_was_an_administrator_before_does_nothing_after,
    no_key_and_no_narrowed_token_says_who_signs_in_and_as_what,
    standing_changes_are_idempotent_and_replayed,
    a_second_start_tells_the_gateways_again,
}

fn set_roles<'a>(
    service: &'a Running,
    by: &Person,
    whom: &Person,
    roles: &[&str],
) -> impl Future<Output = crate::testing::Answer> + use<'a> {
    let call = service.call(Method::PUT, &format!("/api/v1/users/{}/roles", whom.id)).by(by);
    call.json(&json!({"roles": roles})).send()
}

fn post<'a>(
    service: &'a Running,
    by: &Person,
    whom: &Person,
    what: &str,
) -> impl Future<Output = crate::testing::Answer> + use<'a> {
    service.call(Method::POST, &format!("/api/v2/users/{}/{what}", whom.id)).by(by).send()
}

fn verdict(list: &RevocationList, person: &Person) -> Verdict {
    list.check(person.id, person.claims.sid, person.claims.ver)
}

async fn a_change_of_standing_is_known_to_gateways_when_it_is_answered(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let list = Arc::new(RevocationList::new(service.clock.clone()));
    let _follower = service.stores.revocations.follow(Arc::clone(&list));
    let admin = service.administrator().await;
    let ada = service.with_roles("adalovelace", &["user", "treasurer"]).await;
    assert_eq!(verdict(&list, &ada), Verdict::Valid);

    set_roles(&service, &admin, &ada, &["user"]).await.expect(200);
    assert_eq!(verdict(&list, &ada), Verdict::Roles(Roles::NONE.with(Role::User), Permissions::NONE));
    set_roles(&service, &admin, &ada, &[]).await.expect_problem(422, "validation_failed");
    set_roles(&service, &admin, &ada, &["emperor"]).await.expect_problem(422, "validation_failed");
    set_roles(&service, &ada, &ada, &["admin"]).await.expect_problem(403, "forbidden");

    let ada = service.sign_in(&ada.email).await;
    assert_eq!((ada.claims.roles, verdict(&list, &ada)), (Roles::NONE.with(Role::User), Verdict::Valid));
    assert_eq!(post(&service, &admin, &ada, "disable").await.expect(200).text("/status"), "disabled");
    assert_eq!(verdict(&list, &ada), Verdict::Revoked);
    service.refresh(&ada.refresh_token).await.expect_problem(400, "invalid_grant");
    service.password_grant(&ada.email, PASSWORD).await.expect_problem(400, "invalid_grant");
    assert_eq!(post(&service, &admin, &ada, "enable").await.expect(200).text("/status"), "active");
    service.refresh(&ada.refresh_token).await.expect_problem(400, "invalid_grant");

    let ada = service.sign_in(&ada.email).await;
    assert_eq!(verdict(&list, &ada), Verdict::Valid);
    let fields = [("token", ada.refresh_token.as_str())];
    service.call(Method::POST, "/api/v1/auth/revoke").form(&fields).send().await.expect(200);
    assert_eq!(verdict(&list, &ada), Verdict::Revoked);
    service.stop().await;
}

async fn the_last_administrator_stays(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    set_roles(&service, &admin, &admin, &["user"]).await.expect_problem(409, "last_administrator");
    post(&service, &admin, &admin, "disable").await.expect_problem(409, "last_administrator");
    service.call(Method::DELETE, "/api/v1/users/me").by(&admin).send().await.expect_problem(409, "last_administrator");
    let second = service.with_roles("second", &["user", "admin"]).await;
    post(&service, &admin, &second, "disable").await.expect(200);
    set_roles(&service, &admin, &admin, &["user"]).await.expect_problem(409, "last_administrator");
    post(&service, &admin, &second, "enable").await.expect(200);
    set_roles(&service, &admin, &admin, &["user"]).await.expect(200);
    service.stop().await;
}

async fn two_who_demote_each_other_leave_one(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (first, second) = (service.administrator().await, service.with_roles("second", &["user", "admin"]).await);
    for _ in 0..10 {
        let (a, b) = futures_util::future::join(
            set_roles(&service, &first, &second, &["user"]),
            set_roles(&service, &second, &first, &["user"]),
        )
        .await;
        let (winner, loser, lost) = if a.status == 200 { (&first, &second, b) } else { (&second, &first, a) };
        // They were an administrator when they came.
        lost.expect_problem(403, "forbidden");
        set_roles(&service, winner, loser, &["user", "admin"]).await.expect(200);
    }
    service.stop().await;
}

/// Vouched for by the gateway before, with a body that comes only afterwards.
async fn who_was_an_administrator_before_does_nothing_after(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (root, ada) = (service.administrator().await, service.person("adalovelace").await);
    let everything = async |by: &Person| {
        let path = format!("/api/v1/users/{}", ada.id);
        let mut statuses = vec![set_roles(&service, by, &ada, &["user", "admin"]).await.status];
        for what in ["disable", "enable", "restore"] {
            statuses.push(post(&service, by, &ada, what).await.status);
        }
        statuses.push(service.call(Method::DELETE, &path).by(by).send().await.status);
        statuses
    };
    let demoted = service.with_roles("demoted", &["user", "admin"]).await;
    set_roles(&service, &root, &demoted, &["user"]).await.expect(200);
    assert_eq!(everything(&demoted).await, [403; 5]);
    let disabled = service.with_roles("disabled", &["user", "admin"]).await;
    post(&service, &root, &disabled, "disable").await.expect(200);
    assert_eq!(everything(&disabled).await, [401; 5]);
    let signed_out = service.with_roles("leaver", &["user", "admin"]).await;
    let fields = [("token", signed_out.refresh_token.as_str())];
    service.call(Method::POST, "/api/v1/auth/revoke").form(&fields).send().await.expect(200);
    assert_eq!(everything(&signed_out).await, [401; 5]);
    // Who has been given more goes on with what they came with.
    let promoted = service.with_roles("promoted", &["user", "admin"]).await;
    set_roles(&service, &promoted, &promoted, &["user", "treasurer", "admin"]).await.expect(200);
    assert_eq!(everything(&promoted).await, [200, 200, 200, 409, 204]);
    service.stop().await;
}

async fn no_key_and_no_narrowed_token_says_who_signs_in_and_as_what(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    let key = Some(ApiKeyId::generate(&service.clock));
    let path = format!("/api/v1/users/{}", ada.id);
    for person in [&ada, &admin] {
        let by_key = User { session: None, api_key: key, scope: "users:read users:write".to_owned(), ..person.user() };
        let by_client = User { scope: "openid users:write".to_owned(), ..person.user() };
        for user in [by_key, by_client] {
            let call = |method, path: &str| service.call(method, path).user(user.clone());
            call(Method::DELETE, &path).send().await.expect_problem(403, "forbidden");
            let roles = json!({"roles": ["user", "admin"]});
            call(Method::PUT, &format!("{path}/roles")).json(&roles).send().await.expect_problem(403, "forbidden");
            let disable = call(Method::POST, &format!("{path}/disable"));
            disable.send().await.expect_problem(403, "forbidden");
        }
    }
    service.call(Method::GET, &path).by(&ada).send().await.expect(200);
    service.stop().await;
}

async fn standing_changes_are_idempotent_and_replayed(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    let path = format!("/api/v2/users/{}/disable", ada.id);
    let disable = || service.call(Method::POST, &path).by(&admin).key("d").send();
    let answers = futures_util::future::join_all((0..8).map(|_| disable())).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.bytes == answers[0].bytes));
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotent-replayed").is_empty()).count(), 1);
    let enable = || service.call(Method::POST, &format!("/api/v1/users/{}/enable", ada.id)).by(&admin);
    let refused = enable().json(&json!({"x": 1, "y": 2})).send().await.expect_problem(422, "validation_failed");
    assert_eq!(
        (refused.text("/errors/0/pointer"), refused.text("/errors/1/pointer")),
        ("/x".to_owned(), "/y".to_owned())
    );
    enable().form(&[("x", "1")]).send().await.expect_problem(415, "unsupported_media_type");
    enable().json(&json!({})).send().await.expect(200);
    assert_eq!(disable().await.expect(200).text("/status"), "disabled", "the first answer, not a second change");
    assert_eq!(post(&service, &admin, &ada, "enable").await.expect(200).text("/status"), "active");
    let last = || service.call(Method::POST, &format!("/api/v2/users/{}/disable", admin.id)).by(&admin).key("e").send();
    let other = service.call(Method::POST, &format!("/api/v2/users/{}/disable", admin.id)).by(&admin).key("d").send();
    other.await.expect_problem(422, "idempotency_key_reused");
    last().await.expect_problem(409, "last_administrator");
    service.with_roles("second", &["user", "admin"]).await;
    assert_eq!(last().await.expect(200).text("/status"), "disabled", "a refusal is not frozen");
    service.stop().await;
}

async fn a_second_start_tells_the_gateways_again(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    post(&service, &admin, &ada, "disable").await.expect(200);
    let key = service.call(Method::GET, "/.well-known/jwks.json").send().await.expect(200).bytes;
    let ground = service.halt().await;

    let setup = Setup::on(backend);
    let list = Arc::new(RevocationList::new(setup.clock.clone()));
    let _follower = setup.stores.revocations.follow(Arc::clone(&list));
    let service = setup.start_on(ground).await;
    crate::testing::until(|| verdict(&list, &ada) == Verdict::Revoked).await;
    assert_eq!(service.call(Method::GET, "/.well-known/jwks.json").send().await.expect(200).bytes, key);
    service.administrator().await;
    service.stop().await;
}
