//! The chain: written once, checked to the last bit, one for all who write.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use shared::clock::Clock;
use shared::domain::UserId;

use super::*;
use crate::db::Kind as Db;
use crate::testing::{Backend, Setup, on_both};

on_both! {
    nothing_written_can_be_changed_or_removed,
    whatever_is_changed_is_found_and_named,
    rows_taken_added_or_cut_off_are_found,
    a_row_before_the_first_and_a_missing_head_are_found,
    what_a_purge_did_not_take_may_not_be_missing,
    what_is_rolled_back_leaves_no_record_and_what_has_no_record_is_not_done,
    of_many_who_write_at_once_one_chain_comes,
    of_two_services_one_chain_comes,
    what_could_not_be_written_is_written_later,
}

/// A service with some history, the number of the event in its middle, and its database.
async fn history(backend: Backend) -> (Running, Database, i64) {
    let service = Setup::on(backend).start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    let path = format!("/api/v1/users/{}/roles", ada.id);
    let call = service.call(Method::PUT, &path).by(&admin).header("x-request-id", "the-middle");
    call.json(&json!({"roles": ["user", "support"]})).send().await.expect(200);
    service.person("bobby").await;
    let database = database(&service.ground).await;
    let middle = events(&database).await.into_iter().find(|event| event.kind == "user.roles_changed").unwrap();
    assert!(middle.detail.as_deref().unwrap().contains("the-middle"), "sealed with the rest");
    assert_eq!(detail(&middle), json!({"before": ["user"], "after": ["user", "support"]}));
    (service, database, middle.seq)
}

async fn nothing_written_can_be_changed_or_removed(backend: Backend) {
    let (service, database, middle) = history(backend).await;
    let mut forbidden = vec![
        format!("UPDATE audit_events SET kind = 'x' WHERE seq = {middle}"),
        format!("UPDATE audit_events SET detail = '{{}}' WHERE seq = {middle}"),
        format!("UPDATE audit_events SET detail = NULL WHERE seq = {middle}"),
        format!("UPDATE audit_events SET detail = NULL, detail_salt = NULL, actor = NULL WHERE seq = {middle}"),
        format!("DELETE FROM audit_events WHERE seq = {middle}"),
        "UPDATE audit_head SET seq = seq - 1".to_owned(),
        "DELETE FROM audit_head".to_owned(),
    ];
    if database.kind() == Db::Postgres {
        forbidden.extend(["TRUNCATE audit_events".to_owned(), "TRUNCATE audit_head".to_owned()]);
    } else {
        let rest = "at, kind, outcome, actor_kind, origin_digest, detail_digest, hash";
        let again = |seq: &str, id: &str| {
            let what = format!("SELECT {seq}, {id}, {rest} FROM audit_events WHERE seq = {middle}");
            format!("INSERT OR REPLACE INTO audit_events (seq, id, {rest}) {what}")
        };
        forbidden.extend([again("seq", "id"), again("seq", "randomblob(16)"), again("seq + 1000", "id")]);
        forbidden.push("REPLACE INTO audit_head VALUES (1, 0, zeroblob(32))".to_owned());
    }
    for sql in forbidden {
        let refused = run(&database, &sql).await.expect_err(&sql).to_string();
        assert!(refused.contains("written once") || refused.contains("only moves on"), "{sql}: {refused}");
    }
    let purged = format!("UPDATE audit_events SET detail = NULL, detail_salt = NULL WHERE seq = {middle}");
    run(&database, &purged).await.unwrap();
    let verdict = verify(&database, None, i64::MAX).await.unwrap();
    assert!(matches!(verdict, Verdict::Broken { seq, .. } if seq == middle), "nobody was purged: {verdict:?}");
    database.close().await;
    service.stop().await;
}

/// As somebody who may do anything with the tables.
async fn unguard(database: &Database) {
    let triggers = match database.kind() {
        Db::Postgres => {
            vec!["ALTER TABLE audit_events DISABLE TRIGGER ALL", "ALTER TABLE audit_head DISABLE TRIGGER ALL"]
        }
        Db::Sqlite => vec![
            "DROP TRIGGER audit_events_no_update",
            "DROP TRIGGER audit_events_no_delete",
            "DROP TRIGGER audit_events_no_replace",
            "DROP TRIGGER audit_head_moves_on",
            "DROP TRIGGER audit_head_stays",
        ],
    };
    for sql in triggers {
        run(database, sql).await.unwrap();
    }
    run(database, "CREATE TABLE audit_copy AS SELECT * FROM audit_events").await.unwrap();
}

async fn restore(database: &Database) {
    run(database, "DELETE FROM audit_events").await.unwrap();
    run(database, "INSERT INTO audit_events SELECT * FROM audit_copy").await.unwrap();
}

