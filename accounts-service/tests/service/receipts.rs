//! Receipts: what every endpoint gives, whoever may have it, and that it says what the ledger holds.

mod clocks;
mod command;
mod rotation;
mod sealed;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;

use accounts_service::db::Database;
use accounts_service::db::entity::{ledger_batch, transfer, transfer_key};
use accounts_service::receipts::{KeyOrder, KeySet, check, obey};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::auth::User;
use shared::clock::Clock;
use shared::domain::Role;

use self::rotation::config;
use crate::client::{Answer, Client, pay, someone, treasurer, user};
use crate::holds::hold;
use crate::on_both;
use crate::stack::Stack;

on_both!(
    every_endpoint_gives_one_that_another_library_verifies,
    whoever_may_read_the_transfer_has_its_receipt_and_nobody_else,
    a_key_keeps_none_and_a_replay_has_one_where_it_is_asked_for,
    what_has_not_happened_and_what_is_many_has_none,
    the_link_is_what_the_chain_says_when_it_is_computed_again,
    tags_tell_a_transfer_with_a_receipt_from_one_without,
    a_tag_is_of_its_issuer_and_of_a_key_that_still_signs,
);

const DEFAULT_ISSUER: &str = "http://127.0.0.1:8080";

/// The published keys, as anybody gets them.
pub async fn published(client: &Client) -> KeySet {
    let answer = reqwest::get(format!("{}/.well-known/receipt-keys.json", client.address())).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// The receipt of an answer.
pub fn receipt(answer: &Answer) -> String {
    answer.json()["receipt"].as_str().unwrap_or_else(|| panic!("no receipt: {answer:?}")).to_owned()
}

/// What it says, by our own check.
pub fn said(receipt: &str, keys: &KeySet) -> Value {
    serde_json::to_value(check(receipt, keys, Some(DEFAULT_ISSUER)).unwrap()).unwrap()
}

/// What receipts say, by somebody else's library.
fn verified_elsewhere(receipts: &[String], keys: &KeySet) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../target/tools/oidc/bin/python");
    assert!(python.exists(), "no other JWS library: run tests/ensure-oidc-client.sh, as `make test` does");
    let mut command = Command::new(python);
    command.arg(root.join("tests/service/receipts/verify.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let given = json!({"keys": keys.keys, "receipts": receipts});
    child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success());
    serde_json::from_slice(&done.stdout).unwrap()
}

/// A receipt's claims must say what the transfer's JSON does, down to the texts' digests.
fn agrees(claims: &Value, shown: &Value, raw: &str) {
    assert_eq!((&claims["sub"], &claims["version"]), (&shown["id"], &json!(1)));
    let facts = &claims["transfer"];
    for name in [
        "debit_account_id",
        "credit_account_id",
        "amount",
        "currency",
        "pending_of",
        "reversal_of",
        "external_ref",
        "expires_at",
        "posted_at",
        "created_at",
    ] {
        assert_eq!(facts[name], shown[name], "{name} of {shown}");
    }
    let digest = |text: &str| json!(hex::encode(Sha256::digest(text)));
    let description = shown["description"].as_str().map_or(Value::Null, digest);
    assert_eq!(facts["description_sha256"], description);
    let metadata = raw.split_once("\"metadata\":").unwrap().1.split_once(",\"pending_of\"").unwrap().0;
    assert_eq!(facts["metadata_sha256"], if metadata == "null" { Value::Null } else { digest(metadata) });
}

async fn every_endpoint_gives_one_that_another_library_verifies(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let from = client.funded(&who, 10_000).await;
    let to = client.open(&who, "user").await;
    let mut worded = pay(&from, &to, 5);
    (worded["description"], worded["external_ref"]) = (json!("für Miete \"2\""), json!("r-1"));
    let worded = worded.to_string().replacen('{', "{\"metadata\": {\"b\" : [1,  2], \"a\":\"ü\"},", 1);
    let post = async |path: &str, key: &str, body: Value| {
        client.post(&who, &format!("/api/{path}?receipt=true"), &[("idempotency-key", key)], &body).await.expect(201)
    };
    let key = [("idempotency-key", "worded")];
    let posted = client.raw(&who, "POST", "/api/v1/transfers?receipt=true", &key, Some(worded)).await.expect(201);
    let held = post("v2/transfers", "held", hold(&from, &to, 100)).await;
    let pending = held.json()["id"].as_str().unwrap().to_owned();
    let part = post(&format!("v1/transfers/{pending}/post"), "part", json!({"amount": 40})).await;
    let voided = post(&format!("v2/transfers/{pending}/void"), "void", json!({})).await;
    let id = posted.json()["id"].as_str().unwrap().to_owned();
    let back = post(&format!("v1/transfers/{id}/reverse"), "back", json!({"description": "Returned"})).await;
    let mut answers = vec![posted, held, part, voided, back];
    for version in ["v1", "v2"] {
        for id in [&id, &pending] {
            answers.push(client.get(&who, &format!("/api/{version}/transfers/{id}?receipt=true")).await.expect(200));
        }
    }
    let keys = published(client).await;
    let receipts: Vec<_> = answers.iter().map(receipt).collect();
    let payloads = verified_elsewhere(&receipts, &keys);
    let kinds = ["posted", "pending", "posted", "voided", "posted", "posted", "pending", "posted", "pending"];
    for (((answer, receipt), claims), kind) in answers.iter().zip(&receipts).zip(&payloads).zip(kinds) {
        agrees(claims, &answer.json(), std::str::from_utf8(&answer.bytes).unwrap());
        assert_eq!((&claims["transfer"]["kind"], &claims["iss"]), (&json!(kind), &json!(DEFAULT_ISSUER)));
        assert_eq!(&said(receipt, &keys), claims);
    }
    // What became of it by now does not show: two receipts of one transfer differ in when they were signed.
    for (first, later) in [(0, 5), (0, 7), (1, 6), (1, 8)] {
        let (mut first, mut later) = (payloads[first].clone(), payloads[later].clone());
        assert!(first["iat"].as_i64().unwrap() <= later["iat"].as_i64().unwrap());
        (first["iat"], later["iat"]) = (Value::Null, Value::Null);
        assert_eq!(first, later);
    }
    let plain = client.get(&who, &format!("/api/v1/transfers/{id}")).await.expect(200);
    assert!(plain.json().get("receipt").is_none());
}

async fn whoever_may_read_the_transfer_has_its_receipt_and_nobody_else(stack: Rc<Stack>) {
    let (client, payer, payee) = (&stack.client, user(), user());
    let from = client.funded(&payer, 10).await;
    let to = client.open(&payee, "user").await;
    let paid = client.transfer(&payer, "1", &pay(&from, &to, 5)).await.expect(201).json();
    let path = format!("/api/v1/transfers/{}?receipt=true", paid["id"].as_str().unwrap());
    let keys = published(client).await;
    for reader in [payer, payee, treasurer(), someone(&[Role::Support]), someone(&[Role::Admin])] {
        let claims = said(&receipt(&client.get(&reader, &path).await.expect(200)), &keys);
        assert_eq!(claims["sub"], paid["id"]);
    }
    assert_eq!(client.get(&user(), &path).await.expect(404).code(), "not_found");
    let stranger = reqwest::get(format!("{}{path}", client.address())).await.unwrap();
    assert_eq!(stranger.status(), 401);
}

async fn a_key_keeps_none_and_a_replay_has_one_where_it_is_asked_for(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let from = client.funded(&who, 10).await;
    let to = client.open(&who, "user").await;
    let ask = async |query: &str, amount: i64, status: u16| {
        let (path, body) = (format!("/api/v1/transfers{query}"), pay(&from, &to, amount));
        client.post(&who, &path, &[("idempotency-key", &format!("k-{amount}"))], &body).await.expect(status)
    };
    let keys = published(client).await;
    for (amount, queries) in [(1, ["", "?receipt=true", "?receipt=false"]), (2, ["?receipt=true", "?receipt=true", ""])]
    {
        let answers = [
            ask(queries[0], amount, 201).await,
            ask(queries[1], amount, 201).await,
            ask(queries[2], amount, 201).await,
        ];
        assert_eq!(answers.each_ref().map(Answer::replayed), [false, true, true]);
        let bodies = answers.each_ref().map(|answer| {
            let mut body = answer.json();
            (body.as_object_mut().unwrap().remove("receipt"), body)
        });
        for ((given, body), query) in bodies.iter().zip(queries) {
            assert_eq!((given.is_some(), body), (query == "?receipt=true", &bodies[0].1));
            if let Some(given) = given {
                assert_eq!(said(given.as_str().unwrap(), &keys)["sub"], body["id"]);
            }
        }
        assert!(answers.iter().all(|answer| answer.header("etag") == answers[0].header("etag")));
    }
    // A decline is the one it is without, and frozen.
    for replayed in [false, true] {
        let declined = ask("?receipt=true", 100, 422).await;
        assert_eq!((declined.code().as_str(), declined.replayed()), ("insufficient_funds", replayed));
    }
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let bodies = transfer_key::Entity::find().filter(transfer_key::Column::TransferId.is_not_null());
    assert_eq!(bodies.clone().count(&db.pool).await.unwrap(), 3);
    assert_eq!(bodies.filter(transfer_key::Column::Body.is_not_null()).count(&db.pool).await.unwrap(), 0);
    db.pool.close().await.unwrap();
}

async fn what_has_not_happened_and_what_is_many_has_none(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let from = client.funded(&who, 10).await;
    let to = client.open(&who, "user").await;
    let ask = async |method: &str, path: &str, body: Option<Value>, status: u16| {
        let body = body.map(|body| body.to_string());
        let answer = client.raw(&who, method, path, &[("idempotency-key", "k")], body).await.expect(status);
        (answer.code(), answer.json()["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |code: &str| (code.to_owned(), "?receipt".to_owned());
    let one = || Some(pay(&from, &to, 1));
    let dry = "/api/v1/transfers?dry_run=true&receipt=true";
    assert_eq!(ask("POST", dry, one(), 422).await, refused("validation_failed"));
    assert_eq!(ask("POST", "/api/v2/transfers?receipt=yes", one(), 400).await, refused("malformed_query"));
    let many = || Some(json!({"mode": "atomic", "transfers": [pay(&from, &to, 1)]}));
    let batch = "/api/v1/transfers/batch?receipt=true";
    assert_eq!(ask("POST", batch, many(), 422).await, refused("validation_failed"));
    assert_eq!(ask("GET", "/api/v1/transfers?receipt=true", None, 422).await, refused("validation_failed"));
    let unmade = format!("/api/v1/transfers/{from}");
    for path in [format!("{unmade}/post"), format!("{unmade}/void"), format!("{unmade}/reverse")] {
        assert_eq!(ask("POST", &format!("{path}?receipt=1"), Some(json!({})), 400).await, refused("malformed_query"));
        let (code, pointer) = ask("POST", &format!("{path}?reciept=true"), Some(json!({})), 422).await;
        assert_eq!((code.as_str(), pointer.as_str()), ("validation_failed", "?reciept"));
    }
    assert_eq!(client.balance(&who, &from).await, 10, "nothing has happened");
}

async fn the_link_is_what_the_chain_says_when_it_is_computed_again(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, treasurer());
    let (bank, to) = (client.open(&who, "system").await, client.open(&who, "user").await);
    for n in 1..4 {
        client.transfer(&who, &n.to_string(), &pay(&bank, &to, n)).await.expect(201);
    }
    // A batch has several places; and what is no transfer takes places between.
    let many: Vec<_> = (1..6).map(|n| if n == 2 { hold(&to, &bank, n) } else { pay(&bank, &to, n) }).collect();
    let many = json!({"mode": "independent", "transfers": many});
    client.post(&who, "/api/v1/transfers/batch", &[("idempotency-key", "4")], &many).await.expect(200);
    client.post(&who, &format!("/api/v1/accounts/{to}/freeze"), &[], &json!({})).await.expect(200);
    client.transfer(&who, "5", &pay(&bank, &to, 1)).await.expect(201);

    let db = Database::connect(&stack.url, 1).await.unwrap();
    let batches = ledger_batch::Entity::find().order_by_asc(ledger_batch::Column::BatchNo).all(&db.pool).await.unwrap();
    let rows = transfer::Entity::find().order_by_asc(transfer::Column::Position).all(&db.pool).await.unwrap();
    let links = crate::chain::links(&batches, &rows);
    let keys = published(client).await;
    assert_eq!(rows.len(), 9);
    for row in &rows {
        let answer = client.get(&who, &format!("/api/v1/transfers/{}?receipt=true", row.id)).await.expect(200);
        let chain = &said(&receipt(&answer), &keys)["chain"];
        let within =
            |batch: &&ledger_batch::Model| (batch.first_position..=batch.last_position).contains(&row.position);
        let batch = batches.iter().find(within).unwrap();
        let link = &links[usize::try_from(batch.batch_no).unwrap() - 1];
        let expected = json!({
            "position": row.position, "batch": batch.batch_no, "first_position": batch.first_position,
            "last_position": batch.last_position, "format": 2, "hash": hex::encode(link),
        });
        assert_eq!(*chain, expected);
    }
    db.pool.close().await.unwrap();
}

async fn a_tag_is_of_its_issuer_and_of_a_key_that_still_signs(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let from = client.funded(&who, 10).await;
    let to = client.open(&who, "user").await;
    let path = paid(client, &who, (&from, &to), "k").await.expect(201).header("location").unwrap().to_owned();
    let path = format!("{path}?receipt=true");
    // None looks for keys by itself within this test.
    let slow = ("RECEIPTS__RELOAD", "1m");
    let same = Stack::set(stack.url.clone(), &[slow]).await;
    let other = Stack::set(stack.url.clone(), &[slow, ("RECEIPTS__ISSUER", "https://other.example.com")]).await;
    let get = async |client: &Client, tag: &str| client.raw(&who, "GET", &path, &[("if-none-match", tag)], None).await;
    let first = get(client, "").await.expect(200);
    let tag = first.header("etag").unwrap().to_owned();
    get(&same.client, &tag).await.expect(304);
    let others = get(&other.client, &tag).await.expect(200);
    assert!(check(&receipt(&others), &published(client).await, Some("https://other.example.com")).is_ok());
    get(&other.client, others.header("etag").unwrap()).await.expect(304);

    let kid = published(client).await.keys[0].kid.clone();
    let revoked =
        obey(&config(&stack.url, &[]), &Clock::system(), KeyOrder::Revoke { kid, since: None }).await.unwrap();
    for client in [client, &same.client] {
        let again = get(client, &tag).await.expect(200);
        said(&receipt(&again), &serde_json::from_str(&revoked).unwrap());
        get(client, again.header("etag").unwrap()).await.expect(304);
    }
    same.stop().await;
    other.stop().await;
}

async fn tags_tell_a_transfer_with_a_receipt_from_one_without(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let from = client.funded(&who, 10).await;
    let to = client.open(&who, "user").await;
    let posted = paid(client, &who, (&from, &to), "k").await.expect(201);
    let location = posted.header("location").unwrap().to_owned();
    let asked = format!("{location}?receipt=true");
    let get = async |path: &str, tag: &str| client.raw(&who, "GET", path, &[("if-none-match", tag)], None).await;
    // The tag of a 201 is that of what Location names.
    let plain = posted.header("etag").unwrap().to_owned();
    get(&location, &plain).await.expect(304);
    let with = get(&asked, &plain).await.expect(200);
    let tag = with.header("etag").unwrap().to_owned();
    assert!(tag.starts_with("W/"), "two receipts differ in when they were signed: {tag}");
    get(&asked, &tag).await.expect(304);
    assert!(get(&location, &tag).await.expect(200).json().get("receipt").is_none());
    assert_eq!(with.header("cache-control"), Some("no-store"));
    let reverse = format!("{location}/reverse");
    client.post(&who, &reverse, &[("idempotency-key", "b")], &json!({"amount": 1})).await.expect(201);
    get(&asked, &tag).await.expect(200);
    let head = client.raw(&who, "HEAD", &asked, &[], None).await.expect(200);
    assert!(head.bytes.is_empty() && head.header("etag") != Some(&tag));
}

/// A transfer of 1 with a receipt, under this key.
pub async fn paid(client: &Client, who: &User, (from, to): (&str, &str), key: &str) -> Answer {
    client.post(who, "/api/v1/transfers?receipt=true", &[("idempotency-key", key)], &pay(from, to, 1)).await
}
