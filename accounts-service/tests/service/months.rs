//! A table per month on PostgreSQL: made once, guarded like the whole, and reached by halving.

use std::rc::Rc;

use accounts_service::db::Database;
use accounts_service::db::migration::Migrator;
use sea_orm::{ConnectionTrait, Statement};
use sea_orm_migration::MigratorTrait;
use shared::auth::User;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::client::{pay, user};
use crate::stack::{Stack, Which, on_database, run};

/// The month that the migration opened last.
async fn newest(db: &mut PgConnection) -> i32 {
    sqlx::query_scalar("SELECT max(month) FROM ledger_months").fetch_one(db).await.unwrap()
}

/// An entry of `account`, which no transfer stands behind.
async fn entry(db: &mut PgConnection, account: Uuid, seq: i64, position: i64) {
    let sql = "INSERT INTO entries (account_id, seq, position, transfer_id, amount, balance_after, posted_at) \
               VALUES ($1, $2, $3, $1, 1, $2, 0)";
    sqlx::query(sql).bind(account).bind(seq).bind(position).execute(db).await.unwrap();
}

#[test]
fn whoever_opens_a_month_at_once_opens_it_once() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let month = newest(&mut PgConnection::connect(&stack.url).await.unwrap()).await + 3;
        let open = async || {
            let mut db = PgConnection::connect(&stack.url).await.unwrap();
            let opened = sqlx::query_scalar("SELECT open_month($1)").bind(month).fetch_one(&mut db).await;
            opened.unwrap()
        };
        let opened: Vec<bool> = futures_util::future::join_all((0..6).map(|_| open())).await;
        assert_eq!(opened.iter().filter(|opened| **opened).count(), 1, "{opened:?}");
    });
}

/// One that may do nothing itself, and sets the role that may.
#[test]
fn whoever_writes_in_a_role_that_they_set_opens_months() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let mut db = PgConnection::connect(&stack.url).await.unwrap();
        let (writer, login) =
            (format!("writer_{}", Uuid::new_v4().simple()), format!("login_{}", Uuid::new_v4().simple()));
        let month = newest(&mut db).await + 3;
        for sql in [
            format!("CREATE ROLE {writer}"),
            format!("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {writer}"),
            format!("CREATE ROLE {login} LOGIN NOINHERIT IN ROLE {writer}"),
        ] {
            db.execute(AssertSqlSafe(sql)).await.unwrap();
        }
        let (scheme, rest) = stack.url.split_once("://").unwrap();
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        let mut other = PgConnection::connect(&format!("{scheme}://{login}@{place}")).await.unwrap();
        let open = || sqlx::query_scalar("SELECT open_month($1)").bind(month);
        let refused: Result<bool, sqlx::Error> = open().fetch_one(&mut other).await;
        assert!(refused.unwrap_err().to_string().contains("who may write transfers"));
        let refused = other.execute("SELECT sum_up_places(0)").await.unwrap_err().to_string();
        assert!(refused.contains("who may write transfers"), "{refused}");
        other.execute(AssertSqlSafe(format!("SET ROLE {writer}"))).await.unwrap();
        assert!(open().fetch_one(&mut other).await.unwrap());
        other.execute("SELECT sum_up_places(0)").await.unwrap();
        other.close().await.unwrap();
        for sql in [format!("DROP ROLE {login}"), format!("DROP OWNED BY {writer}"), format!("DROP ROLE {writer}")] {
            db.execute(AssertSqlSafe(sql)).await.unwrap();
        }
    });
}

#[test]
fn a_months_rows_are_written_once_in_its_own_table_too() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let mut db = PgConnection::connect(&stack.url).await.unwrap();
        let (month, account) = (newest(&mut db).await, Uuid::new_v4());
        entry(&mut db, account, 1, (i64::from(month) << 40) + 1).await;
        let table: String =
            sqlx::query_scalar("SELECT tableoid::regclass::text FROM entries").fetch_one(&mut db).await.unwrap();
        assert!(table.starts_with("entries_20"), "{table}");
        for name in ["entries", &table] {
            for change in ["UPDATE {} SET amount = 2", "DELETE FROM {}", "TRUNCATE {}"] {
                let refused = db.execute(AssertSqlSafe(change.replace("{}", name))).await.unwrap_err().to_string();
                assert!(refused.contains("written once"), "{change} {name}: {refused}");
            }
        }
        for place in ["transfers", "ledger_batches", "outbox_events"] {
            let name = table.replace("entries", place);
            let refused = db.execute(AssertSqlSafe(format!("TRUNCATE {name}"))).await.unwrap_err().to_string();
            assert!(refused.contains("written once"), "{name}: {refused}");
        }
        // Before the first month there is nothing to open: the tables of before reach so far.
        let opened: bool = sqlx::query_scalar("SELECT open_month(600)").fetch_one(&mut db).await.unwrap();
        assert!(!opened);
    });
}