async fn whatever_is_changed_is_found_and_named(backend: Backend) {
    let (service, database, middle) = history(backend).await;
    unguard(&database).await;
    let (id, salt, digest) = match database.kind() {
        Db::Postgres => ("gen_random_uuid()", "decode(repeat('01', 16), 'hex')", "decode(repeat('01', 32), 'hex')"),
        Db::Sqlite => ("randomblob(16)", "randomblob(16)", "randomblob(32)"),
    };
    let changes = [
        ("seq", "seq + 1000"),
        ("id", id),
        ("at", "at + 1"),
        ("kind", "'user.enabled'"),
        ("outcome", "'failed'"),
        ("actor_kind", "'system'"),
        ("actor", "'x'"),
        ("actor", "NULL"),
        ("subject_id", "NULL"),
        ("subject_id", id),
        ("session_id", "NULL"),
        ("session_id", id),
        ("origin_salt", salt),
        ("origin_salt", "NULL"),
        ("origin", "'192.0.2.8'"),
        ("origin", "NULL"),
        ("origin_digest", digest),
        ("detail_salt", salt),
        ("detail_salt", "NULL"),
        ("detail", "'{}'"),
        ("detail", "NULL"),
        ("detail_digest", digest),
        ("hash", digest),
        // As a purge would, but there was none.
        ("detail = NULL, detail_salt", "NULL"),
        ("origin = NULL, origin_salt", "NULL"),
    ];
    for (column, value) in changes {
        run(&database, &format!("UPDATE audit_events SET {column} = {value} WHERE seq = {middle}")).await.unwrap();
        let verdict = verify(&database, None, 0).await.unwrap();
        assert!(matches!(verdict, Verdict::Broken { seq, .. } if seq == middle), "{column} = {value}: {verdict:?}");
        restore(&database).await;
    }
    let columns: Vec<_> = <Column as sea_orm::Iterable>::iter().collect();
    for column in columns {
        let name = sea_orm::IdenStatic::as_str(&column).to_owned();
        assert!(changes.iter().any(|(changed, _)| *changed == name), "{name} is not tried");
    }
    assert!(matches!(verify(&database, None, 0).await.unwrap(), Verdict::Whole { taken: 0, .. }));
    database.close().await;
    service.stop().await;
}

async fn rows_taken_added_or_cut_off_are_found(backend: Backend) {
    let (service, database, middle) = history(backend).await;
    let Verdict::Whole { rows, head, .. } = verify(&database, None, 0).await.unwrap() else { panic!("not whole") };
    assert_eq!((rows, head.to_string().parse()), (head.seq.unsigned_abs(), Ok(head)));
    let rest =
        verify(&database, Some(Place { hash: row_hash(&database, middle).await, seq: middle }), 0).await.unwrap();
    assert_eq!(rest, Verdict::Whole { rows: (head.seq - middle).unsigned_abs(), taken: 0, head });
    unguard(&database).await;
    let broken_at = async |sql: &str, seq: i64, from: Option<Place>| {
        run(&database, sql).await.unwrap();
        let verdict = verify(&database, from, 0).await.unwrap();
        assert!(matches!(verdict, Verdict::Broken { seq: named, .. } if named == seq), "{sql}: {verdict:?}");
        restore(&database).await;
    };
    broken_at(&format!("DELETE FROM audit_events WHERE seq = {middle}"), middle, None).await;
    broken_at(&format!("DELETE FROM audit_events WHERE seq = {}", head.seq), head.seq, None).await;
    broken_at("DELETE FROM audit_events", 1, None).await;
    let columns = "at, kind, outcome, actor_kind, origin_digest, detail_digest, hash";
    let id = if database.kind() == Db::Postgres { "gen_random_uuid()" } else { "randomblob(16)" };
    let add = format!(
        "INSERT INTO audit_events (seq, id, {columns}) SELECT {}, {id}, {columns} FROM audit_events WHERE seq = {middle}",
        head.seq + 1
    );
    broken_at(&add, head.seq + 1, None).await;
    broken_at(&add, head.seq + 1, Some(head)).await;
    // Cut off together with the head, it looks whole; only who kept the head elsewhere sees it.
    run(&database, &format!("DELETE FROM audit_events WHERE seq > {middle}")).await.unwrap();
    let back =
        format!("UPDATE audit_head SET seq = {middle}, hash = (SELECT hash FROM audit_events WHERE seq = {middle})");
    run(&database, &back).await.unwrap();
    assert!(matches!(verify(&database, None, 0).await.unwrap(), Verdict::Whole { .. }));
    assert!(matches!(verify(&database, Some(head), 0).await.unwrap(), Verdict::Broken { seq, .. } if seq == head.seq));
    let other = Place { seq: middle, hash: [9; 32] };
    assert!(matches!(verify(&database, Some(other), 0).await.unwrap(), Verdict::Broken { seq, .. } if seq == middle));
    database.close().await;
    service.stop().await;
}

