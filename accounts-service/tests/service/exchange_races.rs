//! Exchanges at once, with a new rate in between, by two instances, and when a commit's reply is lost.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use accounts_service::db::{Backend, Database};
use accounts_service::posting::{Exchange, Outcome, Unit, Work, made_exchange};
use futures_util::future::{join, join_all};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;
use shared::clock::Clock;
use shared::domain::{Amount, ExchangeId, TransferId};
use shared::problem::Context;

use crate::engine;
use crate::exchanges::{EXCHANGES, World};
use crate::lossy::Lossy;
use crate::on_both;
use crate::stack::{Stack, Which, run};

on_both!(fifty_at_once_lose_no_grain, after_a_new_rate_nothing_is_exchanged_at_the_old);

async fn fifty_at_once_lose_no_grain(stack: Rc<Stack>) {
    let world = World::new(Rc::clone(&stack), 100_000).await;
    world.set("0.333333333333").await;
    let others = join_all((0..10).map(|n| {
        let (stack, who, from, to) = (&stack, &world.who, &world.dollars, &world.house[0]);
        async move { stack.client.transfer(who, &format!("plain-{n}"), &crate::client::pay(from, to, 1)).await }
    }));
    let exchanges = join_all((0..50).map(|n| {
        let world = &world;
        async move { world.exchange(&format!("many-{n}"), &world.order(100 + n)).await }
    }));
    // The same key twice at once, too.
    let twice = join_all((0..4).map(|_| {
        let world = &world;
        async move { world.exchange("twice", &world.order(7)).await }
    }));
    let (others, (exchanges, twice)) = join(others, join(exchanges, twice)).await;
    others.into_iter().for_each(|answer| drop(answer.expect(201)));
    let twice: HashSet<_> = twice.into_iter().map(|answer| answer.expect(201).bytes).collect();
    assert_eq!(twice.len(), 1);
    let received: i64 =
        exchanges.into_iter().map(|it| it.expect(201).json()["received"]["amount"].as_i64().unwrap()).sum();
    let paid: i64 = (0..50).map(|n| 100 + n).sum::<i64>() + 7;
    let [dollars, euros, base, quote, rounding] = world.balances().await;
    assert_eq!((dollars, euros, base), (100_000 - paid - 10, received + 2, paid + 10));
    assert_eq!(quote, -euros - rounding);
    let (taken, carry) = world.grains().await;
    assert_eq!(taken, i128::from(rounding) * 1_000_000_000_000_000_000 + carry);
    let exact = i128::from(paid) * 333_333_333_333 * 1_000_000;
    assert_eq!(exact, i128::from(euros) * 1_000_000_000_000_000_000 + taken);
}

async fn after_a_new_rate_nothing_is_exchanged_at_the_old(stack: Rc<Stack>) {
    let world = World::new(Rc::clone(&stack), 1_000_000).await;
    world.set("1").await;
    let exchanging = async |from: usize| {
        let many = (from..from + 20).map(|n| {
            let world = &world;
            async move { world.exchange(&format!("during-{n}"), &world.order(100)).await.expect(201).json() }
        });
        join_all(many).await
    };
    let (during, ()) = join(exchanging(0), world.set("2")).await;
    for made in &during {
        let received = made["received"]["amount"].as_i64().unwrap();
        assert_eq!(received, if made["rate"] == "1" { 100 } else { 200 });
    }
    assert!(exchanging(100).await.iter().all(|made| made["rate"] == "2"));
}

#[test]
fn on_postgres_an_exchange_that_had_to_wait_is_made_at_the_rate_in_force_then() {
    run(Which::Postgres, waited);
}

async fn waited(stack: Rc<Stack>) {
    let world = World::new(Rc::clone(&stack), 1_000).await;
    world.set("1").await;
    let db = Database::connect(&stack.url, 2).await.unwrap();
    let holder = db.pool.begin().await.unwrap();
    holder.execute_unprepared("SELECT FROM accounts FOR UPDATE").await.unwrap();
    let newer = async {
        let waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                       AND application_name = 'tollgate-posting' AND datname = current_database()";
        while db.pool.execute_unprepared(waiting).await.unwrap().rows_affected() == 0 {}
        // It has seen the old rate, and has not got its accounts yet.
        world.set("2").await;
        holder.rollback().await.unwrap();
    };
    let (made, ()) = join(world.exchange("waited", &world.order(100)), newer).await;
    let made = made.expect(201).json();
    assert_eq!((&made["rate"], &made["received"]["amount"]), (&json!("2"), &json!(200)));
}

#[test]
fn on_postgres_two_instances_share_the_carry() {
    run(Which::Postgres, two_instances);
}

async fn two_instances(stack: Rc<Stack>) {
    let world = World::new(Rc::clone(&stack), 100_000).await;
    world.set("0.7777").await;
    let second = Stack::start(stack.url.clone()).await;
    let ask = |n: i64| {
        let client = if n % 2 == 0 { &stack.client } else { &second.client };
        let (who, order) = (&world.who, world.order(50 + n));
        let key = format!("two-{n}");
        async move { client.post(who, EXCHANGES, &[("idempotency-key", &key)], &order).await.expect(201) }
    };
    join_all((0..40).map(ask)).await;
    // Each knows what the other has done.
    for client in [&stack.client, &second.client] {
        let again = client.post(&world.who, EXCHANGES, &[("idempotency-key", "two-3")], &world.order(53)).await;
        assert!(again.expect(201).replayed());
    }
    let [.., rounding] = world.balances().await;
    let (taken, carry) = world.grains().await;
    assert_eq!(taken, i128::from(rounding) * 1_000_000_000_000_000_000 + carry);
    second.stop().await;
}

#[test]
fn on_postgres_a_commit_whose_reply_is_lost_exchanges_once() {
    run(Which::Postgres, lost_reply);
}

async fn lost_reply(stack: Rc<Stack>) {
    let world = World::new(Rc::clone(&stack), 1_000).await;
    world.set("0.5").await;
    let Backend::Postgres(options) = Backend::parse(&stack.url).unwrap() else {
        unreachable!("the URL is PostgreSQL's")
    };
    let lossy = Lossy::before(&options).await;
    let running = engine::start(&lossy.backend);
    let clock = Clock::system();
    let wish = Exchange {
        id: ExchangeId::generate(&clock),
        transfers: [(); 3].map(|()| TransferId::generate(&clock)),
        debit: world.dollars.parse().unwrap(),
        credit: world.euros.parse().unwrap(),
        amount: Amount::try_from(100_i64).unwrap(),
        by: world.who.id,
        treasurer: false,
        pair: Some(("USD".parse().unwrap(), "EUR".parse().unwrap())),
        asked: None,
    };
    let ask = || {
        let unit = engine::unit(&world.who, 77, (&world.dollars, &world.euros), 1);
        running.0.submit(Unit { work: Work::Exchange(Arc::new(wish)), context: Context::current(), ..unit })
    };
    lossy.arm_for_commit();
    let first = ask().await.unwrap();
    assert!(lossy.went_off() && !first.replayed);
    let again = ask().await.unwrap();
    let made = |outcome: &Outcome| match outcome {
        Outcome::Stored(201, body) => made_exchange(body),
        Outcome::Stored(..) | Outcome::Posted(_) | Outcome::Results(_) => None,
    };
    assert_eq!((made(&first.outcome), made(&again.outcome)), (Some(wish.id), Some(wish.id)));
    assert!(again.replayed);
    assert_eq!(world.balances().await, [900, 50, 100, -50, 0]);
    engine::stop(running).await;
}
