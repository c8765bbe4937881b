//! The worker of standing orders under everything that may come between a date and its payment: each date pays at most once.

use std::rc::Rc;
use std::time::Duration;

use accounts_service::db::{Backend, Database};
use accounts_service::posting::{Committer, Engine};
use accounts_service::standing::attempt::{Attempt, outcome};
use accounts_service::standing::worker::{Metrics, Worker};
use futures_util::future::join_all;
use prometheus_client::registry::Registry;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use shared::auth::User;
use shared::clock::Clock;

use crate::client::{pay, treasurer, user};
use crate::engine;
use crate::on_both;
use crate::stack::{Stack, Which, run};
use crate::standing::{cancel, daily, day, make, patch, show, with};

on_both!(
    each_date_is_paid_once_and_told_of,
    after_a_long_absence_the_latest_dates_are_made_up_for,
    too_little_money_is_tried_again_until_there_is_enough,
    whoever_dies_before_paying_leaves_it_to_the_next,
    whoever_dies_after_paying_has_paid_once,
    a_clock_that_jumps_pays_nothing_twice,
    an_order_whose_account_is_closed_ends,
    what_is_cancelled_is_not_paid_any_more,
    what_was_paid_before_it_was_cancelled_is_written_down,
    a_new_amount_is_the_next_payments,
    a_pause_is_not_made_up_for,
);

pub const DAY: Duration = Duration::from_secs(86_400);
const ORDERS: &str = "/api/v1/standing-orders";

/// A worker of the test's own, with an engine and a clock of its own, as another process would have.
pub struct Process {
    pub worker: Worker,
    engine: (Engine, Committer),
    pub clock: Clock,
}

impl Process {
    pub async fn start(stack: &Stack) -> Self {
        Self::with_clock(stack, Clock::manual(Clock::system().now())).await
    }

    async fn with_clock(stack: &Stack, clock: Clock) -> Self {
        let db = Database::connect(&stack.url, 4).await.unwrap();
        let engine = engine::start(&Backend::parse(&stack.url).unwrap());
        let metrics = Metrics::register(&mut Registry::default());
        let worker = Worker { db, engine: engine.0.clone(), clock: clock.clone(), metrics };
        Self { worker, engine, clock }
    }

    /// Works until nothing moves any more.
    pub async fn work(&self) {
        while self.worker.round().await.unwrap() {}
    }

    /// Has the engine pay an attempt, and forgets to write it down.
    async fn pay(&self, attempt: &Attempt) -> accounts_service::standing::Outcome {
        let unit = attempt.unit(&self.clock).unwrap();
        outcome(&self.engine.0.submit(unit).await.unwrap().outcome)
    }

    pub async fn stop(self) {
        drop(self.worker);
        engine::stop(self.engine).await;
    }
}

/// What is due tomorrow is due now.
pub async fn tomorrow(stack: &Stack) -> Process {
    let process = Process::start(stack).await;
    process.clock.advance(DAY);
    process
}

pub async fn sides(stack: &Stack, who: &User, money: i64) -> (String, String) {
    (stack.client.funded(who, money).await, stack.client.open(who, "user").await)
}

/// Its runs, the first date first: date, attempt, state.
pub async fn runs(stack: &Stack, who: &User, id: &str) -> Vec<(String, i64, String)> {
    let (mut all, mut query) = (Vec::new(), "limit=100".to_owned());
    loop {
        let page = stack.client.get(who, &format!("{ORDERS}/{id}/runs?{query}")).await.expect(200).json();
        let row = |run: &Value| {
            let text = |name: &str| run[name].as_str().unwrap().to_owned();
            (text("due_on"), run["attempt"].as_i64().unwrap(), text("state"))
        };
        all.extend(page["data"].as_array().unwrap().iter().map(row));
        match page["page"]["next_cursor"].as_str() {
            Some(cursor) => query = format!("limit=100&cursor={cursor}"),
            None => break,
        }
    }
    all.reverse();
    all
}

pub fn run_of(ahead: u64, attempt: i64, state: &str) -> (String, i64, String) {
    (day(ahead), attempt, state.to_owned())
}

