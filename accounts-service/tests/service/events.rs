//! The change feed: in the order of commit, resumable at any place, and none skipped.

use std::collections::HashSet;
use std::rc::Rc;

use accounts_service::db::Database;
use futures_util::future::{join, join_all};
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use shared::auth::User;
use shared::clock::Clock;
use shared::domain::Role;

use crate::client::{pay, someone, treasurer, user};
use crate::narrowed::walk;
use crate::on_both;
use crate::recorded::{Hold, pending, transfer};
use crate::stack::Stack;

on_both!(
    an_event_is_a_cloud_event_with_what_it_tells_of,
    everybody_is_told_of_their_own,
    no_event_is_skipped_while_two_processes_write,
    a_feed_goes_on_from_any_place,
);

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

async fn an_event_is_a_cloud_event_with_what_it_tells_of(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 100).await;
    let to = stack.client.open(&who, "user").await;
    let paid = stack.client.transfer(&who, "a", &pay(&from, &to, 1)).await.expect(201).json();
    let path = format!("/api/v1/accounts/{to}");
    let patch = Some(json!({"name": "Renamed"}).to_string());
    let renamed = stack.client.raw(&who, "PATCH", &path, &[], patch).await.expect(200).json();
    let events = walk(&stack, &who, "/api/v2/events?", 2).await;
    let expected = ["account.opened", "transfer.posted", "account.opened", "transfer.posted", "account.renamed"];
    assert_eq!(kinds(&events), expected);
    let whole = json!({
        "specversion": "1.0", "id": paid["id"], "source": "urn:tollgate:accounts", "type": "transfer.posted",
        "subject": paid["id"], "time": paid["posted_at"], "datacontenttype": "application/json", "data": paid,
    });
    assert_eq!(events[3], whole);
    assert_eq!((&events[4]["subject"], &events[4]["data"]), (&json!(to), &renamed));
    let ids: HashSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), events.len());
}

async fn everybody_is_told_of_their_own(stack: Rc<Stack>) {
    let (payer, payee, officer) = (user(), user(), someone(&[Role::Support]));
    let from = stack.client.funded(&payer, 100).await;
    let to = stack.client.open(&payee, "user").await;
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let past = Some(Clock::system().now_micros() - 1);
    let open = Hold { amount: 5, posted: 0, state: "open", expires_at: None };
    let held = pending(&db, (&from, &to), open).await;
    transfer(&db, (&from, &to), ("voided", 5), (Some(held), None)).await;
    pending(&db, (&from, &to), Hold { state: "expired", expires_at: past, ..open }).await;
    stack.client.transfer(&payer, "a", &pay(&from, &to, 1)).await.expect(201);
    stack.client.post(&treasurer(), &format!("/api/v1/accounts/{from}/freeze"), &[], &json!({})).await.expect(200);
    let stranger = stack.client.funded(&user(), 1).await;
    db.pool.close().await.unwrap();

    let all = walk(&stack, &officer, "/api/v1/events?scope=all&", 3).await;
    let between = ["transfer.pending", "transfer.voided", "transfer.pending", "transfer.expired", "transfer.posted"];
    let of_payer = [&["account.opened", "transfer.posted"][..], &between, &["account.frozen"]].concat();
    let of_payee = [&["account.opened"][..], &between].concat();
    for (who, expected) in [(&payer, of_payer), (&payee, of_payee)] {
        let own = walk(&stack, who, "/api/v1/events?", 2).await;
        assert_eq!(kinds(&own), expected);
        assert!(own.iter().all(|event| all.contains(event)), "an event looks alike to everybody");
        assert!(!own.iter().any(|event| event.to_string().contains(&stranger)));
    }
    assert!(walk(&stack, &user(), "/api/v1/events?", 2).await.is_empty());
    for types in
        ["transfer.posted", "transfer.pending,transfer.voided", "transfer.expired", "account.opened,account.frozen"]
    {
        for (who, scope) in [(&payer, "own"), (&payee, "own"), (&officer, "all")] {
            let whole = walk(&stack, who, &format!("/api/v1/events?scope={scope}&"), 100).await;
            let wanted = |event: &&Value| types.split(',').any(|kind| event["type"] == kind);
            let expected: Vec<_> = whole.iter().filter(wanted).cloned().collect();
            let some = walk(&stack, who, &format!("/api/v1/events?scope={scope}&types={types}&"), 1).await;
            assert_eq!(some, expected, "{types} {scope}");
        }
    }
    let of_hold = all.iter().find(|event| event["type"] == "transfer.pending").unwrap();
    assert_eq!((&of_hold["data"]["status"], &of_hold["data"]["id"]), (&json!("pending"), &json!(held)));
    for (wrong, status) in [
        ("scope=all", 403),
        ("types=transfer.postd", 422),
        ("types=", 422),
        ("cursor=x", 400),
        ("limit=0", 422),
        ("x=1", 422),
    ] {
        assert_eq!(stack.client.get(&payer, &format!("/api/v1/events?{wrong}")).await.status, status, "{wrong}");
    }
}

