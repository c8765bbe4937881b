//! Standing orders over HTTP: making, seeing, changing and ending them, and what is refused.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use shared::auth::User;
use shared::clock::{self, Clock};
use shared::domain::Role;

use crate::client::{Answer, someone, treasurer, user};
use crate::on_both;
use crate::stack::Stack;

on_both!(
    an_order_is_made_shown_changed_and_cancelled,
    what_every_date_would_be_declined_for_is_refused_at_once,
    a_rule_that_cannot_be_meant_is_refused_with_its_place,
    others_see_no_orders_and_officers_only_stop_them,
    lists_are_narrowed_and_go_on,
    an_order_is_made_once_under_its_key,
    retries_are_patched_member_by_member,
);

const ORDERS: &str = "/api/v1/standing-orders";

/// The day that many days from now, in UTC.
pub fn day(ahead: u64) -> String {
    let at = Clock::system().now() + Duration::from_secs(ahead * 86_400);
    clock::rfc3339(at)[..10].to_owned()
}

/// The body of a daily order from tomorrow.
pub fn daily(from: &str, to: &str, amount: i64) -> Value {
    json!({
        "debit_account_id": from, "credit_account_id": to, "amount": amount, "currency": "USD",
        "rule": {"every": "day"}, "time_zone": "UTC", "starts_on": day(1),
    })
}

/// The order with members set.
pub fn with(mut order: Value, members: Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        order[name] = value.clone();
    }
    order
}

pub async fn make(stack: &Stack, who: &User, order: &Value) -> String {
    let made = stack.client.post(who, ORDERS, &[], order).await.expect(201);
    made.json()["id"].as_str().unwrap().to_owned()
}

pub async fn patch(stack: &Stack, who: &User, id: &str, patch: &Value) -> Answer {
    stack.client.raw(who, "PATCH", &format!("{ORDERS}/{id}"), &[], Some(patch.to_string())).await
}

pub async fn cancel(stack: &Stack, who: &User, id: &str) -> Answer {
    stack.client.raw(who, "DELETE", &format!("{ORDERS}/{id}"), &[], None).await
}

pub async fn show(stack: &Stack, who: &User, id: &str) -> Value {
    stack.client.get(who, &format!("{ORDERS}/{id}")).await.expect(200).json()
}

async fn accounts(stack: &Stack, who: &User) -> (String, String) {
    (stack.client.open(who, "user").await, stack.client.open(who, "user").await)
}

