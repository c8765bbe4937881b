//! Long statements: in little memory, cut off rather than wrong, and no hindrance to anybody else.

use std::rc::Rc;

use accounts_service::db::{Backend, Database};
use accounts_service::statements::Format;
use futures_util::{StreamExt, TryStreamExt};
use sea_orm::{ConnectionTrait, Statement};
use shared::auth::User;
use shared::domain::AccountId;

use super::forms::read_back;
use crate::client::user;
use crate::on_both;
use crate::stack::Stack;

on_both!(
    a_long_statement_takes_no_more_memory_than_a_short_one,
    what_does_not_add_up_is_cut_off,
    whoever_does_not_read_hinders_nobody,
);

/// An account with `count` entries of 1 each, written past the engine, whose own speed is not the matter here.
async fn long_account(stack: &Stack, who: &User, count: i64) -> String {
    let (account, other) = (stack.client.funded(who, 1).await, stack.client.open(who, "user").await);
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let id = |text: &str| text.parse::<AccountId>().unwrap().as_uuid().into();
    let run = async |sql: &str, values: Vec<sea_orm::Value>| {
        let statement = Statement::from_sql_and_values(db.pool.get_database_backend(), sql, values);
        db.pool.execute_raw(statement).await.unwrap();
    };
    let (numbers, uuid, hash) = match db.backend {
        Backend::Postgres(_) => {
            ("SELECT n FROM generate_series(1, $1) AS n", "gen_random_uuid()", "decode(repeat('00', 32), 'hex')")
        }
        Backend::Sqlite(_) => (
            "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < $1) SELECT n FROM s",
            "randomblob(16)",
            "zeroblob(32)",
        ),
    };
    let text = "'Number ' || s.n || ' of many, with a description of some length, as people write them to one another'";
    run(
        &format!(
            "INSERT INTO transfers (position, id, debit_account_id, credit_account_id, amount, currency, status, \
             description, posted_at, created_at, created_by) SELECT h.position + s.n, {uuid}, $2, $3, 1, 'USD', \
             'posted', {text}, h.committed_at + 1, h.committed_at + 1, $2 FROM ledger_head h, ({numbers}) AS s"
        ),
        vec![count.into(), id(&other), id(&account)],
    )
    .await;
    run(
        "INSERT INTO entries (account_id, seq, position, transfer_id, amount, balance_after, posted_at) \
         SELECT $1, 1 + t.position - h.position, t.position, t.id, 1, 1 + t.position - h.position, t.posted_at \
         FROM transfers t, ledger_head h WHERE t.credit_account_id = $1 AND t.position > h.position",
        vec![id(&account)],
    )
    .await;
    run(
        &format!(
            "INSERT INTO ledger_batches (batch_no, first_position, last_position, posted_at, content, hash) \
             SELECT batch_no + 1, position + 1, position + $1, committed_at + 1, {hash}, {hash} FROM ledger_head"
        ),
        vec![count.into()],
    )
    .await;
    run(
        "UPDATE ledger_head SET batch_no = batch_no + 1, position = position + $1, committed_at = committed_at + 1",
        vec![count.into()],
    )
    .await;
    run(
        "UPDATE accounts SET balance = balance + $1, seq = seq + $1, version = version + $1 WHERE id = $2",
        vec![count.into(), id(&account)],
    )
    .await;
    account
}

/// Resident memory of this process, which the service is part of, in bytes.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

fn path(account: &str, format: &str) -> String {
    format!("/api/v1/accounts/{account}/statement?format={format}")
}

/// Shows nothing of a long statement but its length and its end.
async fn read_through(stack: &Stack, who: &User, path: &str) -> (u64, u64, Vec<u8>) {
    let mut body = stack.client.begin(who, path).await.bytes_stream();
    let (mut length, mut most, mut end) = (0, 0, Vec::new());
    while let Some(piece) = body.try_next().await.unwrap() {
        length += piece.len() as u64;
        most = most.max(resident());
        end.extend_from_slice(&piece);
        end.drain(..end.len().saturating_sub(200));
    }
    (length, most, end)
}

