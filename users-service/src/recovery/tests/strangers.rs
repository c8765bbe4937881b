//! What strangers learn, and what they can have sent to others.

use reqwest::Method;
use serde_json::{Value, json};

use crate::testing::{Backend, PASSWORD, Setup, on_both};

on_both! {
    known_and_unknown_are_one_answer_and_one_row,
    a_mailbox_is_not_flooded,
    what_strangers_bring_about_keeps_no_other_mail_back,
    a_detail_in_an_address_makes_it_no_other_mailbox,
    a_network_has_only_so_many_mails_sent,
    undisclosed_registrations_go_on_by_mail,
    a_patch_does_not_tell_who_is_registered_where_nobody_is_told,
}

async fn known_and_unknown_are_one_answer_and_one_row(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    service.mail(&ada.email, "Confirm").await;
    for path in ["/api/v1/auth/password/forgot", "/api/v1/auth/email/resend"] {
        let mut bodies = Vec::new();
        for email in [ada.email.as_str(), "nobody@example.org", "NOBODY@bücher.example"] {
            let rows = service.ground.count("SELECT count(*) FROM mails").await;
            bodies.push(service.call(Method::POST, path).json(&json!({"email": email})).send().await.expect(202).bytes);
            assert_eq!(service.ground.count("SELECT count(*) FROM mails").await, rows + 1, "{path} {email}");
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{path}");
        let bad = service.call(Method::POST, path).json(&json!({"email": "no address"})).send().await;
        assert_eq!(bad.expect_problem(422, "validation_failed").text("/errors/0/pointer"), "/email");
    }
    service.until_mails("waiting", 0).await;
    assert_eq!(service.mails_that_are("dropped").await, 4, "nobody's mail is nobody's");
    assert!(service.mails("nobody@example.org", "").is_empty());
    service.stop().await;
}

async fn a_mailbox_is_not_flooded(backend: Backend) {
    let service = Setup::on(backend).set("throttle.enabled", "true").set("mail.per_address", "3").start().await;
    let ada = service.person("adalovelace").await;
    let forgot =
        || service.call(Method::POST, "/api/v1/auth/password/forgot").json(&json!({"email": ada.email})).send();
    for _ in 0..10 {
        forgot().await.expect(202);
    }
    let held = forgot().await.expect_problem(429, "rate_limited");
    assert!(!held.header("retry-after").is_empty());
    service.until_mails("waiting", 0).await;
    assert_eq!(service.mails(&ada.email, "Choose").len(), 3);
    let scrape = String::from_utf8(service.call(Method::GET, "/metrics").send().await.expect(200).bytes).unwrap();
    assert!(scrape.contains("tollgate_users_mails_total{outcome=\"withheld\"} 7\n"), "operators see it: {scrape}");
    // One kind does not use up another's.
    let resend = json!({"email": ada.email});
    for _ in 0..5 {
        let asked = service.call(Method::POST, "/api/v1/auth/email/resend").from("192.0.2.8").json(&resend);
        asked.send().await.expect(202);
    }
    service.until_mails("waiting", 0).await;
    assert_eq!(service.mails(&ada.email, "Confirm").len(), 3, "the registration's counts too");
    service.stop().await;
}

async fn what_strangers_bring_about_keeps_no_other_mail_back(backend: Backend) {
    let service = Setup::on(backend).set("throttle.enabled", "true").set("mail.per_address", "2").start().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    let post = async |path: &str, email: &str, from: &str| {
        let call = service.call(Method::POST, path).from(from).json(&json!({"email": email}));
        call.send().await.expect(202);
    };
    // Refused registrations, links that nobody is sent, and moves that are refused.
    let body = json!({"email": ada.email, "username": "usurper", "password": PASSWORD});
    for _ in 0..4 {
        service.register(&body).await.expect_problem(409, "email_taken");
        post("/api/v1/auth/email/resend", "adalovelace@example.net", "192.0.2.8").await;
        let patch = service.call(Method::PATCH, "/api/v1/users/me").by(&bob).json(&json!({"email": ada.email}));
        patch.send().await.expect_problem(409, "email_taken");
    }
    post("/api/v1/auth/password/forgot", &ada.email, "192.0.2.9").await;
    service.mail(&ada.email, "Choose").await;
    // And whoever registers an address after all the asking is sent their link.
    let body = json!({"email": "adalovelace@example.net", "username": "adaking", "password": PASSWORD});
    service.register(&body).await.expect(201);
    service.mail("adalovelace@example.net", "Confirm").await;
    service.stop().await;
}

async fn a_detail_in_an_address_makes_it_no_other_mailbox(backend: Backend) {
    let service = Setup::on(backend).set("throttle.enabled", "true").set("mail.per_address", "2").start().await;
    for i in 0..5 {
        let email = format!("victim+{i}@example.org");
        service
            .register(&json!({"email": email, "username": format!("person{i}"), "password": PASSWORD}))
            .await
            .expect(201);
    }
    service.until_mails("waiting", 0).await;
    assert_eq!((service.mails_that_are("sent").await, service.mails_that_are("dropped").await), (2, 3));
    // Nor do such use up what goes to whoever has confirmed the address without it.
    let post = async |path: &str, body: &Value| {
        service.call(Method::POST, path).json(body).send().await;
    };
    let ada = service.person("adalovelace").await;
    let token = service.mail(&ada.email, "Confirm").await.token();
    post("/api/v1/auth/email/verify", &json!({"token": token})).await;
    let other = "adalovelace+x@example.org";
    service.register(&json!({"email": other, "username": "usurper", "password": PASSWORD})).await.expect(201);
    for email in [other, other, other, &ada.email] {
        post("/api/v1/auth/password/forgot", &json!({"email": email})).await;
    }
    service.mail(&ada.email, "Choose").await;
    service.until_mails("waiting", 0).await;
    assert_eq!(service.mails(other, "Choose").len(), 2);
    service.stop().await;
}

async fn a_network_has_only_so_many_mails_sent(backend: Backend) {
    let service = Setup::on(backend).set("throttle.enabled", "true").set("mail.per_network", "3").start().await;
    let forgot = async |name: &str, from: &str| {
        let body = json!({"email": format!("{name}@example.org")});
        service.call(Method::POST, "/api/v1/auth/password/forgot").from(from).json(&body).send().await
    };
    let register = async |name: &str, from: &str| {
        let body = json!({"email": format!("{name}@example.org"), "username": name, "password": PASSWORD});
        service.call(Method::POST, "/api/v1/users").from(from).json(&body).send().await.expect(201);
    };
    register("adalovelace", "2001:db8::1").await;
    for name in ["someone", "another"] {
        forgot(name, "2001:db8::2").await.expect(202);
    }
    let held = forgot("athird", "2001:db8::3").await.expect_problem(429, "rate_limited");
    assert!(!held.header("retry-after").is_empty());
    // People who share it register, and have their mail sent later.
    register("bobby", "2001:db8::4").await;
    service.until_mails("waiting", 0).await;
    assert!(service.mails("bobby@example.org", "").is_empty());
    let resend = json!({"email": "bobby@example.org"});
    let call = service.call(Method::POST, "/api/v1/auth/email/resend").from("2001:db8:0:1::1");
    call.json(&resend).send().await.expect(202);
    service.mail("bobby@example.org", "Confirm").await;
    service.stop().await;
}

async fn undisclosed_registrations_go_on_by_mail(backend: Backend) {
    let service = Setup::on(backend).set("registration.disclose_existing", "false").start().await;
    let who = |email: &str, username: &str| json!({"email": email, "username": username, "password": PASSWORD});
    let first = service.register(&who("ada@example.org", "ada")).await.expect(202).bytes;
    let link = service.mail("ada@example.org", "Confirm your e-mail").await;
    assert_eq!(service.register(&who("ADA@example.org", "other")).await.expect(202).bytes, first);
    service.mail("ada@example.org", "You have an account").await;
    assert_eq!(service.register(&who("bob@example.org", "ADA")).await.expect(202).bytes, first);
    service.mail("bob@example.org", "was not completed").await;
    service.until_mails("waiting", 0).await;
    assert_eq!(service.ground.count("SELECT count(*) FROM mails").await, 3, "one each");
    // Signing in with what one has just chosen does not tell either.
    let told = async |email: &str| service.password_grant(email, PASSWORD).await.expect_problem(400, "invalid_grant");
    let nobody = told("nobody@example.org").await.json();
    assert_eq!(told("ada@example.org").await.json()["detail"], nobody["detail"]);
    let token = json!({"token": link.token()});
    service.call(Method::POST, "/api/v1/auth/email/verify").json(&token).send().await.expect(204);
    service.sign_in("ada@example.org").await;
    service.stop().await;
}

async fn a_patch_does_not_tell_who_is_registered_where_nobody_is_told(backend: Backend) {
    let service = Setup::on(backend).set("registration.disclose_existing", "false").start().await;
    for name in ["adalovelace", "bobby"] {
        let body = json!({"email": format!("{name}@example.org"), "username": name, "password": PASSWORD});
        service.register(&body).await.expect(202);
    }
    for name in ["adalovelace", "bobby"] {
        let token = json!({"token": service.mail(&format!("{name}@example.org"), "Confirm").await.token()});
        service.call(Method::POST, "/api/v1/auth/email/verify").json(&token).send().await.expect(204);
    }
    let ada = service.sign_in("adalovelace@example.org").await;
    for email in ["bobby@example.org", "nobody@example.org"] {
        let patched = service.call(Method::PATCH, "/api/v1/users/me").by(&ada).json(&json!({"email": email}));
        assert_eq!(patched.send().await.expect(200).text("/email"), ada.email);
    }
    service.mail("nobody@example.org", "Confirm your new").await;
    service.until_mails("waiting", 0).await;
    assert!(service.mails("bobby@example.org", "Confirm your new").is_empty());
    service.stop().await;
}
