//! Confirming an address, and moving to another.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::testing::{Answer, Backend, PASSWORD, Person, Running, Setup, on_both};

on_both! {
    a_registration_is_confirmed_once,
    a_link_ends_with_its_time,
    nobody_unconfirmed_signs_in_where_that_is_required,
    another_address_is_taken_when_it_is_confirmed,
    of_two_moves_the_later_one_counts,
    who_asks_for_one_move_too_often_still_has_its_link,
    a_move_loses_to_whoever_has_the_address_by_then,
    an_administrators_move_is_at_once_and_unconfirmed,
    what_only_counts_as_the_same_address_is_confirmed_too,
    of_many_confirmations_one_is_made,
    a_confirmation_and_another_move_at_once_leave_one_address,
}

const CONFIRM: &str = "Confirm your e-mail";
const CONFIRM_NEW: &str = "Confirm your new e-mail";

async fn verify(service: &Running, token: &str) -> Answer {
    service.call(Method::POST, "/api/v1/auth/email/verify").json(&json!({"token": token})).send().await
}

async fn me(service: &Running, person: &Person) -> Value {
    service.call(Method::GET, "/api/v2/users/me").by(person).send().await.expect(200).json()
}

async fn patch_email(service: &Running, person: &Person, path: &str, email: &str) -> Answer {
    service.call(Method::PATCH, path).by(person).json(&json!({"email": email})).send().await
}

async fn a_registration_is_confirmed_once(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    assert_eq!(me(&service, &ada).await["email_verified"], false);
    let mail = service.mail(&ada.email, CONFIRM).await;
    assert!(mail.link().starts_with("http://127.0.0.1:8080/account/verify?token=tgl_"), "{}", mail.link());
    assert!(mail.html.contains(&mail.link()) && mail.text.contains("24 hours"), "{}", mail.text);
    verify(&service, &mail.token()).await.expect(204);
    assert_eq!(me(&service, &ada).await["email_verified"], true);
    verify(&service, &mail.token()).await.expect_problem(410, "link_invalid");
    for forged in ["", "tgl_AAAA", "tgr_AAAA", &mail.token().replace("tgl_", "tgl_A"), &mail.token()[..60]] {
        verify(&service, forged).await.expect_problem(410, "link_invalid");
    }
    let body = json!({"token": mail.token(), "new_password": "another horse battery 8 staple"});
    let reset = service.call(Method::POST, "/api/v1/auth/password/reset").json(&body).send().await;
    reset.expect_problem(410, "link_invalid");
    // Nothing in the database is what the link carries.
    let id = mail.token();
    let held = format!("SELECT count(*) FROM mails WHERE about LIKE '%{id}%' OR recipient IS NOT NULL");
    assert_eq!(service.ground.count(&held).await, 0, "a mail that was sent holds neither its token nor its address");
    service.stop().await;
}

async fn a_link_ends_with_its_time(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let old = service.mail(&ada.email, CONFIRM).await;
    service.clock.advance(Duration::from_secs(86_400));
    verify(&service, &old.token()).await.expect_problem(410, "link_invalid");
    let resend = json!({"email": "ADALOVELACE@example.org"});
    let asked = service.call(Method::POST, "/api/v1/auth/email/resend").json(&resend).send().await.expect(202);
    assert_eq!(asked.json(), json!({"status": "accepted"}));
    crate::testing::until(|| service.mails(&ada.email, CONFIRM).len() == 2).await;
    let new = service.mails(&ada.email, CONFIRM).into_iter().find(|mail| mail.token() != old.token()).unwrap();
    service.clock.advance(Duration::from_secs(86_400 - 1));
    verify(&service, &new.token()).await.expect(204);
    // Whoever is confirmed is sent nothing more.
    service.call(Method::POST, "/api/v1/auth/email/resend").json(&resend).send().await.expect(202);
    service.until_counted("dropped", 1).await;
    service.stop().await;
}

