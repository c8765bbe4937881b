//! How batches are committed: from what is remembered, whoever else writes to the same ledger.

use std::rc::Rc;
use std::time::Duration;

use accounts_service::db::entity::{account, entry, transfer, transfer_key};
use accounts_service::db::{Backend, Database, Month};
use futures_util::future::{join, join_all};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::json;
use shared::clock::{Clock, to_micros};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use time::macros::datetime;
use uuid::Uuid;

use crate::client::{pay, treasurer, user};
use crate::stack::{Stack, Which, run};
use crate::{engine, on_both};

on_both!(
    a_batch_keeps_ids_and_is_replayed_to_the_byte,
    a_slower_clock_posts_after_the_faster_one,
    a_month_begins_in_the_middle,
    a_month_that_an_event_opens_is_that_of_what_follows,
);

async fn a_batch_keeps_ids_and_is_replayed_to_the_byte(stack: Rc<Stack>) {
    let officer = treasurer();
    let (bank, to) = (stack.client.open(&officer, "system").await, stack.client.open(&officer, "user").await);
    let item = |n: i64| {
        let mut item = pay(&bank, &to, n % 7);
        item["description"] = json!("as long as a description tends to be, and longer");
        item
    };
    let items: Vec<_> = (0..700).map(item).collect();
    let many = json!({"mode": "independent", "transfers": items});
    let send = || stack.client.post(&officer, "/api/v1/transfers/batch", &[("idempotency-key", "b")], &many);
    let (first, again) = (send().await.expect(200), send().await.expect(200));
    assert!(!first.replayed() && again.replayed());
    assert_eq!(first.bytes, again.bytes);
    // From the rows, not from this process' memory.
    let other = Stack::start(stack.url.clone()).await;
    let elsewhere = other.client.post(&officer, "/api/v1/transfers/batch", &[("idempotency-key", "b")], &many).await;
    assert!(elsewhere.replayed());
    assert_eq!(first.bytes, elsewhere.bytes);
    other.stop().await;

    let db = Database::connect(&stack.url, 1).await.unwrap();
    let body = transfer_key::Entity::find().filter(transfer_key::Column::Body.is_not_null());
    let kept = body.one(&db.pool).await.unwrap().unwrap().body.unwrap();
    let refused: usize =
        first.json()["results"].as_array().unwrap().iter().map(|item| item["problem"].to_string().len()).sum();
    assert!(kept.len() < 700 * 17 + refused, "{} bytes for 600 transfers", kept.len());
}

/// Instants follow the order of commit, whatever the clocks of those who commit.
async fn a_slower_clock_posts_after_the_faster_one(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = (stack.client.funded(&who, 1_000).await, stack.client.open(&who, "user").await);
    let backend = Backend::parse(&stack.url).unwrap();
    let slow = Clock::manual(Clock::system().now() - Duration::from_secs(5));
    let running = engine::start_at(&backend, slow);
    for round in 0..6_u128 {
        let ask = running.0.submit(engine::unit(&who, round, (&from, &to), 1));
        assert_eq!(engine::verdict(ask.await), Ok((true, false)));
        stack.client.transfer(&who, &format!("fast-{round}"), &pay(&from, &to, 1)).await.expect(201);
    }
    engine::stop(running).await;
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let rows = transfer::Entity::find().order_by_asc(transfer::Column::Position).all(&db.pool).await.unwrap();
    assert_eq!(rows.len(), 13);
    assert!(rows.is_sorted_by(|one, next| one.posted_at < next.posted_at));
}

/// Whatever month the clock leaps into has its tables, and its positions.
async fn a_month_begins_in_the_middle(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = (stack.client.funded(&who, 1_000).await, stack.client.open(&who, "user").await);
    let clock = Clock::manual(datetime!(2031-12-31 23:59:59.999_990 UTC));
    let running = engine::start_at(&Backend::parse(&stack.url).unwrap(), clock.clone());
    for round in 0..4_u128 {
        let ask = running.0.submit(engine::unit(&who, round, (&from, &to), 1));
        assert_eq!(engine::verdict(ask.await), Ok((true, false)));
        clock.advance(Duration::from_micros(5));
    }
    engine::stop(running).await;
    // Behind the clock of the other, and so in its month.
    stack.client.transfer(&who, "behind", &pay(&from, &to, 1)).await.expect(201);
    stack.client.open(&who, "user").await;
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let rows = transfer::Entity::find().order_by_asc(transfer::Column::Position).all(&db.pool).await.unwrap();
    let months: Vec<_> = rows[1..].iter().map(|row| Month::of(row.position)).collect();
    let december = Month::at(to_micros(datetime!(2031-12-31 00:00 UTC)));
    let january = december.plus(1);
    assert_eq!(months, [december, december, january, january, january]);
    assert!(rows.is_sorted_by(|one, next| one.posted_at < next.posted_at));
}