async fn a_long_statement_takes_no_more_memory_than_a_short_one(stack: Rc<Stack>) {
    const COUNT: i64 = 150_000;
    // Of 33 MB at least.
    const MORE: u64 = 16 * 1024 * 1024;
    let who = user();
    let account = long_account(&stack, &who, COUNT).await;
    // Whatever is allocated once is there after this.
    let few = long_account(&stack, &who, 5_000).await;
    for format in ["json", "csv", "camt053", "pdf"] {
        read_through(&stack, &who, &path(&few, format)).await;
    }
    for (format, end) in [("json", "]}"), ("csv", ",150001.00,USD\r\n"), ("camt053", "</Document>")] {
        let before = resident();
        let (length, most, last) = read_through(&stack, &who, &path(&account, format)).await;
        let end = end.replace("150001.00", "1500.01");
        assert!(String::from_utf8_lossy(&last).ends_with(&end), "{format}: {}", String::from_utf8_lossy(&last));
        assert!(length > 33_000_000, "{format} has {length} bytes");
        assert!(most < before + MORE, "{format} of {length} bytes took {} more", most - before);
    }
    let few = stack.client.get(&who, &path(&few, "pdf")).await.expect(200);
    let read = read_back(&few.bytes, Format::Pdf, "USD".parse().unwrap());
    assert!(read.adds_up() && read.lines.len() == 5_001);
}

async fn what_does_not_add_up_is_cut_off(stack: Rc<Stack>) {
    let who = user();
    let account = long_account(&stack, &who, 3_000).await;
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let backend = db.pool.get_database_backend();
    let unguard = match db.backend {
        Backend::Postgres(_) => "DROP TRIGGER entries_written_once ON entries",
        Backend::Sqlite(_) => "DROP TRIGGER entries_no_delete",
    };
    db.pool.execute_unprepared(unguard).await.unwrap();
    let id = account.parse::<AccountId>().unwrap().as_uuid();
    let lose = Statement::from_sql_and_values(
        backend,
        "DELETE FROM entries WHERE account_id = $1 AND seq = 2500",
        [id.into()],
    );
    db.pool.execute_raw(lose).await.unwrap();
    for format in ["json", "csv", "camt053", "pdf"] {
        let answer = stack.client.begin(&who, &path(&account, format)).await;
        assert_eq!(answer.status(), 200);
        let pieces: Vec<_> = answer.bytes_stream().collect().await;
        assert!(pieces.last().unwrap().is_err(), "{format} ends as if it were whole");
    }
    let metrics = stack.client.get(&who, "/metrics").await;
    let metrics = String::from_utf8(metrics.bytes).unwrap();
    for format in ["json", "csv", "camt053", "pdf"] {
        let line = format!("tollgate_accounts_statements_total{{format=\"{format}\",outcome=\"broken\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }
    // What comes before the fault is sound.
    let first = stack.client.get(&who, &format!("{}&to=2026-01-01T00:00:00Z", path(&account, "csv"))).await;
    first.expect(200);
}

/// Polls until a scrape has this line.
async fn counted(stack: &Stack, line: &str) {
    let who = user();
    loop {
        let metrics = stack.client.get(&who, "/metrics").await;
        if String::from_utf8_lossy(&metrics.bytes).contains(line) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn whoever_does_not_read_hinders_nobody(stack: Rc<Stack>) {
    let who = user();
    let account = long_account(&stack, &who, 100_000).await;
    let idle = async |stack: &Stack| {
        let mut answer = stack.client.begin(&who, &path(&account, "json")).await;
        assert!(answer.chunk().await.unwrap().is_some());
        answer
    };
    // As many as there are connections: if each kept one, nobody else would get any.
    let settings = [("DATABASE__CONNECTIONS", "2"), ("STATEMENTS__PER_USER", "2")];
    let patient = Stack::set(stack.url.clone(), &settings).await;
    let reading = [idle(&patient).await, idle(&patient).await];
    let refused = patient.client.get(&who, &path(&account, "json")).await.expect(429);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(patient.client.balance(&who, &account).await, 100_001);
    // The place of whoever goes away is free again.
    drop(reading);
    counted(&patient, "tollgate_accounts_statements_total{format=\"json\",outcome=\"left\"} 2").await;
    patient.client.get(&who, &path(&account, "csv")).await.expect(200);
    patient.stop().await;

    let settings = [("STATEMENTS__PATIENCE", "500ms")];
    let hurried = Stack::set(stack.url.clone(), &settings).await;
    let answer = idle(&hurried).await;
    counted(&hurried, "tollgate_accounts_statements_total{format=\"json\",outcome=\"late\"} 1").await;
    let pieces: Vec<_> = answer.bytes_stream().collect().await;
    assert!(pieces.last().unwrap().is_err(), "what took too long ends as if it were whole");
    hurried.stop().await;

    // Whoever reads too slowly has no place for as long as a whole statement may take.
    let brisk = Stack::set(stack.url.clone(), &[("STATEMENTS__PAGE_PATIENCE", "500ms")]).await;
    let answer = idle(&brisk).await;
    counted(&brisk, "statements_total{format=\"json\",outcome=\"late\"} 1").await;
    drop(answer);
    brisk.client.get(&who, &path(&account, "csv")).await.expect(200);
    brisk.stop().await;
}