async fn each_date_is_paid_once_and_told_of(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 100).await;
    let order = with(daily(&from, &to, 10), json!({"description": "Milk", "metadata": {"n": 1}, "most_runs": 3}));
    let id = make(&stack, &who, &order).await;
    let process = Process::start(&stack).await;
    process.work().await;
    assert_eq!(runs(&stack, &who, &id).await, [], "nothing is due yet");
    for ahead in 1..=3 {
        process.clock.advance(DAY);
        process.work().await;
        process.work().await;
        assert_eq!(stack.client.balance(&who, &to).await, 10 * i64::try_from(ahead).unwrap());
        assert_eq!(runs(&stack, &who, &id).await.last().unwrap(), &run_of(ahead, 1, "posted"));
    }
    let over = show(&stack, &who, &id).await;
    assert_eq!((&over["status"], &over["ended_by"], &over["runs"]), (&json!("ended"), &json!("finished"), &json!(3)));
    process.clock.advance(DAY);
    process.work().await;
    assert_eq!(runs(&stack, &who, &id).await.len(), 3);

    let last = stack.client.get(&who, &format!("{ORDERS}/{id}/runs?limit=1")).await.expect(200).json();
    let transfer = last["data"][0]["transfer_id"].as_str().unwrap().to_owned();
    let transfer = stack.client.get(&who, &format!("/api/v1/transfers/{transfer}")).await.expect(200).json();
    assert_eq!((&transfer["description"], &transfer["metadata"]), (&json!("Milk"), &json!({"n": 1})));
    let told = "SELECT FROM outbox_events WHERE kind IN ('standing_order.created', 'standing_order.run', 'standing_order.ended')";
    let told = told.replace("SELECT FROM", "SELECT 1 FROM");
    let statement = sea_orm::Statement::from_string(process.worker.db.pool.get_database_backend(), told);
    assert_eq!(process.worker.db.pool.query_all_raw(statement).await.unwrap().len(), 5);
    process.stop().await;
}

async fn after_a_long_absence_the_latest_dates_are_made_up_for(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 1_000).await;
    let id = make(&stack, &who, &daily(&from, &to, 10)).await;
    let bounded = make(&stack, &who, &with(daily(&from, &to, 1), json!({"most_runs": 5}))).await;
    let process = Process::start(&stack).await;
    process.clock.advance(DAY * 150);
    process.work().await;
    let expected: Vec<_> =
        (1..=150).map(|ahead| run_of(ahead, 1, if ahead <= 119 { "skipped" } else { "posted" })).collect();
    assert_eq!(runs(&stack, &who, &id).await, expected);
    let five: Vec<_> = (1..=5).map(|ahead| run_of(ahead, 1, "posted")).collect();
    assert_eq!(runs(&stack, &who, &bounded).await, five);
    assert_eq!(stack.client.balance(&who, &to).await, 31 * 10 + 5);
    let next = show(&stack, &who, &id).await;
    assert_eq!((&next["next_due_on"], &next["runs"]), (&json!(day(151)), &json!(150)));
    // Oldest first, in the order of commit.
    let page = stack.client.get(&who, &format!("{ORDERS}/{id}/runs?limit=31")).await.expect(200).json();
    let mut ids: Vec<_> = page["data"].as_array().unwrap().iter().map(|run| run["transfer_id"].clone()).collect();
    ids.reverse();
    let list = stack.client.get(&who, &format!("/api/v1/transfers?sort_order=asc&limit=100&account_id={to}")).await;
    let list = list.expect(200).json();
    let committed = list["data"].as_array().unwrap().iter().filter(|transfer| transfer["amount"] == 10);
    assert_eq!(committed.map(|transfer| transfer["id"].clone()).collect::<Vec<_>>(), ids);
    process.stop().await;
}

async fn too_little_money_is_tried_again_until_there_is_enough(stack: Rc<Stack>) {
    let (who, officer) = (user(), treasurer());
    let (from, to) = sides(&stack, &who, 5).await;
    let weekly = json!({"rule": {"every": "week"}, "retries": {"times": 2, "after": 86_400}});
    let id = make(&stack, &who, &with(daily(&from, &to, 10), weekly)).await;
    let process = tomorrow(&stack).await;
    process.work().await;
    process.work().await;
    assert_eq!(runs(&stack, &who, &id).await, [run_of(1, 1, "declined")]);
    process.clock.advance(DAY);
    process.work().await;
    let bank = stack.client.open(&officer, "system").await;
    stack.client.transfer(&officer, "more", &pay(&bank, &from, 5)).await.expect(201);
    process.clock.advance(DAY);
    process.work().await;
    let tried = [run_of(1, 1, "declined"), run_of(1, 2, "declined"), run_of(1, 3, "posted")];
    assert_eq!(runs(&stack, &who, &id).await, tried);
    let shown = show(&stack, &who, &id).await;
    assert_eq!((&shown["next_due_on"], &shown["runs"]), (&json!(day(8)), &json!(1)));
    let page = stack.client.get(&who, &format!("{ORDERS}/{id}/runs")).await.expect(200).json();
    assert_eq!((&page["data"][0]["code"], &page["data"][1]["code"]), (&Value::Null, &json!("insufficient_funds")));

    // The next date: all tries in vain, and the date is over.
    for _ in 0..8 {
        process.clock.advance(DAY);
        process.work().await;
    }
    assert_eq!(runs(&stack, &who, &id).await[3..].iter().filter(|run| run.2 == "declined").count(), 3);
    assert_eq!(show(&stack, &who, &id).await["next_due_on"], json!(day(15)));
    process.stop().await;
}

