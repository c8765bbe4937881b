//! Another key signs: known to all before it does, at once where one was revoked, and no receipt fails for it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use accounts_service::Config;
use accounts_service::db::Database;
use accounts_service::db::entity::receipt_key;
use accounts_service::receipts::{KeyOrder, KeySet, Refusal, check, obey};
use futures_util::future::{join, join_all};
use sea_orm::{ConnectionTrait, EntityTrait};
use shared::clock::Clock;

use super::{paid, published, receipt, said};
use crate::client::{treasurer, user};
use crate::on_both;
use crate::stack::{SECRET, Stack, Which, on_database};

on_both!(a_successor_signs_when_all_know_it_and_no_receipt_fails, after_a_revocation_nothing_is_signed_with_that_key);

/// Keys as soon known as can be.
const SOON: [(&str, &str); 3] =
    [("RECEIPTS__RELOAD", "50ms"), ("RECEIPTS__MAX_AGE", "0s"), ("RECEIPTS__PUBLISH_BEFORE", "1s")];

/// As the commands load it.
pub fn config(url: &str, more: &[(&str, &str)]) -> Config {
    let own = [("DATABASE__URL", url), ("IDENTITY__SECRET", SECRET)];
    let set = |(name, value): &(&str, &str)| (format!("TOLLGATE_ACCOUNTS__{name}"), (*value).to_owned());
    Config::load(None, &own.iter().chain(more).map(set).collect::<Vec<_>>()).unwrap()
}

async fn order(url: &str, order: KeyOrder) -> KeySet {
    let shown = obey(&config(url, &SOON), &Clock::system(), order).await.unwrap();
    serde_json::from_str(&shown).unwrap()
}

pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !is_so().await {
        assert!(Instant::now() < patience, "{what}");
        tokio::task::yield_now().await;
    }
}

async fn a_successor_signs_when_all_know_it_and_no_receipt_fails(stack: Rc<Stack>) {
    let processes = [Stack::set(stack.url.clone(), &SOON).await, Stack::set(stack.url.clone(), &SOON).await];
    let who = user();
    let from = stack.client.funded(&who, 100_000).await;
    let to = stack.client.open(&who, "user").await;
    let old = published(&stack.client).await.keys[0].kid.clone();
    let successor = std::cell::OnceCell::new();
    let is_by = |receipt: &str, kid: &str| {
        let keys = KeySet { keys: Vec::new() };
        matches!(check(receipt, &keys, None), Err(Refusal::UnknownKey(by)) if by == kid)
    };
    // Each until its process signs with the successor.
    let load =
        join_all(processes.iter().enumerate().flat_map(|(at, process)| [(at, process, 0), (at, process, 1)]).map(
            |(at, process, n)| {
                let (successor, who, sides, processes, is_by) =
                    (&successor, &who, (from.as_str(), to.as_str()), &processes, &is_by);
                async move {
                    let mut receipts = Vec::new();
                    for round in 0.. {
                        let paid = paid(&process.client, who, sides, &format!("{at}-{n}-{round}")).await.expect(201);
                        receipts.push(receipt(&paid));
                        let new: Option<&String> = successor.get();
                        if new.is_some_and(|new| is_by(&receipts[round], new)) {
                            break;
                        }
                    }
                    // It did not sign before everybody had it.
                    for process in processes {
                        assert!(
                            published(&process.client).await.keys.iter().any(|key| Some(&key.kid) == successor.get())
                        );
                    }
                    receipts
                }
            },
        ));
    let rotate = async {
        let set = order(&stack.url, KeyOrder::Rotate { force: false }).await;
        successor.set(set.keys[0].kid.clone()).unwrap();
        // At once, in every process, and before it signs.
        for process in &processes {
            until("the successor is not published", async || published(&process.client).await.keys.len() == 2).await;
        }
        let again = obey(&config(&stack.url, &SOON), &Clock::system(), KeyOrder::Rotate { force: false }).await;
        assert!(again.unwrap_err().to_string().contains("a successor is there already"));
    };
    let (receipts, ()) = join(load, rotate).await;
    let keys = published(&processes[0].client).await;
    assert_eq!(keys, published(&processes[1].client).await);
    let all: Vec<_> = receipts.into_iter().flatten().collect();
    all.iter().for_each(|receipt| drop(said(receipt, &keys)));
    assert!(all.iter().any(|receipt| is_by(receipt, &old)));
    let (new, retired) = (&keys.keys[0], &keys.keys[1]);
    assert_eq!((&new.kid, &retired.kid, retired.exp), (successor.get().unwrap(), &old, Some(new.nbf)));
    for process in processes {
        process.stop().await;
    }
}

