//! A forgotten password.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use shared::store::{RevocationList, Verdict};

use crate::testing::{Answer, Backend, Mail, PASSWORD, Person, Running, Setup, on_both};

on_both! {
    a_reset_ends_everything_and_signs_in,
    of_twenty_resets_one_wins,
    who_was_signed_in_before_changes_no_sign_in_after,
    a_reset_proves_the_address_it_was_mailed_to,
    a_link_does_not_outlive_its_time_or_its_user,
}

const NEW: &str = "another horse battery 8 staple";
const CHOOSE: &str = "Choose a new password";

async fn forgot(service: &Running, email: &str) -> Mail {
    let before = service.mails(email, CHOOSE);
    let asked = service.call(Method::POST, "/api/v1/auth/password/forgot").json(&json!({"email": email}));
    asked.send().await.expect(202);
    service.another_mail(email, CHOOSE, &before).await
}

async fn reset(service: &Running, token: &str, new: &str) -> Answer {
    let body = json!({"token": token, "new_password": new});
    service.call(Method::POST, "/api/v2/auth/password/reset").json(&body).send().await
}

async fn a_reset_ends_everything_and_signs_in(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let (link, other) = (forgot(&service, &ada.email).await, forgot(&service, &ada.email).await);
    assert!(link.link().contains("/account/reset?token=tgl_") && link.text.contains("30 minutes"), "{}", link.text);
    // What breaks a rule costs no link.
    let weak = reset(&service, &link.token(), "adalovelace 12345").await.expect_problem(422, "validation_failed");
    assert_eq!(weak.text("/errors/0/pointer"), "/new_password");
    let names = json!({"profile": {"first_name": "Augusta", "last_name": "Byron-King"}});
    service.call(Method::PATCH, "/api/v2/users/me").by(&ada).json(&names).send().await.expect(200);
    for own in ["augusta and 12 more", "lord BYRON's horse 8"] {
        let weak = reset(&service, &link.token(), own).await.expect_problem(422, "validation_failed");
        assert_eq!(weak.text("/errors/0/code"), "own_name", "{own}");
    }
    let list = Arc::new(RevocationList::new(service.clock.clone()));
    let _follower = service.stores.revocations.follow(Arc::clone(&list));
    reset(&service, &link.token(), NEW).await.expect(204);
    assert_eq!(list.check(ada.id, ada.claims.sid, ada.claims.ver), Verdict::Revoked);
    service.refresh(&ada.refresh_token).await.expect_problem(400, "invalid_grant");
    service.password_grant(&ada.email, PASSWORD).await.expect_problem(400, "invalid_grant");
    let tokens = service.password_grant(&ada.email, NEW).await.expect(200);
    let again = Person::of(&ada.email, &tokens);
    assert_eq!(list.check(again.id, again.claims.sid, again.claims.ver), Verdict::Valid);
    for used in [&link, &other] {
        reset(&service, &used.token(), "a third horse battery 7").await.expect_problem(410, "link_invalid");
    }
    service.mail(&ada.email, "Your password").await;
    service.stop().await;
}

/// Vouched for by the gateway before their session ended, with a body that comes only afterwards.
async fn who_was_signed_in_before_changes_no_sign_in_after(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, thief) = (service.person("adalovelace").await, service.sign_in("adalovelace@example.org").await);
    let late = async |who: &Person, body: &Value| {
        service.call(Method::PATCH, "/api/v2/users/me").by(who).json(body).send().await
    };
    let (email, username) = (json!({"email": "thief@example.net"}), json!({"username": "thief"}));
    let token = forgot(&service, &ada.email).await.token();
    reset(&service, &token, NEW).await.expect(204);
    for body in [&email, &username] {
        late(&thief, body).await.expect_problem(401, "token_invalid");
    }
    // A deletion, too: it has no body, but one may have been announced.
    let gone = service.call(Method::DELETE, "/api/v1/users/me").by(&thief).send().await;
    gone.expect_problem(401, "token_invalid");
    let sign_in = async || Person::of(&ada.email, &service.password_grant(&ada.email, NEW).await.expect(200));
    let (ada, thief) = (sign_in().await, sign_in().await);
    let change = json!({"current_password": NEW, "new_password": "a third horse battery 7"});
    service.call(Method::PUT, "/api/v1/users/me/password").by(&ada).json(&change).send().await.expect(204);
    for body in [&email, &username] {
        late(&thief, body).await.expect_problem(401, "token_invalid");
    }
    let links = "SELECT count(*) FROM links WHERE purpose = 'change_email'";
    assert_eq!(service.ground.count(links).await, 0, "nothing was made that opens the account");
    late(&ada, &json!({"email": "countess@example.net"})).await.expect(200);
    assert_eq!(service.ground.count(links).await, 1);

    // An administrator whose roles were taken meanwhile, too.
    let (admin, path) = (service.with_roles("helper", &["user", "admin"]).await, format!("/api/v1/users/{}", ada.id));
    let (root, roles) = (service.administrator().await, json!({"roles": ["user"]}));
    let helper = format!("/api/v1/users/{}/roles", admin.id);
    service.call(Method::PUT, &helper).by(&root).json(&roles).send().await.expect(200);
    let moved = service.call(Method::PATCH, &path).by(&admin).json(&email).send().await;
    moved.expect_problem(403, "forbidden");
    service.stop().await;
}

