//! Failed sign-ins: the same rows whoever it is, and a flood of them writes no more than a trickle.

use std::collections::HashSet;

use futures_util::future::{FutureExt, join_all};
use reqwest::Method;
use serde_json::json;

use super::*;
use crate::testing::{Backend, PASSWORD, Setup, on_both};

on_both! {
    a_failed_sign_in_is_the_same_row_whoever_it_is,
    what_is_throttled_is_one_event_a_window,
    what_finds_no_room_is_one_event_a_window,
    no_failure_goes_unrecorded_where_the_queue_is_full,
    with_no_place_nothing_is_tried,
    many_failures_are_few_transactions,
    what_an_end_leaves_unwritten_is_counted,
    who_hangs_up_leaves_what_was_decided,
    while_nothing_can_be_written_right_and_wrong_are_refused_alike,
    who_waits_behind_what_cannot_be_written_is_told_too,
    nobody_waits_for_ever,
}

async fn a_failed_sign_in_is_the_same_row_whoever_it_is(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let admin = service.administrator().await;
    for (name, call) in [("disabled", "disable"), ("deleted", "")] {
        let person = service.person(name).await;
        let path = format!("/api/v1/users/{}", person.id);
        match call {
            "" => service.call(Method::DELETE, &path).by(&admin).send().await.expect(204),
            call => service.call(Method::POST, &format!("{path}/{call}")).by(&admin).send().await.expect(200),
        };
    }
    service.person("known").await;
    let database = database(&service.ground).await;
    let before = events(&database).await.len();
    let long = "x".repeat(5_000);
    let attempts = [
        ("known", "wrong horse 9"),
        ("known@example.org", "wrong horse 9"),
        ("unknown", PASSWORD),
        ("unknown@example.org", PASSWORD),
        ("disabled", PASSWORD),
        ("deleted", PASSWORD),
        ("my password 1 by mistake", PASSWORD),
        (long.as_str(), PASSWORD),
    ];
    for (who, password) in attempts {
        service.password_grant(who, password).await.expect_problem(400, "invalid_grant");
    }
    let events = events(&database).await.split_off(before);
    assert_eq!(events.len(), attempts.len(), "one row each");
    let shape = |event: &Model| {
        let detail = detail(event);
        let members: Vec<_> =
            detail.as_object().unwrap().iter().map(|(k, v)| (k.clone(), v.to_string().len())).collect();
        let words =
            [event.kind.clone(), event.outcome.clone(), event.actor_kind.clone(), event.origin.clone().unwrap()];
        let absent = [event.actor.is_none(), event.subject_id.is_none(), event.session_id.is_none()];
        (words, absent, event.detail.as_ref().map(String::len), members)
    };
    assert_eq!(events.iter().map(shape).collect::<HashSet<_>>().len(), 1, "{events:#?}");
    let text = format!("{events:?}");
    for (who, _) in attempts {
        assert!(!text.contains(who), "{who}");
    }
    let names: HashSet<_> = events.iter().map(|event| detail(event)["identifier"].to_string()).collect();
    assert_eq!(names.len(), attempts.len(), "told apart all the same");
    database.close().await;
    service.stop().await;
}

async fn what_is_throttled_is_one_event_a_window(backend: Backend) {
    let setup = Setup::on(backend).set("throttle.enabled", "true").set("throttle.attempts", "3");
    let service = setup.set("audit.window", "1h").start().await;
    for _ in 0..3 {
        service.password_grant("nobody", "wrong horse 9").await.expect_problem(400, "invalid_grant");
    }
    for _ in 0..20 {
        service.password_grant("nobody", "wrong horse 9").await.expect_problem(429, "rate_limited");
    }
    let ground = service.halt().await;
    let events = events_of(&ground).await;
    let of = |kind: Kind| events.iter().filter(|event| event.kind == kind.as_str()).collect::<Vec<_>>();
    let (failed, throttled) = (of(Kind::SignInFailed), of(Kind::SignInThrottled));
    assert_eq!((failed.len(), throttled.len()), (3, 1));
    assert_eq!(detail(throttled[0])["times"], 20);
    assert_eq!(detail(throttled[0])["identifier"], detail(failed[0])["identifier"]);
    assert_eq!(throttled[0].origin.as_deref(), Some("192.0.2.7"));
    Setup::on(backend).start_on(ground).await.stop().await;
}

