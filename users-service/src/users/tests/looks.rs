//! User names that look like somebody else's: refused by whatever way somebody would get one, also in a race.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::testing::{Answer, Backend, PASSWORD, Running, Setup, on_both};

on_both! {
    a_name_that_looks_like_anothers_is_taken,
    of_many_who_look_alike_one_registers,
    of_two_who_would_look_alike_one_gets_the_name,
    names_of_before_are_looked_at_too,
    in_silence_a_name_that_looks_alike_tells_nothing,
}

/// `scope` in Latin, and in Cyrillic with its `ѕсоре`; `ТОМ` only when written large.
const SCOPE: &str = "ѕсоре";

fn body(email: &str, username: &str) -> Value {
    json!({"email": format!("{email}@example.org"), "username": username, "password": PASSWORD})
}

async fn rename(service: &Running, whom: &crate::testing::Person, by: &crate::testing::Person, to: &str) -> Answer {
    let path = format!("/api/v1/users/{}", whom.id);
    service.call(Method::PATCH, &path).by(by).json(&json!({"username": to})).send().await
}

async fn a_name_that_looks_like_anothers_is_taken(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (scope, admin) = (service.person("scope").await, service.administrator().await);
    service.register(&body("eve", SCOPE)).await.expect_problem(409, "username_taken");
    service.register(&body("eve", "ЅСОРЕ")).await.expect_problem(409, "username_taken");
    let mixed = service.register(&body("eve", "sсope")).await.expect_problem(422, "validation_failed");
    assert_eq!(
        (mixed.text("/errors/0/pointer"), mixed.text("/errors/0/code")),
        ("/username".into(), "confusable".into())
    );
    let eve = service.person("evelyn").await;
    for by in [&eve, &admin] {
        rename(&service, &eve, by, SCOPE).await.expect_problem(409, "username_taken");
        rename(&service, &eve, by, "еvelyn").await.expect_problem(422, "validation_failed");
    }
    service.person("tom").await;
    service.register(&body("t", "Том")).await.expect_problem(409, "username_taken");
    // Large and small letters of one script, each like another's: neither is written so throughout.
    service.person("Eva").await;
    service.register(&body("greek", "Ενα")).await.expect_problem(409, "username_taken");
    service.register(&body("nea", "ενα")).await.expect(201);
    let nea = service.sign_in("nea@example.org").await;
    rename(&service, &nea, &nea, "Ενα").await.expect_problem(409, "username_taken");
    // Of ASCII alone every name is its own.
    for name in ["modem", "modern", "illl", "lill"] {
        service.person(name).await;
    }
    rename(&service, &scope, &scope, SCOPE).await.expect(200);
    service.register(&body("late", "scope")).await.expect_problem(409, "username_taken");
    service.call(Method::DELETE, "/api/v1/users/me").by(&scope).send().await.expect(204);
    service.register(&body("late", "scope")).await.expect_problem(409, "username_taken");
    let ground = service.halt().await;
    let (setup, clock) = (Setup::on(backend), Setup::on(backend).clock);
    clock.advance(std::time::Duration::from_secs(31 * 86_400));
    let service = setup.at(clock).start_on(ground).await;
    service.until_count("SELECT count(*) FROM users WHERE purged_at IS NOT NULL", 1).await;
    service.register(&body("late", "scope")).await.expect(201);
    service.stop().await;
}

async fn of_many_who_look_alike_one_registers(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let names = ["scope", SCOPE, "Scope", "ЅСОРЕ"];
    let bodies = (0..16).map(|i| body(&format!("p{i}"), names[i % names.len()]));
    let answers = join_all(bodies.map(|body| async { service.register(&{ body }).await })).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.expect_problem(409, "username_taken");
    }
    service.stop().await;
}

async fn of_two_who_would_look_alike_one_gets_the_name(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let (ada, bob) = (service.person("adalovelace").await, service.person("bobby").await);
    for round in 0..6 {
        let third = body(&format!("third{round}"), "scope");
        let (a, (b, c)) = futures_util::future::join(
            rename(&service, &ada, &ada, "scope"),
            futures_util::future::join(rename(&service, &bob, &admin, SCOPE), service.register(&third)),
        )
        .await;
        let statuses = [a.status, b.status, c.status];
        let won = statuses.iter().filter(|status| [200, 201].contains(status)).count();
        assert_eq!(won, 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 2, "{statuses:?}");
        if c.status == 201 {
            break;
        }
        rename(&service, &ada, &ada, "adalovelace").await.expect(200);
        rename(&service, &bob, &admin, "bobby").await.expect(200);
    }
    service.stop().await;
}

async fn names_of_before_are_looked_at_too(backend: Backend) {
    let service = Setup::on(backend).start().await;
    for i in 0..450 {
        let id = uuid::Uuid::new_v4();
        let id = if backend == Backend::Sqlite { format!("x'{}'", id.simple()) } else { format!("'{id}'") };
        let name = if i == 449 { "scope".to_owned() } else { format!("of.before.{i}") };
        let columns =
            "id, seq, email, email_norm, username, username_norm, search, password_hash, roles, created_at, updated_at";
        let row = format!("{id}, {}, '{name}', '{name}', '{name}', '{name}', '', '', 'user', 0, 0", 1_000 + i);
        service.ground.run(&format!("INSERT INTO users ({columns}) VALUES ({row})")).await;
    }
    let ground = service.halt().await;
    let shared = ground.shared();
    let (first, second) =
        futures_util::future::join(Setup::on(backend).start_on(ground), Setup::on(backend).start_on(shared)).await;
    assert_eq!(first.ground.count("SELECT count(*) FROM users WHERE username_skeleton IS NULL").await, 0);
    second.register(&body("eve", SCOPE)).await.expect_problem(409, "username_taken");
    second.stop().await;
    first.stop().await;
}

async fn in_silence_a_name_that_looks_alike_tells_nothing(backend: Backend) {
    let service = Setup::on(backend).set("registration.disclose_existing", "false").start().await;
    let free = service.register(&body("ada", "scope")).await.expect(202);
    let alike = service.register(&body("eve", SCOPE)).await.expect(202);
    assert_eq!((free.bytes, free.status), (alike.bytes, alike.status));
    assert_eq!(service.ground.count("SELECT count(*) FROM users WHERE email = 'eve@example.org'").await, 0);
    service.stop().await;
}