async fn whoever_dies_before_paying_leaves_it_to_the_next(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 100).await;
    let id = make(&stack, &who, &daily(&from, &to, 10)).await;
    let dead = tomorrow(&stack).await;
    assert_eq!(dead.worker.begin().await.unwrap().attempts.len(), 1);
    let next = Process::with_clock(&stack, dead.clock.clone()).await;
    dead.stop().await;
    next.work().await;
    assert_eq!(runs(&stack, &who, &id).await, [run_of(1, 1, "running")], "it is another's until the lease is over");
    next.clock.advance(Duration::from_secs(61));
    next.work().await;
    assert_eq!(runs(&stack, &who, &id).await, [run_of(1, 1, "posted")]);
    assert_eq!(stack.client.balance(&who, &to).await, 10);
    next.stop().await;
}

async fn whoever_dies_after_paying_has_paid_once(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 100).await;
    let id = make(&stack, &who, &daily(&from, &to, 10)).await;
    let dead = tomorrow(&stack).await;
    let begun = dead.worker.begin().await.unwrap();
    let paid = dead.pay(&begun.attempts[0]).await;
    let next = Process::with_clock(&stack, dead.clock.clone()).await;
    next.clock.advance(Duration::from_secs(61));
    next.work().await;
    assert_eq!(runs(&stack, &who, &id).await, [run_of(1, 1, "posted")]);
    // It was not dead, only slow.
    dead.worker.write_down(&begun.attempts[0], &paid).await.unwrap();
    assert_eq!(dead.pay(&begun.attempts[0]).await, paid);
    assert_eq!(stack.client.balance(&who, &to).await, 10);
    assert_eq!(show(&stack, &who, &id).await["runs"], 1);
    dead.stop().await;
    next.stop().await;
}

async fn a_clock_that_jumps_pays_nothing_twice(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 100).await;
    let id = make(&stack, &who, &daily(&from, &to, 10)).await;
    let (ahead, behind) = (Process::start(&stack).await, Process::start(&stack).await);
    ahead.clock.advance(DAY * 3);
    ahead.work().await;
    // Another process, whose clock is right: those dates are not its to pay, nor is it kept from later ones.
    behind.clock.advance(DAY);
    behind.work().await;
    let three: Vec<_> = (1..=3).map(|ahead| run_of(ahead, 1, "posted")).collect();
    assert_eq!(runs(&stack, &who, &id).await, three);
    // A lease from a clock far ahead is no lease.
    ahead.clock.advance(DAY * 300);
    ahead.worker.begin().await.unwrap();
    behind.clock.advance(DAY * 3);
    behind.work().await;
    assert_eq!(runs(&stack, &who, &id).await.iter().filter(|run| run.2 == "running").count(), 0);
    let paid = runs(&stack, &who, &id).await.iter().filter(|run| run.2 == "posted").count();
    assert_eq!(stack.client.balance(&who, &to).await, 10 * i64::try_from(paid).unwrap());
    ahead.stop().await;
    behind.stop().await;
}

async fn an_order_whose_account_is_closed_ends(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 100).await;
    let id = make(&stack, &who, &daily(&from, &to, 10)).await;
    stack.client.post(&who, &format!("/api/v1/accounts/{to}/close"), &[], &json!({})).await.expect(200);
    let process = tomorrow(&stack).await;
    process.work().await;
    let over = show(&stack, &who, &id).await;
    assert_eq!((&over["status"], &over["ended_by"]), (&json!("ended"), &json!("credit_account_closed")));
    assert_eq!(runs(&stack, &who, &id).await, [run_of(1, 1, "declined")]);
    process.stop().await;
}

