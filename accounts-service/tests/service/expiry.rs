//! Expiry is judged when it is asked about, to the microsecond, whether or not anybody has written it down.

use std::time::Duration;

use futures_util::future::join;
use serde_json::json;
use shared::auth::User;
use shared::clock::Clock;
use shared::domain::Role;

use crate::client::{Client, pay, someone, user};
use crate::holds::{act, held, hold_for, sums};
use crate::stack::{Stack, Which, on_database};

/// Runs `test` by a clock of its own on a service whose sweeper never comes.
fn without_a_sweeper(which: Which, test: impl AsyncFnOnce(&Stack, Clock)) {
    on_database(which, async |url| {
        let clock = Clock::manual(Clock::system().now());
        let stack = Stack::start_by(url, clock.clone(), &[("HOLDS__SWEEP_EVERY", "24h")]).await;
        test(&stack, clock).await;
        stack.stop().await;
    });
}

async fn expiry(stack: &Stack, clock: Clock) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    for (past, posts) in [(-1, true), (0, false), (1, false)] {
        let id = held(client, &who, &format!("h{past}"), &hold_for(&from, &to, 10, 20)).await;
        let made = client.get(&who, &format!("/api/v1/transfers/{id}")).await.expect(200).json();
        let end = made["expires_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_microsecond();
        clock.advance(Duration::from_micros(u64::try_from(end + past - clock.now_micros()).unwrap()));
        let shown = sums(client, &who, &from).await;
        assert_eq!(shown[1], if posts { 10 } else { 0 });
        let posted = act(client, &who, (&id, "post", &format!("p{past}")), json!({})).await;
        if posts {
            posted.expect(201);
        } else {
            assert_eq!(posted.expect(409).code(), "transfer_expired");
            let voided = act(client, &who, (&id, "void", &format!("v{past}")), json!({})).await;
            assert_eq!(voided.expect(409).code(), "transfer_expired");
        }
    }
}

async fn spending_and_freeing(stack: &Stack, clock: Clock) {
    let (client, who, officer) = (&stack.client, user(), someone(&[Role::Admin]));
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let id = held(client, &who, "h", &hold_for(&from, &to, 90, 20)).await;
    assert_eq!(client.transfer(&who, "short", &pay(&from, &to, 11)).await.code(), "insufficient_funds");
    let path = format!("/api/v1/accounts/{from}");
    let before = client.get(&who, &path).await.expect(200);
    clock.advance(Duration::from_secs(21));
    // Nobody has written anything, and it shows: also by another entity tag.
    let after = client.get(&who, &path).await.expect(200);
    assert_eq!(sums(client, &who, &from).await, [100, 0, 100]);
    assert_ne!(before.header("etag"), after.header("etag"));
    let listed = client.get(&who, "/api/v1/accounts").await.expect(200).json();
    let listed =
        listed["data"].as_array().unwrap().iter().find(|account| account["id"] == json!(from)).unwrap().clone();
    assert_eq!((&listed["held"], &listed["available"]), (&json!(0), &json!(100)));
    let mut versioned = pay(&from, &to, 100);
    versioned["preconditions"] = json!({"debit_version": after.json()["version"]});
    client.transfer(&who, "whole", &versioned).await.expect(201);
    assert_eq!(act(client, &who, (&id, "post", "late"), json!({})).await.expect(409).code(), "transfer_expired");
    // Bounds and closing find nothing held either.
    let back = held(client, &who, "back", &hold_for(&to, &from, 40, 20)).await;
    let floor = |floor: i64| json!({"floor": floor}).to_string();
    let to_path = format!("/api/v1/accounts/{to}");
    client.raw(&officer, "PATCH", &to_path, &[], Some(floor(61))).await.expect(409);
    clock.advance(Duration::from_secs(21));
    client.raw(&officer, "PATCH", &to_path, &[], Some(floor(61))).await.expect(200);
    client.raw(&officer, "PATCH", &to_path, &[], Some(floor(0))).await.expect(200);
    assert_eq!(act(client, &who, (&back, "void", "late2"), json!({})).await.expect(409).code(), "transfer_expired");
    held(client, &who, "again", &hold_for(&to, &from, 40, 20)).await;
    client.transfer(&who, "rest", &pay(&to, &from, 60)).await.expect(201);
    clock.advance(Duration::from_secs(21));
    client.transfer(&who, "rest2", &pay(&to, &from, 40)).await.expect(201);
    client.raw(&who, "POST", &format!("{to_path}/close"), &[], None).await.expect(200);
}

