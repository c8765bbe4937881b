//! What is left of somebody thirty days after they were deleted: nothing, wherever it was.

use std::time::Duration;

use futures_util::future::join;
use reqwest::Method;
use serde_json::json;

use crate::testing::{Backend, Browser, Device, PASSWORD, Person, Running, Setup, database, on_both};
use crate::users::export::schema;
use crate::users::held::{Holds, Purge, TABLES, Table};

on_both! {
    after_a_purge_no_table_knows_them,
    a_restore_and_a_purge_leave_one_winner,
}

/// Marks that only one person leaves.
const MARKS: [&str; 12] = [
    "zebedee",
    "zebulon",
    "quirinus",
    "Quirinus Zed",
    "wickersham",
    "1961-07-13",
    "+14155557777",
    "xanadu",
    "198.51.100.9",
    "zeb-key",
    "64738",
    "correct horse",
];

async fn lives(service: &Running, admin: &Person) -> Person {
    const HOME: &str = "198.51.100.9";
    let body =
        json!({"email": "zebedee@example.org", "username": "zebedee", "password": PASSWORD, "name": "Quirinus Zed"});
    service.call(Method::POST, "/api/v1/users").from(HOME).json(&body).key("zeb-key").send().await.expect(201);
    let grant = |password: &'static str| {
        let fields = [("grant_type", "password"), ("username", "zebedee@example.org"), ("password", password)];
        service.call(Method::POST, "/api/v1/auth/token").from(HOME).form(&fields).send()
    };
    grant("wrong horse 9").await.expect(400);
    let zeb = Person::of("zebedee@example.org", &grant(PASSWORD).await.expect(200));
    let profile = json!({
        "first_name": "quirinus", "last_name": "wickersham", "birth_date": "1961-07-13", "phone": "+14155557777",
        "address": {"street": "1 xanadu", "city": "xanadu", "state": "NY", "zip_code": "64738"},
    });
    service.call(Method::PUT, "/api/v1/users/me/profile").by(&zeb).from(HOME).json(&profile).send().await.expect(200);
    service.call(Method::GET, "/api/v1/users/me/export").by(&zeb).from(HOME).send().await.expect(200);
    let path = format!("/api/v2/users/{}", zeb.id);
    let moved = json!({"email": "zebulon@example.org", "username": "zebulon"});
    service.call(Method::PATCH, &path).by(admin).json(&moved).send().await.expect(200);
    for (call, key) in [("disable", "a"), ("enable", "b")] {
        let call = service.call(Method::POST, &format!("{path}/{call}")).by(admin).key(key);
        call.send().await.expect(200);
    }
    for call in ["password/forgot", "email/resend"] {
        let address = json!({"email": "zebulon@example.org"});
        service.call(Method::POST, &format!("/api/v1/auth/{call}")).json(&address).send().await.expect(202);
    }
    service
        .register(&json!({"email": "zebulon@example.org", "username": "somebody", "password": PASSWORD}))
        .await
        .expect(409);
    belongings(service, admin).await;
    service.until_mails("waiting", 0).await;
    for (table, rows) in held(service, &zeb).await {
        assert!(
            rows > 0,
            "nothing of theirs is in {table}: have them leave something there, or a purge of it is not tested"
        );
    }
    service.call(Method::DELETE, &path).by(admin).key("c").send().await.expect(204);
    zeb
}

/// Something in each place where something of somebody can be.
async fn belongings(service: &Running, admin: &Person) {
    let zeb = service.sign_in("zebulon").await;
    let role = json!({"name": "keeper", "permissions": ["audit:read"]});
    service.call(Method::POST, "/api/v1/roles").by(admin).json(&role).send().await.expect(201);
    let roles = json!({"roles": ["user", "keeper"]});
    let path = format!("/api/v1/users/{}/roles", zeb.id);
    service.call(Method::PUT, &path).by(admin).json(&roles).send().await.expect(200);
    let key = json!({"name": "xanadu", "scopes": ["users:read"]});
    service.call(Method::POST, "/api/v1/users/me/api-keys").by(&zeb).json(&key).send().await.expect(201);
    let mut image = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(8, 8).write_to(&mut image, image::ImageFormat::Png).unwrap();
    let image = image.into_inner();
    service.call(Method::PUT, "/api/v1/users/me/avatar").by(&zeb).bytes("image/png", &image).send().await.expect(202);
    // A client that they let in: a session of its own, what it may do, and a second request that waits for its code.
    let client = service.web_client(&["openid"]).await;
    let code = Browser::new(service).code(&client, "openid", "zebulon").await;
    service.redeem(&client, &code).await.expect(200);
    Browser::new(service).code(&client, "openid", "zebulon").await;
    service.add_passkey(&zeb, &mut Device::new()).await;
    service.enrol(&zeb).await;
}