async fn what_is_cancelled_is_not_paid_any_more(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 100).await;
    let id = make(&stack, &who, &daily(&from, &to, 10)).await;
    let slow = tomorrow(&stack).await;
    let begun = slow.worker.begin().await.unwrap();
    cancel(&stack, &who, &id).await.expect(204);
    let refused = slow.pay(&begun.attempts[0]).await;
    slow.worker.write_down(&begun.attempts[0], &refused).await.unwrap();
    slow.clock.advance(DAY);
    slow.work().await;
    assert_eq!(stack.client.balance(&who, &to).await, 0);
    assert_eq!(runs(&stack, &who, &id).await, [run_of(1, 1, "withdrawn")]);
    slow.stop().await;
}

async fn what_was_paid_before_it_was_cancelled_is_written_down(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 100).await;
    let paid = make(&stack, &who, &daily(&from, &to, 10)).await;
    let declined = make(&stack, &who, &daily(&from, &to, 1_000)).await;
    let process = tomorrow(&stack).await;
    for attempt in process.worker.begin().await.unwrap().attempts {
        process.pay(&attempt).await;
    }
    cancel(&stack, &who, &paid).await.expect(204);
    cancel(&stack, &who, &declined).await.expect(204);
    assert_eq!(runs(&stack, &who, &paid).await, [run_of(1, 1, "posted")]);
    assert_eq!(runs(&stack, &who, &declined).await, [run_of(1, 1, "declined")]);
    for id in [&paid, &declined] {
        let over = show(&stack, &who, id).await;
        assert_eq!((&over["status"], &over["runs"]), (&json!("cancelled"), &json!(1)));
    }
    process.stop().await;
}

async fn a_new_amount_is_the_next_payments(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 100).await;
    let id = make(&stack, &who, &daily(&from, &to, 10)).await;
    let process = tomorrow(&stack).await;
    let begun = process.worker.begin().await.unwrap();
    patch(&stack, &who, &id, &json!({"amount": 7})).await.expect(200);
    process.pay(&begun.attempts[0]).await;
    process.work().await;
    assert_eq!(runs(&stack, &who, &id).await, [run_of(1, 1, "withdrawn"), run_of(1, 2, "posted")]);
    assert_eq!(stack.client.balance(&who, &to).await, 7);
    let ended = patch(&stack, &who, &id, &json!({"ends_on": day(1)})).await.expect(200).json();
    assert_eq!((&ended["status"], &ended["ended_by"]), (&json!("ended"), &json!("finished")));
    process.stop().await;
}

async fn a_pause_is_not_made_up_for(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 100).await;
    let id = make(&stack, &who, &daily(&from, &to, 10)).await;
    patch(&stack, &who, &id, &json!({"status": "paused"})).await.expect(200);
    let process = Process::start(&stack).await;
    process.clock.advance(DAY * 5);
    process.work().await;
    assert_eq!(runs(&stack, &who, &id).await, []);
    assert_eq!(stack.client.balance(&who, &to).await, 0);
    process.stop().await;
}

#[test]
fn on_postgres_two_processes_pay_each_date_once() {
    run(Which::Postgres, two_processes);
}

async fn two_processes(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = sides(&stack, &who, 10_000).await;
    let mut orders = Vec::new();
    for _ in 0..20 {
        orders.push(make(&stack, &who, &daily(&from, &to, 10)).await);
    }
    // One is past every lease of the other, so that both carry out the same.
    let (one, other) = (Process::start(&stack).await, Process::start(&stack).await);
    one.clock.advance(DAY * 3);
    other.clock.advance(DAY * 3 + Duration::from_secs(90));
    let race = async |process: &Process| {
        for _ in 0..40 {
            process.worker.round().await.unwrap();
        }
    };
    futures_util::future::join(race(&one), race(&other)).await;
    one.clock.advance(Duration::from_secs(200));
    one.work().await;
    let all = join_all(orders.iter().map(|id| runs(&stack, &who, id))).await;
    for dates in all {
        assert_eq!(dates, (1..=3).map(|ahead| run_of(ahead, 1, "posted")).collect::<Vec<_>>());
    }
    assert_eq!(stack.client.balance(&who, &to).await, 20 * 3 * 10);
    one.stop().await;
    other.stop().await;
}