async fn after_a_revocation_nothing_is_signed_with_that_key(stack: Rc<Stack>) {
    // Neither looks for keys by itself within this test.
    let slow = [("RECEIPTS__RELOAD", "1m")];
    let processes = [Stack::set(stack.url.clone(), &slow).await, Stack::set(stack.url.clone(), &slow).await];
    let who = user();
    let from = stack.client.funded(&who, 100_000).await;
    let to = stack.client.open(&who, "user").await;
    let mut receipts = Vec::new();
    for round in 0..4 {
        let signing = order(&stack.url, KeyOrder::Show).await.keys[0].kid.clone();
        let revoked = order(&stack.url, KeyOrder::Revoke { kid: signing.clone(), since: None }).await;
        for (at, process) in processes.iter().enumerate() {
            let answer = paid(&process.client, &who, (&from, &to), &format!("{at}-{round}")).await.expect(201);
            let claims = said(&receipt(&answer), &revoked);
            assert_eq!(claims["sub"], answer.json()["id"], "believed by a key that is not revoked");
            receipts.push((receipt(&answer), claims["iat"].as_i64().unwrap()));
        }
    }
    let keys = order(&stack.url, KeyOrder::Show).await;
    assert_eq!(keys.keys.iter().filter(|key| key.revoked.is_some()).count(), 4);
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let rows = receipt_key::Entity::find().all(&db.pool).await.unwrap();
    assert!(rows.iter().all(|row| row.private_key.is_some() == row.revoked_at.is_none()), "erased at once");
    assert!(db.pool.execute_unprepared("DELETE FROM receipt_keys").await.is_err(), "published for ever");
    db.pool.close().await.unwrap();
    // With hindsight: of a key that somebody else had since then, nothing of later is believed.
    let (last, iat) = receipts.pop().unwrap();
    let since = Some(time::OffsetDateTime::from_unix_timestamp(iat).unwrap());
    let signing = keys.keys.iter().find(|key| key.revoked.is_none()).unwrap().kid.clone();
    let known = order(&stack.url, KeyOrder::Revoke { kid: signing.clone(), since }).await;
    assert_eq!(check(&last, &known, None), Err(Refusal::Revoked { iat, revoked_at: iat }));
    let again = obey(&config(&stack.url, &[]), &Clock::system(), KeyOrder::Revoke { kid: signing, since: None }).await;
    assert!(again.unwrap_err().to_string().contains("already"));
    for process in processes {
        process.stop().await;
    }
}

#[test]
fn on_sqlite_two_first_processes_make_one_key() {
    on_database(Which::Sqlite, first_processes);
}

#[test]
fn on_postgres_two_first_processes_make_one_key() {
    on_database(Which::Postgres, first_processes);
}

async fn first_processes(url: String) {
    let db = Database::connect(&url, 1).await.unwrap();
    db.migrate().await.unwrap();
    let (one, other) = join(Stack::start(url.clone()), Stack::start(url.clone())).await;
    let (keys, same) = (published(&one.client).await, published(&other.client).await);
    assert_eq!((keys.keys.len(), &keys), (1, &same));
    db.pool.close().await.unwrap();
    one.stop().await;
    other.stop().await;
}

#[test]
fn on_sqlite_a_retired_key_is_erased_and_stays_published() {
    on_database(Which::Sqlite, retired);
}

#[test]
fn on_postgres_a_retired_key_is_erased_and_stays_published() {
    on_database(Which::Postgres, retired);
}

async fn retired(url: String) {
    // Behind the database's, by which nothing is erased too early.
    let clock = Clock::manual(Clock::system().now() - Duration::from_secs(3_600));
    let soon = [("RECEIPTS__RELOAD", "50ms")];
    let service = Stack::start_by(url.clone(), clock.clone(), &soon).await;
    let who = treasurer();
    let (bank, to) = (service.client.open(&who, "system").await, service.client.open(&who, "user").await);
    let before = receipt(&paid(&service.client, &who, (&bank, &to), "1").await.expect(201));
    obey(&config(&url, &[]), &clock, KeyOrder::Rotate { force: false }).await.unwrap();
    let still = receipt(&paid(&service.client, &who, (&bank, &to), "2").await.expect(201));
    clock.advance(Duration::from_secs(15 * 60 + 1));
    let after = receipt(&paid(&service.client, &who, (&bank, &to), "3").await.expect(201));
    let by = |receipt: &str| match check(receipt, &KeySet::default(), None) {
        Err(Refusal::UnknownKey(kid)) => kid,
        other => panic!("{other:?}"),
    };
    assert!(by(&before) == by(&still) && by(&still) != by(&after));
    let db = Database::connect(&url, 1).await.unwrap();
    let kept = async || {
        let rows = receipt_key::Entity::find().all(&db.pool).await.unwrap();
        rows.iter().filter(|row| row.private_key.is_some()).count()
    };
    assert_eq!(kept().await, 2);
    clock.advance(Duration::from_secs(10 * 60));
    until("the retired key is not erased", async || kept().await == 1).await;
    let keys = published(&service.client).await;
    for receipt in [before, still, after] {
        said(&receipt, &keys);
    }
    db.pool.close().await.unwrap();
    service.stop().await;
}
