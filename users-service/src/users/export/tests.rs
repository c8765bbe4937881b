//! The export: all of it, nobody else's, no secret, and no table or column forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use shared::auth::User;
use shared::domain::ApiKeyId;

use crate::testing::{Answer, Backend, PASSWORD, Person, Running, Setup, database, on_both, password_hash};
use crate::users::held::{Holds, Purge, TABLES};

on_both! {
    everything_held_about_somebody_is_told_and_nothing_else,
    a_long_history_is_whole,
    an_export_asks_for_a_session_and_a_proof,
    a_head_gathers_nothing,
    every_table_and_column_is_exported_or_withheld_for_a_reason,
}

async fn export(service: &Running, by: &Person) -> Answer {
    service.call(Method::GET, "/api/v1/users/me/export").by(by).send().await
}

async fn everything_held_about_somebody_is_told_and_nothing_else(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    let body = json!({"email": "ada@example.org", "username": "adalovelace", "password": PASSWORD});
    service.call(Method::POST, "/api/v1/users").json(&body).key("mine").send().await.expect(201);
    let ada = service.sign_in("ada@example.org").await;
    let profile = json!({"first_name": "Ada", "last_name": "King", "birth_date": "1990-12-10"});
    service.call(Method::PUT, "/api/v1/users/me/profile").by(&ada).json(&profile).send().await.expect(200);
    let path = format!("/api/v1/users/{}", ada.id);
    let name = json!({"username": "countess"});
    service.call(Method::PATCH, &path).by(&admin).from("203.0.113.77").json(&name).send().await.expect(200);
    let hash = password_hash(&service.ground, "countess").await;
    let answer = export(&service, &ada).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"tollgate-2026-03-01.json\"");
    assert_eq!(answer.header("cache-control"), "no-store");
    let all = answer.json();
    assert_eq!((&all["user"]["email"], &all["user"]["username"]), (&json!("ada@example.org"), &json!("countess")));
    assert_eq!((&all["user"]["roles"], &all["user"]["email_verified"]), (&json!(["user"]), &json!(false)));
    assert_eq!((&all["profile"]["last_name"], &all["profile"]["phone"]), (&json!("King"), &json!(null)));
    assert_eq!(
        (&all["sessions"][0]["id"], &all["sessions"][0]["client_ip"]),
        (&json!(ada.claims.sid), &json!("192.0.2.7"))
    );
    assert_eq!(all["idempotency_keys"][0]["key"], "mine");
    assert_eq!(all["mails"][0]["template"], "verify_email");
    let events = all["audit_events"].as_array().unwrap();
    let of = |kind: &str| events.iter().find(|event| event["kind"] == kind).unwrap();
    let renamed = of("user.username_changed");
    assert_eq!(renamed["detail"]["before"], "adalovelace");
    assert_eq!(
        (&renamed["by_you"], &renamed["client_ip"]),
        (&json!(false), &json!(null)),
        "where others were is theirs"
    );
    assert_eq!(of("user.data_exported")["by_you"], true);
    assert_eq!(of("user.registered")["client_ip"], "192.0.2.7");
    let said = String::from_utf8(answer.bytes).unwrap();
    for secret in [hash.as_str(), PASSWORD, "argon2", "203.0.113.77", &admin.email, &admin.id.to_string()] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
    let theirs = export(&service, &admin).await.expect(200).json();
    let done = theirs["audit_events"].as_array().unwrap().iter().find(|event| event["kind"] == "user.username_changed");
    assert_eq!(done.unwrap()["detail"], json!(null), "what they did to others is the others'");
    service.stop().await;
}

async fn a_long_history_is_whole(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    for i in 0..410 {
        let id = uuid::Uuid::from_u128(i);
        let (id, user) = match backend {
            Backend::Sqlite => (format!("x'{}'", id.simple()), format!("x'{}'", ada.id.as_uuid().simple())),
            Backend::Postgres => (format!("'{id}'"), format!("'{}'", ada.id)),
        };
        let row = format!("{id}, {user}, 'api', 1, 0, 0, 9000000000000000, 'device {i}'");
        let columns = "id, user_id, scope, counter, rotated_at, created_at, expires_at, user_agent";
        service.ground.run(&format!("INSERT INTO sessions ({columns}) VALUES ({row})")).await;
    }
    let sessions = export(&service, &ada).await.expect(200).json()["sessions"].clone();
    let agents: std::collections::BTreeSet<_> =
        sessions.as_array().unwrap().iter().filter_map(|session| session["user_agent"].as_str()).collect();
    assert_eq!((sessions.as_array().unwrap().len(), agents.len()), (411, 410));
    service.stop().await;
}