async fn nobody_unconfirmed_signs_in_where_that_is_required(backend: Backend) {
    let service = Setup::on(backend).set("registration.require_verified_email", "true").start().await;
    let email = "adalovelace@example.org";
    let body = json!({"email": email, "username": "adalovelace", "password": PASSWORD});
    service.register(&body).await.expect(201);
    let refused = service.password_grant(email, PASSWORD).await.expect_problem(403, "email_not_verified");
    assert_eq!(refused.text("/error"), "email_not_verified");
    service.password_grant(email, "not the password 1").await.expect_problem(400, "invalid_grant");
    verify(&service, &service.mail(email, CONFIRM).await.token()).await.expect(204);
    service.sign_in(email).await;
    // The administrator of the first start could confirm nothing before.
    service.administrator().await;
    service.stop().await;
}

async fn another_address_is_taken_when_it_is_confirmed(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    verify(&service, &service.mail(&ada.email, CONFIRM).await.token()).await.expect(204);
    let new = "Countess@example.net";
    let before = service.call(Method::GET, "/api/v1/users/me").by(&ada).send().await;
    let asked = patch_email(&service, &ada, "/api/v1/users/me", new).await.expect(200);
    assert_eq!((asked.text("/email"), asked.header("etag")), (ada.email.clone(), before.header("etag")), "not yet");
    let told = service.mail(&ada.email, "about to change").await;
    assert!(told.text.contains("C…@example.net") && !told.text.contains(new), "{}", told.text);
    let link = service.mail(new, CONFIRM_NEW).await;
    assert!(link.link().contains("/account/email?token=") && link.text.contains("one hour"), "{}", link.text);
    service.password_grant(new, PASSWORD).await.expect_problem(400, "invalid_grant");

    verify(&service, &link.token()).await.expect(204);
    let now = me(&service, &ada).await;
    assert_eq!((&now["email"], &now["email_verified"]), (&json!(new), &json!(true)));
    service.mail(&ada.email, "has changed").await;
    service.sign_in(new).await;
    service.password_grant(&ada.email, PASSWORD).await.expect_problem(400, "invalid_grant");
    verify(&service, &link.token()).await.expect_problem(410, "link_invalid");
    // Another way of writing the same address is no other address.
    let again = patch_email(&service, &ada, "/api/v1/users/me", "countess@EXAMPLE.net").await.expect(200);
    assert_eq!(again.text("/email"), "countess@EXAMPLE.net");
    assert_eq!(me(&service, &ada).await["email_verified"], true);
    service.stop().await;
}

async fn of_two_moves_the_later_one_counts(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    patch_email(&service, &ada, "/api/v1/users/me", "first@example.net").await.expect(200);
    let first = service.mail("first@example.net", CONFIRM_NEW).await;
    patch_email(&service, &ada, "/api/v1/users/me", "second@example.net").await.expect(200);
    let second = service.mail("second@example.net", CONFIRM_NEW).await;
    verify(&service, &first.token()).await.expect_problem(410, "link_invalid");
    let path = format!("/api/v1/users/{}", ada.id);
    patch_email(&service, &admin, &path, "third@example.net").await.expect(200);
    verify(&service, &second.token()).await.expect_problem(410, "link_invalid");
    assert_eq!(me(&service, &ada).await["email"], "third@example.net");
    // A password changed in alarm takes back what was asked for.
    patch_email(&service, &ada, "/api/v1/users/me", "fourth@example.net").await.expect(200);
    let fourth = service.mail("fourth@example.net", CONFIRM_NEW).await;
    let body = json!({"current_password": PASSWORD, "new_password": "another horse battery 8 staple"});
    service.call(Method::PUT, "/api/v1/users/me/password").by(&ada).json(&body).send().await.expect(204);
    verify(&service, &fourth.token()).await.expect_problem(410, "link_invalid");
    service.mail("third@example.net", "Your password").await;
    service.stop().await;
}

async fn who_asks_for_one_move_too_often_still_has_its_link(backend: Backend) {
    let service = Setup::on(backend).set("throttle.enabled", "true").set("mail.per_address", "2").start().await;
    let ada = service.person("adalovelace").await;
    let new = "countess@example.net";
    for _ in 0..4 {
        patch_email(&service, &ada, "/api/v1/users/me", new).await.expect(200);
    }
    service.until_mails("waiting", 0).await;
    let mails = service.mails(new, CONFIRM_NEW);
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].token(), mails[1].token());
    verify(&service, &mails[0].token()).await.expect(204);
    assert_eq!(me(&service, &ada).await["email"], new);
    service.stop().await;
}

