//! Many clients on few accounts: balances stay right at every moment anybody looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use tests::client::{Answer, Transfer, fresh_key};
use tests::{Backend, Stack};

journeys!(fifty_debits_of_a_fifth_of_them, back_and_forth);

async fn fifty_debits_of_a_fifth_of_them(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (ann, bob) = (stack.register("ann").await, stack.register("bob").await);
    let (from, to) = (stack.account_with(&ann, 100).await, stack.account_with(&bob, 0).await);

    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (client, account, done) = (ann.client.clone(), from.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !done.load(Ordering::SeqCst) {
                    seen.push(client.balance(&account).await);
                }
                seen
            })
        })
        .collect();
    let answers = join_all((0..50).map(|_| {
        let (client, transfer) = (ann.client.clone(), Transfer::usd(&from, &to, 10));
        tokio::spawn(async move { client.transfer(&fresh_key(), &transfer).await })
    }))
    .await;
    done.store(true, Ordering::SeqCst);

    let answers: Vec<Answer> = answers.into_iter().map(|answer| answer.expect("the client runs")).collect();
    let paid = answers.iter().filter(|answer| answer.status == 201).count();
    for declined in answers.iter().filter(|answer| answer.status != 201) {
        declined.problem(422, "insufficient_funds");
    }
    assert_eq!((paid, ann.client.balance(&from).await, bob.client.balance(&to).await), (10, 0, 100));
    for seen in join_all(readers).await {
        let seen = seen.expect("the reader runs");
        assert!(
            !seen.is_empty() && seen.iter().all(|balance| (0..=100).contains(balance) && balance % 10 == 0),
            "{seen:?}"
        );
        assert!(seen.is_sorted_by(|earlier, later| earlier >= later), "a balance read later is never older: {seen:?}");
    }
}

async fn back_and_forth(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let (a, b) = (stack.account_with(&ann, 50).await, stack.account_with(&ann, 50).await);
    let answers = join_all((0..32).map(|number| {
        let (from, to) = if number % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let (client, transfer) = (ann.client.clone(), Transfer::usd(from, to, 20));
        tokio::spawn(async move {
            let mut answers = Vec::new();
            for _ in 0..10 {
                answers.push(client.transfer(&fresh_key(), &transfer).await);
            }
            answers
        })
    }))
    .await;
    for answer in answers.into_iter().flat_map(|answers| answers.expect("the client runs")) {
        if answer.status != 201 {
            answer.problem(422, "insufficient_funds");
        }
    }
    assert_eq!(ann.client.balance(&a).await + ann.client.balance(&b).await, 100);
    for account in [&a, &b] {
        let entries = ann.client.entries(account).await;
        let mut balance = 0;
        for (index, entry) in entries.iter().enumerate() {
            balance += entry["amount"].as_i64().expect("an integer");
            assert_eq!(entry["seq"].as_u64(), Some(index as u64 + 1), "seq is dense from 1");
            assert_eq!(entry["balance_after"].as_i64(), Some(balance));
            assert!(balance >= 0);
        }
        assert_eq!(balance, ann.client.balance(account).await);
    }
}