async fn a_head_gathers_nothing(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let head = async || service.call(Method::HEAD, "/api/v1/users/me/export").by(&ada).send().await;
    let answer = head().await.expect(200);
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"tollgate-2026-03-01.json\"");
    assert_eq!((answer.header("content-type"), answer.bytes.len()), ("application/json".to_owned(), 0));
    let told = "SELECT count(*) FROM audit_events WHERE kind = 'user.data_exported'";
    assert_eq!(service.ground.count(told).await, 0, "nothing was taken");
    service.clock.advance(Duration::from_secs(301));
    assert_eq!(head().await.status, 401, "as GET");
    service.stop().await;
}

async fn an_export_asks_for_a_session_and_a_proof(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let as_user = |user: User| service.call(Method::GET, "/api/v1/users/me/export").user(user).send();
    let key = Some(ApiKeyId::generate(&service.clock));
    as_user(User { session: None, api_key: key, scope: "users:read api".to_owned(), ..ada.user() })
        .await
        .expect_problem(403, "forbidden");
    as_user(User { scope: "openid users:read".to_owned(), ..ada.user() }).await.expect_problem(403, "forbidden");
    service.call(Method::GET, "/api/v1/users/me/export").send().await.expect_problem(401, "token_required");
    service.clock.advance(Duration::from_secs(301));
    export(&service, &ada).await.expect_problem(401, "step_up_required");
    let proof = json!({"password": PASSWORD});
    service.call(Method::POST, "/api/v1/auth/step-up").by(&ada).json(&proof).send().await.expect(204);
    export(&service, &ada).await.expect(200);
    let told = "SELECT count(*) FROM audit_events WHERE kind = 'user.data_exported'";
    assert_eq!(service.ground.count(told).await, 1);
    service.call(Method::DELETE, "/api/v1/users/me").by(&ada).send().await.expect(204);
    assert!([401, 404].contains(&export(&service, &ada).await.status));
    service.stop().await;
}

/// Every table with its columns, from the database itself.
pub(in crate::users) async fn schema(service: &Running) -> BTreeMap<String, Vec<String>> {
    let database = database(&service.ground).await;
    let backend = database.read().get_database_backend();
    let sql = match backend {
        DbBackend::Sqlite => {
            "SELECT m.name AS name, p.name AS part FROM sqlite_master m, pragma_table_info(m.name) p \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"
        }
        _ => {
            "SELECT table_name::text AS name, column_name::text AS part FROM information_schema.columns \
             WHERE table_schema = 'public'"
        }
    };
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in database.read().query_all_raw(Statement::from_string(backend, sql)).await.unwrap() {
        tables.entry(row.try_get("", "name").unwrap()).or_default().push(row.try_get("", "part").unwrap());
    }
    database.close().await;
    tables
}

async fn every_table_and_column_is_exported_or_withheld_for_a_reason(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let tables = schema(&service).await;
    assert!(tables.len() > 10, "{tables:?}");
    for (name, columns) in &tables {
        let table = TABLES.iter().find(|table| table.name == name);
        let table = table.unwrap_or_else(|| panic!("`{name}` does not stand in users/held/tables.rs"));
        let (sections, withheld, purge) = match &table.holds {
            Holds::People { sections, withheld, purge } => (sections, withheld, purge),
            Holds::Nobody(why) => {
                assert!(!why.is_empty(), "{name}");
                continue;
            }
        };
        let shown: Vec<&str> = sections.iter().flat_map(|section| section.columns).map(|column| column.from).collect();
        for column in columns {
            let word = |from: &&str| from.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == column);
            let told = shown.iter().any(word) || withheld.iter().any(|(withheld, _)| withheld == column);
            assert!(told, "`{name}.{column}` is neither exported nor withheld: users/held/tables.rs");
        }
        for (column, why) in *withheld {
            assert!(columns.iter().any(|there| there == column) && !why.is_empty(), "{name} has no {column}");
        }
        if let Purge::Rows(column) = purge {
            assert!(columns.iter().any(|there| there == column), "{name} has no {column}");
        }
    }
    for table in TABLES {
        assert!(tables.contains_key(table.name), "there is no table {}", table.name);
    }
    let members = TABLES.iter().filter_map(|table| match &table.holds {
        Holds::People { sections, .. } => Some(sections.iter().map(|section| section.member)),
        Holds::Nobody(_) => None,
    });
    let mut members: Vec<_> = members.flatten().collect();
    let all = members.len();
    members.sort_unstable();
    members.dedup();
    assert_eq!(members.len(), all, "each member has a name of its own");
    let everybody: Value = json!(members);
    assert!(everybody.as_array().unwrap().contains(&json!("user")));
    service.stop().await;
}