async fn a_move_loses_to_whoever_has_the_address_by_then(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    patch_email(&service, &ada, "/api/v1/users/me", "bobby@example.org").await.expect(200);
    let link = service.mail("bobby@example.org", CONFIRM_NEW).await;
    service.person("bobby").await;
    patch_email(&service, &ada, "/api/v1/users/me", "bobby@example.org").await.expect_problem(409, "email_taken");
    verify(&service, &link.token()).await.expect_problem(409, "email_taken");
    assert_eq!(me(&service, &ada).await["email"], ada.email);
    service.stop().await;
}

async fn an_administrators_move_is_at_once_and_unconfirmed(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    let old = service.mail(&ada.email, CONFIRM).await;
    verify(&service, &old.token()).await.expect(204);
    let path = format!("/api/v2/users/{}", ada.id);
    let moved = patch_email(&service, &admin, &path, "countess@example.net").await.expect(200).json();
    assert_eq!((&moved["email"], &moved["email_verified"]), (&json!("countess@example.net"), &json!(false)));
    service.mail(&ada.email, "has changed").await;
    verify(&service, &service.mail("countess@example.net", CONFIRM).await.token()).await.expect(204);
    assert_eq!(me(&service, &ada).await["email_verified"], true);
    service.stop().await;
}

async fn what_only_counts_as_the_same_address_is_confirmed_too(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adastrasse").await, service.administrator().await);
    verify(&service, &service.mail(&ada.email, CONFIRM).await.token()).await.expect(204);
    // Nobody else can have it, and nobody knows whose mailbox it is.
    let sharp = "adastraße@example.org";
    let asked = patch_email(&service, &ada, "/api/v1/users/me", sharp).await.expect(200);
    assert_eq!(asked.text("/email"), ada.email);
    verify(&service, &service.mail(sharp, CONFIRM_NEW).await.token()).await.expect(204);
    let now = me(&service, &ada).await;
    assert_eq!((&now["email"], &now["email_verified"]), (&json!(sharp), &json!(true)));
    let path = format!("/api/v2/users/{}", ada.id);
    for (email, verified) in [("ADAstraße@EXAMPLE.org", true), ("ａdastrasse@example.org", false)] {
        let moved = patch_email(&service, &admin, &path, email).await.expect(200).json();
        assert_eq!((&moved["email"], &moved["email_verified"]), (&json!(email), &json!(verified)));
    }
    service.stop().await;
}

async fn of_many_confirmations_one_is_made(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    patch_email(&service, &ada, "/api/v1/users/me", "countess@example.net").await.expect(200);
    let token = service.mail("countess@example.net", CONFIRM_NEW).await.token();
    let answers = join_all((0..16).map(|_| verify(&service, &token))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 410).count(), 15);
    service.until_mails("waiting", 0).await;
    assert_eq!(service.mails(&ada.email, "has changed").len(), 1);
    service.stop().await;
}

async fn a_confirmation_and_another_move_at_once_leave_one_address(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (ada, admin) = (service.person("adalovelace").await, service.administrator().await);
    let path = format!("/api/v1/users/{}", ada.id);
    for round in 0..6 {
        let (own, theirs) = (format!("own{round}@example.net"), format!("theirs{round}@example.net"));
        patch_email(&service, &ada, "/api/v1/users/me", &own).await.expect(200);
        let token = service.mail(&own, CONFIRM_NEW).await.token();
        let confirm = verify(&service, &token);
        let (confirmed, moved) = futures_util::join!(confirm, patch_email(&service, &admin, &path, &theirs));
        moved.expect(200);
        assert!([204, 410].contains(&confirmed.status), "{}", confirmed.status);
        // Whichever was first, the administrator's word is the later one, and nobody has shown that address to be theirs.
        let now = me(&service, &ada).await;
        assert_eq!((&now["email"], &now["email_verified"]), (&json!(theirs), &json!(false)));
    }
    service.stop().await;
}
