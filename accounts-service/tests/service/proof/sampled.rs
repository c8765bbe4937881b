//! The service looks at its own ledger: all of it in bounded rounds, one process at a time, and what it finds stays found.

use std::time::Duration;

use accounts_service::db::Database;
use accounts_service::proof::{Bounds, Invariant, Metrics, Sampler};
use prometheus_client::registry::Registry;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::telemetry::metrics::encode;

use super::world::{Copy, QUIET, make, verify};
use crate::client::{pay, treasurer, user};
use crate::stack::{Stack, Which, on_database};

pub const PATH: &str = "/api/v1/admin/invariants";

/// Rounds after which everything must have been looked at once.
pub const ROUNDS: usize = 60;

pub struct Look {
    pub sampler: Sampler,
    pub registry: Registry,
    pub clock: Clock,
}

impl Look {
    /// A process of its own, whose rounds are small.
    pub async fn at(url: &str) -> Self {
        Self::by(url, 10).await
    }

    /// One whose rounds are as large as that.
    pub async fn by(url: &str, rows: u32) -> Self {
        Self::every(url, rows, Duration::from_secs(1)).await
    }

    /// One that has so long from one to the next.
    pub async fn every(url: &str, rows: u32, every: Duration) -> Self {
        let clock = Clock::manual(Clock::system().now() + Duration::from_secs(90 * 86_400));
        let bounds = Bounds { every, rows, sums_every: Duration::from_secs(3_600) };
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry, &clock);
        let db = Database::connect(url, 2).await.unwrap();
        Self { sampler: Sampler::new(db, clock.clone(), bounds, metrics), registry, clock }
    }

    pub async fn round(&self) -> bool {
        self.clock.advance(Duration::from_secs(1));
        self.sampler.round().await.unwrap()
    }

    /// Looks until a question of the database has this answer.
    pub async fn until(&self, sql: &str, wanted: i64) {
        for _ in 0..ROUNDS {
            self.round().await;
            if number(&self.sampler.db, sql).await == wanted {
                return;
            }
        }
        panic!("{ROUNDS} rounds, and {sql} is not {wanted}");
    }

    pub fn metric(&self, line: &str) -> Option<i64> {
        let text = encode(&self.registry);
        let value = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '))?;
        value.parse().ok()
    }

    /// Looks until it has come to the end of the chain.
    pub async fn follow(&self) {
        for _ in 0..ROUNDS {
            self.round().await;
            if self.metric("invariant_batch{end=\"reached\"}") == self.metric("invariant_batch{end=\"head\"}") {
                return;
            }
        }
        panic!("{} rounds do not come to the end of the chain", ROUNDS);
    }

    pub async fn stop(self) {
        self.sampler.db.pool.close().await.unwrap();
    }
}

pub async fn number(db: &Database, sql: &str) -> i64 {
    let row = db.pool.query_one_raw(Statement::from_string(db.pool.get_database_backend(), sql)).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

#[test]
fn it_comes_to_the_end_of_a_sound_ledger_and_finds_nothing() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let look = Look::at(&url).await;
            look.follow().await;
            for _ in 0..5 {
                assert!(look.round().await);
            }
            let text = encode(&look.registry);
            for invariant in Invariant::ALL.iter().filter(|invariant| invariant.is_sampled()) {
                let of = |name: &str| look.metric(&format!("{name}_total{{invariant=\"{}\"}}", invariant.word()));
                assert!(of("invariant_checks").unwrap() > 0, "{} is never looked at", invariant.word());
                assert_eq!(of("invariant_violations"), Some(0), "{text}");
            }
            assert_eq!(look.metric("invariant_last_round_seconds"), Some(0));
            look.clock.advance(Duration::from_secs(77));
            assert_eq!(look.metric("invariant_last_round_seconds"), Some(77));
            assert_eq!(number(&look.sampler.db, "SELECT count(*) FROM invariant_violations").await, 0);
            look.stop().await;
            assert!(verify(&url).await.is_sound());
        });
    }
}

/// What is broken, and which invariant says so.
const BREAKS: [(&str, Invariant); 9] = [
    ("UPDATE transfers SET description = 'x' WHERE external_ref = 'r-1'", Invariant::ChainContents),
    ("DELETE FROM ledger_batches WHERE batch_no = 5", Invariant::ChainLinks),
    ("UPDATE entries SET balance_after = balance_after + 1 WHERE seq = 2", Invariant::BalanceAfter),
    ("DELETE FROM entries WHERE seq = 2", Invariant::SeqDense),
    ("UPDATE accounts SET balance = balance + 1 WHERE kind = 'user'", Invariant::AccountBalances),
    ("UPDATE accounts SET held = held + 1 WHERE kind = 'user'", Invariant::HeldAmounts),
    ("UPDATE accounts SET balance = balance + 1 WHERE kind = 'user'", Invariant::CurrencySums),
    ("DELETE FROM reversals", Invariant::Reversals),
    ("UPDATE exchange_carries SET grains = grains + 1", Invariant::Remainders),
];

#[test]
fn every_break_is_found_within_its_rounds() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            for (sql, finds) in BREAKS {
                let copy = Copy::of(&url).await;
                copy.change(&[sql.to_owned()]).await;
                let look = Look::at(&copy.url).await;
                look.follow().await;
                let line = format!("invariant_violations_total{{invariant=\"{}\"}}", finds.word());
                assert!(look.metric(&line).unwrap() > 0, "{sql}: {}", encode(&look.registry));
                look.stop().await;
                copy.remove().await;
            }
        });
    }
}

