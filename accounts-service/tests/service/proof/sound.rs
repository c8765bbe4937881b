//! A ledger with everything in it is sound: all of it, from a month on, beside writers, and read by whoever may only read.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use accounts_service::db::{Database, Month};
use accounts_service::proof::{Invariant, Wanted, command};
use futures_util::future::{join, join_all};
use sea_orm::{ConnectionTrait, Statement};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use super::world::{make, verify};
use crate::client::{pay, user};
use crate::stack::{Stack, Which, on_database, run};

#[test]
fn everything_there_is_is_looked_at_and_sound() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let report = verify(&url).await;
            assert!(report.is_sound(), "{}", report.text());
            for invariant in Invariant::ALL {
                assert!(report.findings.checked.get(invariant).is_some_and(|count| *count > 0), "{}", invariant.word());
            }
            let db = Database::connect(&url, 1).await.unwrap();
            let count = async |sql: &str| -> u64 {
                let statement = Statement::from_string(db.pool.get_database_backend(), sql);
                let row = db.pool.query_one_raw(statement).await.unwrap().unwrap();
                u64::try_from(row.try_get_by_index::<i64>(0).unwrap()).unwrap()
            };
            assert_eq!(report.transfers, count("SELECT count(*) FROM transfers").await);
            assert_eq!(report.entries, count("SELECT count(*) FROM entries").await);
            // From the last month on: what was before is taken as it is.
            let last = i64::try_from(count("SELECT max(position) FROM transfers").await).unwrap();
            let from = Some(Month::of(last));
            let later = command::run(&url, Wanted { from, expect: None, most: 10 }).await.unwrap();
            assert!(later.is_sound() && later.after > 1, "{}", later.text());
            assert!(later.transfers >= 2 && later.transfers < report.transfers, "{}", later.text());
            db.pool.close().await.unwrap();
        });
    }
}

#[test]
fn an_empty_ledger_is_sound() {
    for which in [Which::Sqlite, Which::Postgres] {
        run(which, async |stack: Rc<Stack>| {
            let report = verify(&stack.url).await;
            assert!(report.is_sound() && report.transfers == 0, "{}", report.text());
        });
    }
}

#[test]
fn beside_writers_it_is_sound_all_the_time() {
    for which in [Which::Sqlite, Which::Postgres] {
        run(which, beside_writers);
    }
}

async fn beside_writers(stack: Rc<Stack>) {
    let who = user();
    let (one, two) = (stack.client.funded(&who, 1_000_000).await, stack.client.funded(&who, 1_000_000).await);
    let done = AtomicBool::new(false);
    let writer = async |n: u64| {
        let mut count = 0_u64;
        while !done.load(Ordering::Relaxed) {
            let (from, to) = if (n + count).is_multiple_of(2) { (&one, &two) } else { (&two, &one) };
            stack.client.transfer(&who, &format!("{n}-{count}"), &pay(from, to, 1)).await.expect(201);
            count += 1;
        }
        count
    };
    let look = async {
        let mut seen = Vec::new();
        // As long as it takes to see the ledger at several lengths.
        while seen.len() < 5 {
            let report = verify(&stack.url).await;
            assert!(report.is_sound(), "{}", report.text());
            if seen.last() != Some(&report.transfers) {
                seen.push(report.transfers);
            }
        }
        done.store(true, Ordering::Relaxed);
    };
    let (written, ()) = join(join_all((0..4).map(writer)), look).await;
    assert!(written.iter().sum::<u64>() > 0);
}

#[test]
fn a_role_that_may_only_read_is_enough() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let who = user();
        stack.client.funded(&who, 10).await;
        let role = format!("reader_{}", Uuid::new_v4().simple());
        let mut db = PgConnection::connect(&stack.url).await.unwrap();
        for sql in
            [format!("CREATE ROLE {role} LOGIN"), format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")]
        {
            db.execute(AssertSqlSafe(sql)).await.unwrap();
        }
        let (scheme, rest) = stack.url.split_once("://").unwrap();
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let url = format!("{scheme}://{role}@{place}");
        // Also of a month that is opened after it was made. It opens none itself.
        let month: i32 =
            sqlx::query_scalar("SELECT max(month) + 1 FROM ledger_months").fetch_one(&mut db).await.unwrap();
        let opened = |month: i32| sqlx::query_scalar("SELECT open_month($1)").bind(month);
        let mut reader = PgConnection::connect(&url).await.unwrap();
        let refused: Result<bool, sqlx::Error> = opened(month).fetch_one(&mut reader).await;
        let refused = refused.unwrap_err().into_database_error().and_then(|error| error.code().map(String::from));
        assert_eq!(refused.as_deref(), Some("42501"));
        assert!(opened(month).fetch_one(&mut db).await.unwrap());
        let report = command::run(&url, Wanted { from: None, expect: None, most: 10 }).await.unwrap();
        assert!(report.is_sound() && report.transfers == 1, "{}", report.text());
        reader.close().await.unwrap();
        for sql in [format!("DROP OWNED BY {role}"), format!("DROP ROLE {role}")] {
            db.execute(AssertSqlSafe(sql)).await.unwrap();
        }
    });
}