/// The next page beyond a cursor, and the cursor beyond it.
async fn page(stack: &Stack, who: &User, query: &str, cursor: &str) -> (Vec<Value>, String, bool) {
    let path = format!("/api/v1/events?{query}&cursor={cursor}");
    let page = stack.client.get(who, &path).await.expect(200).json();
    let next = page["page"]["next_cursor"].as_str().unwrap().to_owned();
    (page["data"].as_array().unwrap().clone(), next, page["page"]["has_more"] == true)
}

async fn no_event_is_skipped_while_two_processes_write(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 1_000).await;
    let to = stack.client.open(&who, "user").await;
    let second = Stack::start(stack.url.clone()).await;
    let (officer, body) = (someone(&[Role::Support]), pay(&from, &to, 1));
    let (_, start, _) = page(&stack, &who, "limit=1", "end").await;
    let write = async |service: &Stack, name: &str| {
        for round in 0..12 {
            let keys: Vec<_> = (0..6).map(|n| format!("{name}-{round}-{n}")).collect();
            let paid = join_all(keys.iter().map(|key| service.client.transfer(&who, key, &body)));
            let (paid, _) = join(paid, service.client.open(&who, "user")).await;
            paid.into_iter().for_each(|answer| drop(answer.expect(201)));
        }
    };
    let written = (2 * 12 * 7, "account.opened");
    let follow = async |service: &Stack, who: &User, query: &str| {
        let (mut seen, mut cursor) = (Vec::new(), start.clone());
        while seen.len() < written.0 {
            let (events, next, _) = page(service, who, query, &cursor).await;
            seen.extend(events);
            cursor = next;
        }
        seen
    };
    let writing = join(write(&stack, "one"), write(&second, "two"));
    let following = join(follow(&stack, &who, "limit=9"), follow(&second, &officer, "limit=100&scope=all"));
    let (_, (own, all)) = join(writing, following).await;
    assert_eq!(own, all);
    let ids: HashSet<_> = own.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), written.0, "none twice");
    assert_eq!(kinds(&own).iter().filter(|kind| **kind == written.1).count(), 24);
    // In the order of commit, as the outbox has it.
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let rows = "SELECT id FROM outbox_events ORDER BY position";
    let rows = db.pool.query_all_raw(Statement::from_string(db.pool.get_database_backend(), rows)).await.unwrap();
    let recorded: Vec<_> = rows.iter().map(|row| row.try_get_by_index::<uuid::Uuid>(0).unwrap().to_string()).collect();
    let read: Vec<_> = own.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(recorded[recorded.len() - read.len()..], read);
    db.pool.close().await.unwrap();
    second.stop().await;
}

async fn a_feed_goes_on_from_any_place(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 100).await;
    let to = stack.client.open(&who, "user").await;
    let (nothing, end, more) = page(&stack, &who, "limit=5", "end").await;
    assert_eq!((nothing.len(), more), (0, false));
    // Nothing has happened since, and the same place is handed out again.
    assert_eq!(page(&stack, &who, "limit=5", &end).await, (Vec::new(), end.clone(), false));
    for n in 0..3 {
        stack.client.transfer(&who, &n.to_string(), &pay(&from, &to, 1)).await.expect(201);
    }
    stack.client.funded(&user(), 1).await;
    let (events, next, more) = page(&stack, &who, "limit=2", &end).await;
    assert_eq!((events.len(), more), (2, true));
    // A place is one of the whole feed: whoever narrows it goes on from there.
    let (rest, last, more) = page(&stack, &who, "limit=2&types=transfer.posted", &next).await;
    assert_eq!((rest.len(), more), (1, false));
    assert_eq!(page(&stack, &who, "limit=2", &last).await, (Vec::new(), last.clone(), false));
    let (of_other_kind, reached, more) = page(&stack, &who, "types=account.closed", &end).await;
    assert_eq!((of_other_kind.len(), reached, more), (0, last, false));
    let elsewhere = stack.client.get(&who, "/api/v1/transfers?limit=1").await.json();
    let foreign = elsewhere["page"]["next_cursor"].as_str().unwrap();
    let refused = stack.client.get(&who, &format!("/api/v1/events?cursor={foreign}")).await;
    assert_eq!(refused.expect(400).code(), "invalid_cursor");
    let head = stack.client.raw(&who, "HEAD", "/api/v1/events", &[], None).await.expect(200);
    assert!(head.bytes.is_empty());
}