/// Places name the month of their instant: also of a transfer that was decided before an event took the first place of a
/// month.
async fn a_month_that_an_event_opens_is_that_of_what_follows(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = (stack.client.open(&who, "user").await, stack.client.open(&who, "user").await);
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let id: Uuid = from.parse().unwrap();
    let overdraft = account::ActiveModel { id: Unchanged(id), floor: Set(Some(-10)), ..Default::default() };
    overdraft.update(&db.pool).await.unwrap();
    let slow = Clock::manual(Clock::system().now() - Duration::from_hours(24 * 40));
    let running = engine::start_at(&Backend::parse(&stack.url).unwrap(), slow);
    let posted = running.0.submit(engine::unit(&who, 1, (&from, &to), 1)).await;
    assert_eq!(engine::verdict(posted), Ok((true, false)));
    engine::stop(running).await;
    let row = transfer::Entity::find().one(&db.pool).await.unwrap().unwrap();
    assert!(Month::of(row.position) <= Month::at(row.created_at), "{row:?}");
}

/// A counter of the posting engine's.
async fn counted(stack: &Stack, name: &str) -> u64 {
    let text = String::from_utf8(stack.client.get(&user(), "/metrics").await.expect(200).bytes).unwrap();
    let line =
        text.lines().find_map(|line| line.strip_prefix(&format!("tollgate_accounts_posting_{name}_total "))).unwrap();
    line.parse().unwrap()
}

#[test]
fn on_postgres_a_moved_account_is_folded_again_and_not_under_lock() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let who = user();
        let other = Stack::start(stack.url.clone()).await;
        let (from, to) = (stack.client.funded(&who, 100).await, stack.client.open(&who, "user").await);
        for round in 0..20 {
            let client = if round % 2 == 0 { &stack.client } else { &other.client };
            client.transfer(&who, &format!("r-{round}"), &pay(&from, &to, 1)).await.expect(201);
        }
        // A key that the other has, and a decline that rests on what the other did.
        assert!(stack.client.transfer(&who, "r-19", &pay(&from, &to, 1)).await.expect(201).replayed());
        assert!(!other.client.transfer(&who, "none", &pay(&from, &to, 81)).await.expect(422).replayed());
        assert_eq!(other.client.balance(&who, &to).await, 20);
        for stack in [&*stack, &other] {
            assert!(counted(stack, "refolded").await > 0);
            assert_eq!(counted(stack, "careful").await, 0);
        }
        other.stop().await;
    });
}

#[test]
fn on_postgres_two_processes_share_a_hot_system_account_on_the_fast_way() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let officer = treasurer();
        let other = Stack::start(stack.url.clone()).await;
        let bank = stack.client.open(&officer, "system").await;
        let (one, two) = (stack.client.open(&officer, "user").await, stack.client.open(&officer, "user").await);
        let (clients, rounds) = (8, 12);
        let load = (0..clients).map(|n| {
            let (client, own) = if n % 2 == 0 { (&stack.client, &one) } else { (&other.client, &two) };
            let (officer, bank) = (&officer, &bank);
            async move {
                for round in 0..rounds {
                    let body = if round % 3 < 2 { pay(bank, own, 10) } else { pay(own, bank, 5) };
                    client.transfer(officer, &format!("{n}-{round}"), &body).await.expect(201);
                }
            }
        });
        join_all(load).await;
        for stack in [&*stack, &other] {
            assert_eq!((counted(stack, "refolded").await, counted(stack, "careful").await), (0, 0));
        }
        let db = Database::connect(&stack.url, 1).await.unwrap();
        for account in [&bank, &one, &two] {
            let id: Uuid = account.parse().unwrap();
            let entries = entry::Entity::find().filter(entry::Column::AccountId.eq(id));
            let entries = entries.order_by_asc(entry::Column::Seq).all(&db.pool).await.unwrap();
            let mut balance = 0;
            for (row, seq) in entries.iter().zip(1..) {
                balance += row.amount;
                assert_eq!((row.seq, row.balance_after), (seq, balance), "{account}");
            }
            assert!(entries.is_sorted_by_key(|row| row.position));
            assert_eq!(stack.client.balance(&officer, account).await, balance);
        }
        assert_eq!(stack.client.balance(&officer, &bank).await, -i64::from(clients * rounds / 3 * 15));
        // What leans on its balance still sees the truth.
        let mut strict = pay(&bank, &one, 1);
        strict["preconditions"] = json!({"debit_balance": {"gte": -480}});
        assert_eq!(stack.client.transfer(&officer, "strict", &strict).await.code(), "precondition_failed");
        other.stop().await;
    });
}

