//! What strangers learn, and what they can have sent to others.

use reqwest::Method;
use serde_json::{Value, json};

use crate::testing::{Backend, PASSWORD, Setup, on_both};

on_both! {
    known_and_unknown_are_one_answer,
    a_mailbox_is_not_flooded,
    what_strangers_bring_about_keeps_no_other_mail_back,
    a_detail_in_an_address_makes_it_no_other_mailbox,
    whoever_asks_for_a_detail_of_an_address_keeps_nothing_of_its_owners_back,
    notices_are_bounded_where_nobody_has_shown_the_address_to_be_theirs,
    a_change_of_address_is_charged_to_the_network,
    a_network_has_only_so_many_mails_sent,
    undisclosed_registrations_go_on_by_mail,
    a_patch_does_not_tell_who_is_registered_where_nobody_is_told,
    a_user_name_does_not_tell_either,
}

async fn known_and_unknown_are_one_answer(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    service.mail(&ada.email, "Confirm").await;
    for path in ["/api/v1/auth/password/forgot", "/api/v1/auth/email/resend"] {
        let mut bodies = Vec::new();
        for email in [ada.email.as_str(), "nobody@example.org", "NOBODY@bücher.example"] {
            bodies.push(service.call(Method::POST, path).json(&json!({"email": email})).send().await.expect(202).bytes);
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{path}");
        let bad = service.call(Method::POST, path).json(&json!({"email": "no address"})).send().await;
        assert_eq!(bad.expect_problem(422, "validation_failed").text("/errors/0/pointer"), "/email");
    }
    service.until_counted("dropped", 4).await;
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
    assert_eq!(service.mails_that_are("sent").await, 2);
    service.until_counted("withheld", 3).await;
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

async fn whoever_asks_for_a_detail_of_an_address_keeps_nothing_of_its_owners_back(backend: Backend) {
    let service = Setup::on(backend).set("throttle.enabled", "true").set("mail.per_address", "2").start().await;
    // Ada has confirmed nothing yet, as nobody has after an upgrade.
    let ada = service.person("adalovelace").await;
    let other = "adalovelace+z@example.org";
    service.register(&json!({"email": other, "username": "usurper", "password": PASSWORD})).await.expect(201);
    for path in ["/api/v1/auth/password/forgot", "/api/v1/auth/email/resend"] {
        for email in [other, other, other, other, &ada.email] {
            service.call(Method::POST, path).json(&json!({"email": email})).send().await.expect(202);
        }
    }
    service.mail(&ada.email, "Choose").await;
    crate::testing::until(|| service.mails(&ada.email, "Confirm").len() == 2).await;
    service.until_mails("waiting", 0).await;
    assert_eq!((service.mails(other, "Choose").len(), service.mails(other, "Confirm").len()), (2, 2));
    service.stop().await;
}

async fn notices_are_bounded_where_nobody_has_shown_the_address_to_be_theirs(backend: Backend) {
    let service = Setup::on(backend).set("throttle.enabled", "true").set("mail.per_address", "2").start().await;
    let change = async |person: &crate::testing::Person, from: &str, to: &str| {
        let body = json!({"current_password": from, "new_password": to});
        let call = service.call(Method::PUT, "/api/v1/users/me/password").by(person).json(&body);
        call.send().await.expect(204);
    };
    let other = "another horse battery 8 staple";
    let loops = async |person: &crate::testing::Person, host: &str| {
        for round in 0..4 {
            let (from, to) = if round % 2 == 0 { (PASSWORD, other) } else { (other, PASSWORD) };
            change(person, from, to).await;
            let move_to = json!({"email": format!("eve{round}@{host}")});
            let patch = service.call(Method::PATCH, "/api/v1/users/me").by(person).json(&move_to);
            patch.send().await.expect(200);
        }
        service.until_mails("waiting", 0).await;
        let told = service.mails(&person.email, "about to change");
        (service.mails(&person.email, "Your password").len(), told)
    };
    // Somebody who has registered another's address.
    let victim = service.person("adalovelace").await;
    let (passwords, told) = loops(&victim, "buy-now.example").await;
    assert_eq!((passwords, told.len()), (2, 2));
    assert!(told.iter().all(|mail| !mail.text.contains("buy-now") && mail.text.contains("another address")));
    // Who has shown it to be theirs is told each time, and of what.
    let bob = service.person("bobby").await;
    let token = json!({"token": service.mail(&bob.email, "Confirm").await.token()});
    service.call(Method::POST, "/api/v1/auth/email/verify").json(&token).send().await.expect(204);
    let (passwords, told) = loops(&bob, "example.net").await;
    assert_eq!((passwords, told.len()), (4, 4));
    assert!(told.iter().all(|mail| mail.text.contains("e…@example.net")));
    service.stop().await;
}

async fn a_change_of_address_is_charged_to_the_network(backend: Backend) {
    let service = Setup::on(backend).set("throttle.enabled", "true").set("mail.per_network", "3").start().await;
    let ada = service.person("adalovelace").await;
    let patch = async |email: &str| {
        let call = service.call(Method::PATCH, "/api/v1/users/me").by(&ada).json(&json!({"email": email}));
        call.send().await
    };
    for name in ["first", "second"] {
        patch(&format!("{name}@example.net")).await.expect(200);
    }
    let held = patch("third@example.net").await.expect_problem(429, "rate_limited");
    assert!(!held.header("retry-after").is_empty());
    // What sends no mail is not counted.
    patch(&ada.email).await.expect(200);
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

async fn a_user_name_does_not_tell_either(backend: Backend) {
    let service = Setup::on(backend).set("registration.disclose_existing", "false").start().await;
    let who = |email: &str, username: &str| json!({"email": email, "username": username, "password": PASSWORD});
    let register = async |email: &str, username: &str| {
        service.register(&who(email, username)).await.expect(202);
    };
    for name in ["adalovelace", "mallory"] {
        let email = format!("{name}@example.org");
        register(&email, name).await;
        let token = json!({"token": service.mail(&email, "Confirm").await.token()});
        service.call(Method::POST, "/api/v1/auth/email/verify").json(&token).send().await.expect(204);
    }
    let mallory = service.sign_in("mallory@example.org").await;
    // One address has an account, the other has none: whose name is gone afterwards?
    register("adalovelace@example.org", "probe-one").await;
    register("nobody@example.org", "probe-two").await;
    for name in ["probe-one", "probe-two", "PROBE-one"] {
        let call = service.call(Method::PATCH, "/api/v1/users/me").by(&mallory).json(&json!({"username": name}));
        call.send().await.expect_problem(409, "username_taken");
    }
    // Nor does the mail to whoever registers with the name tell.
    for (email, name) in [("eve1@example.org", "probe-one"), ("eve2@example.org", "probe-two")] {
        register(email, name).await;
        service.mail(email, "was not completed").await;
    }
    // What holds a name is nobody: not to sign in as, and in no list.
    for name in ["probe-one", "probe-two"] {
        service.password_grant(name, PASSWORD).await.expect_problem(400, "invalid_grant");
    }
    let administrator = service.administrator().await;
    let listed = async |q: &str| {
        let call = service.call(Method::GET, &format!("/api/v1/users?q={q}")).by(&administrator);
        call.send().await.expect(200).json()["meta"]["total"].clone()
    };
    assert_eq!((listed("probe-one").await, listed("probe-two").await), (json!(0), json!(1)));
    // A name that one holds oneself is not taken from one.
    register("adalovelace@example.org", "adalovelace").await;
    service.sign_in("adalovelace@example.org").await;
    service.stop().await;
}