async fn a_row_before_the_first_and_a_missing_head_are_found(backend: Backend) {
    let (service, database, middle) = history(backend).await;
    unguard(&database).await;
    // The copy has no constraints.
    run(&database, "DROP TABLE audit_events; ALTER TABLE audit_copy RENAME TO audit_events").await.unwrap();
    assert!(matches!(verify(&database, None, 0).await.unwrap(), Verdict::Whole { .. }));
    let id = if database.kind() == Db::Postgres { "gen_random_uuid()" } else { "randomblob(16)" };
    let columns = "at, kind, outcome, actor_kind, origin_digest, detail_digest, hash";
    let add = format!(
        "INSERT INTO audit_events (seq, id, {columns}) SELECT -1, {id}, {columns} FROM audit_events WHERE seq = {middle}"
    );
    run(&database, &add).await.unwrap();
    let verdict = verify(&database, None, 0).await.unwrap();
    assert!(matches!(verdict, Verdict::Broken { seq: -1, .. }), "{verdict:?}");
    run(&database, "DELETE FROM audit_events WHERE seq < 1").await.unwrap();
    run(&database, "DELETE FROM audit_head").await.unwrap();
    let verdict = verify(&database, None, 0).await.unwrap();
    assert!(matches!(verdict, Verdict::Broken { seq: 0, .. }), "{verdict:?}");
    database.close().await;
    service.stop().await;
}

async fn what_a_purge_did_not_take_may_not_be_missing(backend: Backend) {
    let (service, database, middle) = history(backend).await;
    let event = |event: Event| async {
        let write = database.write().await.unwrap();
        write.audit(event);
        write.commit().await.unwrap();
        events(&database).await.pop().unwrap().seq
    };
    let failed = event(Event::new(Kind::SignInFailed, By::nobody(None), &service.clock)).await;
    let sweep = "SET origin = NULL, origin_salt = NULL, detail = NULL, detail_salt = NULL";
    run(&database, &format!("UPDATE audit_events {sweep} WHERE seq = {failed}")).await.unwrap();
    assert!(matches!(verify(&database, None, i64::MAX).await.unwrap(), Verdict::Whole { taken: 1, .. }), "it is old");
    assert!(matches!(verify(&database, None, 0).await.unwrap(), Verdict::Broken { seq, .. } if seq == failed));
    // Whoever it was done to is purged: that takes the detail, and leaves where the administrator was.
    let row = events(&database).await.into_iter().find(|event| event.seq == middle).unwrap();
    event(Event::new(Kind::UserPurged, By::system(), &service.clock).about(row.subject_id.unwrap().into())).await;
    let take = |what: &str| format!("UPDATE audit_events SET {what} = NULL, {what}_salt = NULL WHERE seq = {middle}");
    run(&database, &take("detail")).await.unwrap();
    assert!(matches!(verify(&database, None, i64::MAX).await.unwrap(), Verdict::Whole { taken: 2, .. }));
    run(&database, &take("origin")).await.unwrap();
    assert!(matches!(verify(&database, None, i64::MAX).await.unwrap(), Verdict::Broken { seq, .. } if seq == middle));
    database.close().await;
    service.stop().await;
}

async fn row_hash(database: &Database, seq: i64) -> [u8; 32] {
    let row = Entity::find_by_id(seq).one(database.read()).await.unwrap().unwrap();
    row.hash.try_into().unwrap()
}

async fn what_is_rolled_back_leaves_no_record_and_what_has_no_record_is_not_done(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let (admin, ada) = (service.administrator().await, service.person("adalovelace").await);
    let database = database(&service.ground).await;
    let before = events(&database).await;
    let event = || Event::new(Kind::UserDisabled, By::system(), &service.clock).about(ada.id);
    let write = database.write().await.unwrap();
    write.audit(event());
    write.rollback().await;
    let write = database.write().await.unwrap();
    write.audit(event());
    drop(write);
    // A refusal of the deed itself: the last administrator is not disabled.
    let path = format!("/api/v1/users/{}/disable", admin.id);
    service.call(Method::POST, &path).by(&admin).send().await.expect_problem(409, "last_administrator");
    assert_eq!(events(&database).await, before);

    run(&database, "ALTER TABLE audit_events RENAME TO elsewhere").await.unwrap();
    let disable =
        || service.call(Method::POST, &format!("/api/v2/users/{}/disable", ada.id)).by(&admin).key("d").send();
    disable().await.expect_problem(500, "internal_error");
    run(&database, "ALTER TABLE elsewhere RENAME TO audit_events").await.unwrap();
    let now = service.call(Method::GET, &format!("/api/v2/users/{}", ada.id)).by(&admin).send().await.expect(200);
    assert_eq!((now.text("/status"), events(&database).await), ("active".to_owned(), before));
    assert_eq!(disable().await.expect(200).text("/status"), "disabled");
    assert_eq!(disable().await.expect(200).header("idempotent-replayed"), "true");
    assert_eq!(count(&events(&database).await, Kind::UserDisabled), 1, "what is told again is not done again");
    assert!(matches!(verify(&database, None, 0).await.unwrap(), Verdict::Whole { .. }));
    database.close().await;
    service.stop().await;
}