/// What is only appended to: else a young month would be analysed all the time.
#[test]
fn each_month_is_analysed_when_it_is_half_as_large_again() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let mut db = PgConnection::connect(&stack.url).await.unwrap();
        let month = newest(&mut db).await + 1;
        sqlx::query("SELECT open_month($1)").bind(month).execute(&mut db).await.unwrap();
        let others = "SELECT count(*), count(*) FILTER (WHERE c.reloptions @> '{autovacuum_analyze_scale_factor=0.5}') \
                      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind = 'r' \
                      WHERE c.relname NOT LIKE '%\\_first'";
        let months: i64 = sqlx::query_scalar("SELECT count(*) FROM ledger_months").fetch_one(&mut db).await.unwrap();
        let (tables, calm): (i64, i64) = sqlx::query_as(others).fetch_one(&mut db).await.unwrap();
        assert_eq!((tables, calm), (4 * months, 4 * months));
    });
}

#[test]
fn a_clock_in_a_month_that_nobody_opened_goes_on_in_the_last_one() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let mut db = PgConnection::connect(&stack.url).await.unwrap();
        let last = i64::from(newest(&mut db).await) << 40;
        let base = async |db: &mut PgConnection, month: i64| -> i64 {
            let month = i32::try_from(month).unwrap();
            sqlx::query_scalar("SELECT open_base($1)").bind(month).fetch_one(db).await.unwrap()
        };
        assert_eq!([base(&mut db, (last >> 40) + 7).await, base(&mut db, last >> 40).await], [last, last]);
        assert_eq!(base(&mut db, (last >> 40) - 1).await, last - (1 << 40));
        assert_eq!(base(&mut db, 600).await, 0);
    });
}

#[test]
fn the_seq_at_a_position_is_the_one_that_counting_finds() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let mut db = PgConnection::connect(&stack.url).await.unwrap();
        let (last, account) = (newest(&mut db).await, Uuid::new_v4());
        let bases = [0, i64::from(last - 1) << 40, i64::from(last) << 40];
        let places: Vec<i64> = bases.iter().flat_map(|base| [2, 3, 7, 8, 20].map(|n| base + n)).collect();
        let count = "SELECT seq_at($1, $2), (SELECT count(*) FROM entries WHERE account_id = $1 AND position <= $2)";
        for filled in [0, 1, 4, 5, 9, 15] {
            for (place, seq) in places.iter().take(filled).zip(1..) {
                entry(&mut db, account, seq, *place).await;
            }
            for place in bases.iter().flat_map(|base| (0..22).map(move |n| base + n)).chain([i64::MAX]) {
                let (seq, counted): (i64, i64) =
                    sqlx::query_as(count).bind(account).bind(place).fetch_one(&mut db).await.unwrap();
                assert_eq!(seq, counted, "{filled} entries, at {place}");
            }
            db.execute("ALTER TABLE entries DISABLE TRIGGER entries_written_once").await.unwrap();
            let tables = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'entries'::regclass";
            for table in sqlx::query_scalar::<_, String>(tables).fetch_all(&mut db).await.unwrap() {
                let emptied = format!("ALTER TABLE {table} DISABLE TRIGGER USER; DELETE FROM {table}");
                db.execute(AssertSqlSafe(emptied)).await.unwrap();
            }
        }
    });
}

