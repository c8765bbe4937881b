//! A posting engine of a test's own, beside the service's, for what HTTP cannot bring about.

use std::time::Duration;

use accounts_service::db::Backend;
use accounts_service::posting::{
    self, Answer, Command, Committer, Draft, Engine, Failure, KeyDigest, Limits, Memo, Metrics, Order, Unit, Work,
};
use prometheus_client::registry::Registry;
use shared::auth::User;
use shared::clock::Clock;
use shared::domain::{Amount, TransferId};
use shared::problem::Context;
use uuid::Uuid;

/// Starts an engine on `backend`.
pub fn start(backend: &Backend) -> (Engine, Committer) {
    start_at(backend, Clock::system())
}

/// Starts one that goes by `clock`.
pub fn start_at(backend: &Backend, clock: Clock) -> (Engine, Committer) {
    let limits = Limits { queue: 64, batch: 64, key_wait: Duration::from_secs(2) };
    posting::start(backend, limits, clock, Metrics::register(&mut Registry::default())).unwrap()
}

/// Lets the engine commit what is queued, and ends it.
pub async fn stop((engine, committer): (Engine, Committer)) {
    drop(engine);
    tokio::task::spawn_blocking(|| committer.join()).await.unwrap();
}

/// A transfer in USD under a key; the same `key` and sides are the same request.
pub fn unit(who: &User, key: u128, (from, to): (&str, &str), amount: i64) -> Unit {
    let sides = (from.parse().unwrap(), to.parse().unwrap());
    let order = Order::new(sides, Amount::try_from(amount).unwrap(), "USD".parse().unwrap(), who.id).unwrap();
    let id = TransferId::generate(&Clock::system());
    let draft = Draft { id, command: Command::Transfer(order), memo: Memo::default() };
    Unit {
        key: Some(KeyDigest(Uuid::from_u128(key))),
        fingerprint: Uuid::from_u128(1),
        work: Work::One(draft.into()),
        context: Context::current(),
    }
}

/// An answer, told apart: posted or not, replayed or not.
pub fn verdict(answer: Result<Answer, Failure>) -> Result<(bool, bool), Failure> {
    answer.map(|answer| (matches!(answer.outcome, posting::Outcome::Posted(..)), answer.replayed))
}