async fn of_many_who_write_at_once_one_chain_comes(backend: Backend) {
    const WRITERS: usize = 6;
    const EACH: usize = 10;
    let service = Setup::on(backend).start().await;
    let before = events_of(&service.ground).await.len();
    // Each has a pool of its own, as two processes would.
    let databases = [database(&service.ground).await, database(&service.ground).await];
    let clock = Clock::system();
    let writer = async |number: usize| {
        for _ in 0..EACH {
            let write = databases[number % 2].write().await.unwrap();
            write.audit(Event::new(Kind::UserChanged, By::system(), &clock).about(UserId::generate(&clock)));
            write.audit(Event::new(Kind::UserChanged, By::system(), &clock).with("writer", number));
            write.commit().await.unwrap();
        }
    };
    join_all((0..WRITERS).map(writer)).await;
    let rows = u64::try_from(before + WRITERS * EACH * 2).unwrap();
    let verdict = verify(&databases[0], None, 0).await.unwrap();
    assert!(matches!(verdict, Verdict::Whole { rows: found, .. } if found == rows), "{verdict:?}");
    for database in databases {
        database.close().await;
    }
    service.stop().await;
}

async fn of_two_services_one_chain_comes(backend: Backend) {
    const EACH: usize = 8;
    let first = Setup::on(backend).start().await;
    let second = Setup::on(backend).at(first.clock.clone()).start_on(first.ground.shared()).await;
    let crowd = async |service: &Running, name: &str| {
        let one = async |number: usize| {
            service.person(&format!("{name}{number}")).await;
            service.password_grant(&format!("{name}{number}"), "wrong horse 9").await.expect(400);
        };
        join_all((0..EACH).map(one)).await;
    };
    futures_util::future::join(crowd(&first, "first"), crowd(&second, "second")).await;
    let database = database(&first.ground).await;
    let events = events(&database).await;
    for kind in [Kind::UserRegistered, Kind::SignInSucceeded, Kind::SignInFailed] {
        assert_eq!(count(&events, kind), 2 * EACH, "{}", kind.as_str());
    }
    assert_eq!(count(&events, Kind::AdministratorMade), 1);
    let verdict = verify(&database, None, 0).await.unwrap();
    assert!(matches!(verdict, Verdict::Whole { .. }), "{verdict:?}");
    database.close().await;
    second.stop().await;
    first.stop().await;
}

/// Until the service knows that what was stuck is written: a right password is let in again.
async fn until_writable(service: &Running) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
    while service.password_grant("adalovelace", crate::testing::PASSWORD).await.status == 503 {
        ticks.tick().await;
    }
}

async fn what_could_not_be_written_is_written_later(backend: Backend) {
    let service = Setup::on(backend).start().await;
    service.person("adalovelace").await;
    let database = database(&service.ground).await;
    run(&database, "ALTER TABLE audit_events RENAME TO elsewhere").await.unwrap();
    let refused = service.password_grant("adalovelace", "wrong horse 9").await.expect_problem(500, "internal_error");
    assert!(!String::from_utf8_lossy(&refused.bytes).contains("audit"));
    run(&database, "ALTER TABLE elsewhere RENAME TO audit_events").await.unwrap();
    until_events(&service, |events| count(events, Kind::SignInFailed) == 1).await;
    until_writable(&service).await;
    service.password_grant("adalovelace", "wrong horse 9").await.expect_problem(400, "invalid_grant");
    let scrape = service.call(Method::GET, "/metrics").send().await.expect(200).bytes;
    let scrape = String::from_utf8(scrape).unwrap();
    for line in [
        "tollgate_users_audit_events_total{kind=\"sign_in.failed\",outcome=\"failed\"} 2",
        "tollgate_users_audit_events_lost_total 0",
        "tollgate_users_audit_queue 0",
    ] {
        assert!(scrape.contains(line), "{line} is not in\n{scrape}");
    }
    database.close().await;
    service.stop().await;
}
