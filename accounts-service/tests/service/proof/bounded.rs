//! A round takes as much memory as its bounds say, whatever there is to be looked at.

use accounts_service::db::Database;
use sea_orm::{ConnectionTrait, Statement};
use shared::clock::Clock;
use uuid::Uuid;

use super::long::{EACH, MORE, most, write};
use super::sampled::{Look, number};
use super::world::{QUIET, is_sqlite};
use crate::client::{pay, user};
use crate::stack::{Stack, Which, on_database};
use crate::statements::resident;

/// Accounts opened before anybody paid.
const OPENED: i64 = 100_000;

/// Where the look has come to.
const REACHED: &str = "SELECT position FROM invariant_watch";

async fn run(db: &Database, sql: &str) {
    db.pool.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[test]
fn very_many_events_before_a_batch_are_looked_at_in_rounds() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            let (who, stack) = (user(), Stack::start_by(url.clone(), Clock::system(), &QUIET).await);
            let (from, to) = (stack.client.funded(&who, 10).await, stack.client.open(&who, "user").await);
            stack.stop().await;
            let db = Database::connect(&url, 1).await.unwrap();
            let (numbers, id) = match is_sqlite(&url) {
                true => (
                    "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {}) SELECT n FROM s",
                    "randomblob(16)",
                ),
                false => ("SELECT n FROM generate_series(1, {}) AS n", "gen_random_uuid()"),
            };
            let numbers = numbers.replace("{}", &OPENED.to_string());
            run(
                &db,
                &format!(
                    "INSERT INTO outbox_events (position, id, kind, subject, data, recorded_at) SELECT \
                     h.position + s.n, {id}, 'account.opened', {id}, '{{}}', h.committed_at FROM ledger_head h, ({numbers}) AS s"
                ),
            )
            .await;
            run(&db, &format!("UPDATE ledger_head SET position = position + {OPENED}")).await;
            db.pool.close().await.unwrap();
            let stack = Stack::start_by(url.clone(), Clock::system(), &QUIET).await;
            stack.client.transfer(&who, "one", &pay(&from, &to, 1)).await.expect(201);
            stack.stop().await;

            let look = Look::by(&url, 2_000).await;
            look.round().await;
            let (first, before) = (number(&look.sampler.db, REACHED).await, resident());
            let (most, ()) = most(async {
                for _ in 0..OPENED / 2_000 + 1 {
                    look.round().await;
                }
            })
            .await;
            let last = number(&look.sampler.db, REACHED).await;
            assert!(first > 0 && last - first > OPENED - 2_100, "one round comes to {first} of {last}");
            assert_eq!(last, number(&look.sampler.db, "SELECT position FROM ledger_head").await);
            assert!(most < before + MORE, "{} more", most - before);
            assert_eq!(number(&look.sampler.db, "SELECT count(*) FROM invariant_violations").await, 0);
            look.stop().await;
        });
    }
}

#[test]
fn long_texts_end_a_round_before_its_rows_do() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            let stack = Stack::start_by(url.clone(), Clock::system(), &QUIET).await;
            stack.client.funded(&user(), 1).await;
            stack.stop().await;
            let text = match is_sqlite(&url) {
                true => "'\"' || hex(zeroblob(4000)) || '\"'",
                false => "'\"' || repeat('x', 8000) || '\"'",
            };
            write(&url, 4, text).await;
            let look = Look::by(&url, 100_000).await;
            let before = resident();
            let (most, _) = most(look.round()).await;
            let batches = look.metric("invariant_batch{end=\"reached\"}").unwrap();
            assert!((2..4).contains(&batches), "{batches} of batches with {EACH} transfers of 8 KB each");
            assert!(most < before + MORE, "{} more", most - before);
            look.follow().await;
            assert_eq!(number(&look.sampler.db, "SELECT count(*) FROM invariant_violations").await, 0);
            look.stop().await;
        });
    }
}

#[test]
fn what_keys_keep_is_read_one_by_one() {
    const KEYS: u128 = 20;
    const LENGTH: u32 = 4_000_000;
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            let stack = Stack::start_by(url.clone(), Clock::system(), &QUIET).await;
            stack.stop().await;
            let look = Look::by(&url, 100).await;
            look.round().await;
            // A refusal of that length; behind any place that a round begins at.
            let refused = [&[1, 1, 0x96, 0][..], &LENGTH.to_be_bytes()].concat();
            let refused = hex::encode(refused);
            for n in 0..KEYS {
                let body = match is_sqlite(&url) {
                    true => format!("CAST(x'{refused}' || zeroblob({LENGTH}) AS blob)"),
                    false => format!("'\\x{refused}'::bytea || convert_to(repeat('x', {LENGTH}), 'UTF8')"),
                };
                let sql = format!(
                    "INSERT INTO transfer_keys (digest, fingerprint, status, body) VALUES ($1, $2, 422, {body})"
                );
                let values = [Uuid::from_u128(u128::MAX - n).into(), Uuid::nil().into()];
                let statement =
                    Statement::from_sql_and_values(look.sampler.db.pool.get_database_backend(), sql, values);
                look.sampler.db.pool.execute_raw(statement).await.unwrap();
            }
            let before = resident();
            let (most, _) = most(look.round()).await;
            assert!(most < before + MORE, "{} more", most - before);
            assert_eq!(number(&look.sampler.db, "SELECT count(*) FROM invariant_violations").await, 0);
            look.stop().await;
        });
    }
}