#[test]
fn the_seq_at_a_position_is_found_however_unevenly_entries_lie() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let mut db = PgConnection::connect(&stack.url).await.unwrap();
        let base = i64::from(newest(&mut db).await) << 40;
        let spreads =
            ["n", "n * n * n", "n / 100 * 1000000 + n", "2000000000 - (1300 - n) * (1300 - n)", "1 << (n / 45)::int"];
        // Numbers are missing in a ledger that is not sound: what there is has its place all the same.
        let numbers = ["n", "n * n", "CASE n WHEN 1250 THEN 9223372036854775807 ELSE n END"];
        for (spread, number) in spreads.iter().flat_map(|spread| numbers.map(|number| (spread, number))) {
            let account = Uuid::new_v4();
            let fill = format!(
                "INSERT INTO entries (account_id, seq, position, transfer_id, amount, balance_after, posted_at) \
                 SELECT $1, {number}, $2 + n + ({spread}), $1, 1, n, 0 FROM generate_series(1, 1250::bigint) AS n"
            );
            sqlx::query(AssertSqlSafe(fill)).bind(account).bind(base).execute(&mut db).await.unwrap();
            let astray = "SELECT count(*) FROM (SELECT seq, position, lag(seq, 1, 0::bigint) OVER (ORDER BY seq) AS before \
                          FROM entries WHERE account_id = $1) AS e \
                          WHERE (seq_at($1, position), seq_at($1, position - 1)) IS DISTINCT FROM (seq, before)";
            let astray: i64 = sqlx::query_scalar(astray).bind(account).fetch_one(&mut db).await.unwrap();
            assert_eq!(astray, 0, "{spread}, numbered {number}");
        }
    });
}

#[test]
fn what_was_posted_before_months_is_still_there_and_goes_on() {
    on_database(Which::Sqlite, goes_on);
    on_database(Which::Postgres, goes_on);
}

/// A ledger with one transfer, as the first release left it.
const OF_BEFORE: &str = "
    INSERT INTO accounts (id, owner_id, name, kind, currency, status, balance, seq, created_at, updated_at)
    VALUES ({1}, {3}, 'bank', 'system', 'USD', 'open', -5, 1, 1, 1), ({2}, {3}, 'own', 'user', 'USD', 'open', 5, 1, 1, 1);
    INSERT INTO transfers (position, id, debit_account_id, credit_account_id, amount, currency, external_ref, posted_at,
                           created_at, created_by)
    VALUES (1, {4}, {1}, {2}, 5, 'USD', 'once', 1, 1, {3});
    INSERT INTO entries (account_id, seq, position, transfer_id, amount, balance_after, posted_at)
    VALUES ({1}, 1, 1, {4}, -5, -5, 1), ({2}, 1, 1, {4}, 5, 5, 1);
    UPDATE ledger_head SET batch_no = 1, position = 1, committed_at = 1";

async fn goes_on(url: String) {
    let db = Database::connect(&url, 1).await.unwrap();
    Migrator::up(&db.pool, Some(1)).await.unwrap();
    let id = |n: u8| Uuid::from_bytes([n; 16]);
    let sqlite = url.starts_with("sqlite");
    let literal = |n: u8| if sqlite { format!("x'{}'", id(n).simple()) } else { format!("'{}'", id(n)) };
    let rows = (1..=4).fold(OF_BEFORE.to_owned(), |sql, n| sql.replace(&format!("{{{n}}}"), &literal(n)));
    db.pool.execute_unprepared(&rows).await.unwrap();

    let service = Stack::start(url).await;
    let owner = User { id: id(3).into(), ..user() };
    let path = format!("/api/v1/accounts/{}", id(2));
    let (stranger, client) = (user(), &service.client);
    let theirs = client.open(&stranger, "user").await;
    client.transfer(&owner, "goes-on", &pay(&id(2).to_string(), &theirs, 2)).await.expect(201);
    let entries = client.get(&owner, &format!("{path}/entries")).await.expect(200).json();
    let column = |name: &str| [0, 1].map(|row| entries["data"][row][name].as_i64().unwrap());
    assert_eq!((column("seq"), column("balance_after")), ([1, 2], [5, 3]));
    assert_eq!(client.get(&owner, "/api/v1/transfers").await.expect(200).json()["data"].as_array().unwrap().len(), 2);
    let taken = Statement::from_string(db.pool.get_database_backend(), "SELECT reference FROM external_refs");
    let taken = db.pool.query_one_raw(taken).await.unwrap().unwrap();
    assert_eq!(taken.try_get_by_index::<String>(0).unwrap(), "once");
    service.stop().await;
    db.pool.close().await.unwrap();
}
