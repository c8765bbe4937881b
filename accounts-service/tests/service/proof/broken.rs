//! A ledger broken by hand in every way that `verify` knows: it names what does not hold, and the first broken batch.

use accounts_service::db::Database;
use accounts_service::proof::Invariant;
use sea_orm::{ConnectionTrait, Statement};
use uuid::Uuid;

use super::breaks::{BATCH, BEHIND, BESIDE, Break, CHAIN, ENTRIES, NAMED, NEXT, NOWHERE};
use super::world::{Copy, bytes, literal, make, verify};
use crate::stack::{Which, on_database};

#[test]
fn every_break_of_the_chain_is_named_with_its_batch() {
    on_each(&CHAIN);
}

#[test]
fn every_break_of_entries_is_named_with_its_batch() {
    on_each(&ENTRIES);
}

#[test]
fn every_break_of_accounts_holds_and_refunds_is_named_with_its_batch() {
    on_each(&BESIDE);
}

#[test]
fn every_break_of_what_names_a_transfer_is_named_with_its_batch() {
    on_each(&NAMED);
}

#[test]
fn every_invariant_is_broken_somewhere() {
    let all: Vec<_> = CHAIN.iter().chain(&ENTRIES).chain(&BESIDE).chain(&NAMED).map(|of| of.finds).collect();
    for invariant in Invariant::ALL {
        assert!(all.contains(invariant), "nothing breaks {}", invariant.word());
    }
}

#[test]
fn a_chain_that_was_forged_onwards_breaks_where_the_forgery_ends() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let copy = Copy::of(&url).await;
            // A content and a link that fit one another, but not what follows.
            let forged = forge(&copy.url).await;
            copy.change(&[forged]).await;
            let report = verify(&copy.url).await;
            let links = report.findings.kept.iter().find(|found| found.invariant == Invariant::ChainLinks).unwrap();
            let next = position(&url, NEXT).await.unwrap();
            assert_eq!(links.place.batch_no, batch_at(&url, next).await, "{}", report.text());
            copy.remove().await;
        });
    }
}

async fn forge(url: &str) -> String {
    use sha2::{Digest, Sha256};
    let batch = position(url, BATCH).await.unwrap();
    let sql = format!(
        "SELECT b.batch_no, b.first_position, b.posted_at, p.hash FROM ledger_batches b JOIN ledger_batches p \
         ON p.batch_no = b.batch_no - 1 WHERE b.first_position = {batch}"
    );
    let db = Database::connect(url, 1).await.unwrap();
    let row =
        db.pool.query_one_raw(Statement::from_string(db.pool.get_database_backend(), sql)).await.unwrap().unwrap();
    let mut hash = Sha256::new_with_prefix(row.try_get_by_index::<Vec<u8>>(3).unwrap());
    for column in 0..3 {
        hash.update(row.try_get_by_index::<i64>(column).unwrap().to_be_bytes());
    }
    hash.update([7_u8; 32]);
    let (content, hash) = (bytes(url, &[7; 32]), bytes(url, &hash.finalize()));
    db.pool.close().await.unwrap();
    format!("UPDATE ledger_batches SET content = {content}, hash = {hash} WHERE first_position = {batch}")
}

fn on_each(breaks: &'static [Break]) {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let mut wrong = Vec::new();
            for of in breaks {
                wrong.extend(named(&url, of).await);
            }
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        });
    }
}

/// What is wrong with how a break is named.
async fn named(url: &str, of: &Break) -> Option<String> {
    let expected = match of.at {
        NOWHERE => None,
        BEHIND => Some(position(url, "SELECT {last} + 1").await.unwrap()),
        at => batch_at(url, position(url, at).await.unwrap()).await,
    };
    assert_eq!(expected.is_none(), of.at == NOWHERE, "{}", of.name);
    let mut statements = Vec::new();
    for sql in of.sql {
        statements.push(fill(url, sql).await);
    }
    let copy = Copy::of(url).await;
    copy.change(&statements).await;
    let report = verify(&copy.url).await;
    copy.remove().await;
    let found = report.findings.violated.get(&of.finds).copied().unwrap_or_default();
    let first = report.findings.first.as_ref().and_then(|first| first.place.batch_no);
    (found == 0 || first != expected || report.is_sound())
        .then(|| format!("{}: expected batch {expected:?}, told {first:?}\n{}", of.name, report.text()))
}

async fn position(url: &str, sql: &str) -> Option<i64> {
    let sql = fill(url, sql).await;
    let db = Database::connect(url, 1).await.unwrap();
    let row = db.pool.query_one_raw(Statement::from_string(db.pool.get_database_backend(), sql)).await.unwrap();
    let found = row.and_then(|row| row.try_get_by_index(0).unwrap());
    db.pool.close().await.unwrap();
    found
}

async fn batch_at(url: &str, position: i64) -> Option<i64> {
    let db = Database::connect(url, 1).await.unwrap();
    let sql = format!(
        "SELECT batch_no FROM ledger_batches WHERE first_position <= {position} AND last_position >= {position}"
    );
    let row = db.pool.query_one_raw(Statement::from_string(db.pool.get_database_backend(), sql)).await.unwrap();
    let found = row.map(|row| row.try_get_by_index(0).unwrap());
    db.pool.close().await.unwrap();
    found
}

/// A statement with its names filled in.
async fn fill(url: &str, sql: &str) -> String {
    const PLACES: [(&str, &str); 4] = [
        (
            "{batch}",
            "(SELECT b.batch_no FROM ledger_batches b WHERE b.first_position <= {plain} AND b.last_position >= {plain})",
        ),
        ("{last}", "(SELECT max(b.batch_no) FROM ledger_batches b)"),
        (
            "{later}",
            "(SELECT o.debit_account_id FROM holds o WHERE o.state = 'open' AND o.amount = 50 AND o.expires_at > (SELECT h.committed_at FROM ledger_head h))",
        ),
        ("{plain}", "(SELECT p.position FROM transfers p WHERE p.external_ref = 'r-1')"),
    ];
    let nobody = Uuid::from_u128(77);
    let results = [&[1, 0][..], nobody.as_bytes()].concat();
    let made = [&[2][..], nobody.as_bytes()].concat();
    let values = [
        ("{nobody}", literal(url, nobody)),
        ("{zeros}", bytes(url, &[0; 32])),
        ("{one}", bytes(url, &[1])),
        ("{two}", bytes(url, &[2])),
        ("{cut}", bytes(url, &results[..9])),
        ("{results}", bytes(url, &results)),
        ("{made}", bytes(url, &made)),
    ];
    let sql = PLACES.iter().fold(sql.to_owned(), |sql, (name, place)| sql.replace(name, place));
    values.iter().fold(sql, |sql, (name, value)| sql.replace(name, value))
}
