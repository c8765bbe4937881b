//! What reading costs on PostgreSQL: a page's own size, over any number of months, and also while a month fills that
//! nobody has counted the rows of since it was empty.

use accounts_service::db::Database;
use accounts_service::history::History;
use shared::auth::User;
use shared::clock::Clock;
use shared::domain::Role;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::client::{pay, someone, user};
use crate::history::text;
use crate::stack::{Stack, Which, on_database};

/// Transfers between two accounts in each of two months, one in ten of which was pending and let go; far above the places
/// of those that were really posted.
const FILL: &str = "
    INSERT INTO transfers (position, id, debit_account_id, credit_account_id, amount, currency, status, external_ref,
                           posted_at, created_at, created_by)
    SELECT m + 1000000 + n, (lpad(to_hex((month_start + n)), 12, '0') || '7abc8' || substr(md5(n::text), 1, 15))::uuid, '{from}', '{to}', 1, 'USD', CASE WHEN n % 10 = 0 THEN 'voided' ELSE 'posted' END,
           CASE WHEN n % 100 = 1 THEN 'ref-' || n END, CASE WHEN n % 10 <> 0 THEN k * 1000000 + n END, k * 1000000 + n,
           '{from}'
    FROM (SELECT month_base(month) AS m, row_number() OVER (ORDER BY month) AS k,
                 (extract(epoch FROM timestamptz '1970-01-01 00:00Z' + make_interval(months => month)) * 1000)::bigint
                 AS month_start
          FROM ledger_months ORDER BY month LIMIT 2) AS months, generate_series(1, 10000) AS n;
    INSERT INTO entries (account_id, seq, position, transfer_id, amount, balance_after, posted_at)
    SELECT a.id, row_number() OVER (PARTITION BY a.id ORDER BY t.position) + a.seq, t.position, t.id, 1, 1, t.posted_at
    FROM transfers t JOIN accounts a ON a.id IN (t.debit_account_id, t.credit_account_id)
    WHERE t.status = 'posted' AND t.position & 1099511627775 > 1000000;
    INSERT INTO ledger_batches (batch_no, first_position, last_position, posted_at, content, hash, format)
    SELECT t.position, t.position, t.position, t.created_at, decode(repeat('00', 32), 'hex'),
           decode(repeat('00', 32), 'hex'), 2
    FROM transfers t WHERE t.position & 1099511627775 > 1000000;
    INSERT INTO outbox_events (position, id, kind, subject, recorded_at)
    SELECT t.position, t.id, 'transfer.' || t.status, t.id, t.created_at FROM transfers t
    WHERE t.position & 1099511627775 > 1000000;
    UPDATE accounts SET seq = seq + 18000 WHERE id IN ('{from}', '{to}');
    UPDATE ledger_head SET position = (SELECT max(position) FROM transfers)";

#[test]
fn on_postgres_a_page_costs_its_own_size_in_a_month_that_nobody_has_counted() {
    on_database(Which::Postgres, fresh_month);
}

async fn fresh_month(url: String) {
    let stack = Stack::start(url.clone()).await;
    let who = user();
    let from = stack.client.funded(&who, 10).await;
    let to = stack.client.open(&who, "user").await;
    // Both have an entry of before.
    let first = stack.client.transfer(&who, "first", &pay(&from, &to, 1)).await.expect(201).json();
    let first = first["id"].as_str().unwrap();
    let pool = Database::connect(&url, 1).await.unwrap();
    let history = History::new(pool.clone(), Clock::system());
    let window = async || {
        let window = history.window(from.parse().unwrap(), 1_000_000, 3_000_000).await.unwrap();
        window.lines(&pool, window.before + window.entries() / 2, 50).await.unwrap().len()
    };
    // Each connection has its plans from when there was next to nothing.
    for _ in 0..8 {
        ask(&stack, &who, &from, first).await;
        assert_eq!(window().await, 0);
    }
    let mut db = PgConnection::connect(&url).await.unwrap();
    let mut filler = PgConnection::connect(&format!("{url}?application_name=filler")).await.unwrap();
    let fill = FILL.replace("{from}", &from).replace("{to}", &to);
    filler.execute(AssertSqlSafe(fill)).await.unwrap();
    // A session's counts are told when it ends.
    let later = "SELECT id::text FROM transfers WHERE created_at = 2000001 AND position > 1000";
    let later: String = sqlx::query_scalar(later).fetch_one(&mut filler).await.unwrap();
    filler.close().await.unwrap();
    ended(&mut db, "filler").await;
    let before = counts(&mut db).await;
    for _ in 0..2 {
        ask(&stack, &who, &from, &later).await;
        assert_eq!(window().await, 50);
    }
    stack.stop().await;
    pool.pool.close().await.unwrap();
    ended(&mut db, "tollgate-%").await;
    let after = counts(&mut db).await;
    assert!(after.len() >= 16 && before.len() == after.len(), "{after:?}");
    for ((name, by_scan, by_index), (_, scanned, found)) in after.into_iter().zip(before) {
        assert_eq!(by_scan - scanned, 0, "{name} was read from end to end");
        assert!(by_index - found < 4_000, "{name} was read by index, {} rows", by_index - found);
    }
}

async fn ended(db: &mut PgConnection, name: &str) {
    let there = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE $1 AND datname = current_database()";
    while sqlx::query_scalar::<_, i64>(there).bind(name).fetch_one(&mut *db).await.unwrap() > 0 {}
}

/// Of each month of each table: rows read from end to end, and by an index.
async fn counts(db: &mut PgConnection) -> Vec<(String, i64, i64)> {
    let counts = "SELECT relname::text, seq_tup_read, coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables \
                  WHERE relname ~ '^(entries|transfers|ledger_batches|outbox_events)_' ORDER BY relname";
    sqlx::query_as(counts).fetch_all(db).await.unwrap()
}

async fn ask(stack: &Stack, who: &User, account: &str, transfer: &str) {
    let officer = someone(&[Role::Support]);
    let middle = text(1_000_000 + 5_000);
    let later = text(2_000_000 + 100);
    let own = [
        format!("/accounts/{account}/entries?limit=20"),
        format!("/accounts/{account}/entries?limit=20&sort_order=desc&from={middle}&to={later}"),
        format!("/accounts/{account}/balance?at={middle}"),
        format!("/accounts/{account}/balance?at={later}"),
        format!("/transfers?limit=20&account_id={account}"),
        format!("/transfers/{transfer}"),
        format!("/transfers/{transfer}?receipt=true"),
        format!("/accounts/{account}/entries?transfer_id={transfer}"),
        format!("/transfers?limit=20&account_id={account}&from={middle}&to={later}&sort_order=asc"),
        "/transfers?limit=20&status=voided".to_owned(),
        "/transfers?limit=20&external_ref=ref-1001".to_owned(),
        "/events?limit=20".to_owned(),
        "/events?limit=20&types=transfer.voided".to_owned(),
    ];
    let all = [
        "/transfers?scope=all&limit=20",
        "/transfers?scope=all&limit=20&sort_order=asc&status=pending",
        "/transfers?scope=all&limit=20&pending_of=01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11",
        "/transfers?scope=all&limit=20&reversal_of=01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11",
        "/transfers?scope=all&limit=20&status=voided",
        "/transfers?scope=all&limit=20&status=posted",
        "/events?scope=all&limit=20",
    ];
    for path in own {
        stack.client.get(who, &format!("/api/v1{path}")).await.expect(200);
    }
    for path in all {
        stack.client.get(&officer, &format!("/api/v1{path}")).await.expect(200);
    }
}