async fn sweeping(stack: &Stack, clock: Clock) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    for n in 0..3 {
        held(client, &who, &format!("h{n}"), &hold_for(&from, &to, 10, 20 * (1 + n / 2))).await;
    }
    let db = accounts_service::db::Database::connect(&stack.url, 2).await.unwrap();
    assert_eq!(accounts_service::holds::sweep(&db, &clock).await.unwrap(), 0);
    clock.advance(Duration::from_secs(21));
    let (one, other) =
        join(accounts_service::holds::sweep(&db, &clock), accounts_service::holds::sweep(&db, &clock)).await;
    assert_eq!(one.unwrap() + other.unwrap(), 1, "one account, once");
    let stored = || async {
        use sea_orm::EntityTrait;
        let id: uuid::Uuid = from.parse().unwrap();
        let row = accounts_service::db::entity::account::Entity::find_by_id(id).one(&db.pool).await.unwrap().unwrap();
        let events = accounts_service::db::entity::outbox_event::Entity::find().all(&db.pool).await.unwrap();
        let expired: Vec<_> = events.into_iter().filter(|event| event.kind == "transfer.expired").collect();
        (row.held, row.next_expiry.is_some(), expired.len())
    };
    assert_eq!(stored().await, (10, true, 2));
    clock.advance(Duration::from_secs(21));
    // A transfer writes down what it finds, as the sweeper would.
    client.transfer(&who, "t", &pay(&from, &to, 100)).await.expect(201);
    assert_eq!(stored().await, (0, false, 3));
    assert_eq!(accounts_service::holds::sweep(&db, &clock).await.unwrap(), 0);
}

/// What the database holds: `held`, whether a hold that counts lapses, open rows, and what was told of the others.
async fn stored(url: &str, account: &str) -> (i64, bool, usize, usize) {
    use accounts_service::db::entity::{account, hold, outbox_event};
    use sea_orm::EntityTrait;
    let db = accounts_service::db::Database::connect(url, 1).await.unwrap();
    let id: uuid::Uuid = account.parse().unwrap();
    let row = account::Entity::find_by_id(id).one(&db.pool).await.unwrap().unwrap();
    let holds = hold::Entity::find().all(&db.pool).await.unwrap();
    let holds: Vec<_> = holds.into_iter().filter(|hold| hold.debit_account_id == id).collect();
    let events = outbox_event::Entity::find().all(&db.pool).await.unwrap();
    let expired = |event: &&outbox_event::Model| {
        event.kind == "transfer.expired" && holds.iter().any(|hold| hold.transfer_id == event.subject)
    };
    let told = events.iter().filter(expired).count();
    let open = holds.iter().filter(|hold| hold.state == "open").count();
    (row.held, row.next_expiry.is_some(), open, told)
}

/// Holds of one each, for twenty seconds.
async fn hold_many(client: &Client, who: &User, (from, to): (&str, &str), count: usize) {
    let items: Vec<_> = (0..count).map(|_| hold_for(from, to, 1, 20)).collect();
    let batch = json!({"mode": "atomic", "transfers": items});
    let key = format!("many-{from}");
    client.post(who, "/api/v1/transfers/batch", &[("idempotency-key", &key)], &batch).await.expect(200);
}

async fn very_many(stack: &Stack, clock: Clock) {
    let (client, who, officer) = (&stack.client, user(), someone(&[Role::Admin]));
    let (from, to) = (client.funded(&who, 2_500).await, client.open(&who, "user").await);
    hold_many(client, &who, (&from, &to), 2_500).await;
    assert_eq!(client.transfer(&who, "short", &pay(&from, &to, 1)).await.code(), "insufficient_funds");
    clock.advance(Duration::from_secs(21));
    // All of it is free at once, whoever asks; a commit ends so many rows and not more.
    assert_eq!(sums(client, &who, &from).await, [2_500, 0, 2_500]);
    client.post(&who, "/api/v1/transfers?dry_run=true", &[], &pay(&from, &to, 2_500)).await.expect(200);
    assert_eq!(stored(&stack.url, &from).await, (2_500, true, 2_500, 0));
    client.transfer(&who, "whole", &pay(&from, &to, 2_500)).await.expect(201);
    assert_eq!(stored(&stack.url, &from).await, (0, false, 1_500, 1_000));
    assert_eq!(sums(client, &who, &from).await, [0, 0, 0]);
    // What is left of them counts in nothing that comes later.
    client.transfer(&who, "back", &pay(&to, &from, 10)).await.expect(201);
    held(client, &who, "new", &hold_for(&from, &to, 10, 20)).await;
    assert_eq!(stored(&stack.url, &from).await, (10, true, 1_501, 1_000));
    assert_eq!(sums(client, &who, &from).await, [10, 10, 0]);
    clock.advance(Duration::from_secs(21));
    assert_eq!(sums(client, &who, &from).await, [10, 0, 10]);
    client.transfer(&who, "again", &pay(&from, &to, 10)).await.expect(201);
    assert_eq!(stored(&stack.url, &from).await, (0, false, 501, 2_000));
    let db = accounts_service::db::Database::connect(&stack.url, 2).await.unwrap();
    assert_eq!(accounts_service::holds::sweep(&db, &clock).await.unwrap(), 1);
    assert_eq!(stored(&stack.url, &from).await, (0, false, 0, 2_501));
    // Bounds and closing look at what is stored, and find all of it free as well.
    hold_many(client, &who, (&to, &from), 2_100).await;
    clock.advance(Duration::from_secs(21));
    let path = format!("/api/v1/accounts/{to}");
    client.raw(&officer, "PATCH", &path, &[], Some(json!({"floor": 2_500}).to_string())).await.expect(200);
    assert_eq!(stored(&stack.url, &to).await, (0, false, 1_100, 1_000));
    client.raw(&officer, "PATCH", &path, &[], Some(json!({"floor": 0}).to_string())).await.expect(200);
    assert_eq!(accounts_service::holds::sweep(&db, &clock).await.unwrap(), 1, "the patch of before took a step, too");
    assert_eq!(stored(&stack.url, &to).await, (0, false, 0, 2_100));
    client.transfer(&who, "out", &pay(&to, &from, 2_500)).await.expect(201);
    client.raw(&who, "POST", &format!("{path}/close"), &[], None).await.expect(200);
}