async fn of_twenty_resets_one_wins(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let token = forgot(&service, &ada.email).await.token();
    let passwords: Vec<String> = (0..20).map(|i| format!("horse number {i} of the battery")).collect();
    let answers = join_all(passwords.iter().map(|new| reset(&service, &token, new))).await;
    let won: Vec<usize> = (0..20).filter(|i| answers[*i].status == 204).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 410).count(), 19);
    service.password_grant(&ada.email, &passwords[won[0]]).await.expect(200);
    service.until_mails("waiting", 0).await;
    assert_eq!(service.mails(&ada.email, "Your password").len(), 1);
    service.stop().await;
}

async fn a_reset_proves_the_address_it_was_mailed_to(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    let verified = async || {
        let path = format!("/api/v2/users/{}", ada.id);
        service.call(Method::GET, &path).by(&admin).send().await.expect(200).json()["email_verified"] == true
    };
    assert!(!verified().await);
    let link = forgot(&service, &ada.email).await;
    let path = format!("/api/v1/users/{}", ada.id);
    let moved = service.call(Method::PATCH, &path).by(&admin).json(&json!({"email": "countess@example.net"}));
    moved.send().await.expect(200);
    reset(&service, &link.token(), NEW).await.expect_problem(410, "link_invalid");
    assert!(!verified().await);
    // One that the worker has just made for the address of before, while the account moved.
    let link = forgot(&service, "countess@example.net").await;
    let old = "email = 'ada@example.net', email_norm = 'ada@example.net'";
    service.ground.run(&format!("UPDATE links SET {old} WHERE used_at IS NULL")).await;
    reset(&service, &link.token(), NEW).await.expect_problem(410, "link_invalid");
    assert!(!verified().await);
    let link = forgot(&service, "countess@example.net").await;
    reset(&service, &link.token(), NEW).await.expect(204);
    assert!(verified().await);
    service.stop().await;
}

async fn a_link_does_not_outlive_its_time_or_its_user(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    let link = forgot(&service, &ada.email).await;
    service.clock.advance(Duration::from_secs(30 * 60));
    reset(&service, &link.token(), NEW).await.expect_problem(410, "link_invalid");
    let link = forgot(&service, &ada.email).await;
    service.call(Method::POST, &format!("/api/v1/users/{}/disable", ada.id)).by(&admin).send().await.expect(200);
    reset(&service, &link.token(), NEW).await.expect_problem(410, "link_invalid");
    // Nor does it work again once they are let in.
    let post = async |call: &str| {
        service.call(Method::POST, &format!("/api/v1/users/{}/{call}", ada.id)).by(&admin).send().await.expect(200);
    };
    post("enable").await;
    reset(&service, &link.token(), NEW).await.expect_problem(410, "link_invalid");
    let link = forgot(&service, &ada.email).await;
    service.call(Method::DELETE, &format!("/api/v1/users/{}", ada.id)).by(&admin).send().await.expect(204);
    post("restore").await;
    reset(&service, &link.token(), NEW).await.expect_problem(410, "link_invalid");
    // Nobody who is shut out is sent one.
    post("disable").await;
    let asked = service.call(Method::POST, "/api/v1/auth/password/forgot").json(&json!({"email": ada.email}));
    asked.send().await.expect(202);
    service.until_counted("dropped", 1).await;
    service.stop().await;
}