async fn what_finds_no_room_is_one_event_a_window(backend: Backend) {
    let setup = Setup::on(backend).set("hashing.workers", "1").set("hashing.queue", "1");
    let service = setup.set("hashing.memory_kib", "8192").set("audit.window", "1h").start().await;
    let answers = join_all((0..30).map(|_| service.password_grant("nobody", PASSWORD))).await;
    let shed = answers.iter().filter(|answer| answer.status == 503).count();
    assert!(shed > 0);
    let ground = service.halt().await;
    let events = events_of(&ground).await;
    assert_eq!(count(&events, Kind::SignInFailed), 30 - shed);
    let told: Vec<_> = events.iter().filter(|event| event.kind == Kind::SignInShed.as_str()).collect();
    assert_eq!((told.len(), detail(told[0])["times"].clone()), (1, json!(shed)));
    Setup::on(backend).start_on(ground).await.stop().await;
}

async fn no_failure_goes_unrecorded_where_the_queue_is_full(backend: Backend) {
    let service = Setup::on(backend).set("audit.queue", "2").set("hashing.workers", "4").start().await;
    let answers = join_all((0..40).map(|_| service.password_grant("nobody", PASSWORD))).await;
    let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!(with(400) + with(503), 40);
    assert!(with(400) > 0);
    let ground = service.halt().await;
    assert_eq!(count(&events_of(&ground).await, Kind::SignInFailed), with(400));
    Setup::on(backend).start_on(ground).await.stop().await;
}

async fn with_no_place_nothing_is_tried(backend: Backend) {
    let service = Setup::on(backend).set("audit.queue", "2").start().await;
    service.person("adalovelace").await;
    let before = events_of(&service.ground).await.len();
    let event = || Event::new(Kind::SignInFailed, By::nobody(None), &service.clock);
    let places = [service.journal.attempt(event()).unwrap(), service.journal.attempt(event()).unwrap()];
    for password in [PASSWORD, "wrong horse 9"] {
        service.password_grant("adalovelace", password).await.expect_problem(503, "overloaded");
    }
    assert_eq!(events_of(&service.ground).await.len(), before, "not even the right one was looked at");
    drop(places);
    service.password_grant("adalovelace", "wrong horse 9").await.expect_problem(400, "invalid_grant");
    service.sign_in("adalovelace@example.org").await;
    service.stop().await;
}

async fn many_failures_are_few_transactions(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let database = database(&service.ground).await;
    let (journal, scribe) = journal(&service, &database, 1_024);
    let event = || Event::new(Kind::SignInFailed, By::nobody(None), &service.clock);
    let attempts: Vec<_> = (0..500).map(|_| journal.attempt(event()).unwrap()).collect();
    assert_eq!(journal.queued(), 500);
    let writing = join_all(attempts.into_iter().map(crate::audit::journal::Attempt::record));
    let (written, ()) = futures_util::future::join(writing, async {
        journal.close();
        scribe.run().await;
    })
    .await;
    assert!(written.iter().all(Result::is_ok));
    assert_eq!(count(&events(&database).await, Kind::SignInFailed), 500);
    if backend == Backend::Postgres {
        let sql = "SELECT count(DISTINCT xmin::text) AS n FROM audit_events WHERE kind = 'sign_in.failed'";
        let row = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql);
        let row = database.read().query_one_raw(row).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), 2, "256 at once");
    }
    database.close().await;
    service.stop().await;
}

fn journal(service: &Running, database: &Database, queue: usize) -> (Journal, crate::audit::scribe::Scribe) {
    let names = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[1; 32]);
    let config = crate::config::Audit { queue, window: std::time::Duration::from_secs(60).into() };
    Journal::open(&config, database.clone(), service.clock.clone(), names)
}