/// A decline rests on the system account that the other process adds to meanwhile: whoever locks both locks the user's first.
#[test]
fn on_postgres_declines_and_additions_lock_in_one_order() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let officer = treasurer();
        let other = Stack::start(stack.url.clone()).await;
        // Made first, it has the least id of all.
        let bank = stack.client.open(&officer, "system").await;
        let who = user();
        let own = join_all((0..8).map(|_| stack.client.funded(&who, 1_000))).await;
        let load =
            own.iter().enumerate().flat_map(|(n, from)| [(n, from, &stack.client, 1), (n, from, &other.client, 9_999)]);
        let load = load.map(|(n, from, client, amount)| {
            let (who, order) = (&who, pay(from, &bank, amount));
            async move {
                for round in 0..40 {
                    let answer = client.transfer(who, &format!("{n}-{round}-{amount}"), &order).await;
                    answer.expect(if amount == 1 { 201 } else { 422 });
                }
            }
        });
        join_all(load).await;
        let mut db = PgConnection::connect(&stack.url).await.unwrap();
        let count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut db).await.unwrap(), 0);
        other.stop().await;
    });
}

/// Anybody may name a stranger's account: what is for ever so does not make the writer look at it again.
#[test]
fn on_postgres_what_is_for_ever_declined_rests_on_no_version() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let (who, officer) = (user(), treasurer());
        let other = Stack::start(stack.url.clone()).await;
        let (hot, own) = (stack.client.funded(&officer, 1_000).await, stack.client.open(&who, "user").await);
        let (bank, own_funded) = (stack.client.open(&officer, "system").await, stack.client.funded(&who, 10).await);
        for round in 0..10 {
            other.client.transfer(&officer, &format!("o-{round}"), &pay(&hot, &own, 1)).await.expect(201);
            let stranger = stack.client.transfer(&who, &format!("s-{round}"), &pay(&hot, &own, 1)).await;
            assert_eq!(stranger.expect(404).code(), "debit_account_not_found");
            // Nor what would only have been added to, in a batch that comes to nothing.
            let atomic = json!({"mode": "atomic", "transfers": [pay(&hot, &own, 1), pay(&own_funded, &bank, 1)]});
            let key = format!("a-{round}");
            let answer =
                stack.client.post(&who, "/api/v1/transfers/batch", &[("idempotency-key", &key)], &atomic).await;
            assert_eq!(answer.expect(422).code(), "batch_declined");
            other.client.transfer(&officer, &format!("b-{round}"), &pay(&bank, &hot, 1)).await.expect(201);
        }
        assert_eq!((counted(&stack, "refolded").await, counted(&stack, "careful").await), (0, 0));
        other.stop().await;
    });
}

#[test]
fn on_postgres_a_storm_of_replays_leaves_the_writer_alone() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let who = user();
        let other = Stack::start(stack.url.clone()).await;
        let (from, to) = (stack.client.funded(&who, 100).await, stack.client.open(&who, "user").await);
        let ask = async |stack: &Stack, round: i64| {
            stack.client.transfer(&who, &format!("r-{round}"), &pay(&from, &to, 1 + round % 2 * 1_000)).await
        };
        for round in 0..30 {
            assert!(!ask(&stack, round).await.replayed());
        }
        for round in 0..30 {
            assert!(ask(&other, round).await.replayed(), "{round}");
        }
        // Only the first was found out by a refusal.
        assert_eq!((counted(&other, "refolded").await, counted(&other, "careful").await), (1, 0));
        assert!(!other.client.transfer(&who, "new", &pay(&from, &to, 1)).await.expect(201).replayed());
        other.stop().await;
    });
}

