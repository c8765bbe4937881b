//! The service under many clients at once, on both back-ends and as two processes, held against the model.

use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;
use std::time::Duration;

use shared::clock::Clock;
use shared::domain::UserId;
use tests::Backend;
use tests::backends::Ground;
use tests::ledger::driver::{self, Cast, Door, Patience};
use tests::ledger::generator::Random;
use tests::ledger::{Caller, Features, Generator, History, Record, Recorder, Report, Role, check, disproved};
use tests::stack::AccountsProcess;

/// Clients at once, on how many accounts.
const CLIENTS: u64 = 16;
const ACCOUNTS: usize = 12;
/// Requests of each.
const REQUESTS: u64 = 320;

/// Nothing breaks here, but a machine may be busy.
const PATIENCE: Patience = Patience { retries: 3, pause: Duration::from_millis(50), gives_up: false };

const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

/// Every refusal that has to be met.
const REFUSALS: [&str; 30] = [
    "malformed_body",
    "validation_failed",
    "idempotency_key_required",
    "idempotency_key_reused",
    "amount_out_of_range",
    "accounts_must_be_different",
    "debit_account_not_found",
    "credit_account_not_found",
    "currency_mismatch",
    "debit_account_closed",
    "credit_account_closed",
    "debit_account_frozen",
    "precondition_failed",
    "limit_exceeded",
    "balance_overflow",
    "insufficient_funds",
    "batch_declined",
    "external_ref_taken",
    "not_found",
    "forbidden",
    "transfer_not_pending",
    "transfer_not_posted",
    "amount_exceeds_pending",
    "amount_exceeds_original",
    "currencies_must_be_different",
    "no_exchange_rate",
    "exchange_rate_changed",
    "exchange_amount_unpayable",
    "exchange_with_rate_account",
    "stale_precondition",
];

const SETTLED_DRY: &[&str] = &["post-dry", "void-dry", "reverse-dry"];

mod embedded {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_clients_are_answered_as_the_model_answers() {
        super::many_clients(tests::Backend::Embedded, 1).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_client_is_answered_as_the_model_answers() {
        super::one_client(tests::Backend::Embedded).await;
    }
}

mod real {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_clients_are_answered_as_the_model_answers() {
        super::many_clients(tests::Backend::Real, 1).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_clients_of_two_processes_are_answered_as_the_model_answers() {
        super::many_clients(tests::Backend::Real, 2).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_client_is_answered_as_the_model_answers() {
        super::one_client(tests::Backend::Real).await;
    }
}

async fn many_clients(backend: Backend, processes: usize) {
    let (seed, report) = run(backend, processes, (CLIENTS, REQUESTS)).await;
    assert!(report.ended("ok") > 800 && report.ended("replayed") > 50, "seed {seed}\n{report}");
    // A busy machine may let one wait for too long; nothing else does.
    assert!(report.ended("unknown") < 20, "nothing breaks here: seed {seed}\n{report}");
    for asked in
        [&["exchanges"][..], &["exchange-rates"], &["transfers-dry"], &["batch-dry"], &["exchanges-dry"], SETTLED_DRY]
    {
        let done: u64 = asked.iter().map(|asked| report.count(asked, "ok")).sum();
        assert!(done > 0, "none of {asked:?} was done: seed {seed}\n{report}");
    }
    for code in REFUSALS {
        assert!(report.ended(code) > 0, "{code} was never met: seed {seed}\n{report}");
    }
}

/// With one client there is one moment at which each answer can have been given: every answer is exact.
async fn one_client(backend: Backend) {
    let (seed, report) = run(backend, 1, (1, 600)).await;
    assert!(report.ended("ok") > 150 && report.count("exchanges", "ok") > 0, "seed {seed}\n{report}");
}

async fn run(backend: Backend, processes: usize, (clients, requests): (u64, u64)) -> (u64, Report) {
    let ground = Ground::lay(backend).await.expect("a back-end");
    let mut running = Vec::new();
    for _ in 0..processes {
        let mut process = AccountsProcess::on(&ground.accounts, SECRET).expect("the binary is built");
        process.start().await;
        running.push(process);
    }
    let bases = running.iter().map(|process| process.addr).collect();
    let door = Door::new(bases, Door::vouched(SECRET), Duration::from_secs(30));
    let stage = driver::set(&door, &cast(), ACCOUNTS).await;
    let opening = Record::read(&ground.accounts).await.expect("the ledger is read");

    let seed = seed();
    let recorder = Arc::new(Recorder::begin(Clock::system().now_micros()));
    let mut seeds = Random::new(seed);
    let tasks: Vec<_> = (0..clients)
        .map(|number| {
            let (door, recorder) = (door.clone(), Arc::clone(&recorder));
            let mut generator = Generator::new(seeds.next(), &format!("c{number}"), stage.clone(), Features::ALL);
            tokio::spawn(async move { door.drive(&recorder, &mut generator, PATIENCE, |asked| asked < requests).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("the client runs");
    }
    let closing = Record::read(&ground.accounts).await.expect("the ledger is read");
    drop(running);
    assert_eq!(disproved(&ground.accounts).await, None);
    ground.clear().await.expect("the ground is cleared");
    let history = recorder.history();
    let report = check(&opening, &history, &closing);
    assert!(report.violations.is_empty(), "seed {seed}, {}\n{report}", kept(&history, seed));
    (seed, report)
}

/// Many clients cannot be run again by their seed, so what they were answered stays behind.
fn kept(history: &History, seed: u64) -> String {
    let file = std::env::temp_dir().join(format!("tollgate-history-{seed}.ndjson"));
    match File::create(&file).and_then(|to| history.write(BufWriter::new(to))) {
        Ok(()) => format!("history in {}", file.display()),
        Err(error) => format!("no history: {error}"),
    }
}

fn cast() -> Cast {
    let someone = |role| Caller { user: UserId::generate(&Clock::system()).to_string(), role };
    Cast {
        customers: (0..3).map(|_| someone(Role::Customer)).collect(),
        treasurer: someone(Role::Treasurer),
        admin: someone(Role::Admin),
    }
}

/// `TOLLGATE_SEED` runs the same again, as far as many clients can.
fn seed() -> u64 {
    let given = shared::config::process_env().into_iter().find(|(name, _)| name == "TOLLGATE_SEED");
    given.and_then(|(_, text)| text.parse().ok()).unwrap_or_else(rand::random)
}
