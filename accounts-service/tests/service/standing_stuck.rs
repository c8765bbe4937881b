//! What one standing order meets is its own matter: clocks that differ, rows that fail, pauses of an officer's.

use std::rc::Rc;
use std::time::Duration;

use accounts_service::db::Database;
use accounts_service::db::entity::{standing_order, standing_order_run};
use accounts_service::standing::worker::Metrics;
use prometheus_client::registry::Registry;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde_json::json;
use shared::domain::Role;
use uuid::Uuid;

use crate::client::{someone, user};
use crate::on_both;
use crate::stack::Stack;
use crate::standing::{daily, day, make, patch, show, with};
use crate::standing_runs::{DAY, Process, run_of, runs, sides, tomorrow};

on_both!(
    a_date_that_is_over_by_anothers_clock_is_not_due_again,
    an_order_that_fails_keeps_no_other_from_being_paid,
    many_that_fail_or_are_not_due_yet_keep_no_other_waiting,
    what_was_withdrawn_was_no_try,
    an_officers_pause_is_lifted_by_officers,
);

async fn a_date_that_is_over_by_anothers_clock_is_not_due_again(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 100).await;
    let id = make(&stack, &who, &daily(&from, &to, 10)).await;
    let ahead = tomorrow(&stack).await;
    ahead.work().await;
    assert_eq!(runs(&stack, &who, &id).await, [run_of(1, 1, "posted")]);
    // By the clock of whoever answers this, that date is still to come.
    patch(&stack, &who, &id, &json!({"status": "paused"})).await.expect(200);
    let active = patch(&stack, &who, &id, &json!({"status": "active"})).await.expect(200).json();
    assert_eq!(active["next_due_on"], json!(day(2)));
    // What was only begun is tried again under another key.
    ahead.clock.advance(DAY);
    assert_eq!(ahead.worker.begin().await.unwrap().attempts.len(), 1);
    patch(&stack, &who, &id, &json!({"status": "paused"})).await.expect(200);
    let active = patch(&stack, &who, &id, &json!({"status": "active"})).await.expect(200).json();
    assert_eq!(active["next_due_on"], json!(day(2)));
    ahead.work().await;
    let all = [run_of(1, 1, "posted"), run_of(2, 1, "withdrawn"), run_of(2, 2, "posted")];
    assert_eq!(runs(&stack, &who, &id).await, all);
    assert_eq!(stack.client.balance(&who, &to).await, 20);
    ahead.stop().await;
}

async fn an_order_that_fails_keeps_no_other_from_being_paid(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 100).await;
    let bad = make(&stack, &who, &daily(&from, &to, 10)).await;
    let good = make(&stack, &who, &daily(&from, &to, 7)).await;
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let key = in_the_way(&db, &bad).await;
    let mut process = tomorrow(&stack).await;
    let mut registry = Registry::default();
    process.worker.metrics = Metrics::register(&mut registry);
    process.work().await;
    assert_eq!(runs(&stack, &who, &good).await, [run_of(1, 1, "posted")]);
    assert_eq!(stack.client.balance(&who, &to).await, 7);
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &registry).unwrap();
    assert!(metrics.contains("standing_order_runs_total{outcome=\"stuck\"} 1"), "{metrics}");
    // It is looked at again, later and not at once.
    process.work().await;
    assert_eq!(runs(&stack, &who, &bad).await, [run_of(1, 1, "declined")]);
    standing_order_run::Entity::delete_by_id(key).exec(&db.pool).await.unwrap();
    process.work().await;
    assert_eq!(runs(&stack, &who, &bad).await, []);
    process.clock.advance(Duration::from_secs(3_601));
    process.work().await;
    assert_eq!(runs(&stack, &who, &bad).await[0], run_of(1, 1, "posted"));
    process.stop().await;
}