#[test]
fn what_breaks_behind_its_back_is_found_on_its_tour() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let look = Look::at(&url).await;
            look.follow().await;
            look.stop().await;
            // Everything was sound, and then somebody has changed what was looked at.
            let copy = Copy::of(&url).await;
            copy.change(&["UPDATE entries SET balance_after = 5 WHERE seq = 1 AND amount > 0".to_owned()]).await;
            let look = Look::at(&copy.url).await;
            // Another process's lease has to end first.
            look.clock.advance(Duration::from_secs(600));
            for _ in 0..ROUNDS {
                assert!(look.round().await);
            }
            let found = look.metric("invariant_violations_total{invariant=\"balance_after\"}").unwrap();
            assert!(found > 0, "{}", encode(&look.registry));
            look.stop().await;
            copy.remove().await;
        });
    }
}

#[test]
fn one_process_looks_and_another_goes_on_when_it_is_gone() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let (one, other) = (Look::at(&url).await, Look::at(&url).await);
            assert!(one.round().await);
            for _ in 0..3 {
                assert!(!other.round().await, "both look");
            }
            // It shows what the first has found, all the same.
            assert!(other.metric("invariant_batch{end=\"reached\"}").unwrap() > 0);
            let reached = one.metric("invariant_batch{end=\"reached\"}");
            one.stop().await;
            other.clock.advance(Duration::from_secs(61));
            assert!(other.round().await, "nobody looks");
            assert!(other.metric("invariant_batch{end=\"reached\"}") > reached);
            other.follow().await;
            assert_eq!(number(&other.sampler.db, "SELECT count(*) FROM invariant_violations").await, 0);
            other.stop().await;
        });
    }
}

#[test]
fn a_violation_is_shown_until_somebody_has_acted_whatever_is_restarted() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let copy = Copy::of(&url).await;
            copy.change(&["UPDATE transfers SET description = 'x' WHERE external_ref = 'r-1'".to_owned()]).await;
            let look = Look::at(&copy.url).await;
            look.follow().await;
            look.stop().await;
            let found = verify(&copy.url).await.findings.first.unwrap();

            let officer = treasurer();
            let violation = async |stack: &Stack| -> Value {
                let shown = stack.client.get(&officer, PATH).await.expect(200).json();
                assert_eq!((&shown["status"], &shown["open_violations"]), (&json!("violated"), &json!(1)), "{shown}");
                let of = |row: &&Value| row["name"] == json!("chain_contents");
                let row = shown["invariants"].as_array().unwrap().iter().find(of).unwrap();
                assert!(row["checked"].as_i64().unwrap() > 0 && row["checked_at"].is_string());
                row["violations"][0].clone()
            };
            let first = Stack::start_by(copy.url.clone(), Clock::system(), &QUIET).await;
            let shown = violation(&first).await;
            assert_eq!((&shown["batch_no"], &shown["acknowledged_at"]), (&json!(found.place.batch_no), &Value::Null));
            assert_eq!(shown["position"], json!(found.place.position));
            first.stop().await;
            let again = Stack::start_by(copy.url.clone(), Clock::system(), &QUIET).await;
            assert_eq!(violation(&again).await, shown);

            let body = json!({"violations": [shown["id"]], "note": "Put back by hand"});
            let path = format!("{PATH}/acknowledgements");
            let acted = again.client.post(&officer, &path, &[("idempotency-key", "a")], &body).await.expect(200);
            assert_eq!((&acted.json()["status"], &acted.json()["open_violations"]), (&json!("sound"), &json!(0)));
            let replay = again.client.post(&officer, &path, &[("idempotency-key", "a")], &body).await.expect(200);
            assert_eq!((replay.bytes.clone(), replay.replayed()), (acted.bytes, true));
            let shown = again.client.get(&officer, PATH).await.expect(200).json();
            let of = |row: &&Value| row["name"] == json!("chain_contents");
            let row = shown["invariants"].as_array().unwrap().iter().find(of).unwrap();
            let kept = &row["violations"][0];
            assert_eq!((&kept["note"], &kept["acknowledged_by"]), (&json!("Put back by hand"), &json!(officer.id)));
            again.stop().await;
            copy.remove().await;
        });
    }
}

#[test]
fn a_running_service_looks_by_itself() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            let stack = Stack::set(url, &[("INVARIANTS__SAMPLE_EVERY", "1s")]).await;
            let (who, officer) = (user(), treasurer());
            let (from, to) = (stack.client.funded(&who, 10).await, stack.client.open(&who, "user").await);
            stack.client.transfer(&who, "one", &pay(&from, &to, 1)).await.expect(201);
            loop {
                let shown = stack.client.get(&officer, PATH).await.expect(200).json();
                assert_eq!(shown["open_violations"], 0, "{shown}");
                if shown["status"] == json!("sound") && shown["reached"]["batch_no"] == json!(2) {
                    assert_eq!(shown["reached"], shown["head"]);
                    break;
                }
                tokio::task::yield_now().await;
            }
            stack.stop().await;
        });
    }
}
