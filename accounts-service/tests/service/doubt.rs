//! A commit whose reply is lost: the batch runs again, and each of its requests learns whether it was answered before.

use std::rc::Rc;

use accounts_service::db::{Backend, Database};
use accounts_service::posting::{Mode, Unit, Work};
use futures_util::future::{join, join_all, join3};
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::client::user;
use crate::engine;
use crate::lossy::Lossy;
use crate::stack::{Stack, Which, run};

const BLOCKED: &str = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                       AND application_name = 'tollgate-posting' AND datname = current_database()";

#[test]
fn on_postgres_replays_stay_replays_and_first_answers_first_when_the_commits_reply_is_lost() {
    run(Which::Postgres, lost_reply);
}

async fn lost_reply(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = (stack.client.funded(&who, 100).await, stack.client.open(&who, "user").await);
    let Backend::Postgres(options) = Backend::parse(&stack.url).unwrap() else {
        unreachable!("the URL is PostgreSQL's")
    };
    let db = Database::connect(&stack.url, 2).await.unwrap();
    let lossy = Lossy::before(&options).await;
    let running = engine::start(&lossy.backend);
    let ask = |key, amount| running.0.submit(engine::unit(&who, key, (&from, &to), amount));
    let (posted, declined) = join(ask(1, 1), ask(2, 1_000)).await;
    assert_eq!((engine::verdict(posted), engine::verdict(declined)), (Ok((true, false)), Ok((false, false))));

    // While one request waits for its account, the next batch gathers: two replays, and one new of every kind.
    let holder = db.pool.begin().await.unwrap();
    holder.execute_unprepared("SELECT FROM accounts FOR UPDATE").await.unwrap();
    let gathered = async {
        while db.pool.execute_unprepared(BLOCKED).await.unwrap().rows_affected() == 0 {}
        let release = async {
            while running.0.depth() < 5 {
                tokio::task::yield_now().await;
            }
            lossy.arm(2);
            holder.rollback().await.unwrap();
        };
        let ones = join_all([ask(1, 1), ask(2, 1_000), ask(3, 1), ask(4, 1_000)]);
        let many = running.0.submit(as_batch(engine::unit(&who, 5, (&from, &to), 1)));
        join3(ones, many, release).await
    };
    let (first, (mut answers, many, ())) = join(ask(9, 1), gathered).await;
    assert!(lossy.went_off(), "the batch was committed, its reply lost, and so was that to the attempt that found out");
    assert_eq!(engine::verdict(first), Ok((true, false)));
    answers.push(many);
    let verdicts: Vec<_> = answers.into_iter().map(|answer| engine::verdict(answer).unwrap()).collect();
    let (replayed, new) = ([(true, true), (false, true)], [(true, false), (false, false), (false, false)]);
    assert_eq!(verdicts, [replayed.as_slice(), &new].concat());
    assert_eq!(engine::verdict(ask(3, 1).await), Ok((true, true)));
    assert_eq!(stack.client.balance(&who, &to).await, 4);
    engine::stop(running).await;
}

fn as_batch(unit: Unit) -> Unit {
    let items = unit.work.drafts().map(|draft| Ok(draft.clone())).collect();
    Unit { work: Work::Many(Mode::Independent, items), ..unit }
}