async fn many_that_fail_or_are_not_due_yet_keep_no_other_waiting(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 100).await;
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let process = tomorrow(&stack).await;
    process.clock.advance(DAY);
    for (fails, paid) in [(false, 7), (true, 14)] {
        // More than are taken at once, and all of them before the one that is to be paid.
        let mut many = Vec::new();
        for _ in 0..17 {
            let starts_on = day(if fails { 1 } else { 9 });
            many.push(make(&stack, &who, &with(daily(&from, &to, 10), json!({"starts_on": starts_on}))).await);
        }
        let good = with(daily(&from, &to, 7), json!({"starts_on": day(2), "most_runs": 1}));
        let good = make(&stack, &who, &good).await;
        let mut before = Vec::new();
        for id in &many {
            before.push(show(&stack, &who, id).await);
            if fails {
                in_the_way(&db, id).await;
            } else {
                // Reckoned by clocks of before their zone set them otherwise.
                let id = standing_order::Column::Id.eq(Uuid::parse_str(id).unwrap());
                let early = standing_order::Entity::update_many().filter(id);
                early.col_expr(standing_order::Column::NextAt, Expr::value(1)).exec(&db.pool).await.unwrap();
            }
        }
        process.work().await;
        assert_eq!(runs(&stack, &who, &good).await, [run_of(2, 1, "posted")]);
        assert_eq!(stack.client.balance(&who, &to).await, paid);
        for (id, before) in many.iter().zip(before) {
            let after = show(&stack, &who, id).await;
            assert_eq!((after["next_at"] == before["next_at"], &after["runs"]), (!fails, &json!(0)));
            let (path, seen) = (format!("/api/v1/standing-orders/{id}"), format!("\"{}\"", before["version"]));
            stack.client.raw(&who, "GET", &path, &[("if-none-match", &seen)], None).await.expect(200);
        }
    }
    process.stop().await;
}

/// A run that nobody has made, so that the order's first fails.
async fn in_the_way(db: &Database, id: &str) -> (Uuid, String, i32) {
    let run = standing_order_run::Model {
        order_id: id.parse().unwrap(),
        due_on: day(1),
        attempt: 1,
        state: "declined".to_owned(),
        code: None,
        transfer_id: None,
        started_at: 0,
        ended_at: None,
    };
    let key = (run.order_id, run.due_on.clone(), run.attempt);
    let row = run.into_active_model().reset_all();
    standing_order_run::Entity::insert(row).exec_without_returning(&db.pool).await.unwrap();
    key
}

async fn what_was_withdrawn_was_no_try(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 5).await;
    let weekly = json!({"rule": {"every": "week"}, "retries": {"times": 1, "after": 86_400}});
    let id = make(&stack, &who, &with(daily(&from, &to, 10), weekly)).await;
    let process = tomorrow(&stack).await;
    assert_eq!(process.worker.begin().await.unwrap().attempts.len(), 1);
    patch(&stack, &who, &id, &json!({"description": "other"})).await.expect(200);
    process.work().await;
    assert_eq!(show(&stack, &who, &id).await["next_due_on"], json!(day(1)), "one more try is left");
    process.clock.advance(DAY);
    process.work().await;
    let tried = [run_of(1, 1, "withdrawn"), run_of(1, 2, "declined"), run_of(1, 3, "declined")];
    assert_eq!(runs(&stack, &who, &id).await, tried);
    assert_eq!(show(&stack, &who, &id).await["next_due_on"], json!(day(8)));
    process.stop().await;
}

async fn an_officers_pause_is_lifted_by_officers(stack: Rc<Stack>) {
    let (who, officer) = (user(), someone(&[Role::Admin]));
    let (from, to) = sides(&stack, &who, 100).await;
    let id = make(&stack, &who, &daily(&from, &to, 10)).await;
    let (pause, resume) = (json!({"status": "paused"}), json!({"status": "active"}));
    patch(&stack, &who, &id, &pause).await.expect(200);
    patch(&stack, &who, &id, &resume).await.expect(200);
    // Whether or not its owner has paused it as well.
    for both in [false, true] {
        if both {
            patch(&stack, &who, &id, &pause).await.expect(200);
        }
        patch(&stack, &officer, &id, &pause).await.expect(200);
        patch(&stack, &who, &id, &pause).await.expect(200);
        assert_eq!(patch(&stack, &who, &id, &resume).await.expect(403).code(), "forbidden");
        patch(&stack, &who, &id, &json!({"amount": 7, "status": "active"})).await.expect(403);
        assert_eq!(show(&stack, &who, &id).await["status"], "paused");
        patch(&stack, &someone(&[Role::Admin]), &id, &resume).await.expect(200);
        assert_eq!(show(&stack, &who, &id).await["status"], "active");
    }
    let process = Process::start(&stack).await;
    process.clock.advance(DAY);
    process.work().await;
    assert_eq!(runs(&stack, &who, &id).await, [run_of(1, 1, "posted")]);
    process.stop().await;
}
