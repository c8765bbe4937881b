//! A key that cannot be opened: said at start, and while running a refusal of receipts alone, before anything has happened.

use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use accounts_service::db::Database;
use accounts_service::receipts::{KeyOrder, obey};
use accounts_service::{Deps, build};
use sea_orm::ConnectionTrait;
use shared::clock::Clock;

use super::rotation::config;
use super::{paid, published, receipt, said};
use crate::client::{pay, user};
use crate::on_both;
use crate::stack::Stack;

on_both!(
    a_wrong_secret_is_said_at_start_and_the_one_before_opens,
    a_key_that_cannot_be_opened_refuses_before_anything_has_happened,
    a_receipt_that_fails_after_the_commit_is_had_under_the_same_key,
);

const ONE: &str = "one secret of thirty-two bytes or more";
const TWO: &str = "two secret of thirty-two bytes or more";

/// Why a service does not start with these settings; nothing when it does.
async fn refused(url: &str, more: &[(&str, &str)]) -> Option<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    match build(config(url, more), Deps { clock: Clock::system() }, listener).await {
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

async fn a_wrong_secret_is_said_at_start_and_the_one_before_opens(stack: Rc<Stack>) {
    // What the database's own secret sealed opens whatever the settings say.
    let (one, two) = (("RECEIPTS__SEAL_SECRET", ONE), ("RECEIPTS__SEAL_SECRET", TWO));
    assert_eq!(refused(&stack.url, &[one]).await, None);
    obey(&config(&stack.url, &[one]), &Clock::system(), KeyOrder::Rotate { force: true }).await.unwrap();
    assert_eq!(refused(&stack.url, &[one]).await, None);
    for wrong in [[two].as_slice(), &[]] {
        let said = refused(&stack.url, wrong).await.unwrap();
        assert!(said.contains("receipts.seal_secret") && said.contains("cannot be opened"), "{said}");
        assert!(!said.contains(ONE) && !said.contains(TWO));
    }
    assert_eq!(refused(&stack.url, &[two, ("RECEIPTS__PREVIOUS_SEAL_SECRET", ONE)]).await, None);
    // One that is lost is replaced, and what it signed stays good.
    obey(&config(&stack.url, &[two]), &Clock::system(), KeyOrder::Rotate { force: true }).await.unwrap();
    assert_eq!(refused(&stack.url, &[two]).await, None);
}

async fn a_key_that_cannot_be_opened_refuses_before_anything_has_happened(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let from = client.funded(&who, 100).await;
    let to = client.open(&who, "user").await;
    let (clock, soon) = (Clock::manual(Clock::system().now()), [("RECEIPTS__RELOAD", "50ms")]);
    let running = Stack::start_by(stack.url.clone(), clock.clone(), &soon).await;
    paid(&running.client, &who, (&from, &to), "1").await.expect(201);
    // Another process was told another secret, and its key signs.
    let other = [("RECEIPTS__SEAL_SECRET", ONE)];
    obey(&config(&stack.url, &other), &clock, KeyOrder::Rotate { force: true }).await.unwrap();
    let known = async || published(&running.client).await.keys.len() == 2;
    super::rotation::until("the other key is not seen", known).await;
    clock.advance(Duration::from_secs(11));
    let refused = paid(&running.client, &who, (&from, &to), "2").await.expect(503);
    assert_eq!(refused.code(), "receipts_unavailable");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(client.balance(&who, &from).await, 99, "nothing has happened");
    // Without a receipt nothing is lacking, and its reader has it where the key opens.
    let plain = running.client.transfer(&who, "2", &pay(&from, &to, 1)).await.expect(201);
    let path = format!("{}?receipt=true", plain.header("location").unwrap());
    assert_eq!(running.client.get(&who, &path).await.expect(503).code(), "receipts_unavailable");
    let told = Stack::start_by(stack.url.clone(), clock, &other).await;
    let replayed = paid(&told.client, &who, (&from, &to), "2").await.expect(201);
    assert!(replayed.replayed());
    assert_eq!(said(&receipt(&replayed), &published(&told.client).await)["sub"], plain.json()["id"]);
    running.stop().await;
    told.stop().await;
}

async fn a_receipt_that_fails_after_the_commit_is_had_under_the_same_key(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let from = client.funded(&who, 100).await;
    let to = client.open(&who, "user").await;
    let first = paid(client, &who, (&from, &to), "1").await.expect(201);
    let db = Database::connect(&stack.url, 1).await.unwrap();
    db.pool.execute_unprepared("ALTER TABLE receipt_keys RENAME TO gone").await.unwrap();
    // The key is known here, so that nothing is refused before.
    paid(client, &who, (&from, &to), "2").await.expect(500);
    assert_eq!(client.balance(&who, &from).await, 98, "the transfer stands");
    db.pool.execute_unprepared("ALTER TABLE gone RENAME TO receipt_keys").await.unwrap();
    let again = paid(client, &who, (&from, &to), "2").await.expect(201);
    assert!(again.replayed());
    let claims = said(&receipt(&again), &published(client).await);
    assert!(claims["sub"] == again.json()["id"] && claims["sub"] != first.json()["id"]);
    assert_eq!(client.balance(&who, &from).await, 98, "once");
    db.pool.close().await.unwrap();
}