/// How many rows of theirs are in each table whose rows a purge takes by their id.
async fn held(service: &Running, person: &Person) -> Vec<(&'static str, i64)> {
    let id = match service.ground.url.starts_with("sqlite") {
        true => format!("x'{}'", person.id.as_uuid().simple()),
        false => format!("'{}'", person.id),
    };
    let mut counts = Vec::new();
    for Table { name, holds } in TABLES {
        let column = match holds {
            Holds::People { purge: Purge::Rows(column), .. } => column,
            Holds::People { purge: Purge::Specially, .. } if matches!(*name, "mails" | "audit_events") => {
                if *name == "mails" { "user_id" } else { "subject_id" }
            }
            // By marks: what is theirs in it is not named by their id alone.
            Holds::People { purge: Purge::Specially, .. } | Holds::Nobody(_) => continue,
        };
        let sql = format!("SELECT count(*) FROM {name} WHERE {column} = {id}");
        counts.push((*name, service.ground.count(&sql).await));
    }
    counts
}

/// Where each mark is, in whatever table and column, as text or as bytes.
async fn marks(service: &Running, backend: Backend) -> Vec<String> {
    let mut found = Vec::new();
    for (table, columns) in schema(service).await {
        for column in columns {
            let there = |mark: &&str| {
                let bytes = hex::encode(mark);
                match backend {
                    Backend::Sqlite => format!("instr(CAST(\"{column}\" AS BLOB), x'{bytes}') > 0"),
                    Backend::Postgres => {
                        format!("\"{column}\"::text LIKE '%{mark}%' OR \"{column}\"::text LIKE '%{bytes}%'")
                    }
                }
            };
            let count = async |there: &str| {
                service.ground.count(&format!("SELECT count(*) FROM \"{table}\" WHERE {there}")).await
            };
            // All of them in one question: most columns have none.
            let any = MARKS.iter().map(there).collect::<Vec<_>>().join(" OR ");
            if count(&any).await == 0 {
                continue;
            }
            for mark in MARKS {
                if count(&there(&mark)).await > 0 {
                    found.push(format!("{table}.{column}: {mark}"));
                }
            }
        }
    }
    found
}

async fn after_a_purge_no_table_knows_them(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let zeb = lives(&service, &admin).await;
    let before = marks(&service, backend).await;
    for table in ["users", "sessions", "idempotency_keys", "audit_events", "links"] {
        assert!(before.iter().any(|place| place.starts_with(table)), "{table} is not in {before:?}");
    }
    for mark in MARKS.into_iter().filter(|mark| *mark != "correct horse") {
        assert!(before.iter().any(|place| place.ends_with(mark)), "{mark} is not in {before:?}");
    }
    let clock = service.clock.clone();
    clock.advance(Duration::from_secs(31 * 86_400));
    let setup = Setup::on(backend).at(clock).set("retention.idempotency_keys", "90d").set("retention.mails", "90d");
    let service = setup.start_on(service.halt().await).await;
    service.until_count("SELECT count(*) FROM users WHERE purged_at IS NOT NULL", 1).await;
    assert_eq!(marks(&service, backend).await, Vec::<String>::new());
    for (table, rows) in held(&service, &zeb).await {
        // That something was done to them stays, without who they were.
        assert_eq!(rows > 0, table == "audit_events", "{table}: {rows}");
    }
    let admin = service.administrator().await;
    let path = format!("/api/v1/users/{}", zeb.id);
    service.call(Method::GET, &path).by(&admin).send().await.expect_problem(404, "not_found");
    for (call, status, code) in [("restore", 409, "state_conflict"), ("enable", 404, "not_found")] {
        let call = service.call(Method::POST, &format!("{path}/{call}")).by(&admin);
        call.send().await.expect_problem(status, code);
    }
    let again = json!({"email": "zebulon@example.org", "username": "zebulon", "password": PASSWORD});
    service.register(&again).await.expect(201);
    service.stop().await;
}

async fn a_restore_and_a_purge_leave_one_winner(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let database = database(&service.ground).await;
    let (mut restored, mut purged) = (0, 0);
    for round in 0..8 {
        let person = service.person(&format!("person{round}")).await;
        service.call(Method::DELETE, "/api/v1/users/me").by(&person).send().await.expect(204);
        let path = format!("/api/v2/users/{}/restore", person.id);
        let restore = async {
            // Sometimes one is first, sometimes the other.
            for _ in 0..round % 4 {
                tokio::task::yield_now().await;
            }
            service.call(Method::POST, &path).by(&admin).send().await
        };
        let (answer, swept) = join(restore, super::super::purge(&database, i64::MAX, &service.clock)).await;
        swept.unwrap();
        let kept = format!("SELECT count(*) FROM users WHERE email = '{}' AND purged_at IS NULL", person.email);
        match answer.status {
            200 => {
                assert_eq!(
                    (answer.text("/email"), answer.text("/status")),
                    (person.email.clone(), "active".to_owned())
                );
                assert_eq!(service.ground.count(&kept).await, 1);
                restored += 1;
            }
            _ => {
                answer.expect_problem(409, "state_conflict");
                assert_eq!(service.ground.count(&kept).await, 0);
                purged += 1;
            }
        }
    }
    assert_eq!(restored + purged, 8);
    let told = service.ground.count("SELECT count(*) FROM audit_events WHERE kind = 'user.purged'").await;
    assert_eq!(told, purged);
    database.close().await;
    service.stop().await;
}