async fn what_an_end_leaves_unwritten_is_counted(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let database = database(&service.ground).await;
    let (journal, scribe) = journal(&service, &database, 4);
    let event = Event::new(Kind::SignInFailed, By::nobody(None), &service.clock);
    let refusal = Refusal { kind: Kind::SignInShed, subject: None, identifier: None, by: By::nobody(None) };
    journal.count(refusal);
    let waiting = journal.attempt(event).unwrap().record();
    let (answer, ()) = futures_util::future::join(waiting, async { drop(scribe) }).await;
    assert!(answer.unwrap_err().is_unavailable(), "who waits is told");
    let scrape = crate::metrics::Metrics::new(database.tally()).scrape(0, (journal.queued(), journal.is_stuck()));
    assert!(scrape.contains("tollgate_users_audit_events_lost_total 2"), "{scrape}");
    database.close().await;
    service.stop().await;
}

async fn who_hangs_up_leaves_what_was_decided(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let database = database(&service.ground).await;
    let (journal, scribe) = journal(&service, &database, 4);
    let scribe = tokio::spawn(scribe.run());
    let event = |number: i64| Event::new(Kind::SignInFailed, By::nobody(None), &service.clock).with("number", number);
    drop(journal.attempt(event(1)).unwrap());
    // As far as it gets before its client is gone.
    assert!(journal.attempt(event(2)).unwrap().record().now_or_never().is_none());
    journal.attempt(event(3)).unwrap().record().await.unwrap();
    journal.close();
    scribe.await.unwrap();
    let written: Vec<_> =
        events(&database).await.iter().filter(|event| event.kind == "sign_in.failed").map(detail).collect();
    assert_eq!(written, [json!({"number": 2}), json!({"number": 3})]);
    assert!(journal.attempt(event(4)).is_err(), "closed");
    database.close().await;
    service.stop().await;
}

async fn while_nothing_can_be_written_right_and_wrong_are_refused_alike(backend: Backend) {
    let service = Setup::on(backend).start().await;
    service.person("adalovelace").await;
    let database = database(&service.ground).await;
    run(&database, "ALTER TABLE audit_events RENAME TO elsewhere").await.unwrap();
    service.password_grant("adalovelace", "wrong horse 9").await.expect(500);
    for password in ["wrong horse 9", PASSWORD, "wrong horse 9"] {
        let answer = service.password_grant("adalovelace", password);
        let answer = tokio::time::timeout(std::time::Duration::from_secs(4), answer).await.expect("answered at once");
        answer.expect_problem(503, "database_unavailable");
    }
    assert!(service.app.journal.is_stuck());
    run(&database, "ALTER TABLE elsewhere RENAME TO audit_events").await.unwrap();
    until_events(&service, |events| count(events, Kind::SignInFailed) == 1).await;
    assert!(!service.app.journal.is_stuck());
    database.close().await;
    service.stop().await;
}

async fn who_waits_behind_what_cannot_be_written_is_told_too(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let database = database(&service.ground).await;
    let (journal, scribe) = journal(&service, &database, 4);
    let scribe = tokio::spawn(scribe.run());
    let event = || Event::new(Kind::SignInFailed, By::nobody(None), &service.clock);
    let (first, second) = (journal.attempt(event()).unwrap(), journal.attempt(event()).unwrap());
    run(&database, "ALTER TABLE audit_events RENAME TO elsewhere").await.unwrap();
    first.record().await.unwrap_err();
    let told = tokio::time::timeout(std::time::Duration::from_secs(4), second.record()).await.expect("told at once");
    told.unwrap_err();
    let refused = journal.attempt(event()).unwrap_err();
    assert_eq!(refused.code(), shared::problem::Code::DatabaseUnavailable, "before any work");
    run(&database, "ALTER TABLE elsewhere RENAME TO audit_events").await.unwrap();
    let written = until_events(&service, |events| count(events, Kind::SignInFailed) == 2).await;
    assert_eq!(count(&written, Kind::SignInFailed), 2, "neither is lost");
    journal.close();
    scribe.await.unwrap();
    database.close().await;
    service.stop().await;
}

async fn nobody_waits_for_ever(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let database = database(&service.ground).await;
    let (journal, scribe) = journal(&service, &database, 4);
    let attempt = journal.attempt(Event::new(Kind::SignInFailed, By::nobody(None), &service.clock)).unwrap();
    let late = attempt.record().await;
    assert!(late.unwrap_err().is_unavailable());
    drop(scribe);
    database.close().await;
    service.stop().await;
}