/// A decline that had to add up what lapsed leaves nothing to add up for the next one.
async fn declining(stack: &Stack, clock: Clock) {
    let (client, who) = (&stack.client, user());
    for mode in ["single", "independent", "atomic"] {
        let (from, to) = (client.funded(&who, 1_500).await, client.open(&who, "user").await);
        hold_many(client, &who, (&from, &to), 1_500).await;
        clock.advance(Duration::from_secs(21));
        let (key, order) = (format!("too-much-{from}"), pay(&from, &to, 1_501));
        if mode == "single" {
            assert_eq!(client.transfer(&who, &key, &order).await.expect(422).code(), "insufficient_funds");
        } else {
            // The first would have gone through: in an atomic batch it comes to nothing.
            let batch = json!({"mode": mode, "transfers": [pay(&from, &to, 1), order]});
            let answer = client.post(&who, "/api/v1/transfers/batch", &[("idempotency-key", &key)], &batch).await;
            answer.expect(if mode == "atomic" { 422 } else { 200 });
        }
        assert_eq!(stored(&stack.url, &from).await, (0, false, 500, 1_000), "{mode}");
        let left = if mode == "independent" { 1_499 } else { 1_500 };
        assert_eq!(sums(client, &who, &from).await, [left, 0, left], "{mode}");
        client.transfer(&who, &format!("whole-{from}"), &pay(&from, &to, left)).await.expect(201);
    }
}

async fn failing(stack: &Stack, clock: Clock) {
    use accounts_service::db::entity::account;
    use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel};
    let (client, who) = (&stack.client, user());
    let mut accounts = [client.funded(&who, 100).await, client.funded(&who, 100).await];
    // The sweeper goes by their ids.
    accounts.sort();
    let [bad, good] = accounts;
    for from in [&bad, &good] {
        let to = if from == &bad { &good } else { &bad };
        held(client, &who, &format!("h{from}"), &hold_for(from, to, 10, 20)).await;
    }
    let db = accounts_service::db::Database::connect(&stack.url, 2).await.unwrap();
    let row = account::Entity::find_by_id(bad.parse::<uuid::Uuid>().unwrap()).one(&db.pool).await.unwrap().unwrap();
    let mut row = row.into_active_model();
    row.currency = Set("QQQ".to_owned());
    row.update(&db.pool).await.unwrap();
    clock.advance(Duration::from_secs(21));
    assert_eq!(accounts_service::holds::sweep(&db, &clock).await.unwrap(), 1);
    assert_eq!(stored(&stack.url, &good).await, (0, false, 0, 1));
    assert_eq!(stored(&stack.url, &bad).await, (10, true, 1, 0));
}

macro_rules! by_the_clock {
    ($($name:ident: $test:ident),+ $(,)?) => {
        $(mod $name {
            #[test]
            fn on_sqlite() {
                super::without_a_sweeper(crate::stack::Which::Sqlite, super::$test);
            }
            #[test]
            fn on_postgres() {
                super::without_a_sweeper(crate::stack::Which::Postgres, super::$test);
            }
        })+
    };
}

by_the_clock!(
    post_at_the_instant_of_expiry_is_decided_by_the_batch: expiry,
    a_hold_spends_and_its_expiry_frees_without_a_sweeper: spending_and_freeing,
    the_sweeper_writes_down_what_time_has_ended: sweeping,
    of_very_many_that_lapse_a_commit_ends_so_many_and_counts_none: very_many,
    a_decline_counts_off_what_has_lapsed: declining,
    an_account_that_fails_keeps_the_sweeper_from_no_other: failing,
);