/// As long as a month's instance of the release before runs, it posts through `post_batch`.
#[test]
fn on_postgres_the_release_before_posts_in_between() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let who = user();
        let (from, to) = (stack.client.funded(&who, 100).await, stack.client.open(&who, "user").await);
        let db = Database::connect(&stack.url, 1).await.unwrap();
        for round in 0..3 {
            stack.client.transfer(&who, &format!("n-{round}"), &pay(&from, &to, 1)).await.expect(201);
            let old = format!(
                "SELECT post_batch(false, ARRAY[gen_random_uuid()], ARRAY[gen_random_uuid()], ARRAY[201::smallint], \
                 ARRAY[t.id], ARRAY[NULL::bytea], ARRAY[a.id, b.id], ARRAY[a.version, b.version], \
                 ARRAY[a.balance - 2, b.balance + 2], ARRAY[a.seq + 1, b.seq + 1], \
                 ARRAY[a.version + 1, b.version + 1], ARRAY[t.id], ARRAY[a.id], ARRAY[b.id], ARRAY[2::bigint], \
                 ARRAY['USD'], ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[a.owner_id], \
                 ARRAY[a.seq + 1], ARRAY[a.balance - 2], ARRAY[b.seq + 1], ARRAY[b.balance + 2], \
                 h.committed_at + 1, decode(repeat('ab', 32), 'hex')) \
                 FROM accounts a, accounts b, ledger_head h, (SELECT gen_random_uuid() AS id) t \
                 WHERE a.id = '{from}' AND b.id = '{to}'"
            );
            db.pool.execute_unprepared(&old).await.unwrap();
        }
        assert_eq!(stack.client.balance(&who, &to).await, 9);
        let formats = "SELECT 1 / (CASE WHEN array_agg(format ORDER BY batch_no) = '{2,2,1,2,1,2,1}' THEN 1 ELSE 0 END) \
                       FROM ledger_batches";
        db.pool.execute_unprepared(formats).await.unwrap();
    });
}

/// The statement that locks accounts goes through them in the order of its array: nested loops, the array outside.
#[test]
fn on_postgres_the_update_locks_accounts_in_the_order_of_its_array() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let who = user();
        join(stack.client.open(&who, "user"), stack.client.open(&who, "user")).await;
        let mut db = PgConnection::connect(&stack.url).await.unwrap();
        let source = "SELECT prosrc FROM pg_proc WHERE proname = 'commit_batch'";
        let source: String = sqlx::query_scalar(source).fetch_one(&mut db).await.unwrap();
        let from = source.find("UPDATE accounts a SET balance = u.balance").unwrap();
        let update = source[from..].split(';').next().unwrap();
        // The function's arguments as the statement's.
        let (before, after) = update.split_once("unnest(").unwrap();
        let (_, after) = after.split_once(')').unwrap();
        let update = format!("{before}unnest($1, $3, $4, $5, $6, $7, $8){after}");
        let update = update.replace("= asked", "= $2").replace("new_expiry IS NULL", "$8 IS NULL");
        for setting in [
            "plan_cache_mode = force_generic_plan",
            "enable_hashjoin = off",
            "enable_mergejoin = off",
            "enable_material = off",
            "enable_seqscan = off",
        ] {
            sqlx::query(AssertSqlSafe(format!("SET {setting}"))).execute(&mut db).await.unwrap();
        }
        let prepare = format!(
            "PREPARE it (uuid[], bigint, bigint[], bigint[], bigint[], bigint[], bigint[], bigint[]) AS {update}"
        );
        for sql in ["ANALYZE accounts", &prepare] {
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut db).await.unwrap();
        }
        let none = "'{}'".to_owned();
        let arguments = [&none, "0", &none, &none, &none, &none, &none, &none].join(", ");
        let plan = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN (COSTS off) EXECUTE it ({arguments})")));
        let plan = plan.fetch_all(&mut db).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get::<String, _>(0).trim().to_owned()).collect();
        let nodes: Vec<_> = plan.iter().filter_map(|line| line.strip_prefix("->  ")).collect();
        let expected = ["Nested Loop", "Function Scan on u", "Index Scan using accounts_pkey on accounts a"];
        assert_eq!(nodes, expected, "{plan:#?}");
    });
}

#[test]
fn on_postgres_opposite_directions_from_two_processes_all_get_through() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let who = user();
        let other = Stack::start(stack.url.clone()).await;
        let (a, b) = join(stack.client.funded(&who, 1_000), stack.client.funded(&who, 1_000)).await;
        let load = (0..12).map(|n| {
            let client = if n % 2 == 0 { &stack.client } else { &other.client };
            let body = if n % 4 < 2 { pay(&a, &b, 1) } else { pay(&b, &a, 1) };
            let who = &who;
            async move {
                for round in 0..10 {
                    client.transfer(who, &format!("{n}-{round}"), &body).await.expect(201);
                }
            }
        });
        join_all(load).await;
        assert_eq!(stack.client.balance(&who, &a).await + other.client.balance(&who, &b).await, 2_000);
        other.stop().await;
    });
}