async fn an_order_is_made_shown_changed_and_cancelled(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = accounts(&stack, &who).await;
    let rent = with(
        daily(&from, &to, 85_000),
        json!({
            "description": "Rent", "metadata": {"contract": 7}, "time_zone": "europe/madrid", "ends_on": "2099-12-31",
            "rule": {"every": "month", "day": 31, "at": "09:00", "on_weekend": "preceding"}, "most_runs": 600,
            "retries": {"times": 3, "after": 86_400},
        }),
    );
    let made = stack.client.post(&who, ORDERS, &[], &rent).await.expect(201);
    let shown = made.json();
    let id = shown["id"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), Some(format!("{ORDERS}/{id}").as_str()));
    assert_eq!(made.header("etag"), Some("\"1\""));
    assert_eq!(
        shown["rule"],
        json!({
            "every": "month", "interval": 1, "weekday": null, "day": 31, "month": null, "at": "09:00", "on_weekend": "preceding",
        })
    );
    assert_eq!((&shown["time_zone"], &shown["metadata"]), (&json!("Europe/Madrid"), &json!({"contract": 7})));
    assert_eq!((&shown["status"], &shown["runs"], &shown["ended_by"]), (&json!("active"), &json!(0), &Value::Null));
    assert!(shown["next_due_on"].is_string() && shown["next_at"].is_string());
    assert_eq!(show(&stack, &who, &id).await, shown);

    let changed = patch(&stack, &who, &id, &json!({"amount": 90_000, "description": null, "retries": null})).await;
    let changed = changed.expect(200).json();
    assert_eq!((&changed["amount"], &changed["description"]), (&json!(90_000), &Value::Null));
    assert_eq!((&changed["retries"]["times"], &changed["version"]), (&json!(0), &json!(2)));
    let stale = [("if-match", "\"1\"")];
    let path = format!("{ORDERS}/{id}");
    let refused = stack.client.raw(&who, "PATCH", &path, &stale, Some(r#"{"amount": 1}"#.to_owned())).await;
    assert_eq!(refused.expect(412).code(), "stale_precondition");
    stack.client.raw(&who, "DELETE", &path, &stale, None).await.expect(412);

    let paused = patch(&stack, &who, &id, &json!({"status": "paused"})).await.expect(200).json();
    assert_eq!((&paused["status"], &paused["next_at"]), (&json!("paused"), &Value::Null));
    let again = patch(&stack, &who, &id, &json!({"status": "paused"})).await.expect(200).json();
    assert_eq!(again["version"], paused["version"], "nothing has changed");
    let active = patch(&stack, &who, &id, &json!({"status": "active"})).await.expect(200).json();
    assert_eq!((&active["status"], &active["next_at"]), (&json!("active"), &shown["next_at"]));

    cancel(&stack, &who, &id).await.expect(204);
    cancel(&stack, &who, &id).await.expect(204);
    let cancelled = show(&stack, &who, &id).await;
    assert_eq!((&cancelled["status"], &cancelled["next_at"]), (&json!("cancelled"), &Value::Null));
    assert_eq!(patch(&stack, &who, &id, &json!({"amount": 1})).await.expect(409).code(), "state_conflict");
}

async fn what_every_date_would_be_declined_for_is_refused_at_once(stack: Rc<Stack>) {
    let (who, officer) = (user(), treasurer());
    let (from, to) = accounts(&stack, &who).await;
    let (bank, others) = (stack.client.open(&officer, "system").await, stack.client.open(&user(), "user").await);
    let euros = json!({"name": "Euros", "currency": "EUR"});
    let euros = stack.client.post(&who, "/api/v1/accounts", &[], &euros).await.expect(201).json();
    let euros = euros["id"].as_str().unwrap().to_owned();
    let closed = stack.client.open(&who, "user").await;
    stack.client.post(&who, &format!("/api/v1/accounts/{closed}/close"), &[], &json!({})).await.expect(200);
    let nobody = "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11";
    let table = [
        (&who, daily(&from, &to, 0), 422, "amount_out_of_range"),
        (&who, daily(&from, &from, 1), 422, "accounts_must_be_different"),
        (&who, daily(&others, &to, 1), 404, "debit_account_not_found"),
        (&who, daily(nobody, nobody, 0), 422, "amount_out_of_range"),
        // A treasurer, too: it has no floor, and would go on when they are none any more.
        (&officer, daily(&bank, &to, 1), 404, "debit_account_not_found"),
        (&who, daily(&from, nobody, 1), 422, "credit_account_not_found"),
        (&who, daily(&from, &euros, 1), 422, "currency_mismatch"),
        (&who, daily(&closed, &to, 1), 409, "debit_account_closed"),
        (&who, daily(&from, &closed, 1), 409, "credit_account_closed"),
    ];
    for (who, order, status, code) in table {
        assert_eq!(stack.client.post(who, ORDERS, &[], &order).await.expect(status).code(), code, "{order}");
    }
    // What may be otherwise by then is no reason: it is empty, and another's, and frozen.
    stack.client.post(&officer, &format!("/api/v1/accounts/{from}/freeze"), &[], &json!({})).await.expect(200);
    make(&stack, &who, &daily(&from, &others, 1)).await;
}

async fn a_rule_that_cannot_be_meant_is_refused_with_its_place(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = accounts(&stack, &who).await;
    let ask = async |members: Value| {
        let refused = stack.client.post(&who, ORDERS, &[], &with(daily(&from, &to, 1), members)).await;
        let faults = refused.json()["errors"].as_array().cloned().unwrap_or_default();
        let places: Vec<_> = faults.iter().map(|fault| fault["pointer"].as_str().unwrap().to_owned()).collect();
        (refused.status, places)
    };
    let table = [
        (
            json!({"rule": {"every": "day", "interval": 0, "weekday": "monday"}}),
            422,
            vec!["/rule/interval", "/rule/weekday"],
        ),
        (json!({"rule": {"every": "month", "day": 32}, "most_runs": 0}), 422, vec!["/most_runs", "/rule/day"]),
        (json!({"rule": {"every": "fortnight"}}), 422, vec!["/rule/every"]),
        (json!({"rule": {"every": "day", "at": "24:00"}}), 422, vec!["/rule/at"]),
        (json!({"rule": {"every": "day", "hour": 3}}), 422, vec!["/rule/hour"]),
        (json!({"rule": {}}), 422, vec!["/rule/every"]),
        (json!({"rule": null}), 400, vec!["/rule"]),
        (json!({"rule": ["day", 1]}), 400, vec!["/rule"]),
        (json!({"time_zone": "Mars/Olympus"}), 422, vec!["/time_zone"]),
        (json!({"starts_on": "2026-02-30"}), 422, vec!["/starts_on"]),
        (json!({"starts_on": "20260228"}), 422, vec!["/starts_on"]),
        (json!({"starts_on": "2099-01-01", "ends_on": "2098-12-31"}), 422, vec!["/ends_on"]),
        (json!({"rule": {"every": "once"}, "starts_on": "2020-01-01"}), 422, vec!["/starts_on"]),
        (json!({"starts_on": "2020-01-01", "ends_on": "2020-12-31"}), 422, vec!["/starts_on"]),
        (json!({"retries": {"times": 11, "after": 3_599}}), 422, vec!["/retries/times", "/retries/after"]),
        (json!({"description": ""}), 422, vec!["/description"]),
        (json!({"pending": true}), 422, vec!["/pending"]),
    ];
    for (members, status, places) in table {
        let expected = (status, places.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(ask(members.clone()).await, expected, "{members}");
    }
    let id = make(&stack, &who, &daily(&from, &to, 1)).await;
    let table = [
        (json!({"amount": null}), 422),
        (json!({"amount": 0}), 422),
        (json!({"amount": "1"}), 400),
        (json!({"ends_on": "2020-01-01"}), 422),
        (json!({"most_runs": 0}), 422),
        (json!({"retries": {"times": -1, "after": 3_600}}), 422),
        (json!({"description": "\u{7}"}), 422),
        (json!({"status": "ended"}), 422),
        (json!({"status": null}), 422),
        (json!({"rule": {"every": "week"}}), 422),
    ];
    for (members, status) in table {
        let refused = patch(&stack, &who, &id, &members).await;
        assert_eq!(refused.status, status, "{members}: {}", refused.json());
    }
    assert_eq!(show(&stack, &who, &id).await["version"], 1);
}

async fn others_see_no_orders_and_officers_only_stop_them(stack: Rc<Stack>) {
    let (who, other, support, officer) = (user(), user(), someone(&[Role::User, Role::Support]), treasurer());
    let (from, to) = accounts(&stack, &who).await;
    let id = make(&stack, &who, &daily(&from, &to, 1)).await;
    let pause = json!({"status": "paused"});
    for (who, seen, stopped) in [(&other, 404, 404), (&support, 200, 403), (&officer, 200, 200)] {
        assert_eq!(stack.client.get(who, &format!("{ORDERS}/{id}")).await.status, seen);
        assert_eq!(stack.client.get(who, &format!("{ORDERS}/{id}/runs")).await.status, seen);
        assert_eq!(patch(&stack, who, &id, &pause).await.status, stopped);
        let raised = if stopped == 404 { 404 } else { 403 };
        assert_eq!(patch(&stack, who, &id, &json!({"amount": 1})).await.status, raised);
    }
    cancel(&stack, &other, &id).await.expect(404);
    cancel(&stack, &support, &id).await.expect(403);
    cancel(&stack, &officer, &id).await.expect(204);
    assert_eq!(show(&stack, &who, &id).await["status"], "cancelled");
}

async fn lists_are_narrowed_and_go_on(stack: Rc<Stack>) {
    let (who, officer) = (user(), treasurer());
    let (from, to) = accounts(&stack, &who).await;
    let third = stack.client.open(&who, "user").await;
    let mut made = Vec::new();
    for to in [&to, &third, &to] {
        made.push(make(&stack, &who, &daily(&from, to, 1)).await);
    }
    made.reverse();
    let list = async |who: &User, query: &str| {
        let page = stack.client.get(who, &format!("{ORDERS}?{query}")).await.expect(200).json();
        let ids: Vec<_> =
            page["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
        (ids, page["page"]["next_cursor"].as_str().map(str::to_owned))
    };
    let (first, cursor) = list(&who, "limit=2").await;
    let cursor = cursor.unwrap();
    let (rest, end) = list(&who, &format!("limit=2&cursor={cursor}")).await;
    assert_eq!(([first, rest].concat(), end), (made.clone(), None));
    assert_eq!(list(&who, &format!("account_id={third}")).await.0, [made[1].clone()]);
    cancel(&stack, &who, &made[0]).await.expect(204);
    assert_eq!(list(&who, "status=active").await.0, made[1..]);
    assert_eq!(list(&officer, "").await.0.len(), 0);
    assert_eq!(list(&officer, "scope=all").await.0, made);
    for (query, status) in [("scope=all", 403), ("status=posted", 422), ("account_id=x", 400), ("sort=up", 422)] {
        stack.client.get(&who, &format!("{ORDERS}?{query}")).await.expect(status);
    }
    let elsewhere = stack.client.get(&who, &format!("{ORDERS}?status=active&cursor={cursor}")).await;
    assert_eq!(elsewhere.expect(400).code(), "invalid_cursor");
}

async fn an_order_is_made_once_under_its_key(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = accounts(&stack, &who).await;
    let key = [("idempotency-key", "rent")];
    let order = daily(&from, &to, 5);
    let first = stack.client.post(&who, ORDERS, &key, &order).await.expect(201);
    let again = stack.client.post(&who, ORDERS, &key, &order).await.expect(201);
    assert!(again.replayed() && !first.replayed() && again.bytes == first.bytes);
    for other in [json!({"amount": 6}), json!({"rule": {"every": "week"}}), json!({"most_runs": 2})] {
        let refused = stack.client.post(&who, ORDERS, &key, &with(order.clone(), other)).await;
        assert_eq!(refused.expect(422).code(), "idempotency_key_reused");
    }
}

async fn retries_are_patched_member_by_member(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = accounts(&stack, &who).await;
    let order = with(daily(&from, &to, 5), json!({"retries": {"times": 3, "after": 7_200}}));
    let made = stack.client.post(&who, ORDERS, &[], &order).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    for (wish, times, after) in [
        (json!({"times": 5}), 5, 7_200),
        (json!({"after": 10_800}), 5, 10_800),
        (json!({}), 5, 10_800),
        (json!({"times": 1, "after": 3_600}), 1, 3_600),
        (Value::Null, 0, 3_600),
        (json!({"times": 2}), 2, 3_600),
    ] {
        let changed = patch(&stack, &who, id, &json!({"retries": wish})).await.expect(200).json();
        assert_eq!(changed["retries"], json!({"times": times, "after": after}), "{wish}");
    }
    for (wish, status, pointer) in [
        (json!({"times": null}), 422, "/retries/times"),
        (json!({"after": null}), 422, "/retries/after"),
        (json!({"times": 11}), 422, "/retries/times"),
        (json!({"after": 3_599}), 422, "/retries/after"),
        (json!({"every": 1}), 422, "/retries/every"),
        (json!({"times": "5"}), 400, "/retries/times"),
        (json!([2, 3_600]), 400, "/retries"),
    ] {
        let refused = patch(&stack, &who, id, &json!({"retries": wish})).await.expect(status).json();
        assert_eq!(refused["errors"][0]["pointer"], json!(pointer), "{wish}");
    }
    assert_eq!(show(&stack, &who, id).await["retries"], json!({"times": 2, "after": 3_600}));
}
