//! Rounds: part by part, each on its own; due by the last one; again at once while there is more.

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Clock;

use super::sampled::{Look, PATH, number};
use super::world::{Copy, QUIET, make};
use crate::client::{pay, treasurer, user};
use crate::stack::{Stack, Which, on_database};

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn what_one_part_finds_is_kept_when_another_fails() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let copy = Copy::of(&url).await;
            let changed = [
                "UPDATE transfers SET description = 'x' WHERE external_ref = 'r-1'",
                "ALTER TABLE transfer_keys RENAME TO away",
                "ALTER TABLE exchange_carries RENAME TO carried",
            ];
            copy.change(&changed.map(str::to_owned)).await;
            let look = Look::at(&copy.url).await;
            look.follow().await;
            let open = "SELECT count(*) FROM invariant_violations WHERE acknowledged_at IS NULL";
            assert_eq!(number(&look.sampler.db, open).await, 1);
            let failed = |part: &str| look.metric(&format!("invariant_failures_total{{part=\"{part}\"}}")).unwrap();
            // The sums have a time of their own, also when they fail.
            assert!(failed("keys") > 1 && failed("remainders") == 1, "{} {}", failed("keys"), failed("remainders"));
            assert_eq!((failed("chain"), failed("balances")), (0, 0));
            look.clock.advance(Duration::from_secs(9));
            assert_eq!(look.metric("invariant_part_age_seconds{part=\"chain\"}"), Some(9));
            assert_eq!(look.metric("invariant_part_age_seconds{part=\"keys\"}"), None);

            copy.change(&[
                "UPDATE invariant_violations SET acknowledged_at = 1, acknowledged_by = id".to_owned(),
                "ALTER TABLE away RENAME TO transfer_keys".to_owned(),
            ])
            .await;
            look.round().await;
            look.stop().await;
            let stack = Stack::start_by(copy.url.clone(), Clock::system(), &QUIET).await;
            let shown = stack.client.get(&treasurer(), PATH).await.expect(200).json();
            assert_eq!((&shown["status"], &shown["open_violations"]), (&json!("stale"), &json!(0)), "{shown}");
            let part = |name: &str| -> Value {
                let parts = shown["parts"].as_array().unwrap();
                parts.iter().find(|part| part["name"] == json!(name)).unwrap().clone()
            };
            assert!(part("remainders")["failing_since"].is_string() && part("remainders")["done_at"].is_null());
            assert_eq!((&part("keys")["stale"], &part("keys")["failing_since"]), (&json!(false), &Value::Null));
            stack.stop().await;
            copy.remove().await;
        });
    }
}

#[test]
fn a_round_follows_as_many_batches_as_it_has_rows_for() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            let stack = Stack::start_by(url.clone(), Clock::system(), &QUIET).await;
            let who = user();
            let (from, to) = (stack.client.funded(&who, 1_000).await, stack.client.open(&who, "user").await);
            for n in 0..600 {
                stack.client.transfer(&who, &n.to_string(), &pay(&from, &to, 1)).await.expect(201);
            }
            stack.stop().await;
            let look = Look::by(&url, 10_000).await;
            look.round().await;
            let reached = look.metric("invariant_batch{end=\"reached\"}");
            assert!(reached >= Some(600), "{reached:?}");
            assert_eq!(reached, look.metric("invariant_batch{end=\"head\"}"));
            look.stop().await;
        });
    }
}

#[test]
fn who_is_behind_does_not_wait_for_the_next_round() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let Look { sampler, .. } = Look::every(&url, 10, DAY).await;
            let db = sampler.db.clone();
            let running = tokio::spawn(sampler.run());
            let left = "SELECT h.batch_no - w.batch_no FROM invariant_watch w, ledger_head h";
            tokio::time::timeout(Duration::from_secs(60), async {
                while number(&db, left).await > 0 {
                    tokio::task::yield_now().await;
                }
            })
            .await
            .unwrap();
            running.abort();
            running.await.unwrap_err();
            db.pool.close().await.unwrap();
        });
    }
}

#[test]
fn the_next_round_is_due_by_the_last_one_whoever_had_it() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let (one, other) = (Look::every(&url, 10, DAY).await, Look::every(&url, 10, DAY).await);
            assert!(one.round().await);
            one.stop().await;
            // The lease of the one who is gone has ended, and nothing is due.
            other.clock.advance(Duration::from_secs(3_600));
            assert!(!other.round().await);
            other.clock.advance(DAY - Duration::from_secs(3_600));
            assert!(other.round().await, "nobody looks for days");
            other.stop().await;
        });
    }
}

#[test]
fn the_tables_may_be_emptied_and_it_looks_again_from_the_beginning() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let look = Look::at(&url).await;
            look.follow().await;
            for table in ["watch", "checks", "violations", "parts"] {
                sea_orm::ConnectionTrait::execute_unprepared(
                    &look.sampler.db.pool,
                    &format!("DELETE FROM invariant_{table}"),
                )
                .await
                .unwrap();
            }
            let stack = Stack::start_by(url.clone(), Clock::system(), &QUIET).await;
            assert_eq!(stack.client.get(&treasurer(), PATH).await.expect(200).json()["status"], json!("unchecked"));
            stack.stop().await;
            assert!(look.round().await);
            look.follow().await;
            assert_eq!(number(&look.sampler.db, "SELECT count(*) FROM invariant_violations").await, 0);
            look.stop().await;
        });
    }
}
