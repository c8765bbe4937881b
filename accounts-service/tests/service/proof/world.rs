//! A ledger with everything in it: batches of the first format, months that turn, holds however they end, refunds, limits,
//! references, exchanges, standing orders; and copies of it to break.

use std::rc::Rc;
use std::time::Duration;

use accounts_service::db::Database;
use accounts_service::db::migration::Migrator;
use accounts_service::proof::{Report, Wanted, command};
use sea_orm::{ConnectionTrait, Statement};
use sea_orm_migration::MigratorTrait;
use serde_json::json;
use sha2::{Digest, Sha256};
use shared::auth::User;
use shared::clock::Clock;
use shared::domain::Role;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::client::{pay, someone, treasurer, user};
use crate::exchanges;
use crate::holds::{act, held, hold, hold_for};
use crate::stack::Stack;
use crate::standing::{daily, make as make_order};

const DAY: Duration = Duration::from_secs(86_400);

/// Nothing by itself but what a test asks for.
pub const QUIET: [(&str, &str); 3] =
    [("HOLDS__SWEEP_EVERY", "24h"), ("STANDING__POLL", "50ms"), ("INVARIANTS__SAMPLE_EVERY", "0s")];

/// Whether a URL is of SQLite.
pub fn is_sqlite(url: &str) -> bool {
    url.starts_with("sqlite")
}

/// An id as SQL has it.
pub fn literal(url: &str, id: Uuid) -> String {
    if is_sqlite(url) { format!("x'{}'", id.simple()) } else { format!("'{id}'::uuid") }
}

/// Bytes as SQL has them.
pub fn bytes(url: &str, bytes: &[u8]) -> String {
    let hex = hex::encode(bytes);
    if is_sqlite(url) { format!("x'{hex}'") } else { format!("'\\x{hex}'::bytea") }
}

/// What is said of the ledger at `url`.
pub async fn verify(url: &str) -> Report {
    command::run(url, Wanted { from: None, expect: None, most: 100 }).await.unwrap()
}

/// Makes it.
pub async fn make(url: &str) {
    of_before(url).await;
    let clock = Clock::manual(Clock::system().now());
    let stack = Rc::new(Stack::start_by(url.to_owned(), clock.clone(), &QUIET).await);
    let (who, officer) = (user(), treasurer());
    let (from, to) = (stack.client.funded(&who, 10_000).await, stack.client.open(&who, "user").await);
    plain(&stack, &who, &from, &to).await;
    pending(&stack, &who, (&from, &to), &clock).await;
    refunds(&stack, &who, &from, &to).await;
    let world = exchanges::World::new(Rc::clone(&stack), 100_000).await;
    // The same twice: an older one is another.
    world.set("0.9235").await;
    world.set("0.9235").await;
    for key in ["one", "two", "three", "four"] {
        world.exchange(key, &world.order(1_001)).await.expect(201);
    }
    let order = make_order(&stack, &who, &daily(&from, &to, 3)).await;
    clock.advance(DAY);
    let runs = format!("/api/v1/standing-orders/{order}/runs");
    while stack.client.get(&who, &runs).await.expect(200).json()["data"][0]["state"] != json!("posted") {
        tokio::task::yield_now().await;
    }
    crate::standing::cancel(&stack, &who, &order).await;
    clock.advance(31 * DAY);
    let bank = stack.client.open(&officer, "system").await;
    for key in ["m1", "m2"] {
        stack.client.transfer(&officer, key, &pay(&bank, &to, 7)).await.expect(201);
    }
    // Its event stands behind the last batch.
    stack.client.open(&who, "user").await;
    drop(world);
    Rc::try_unwrap(stack).ok().unwrap().stop().await;
}

async fn plain(stack: &Stack, who: &User, from: &str, to: &str) {
    let client = &stack.client;
    let mut worded = pay(from, to, 11);
    worded["description"] = json!("für Miete");
    worded["external_ref"] = json!("r-1");
    worded["metadata"] = json!({"a": [1, null]});
    client.transfer(who, "worded", &worded).await.expect(201);
    client.transfer(who, "declined", &pay(from, to, 1_000_000)).await.expect(422);
    let officer = someone(&[Role::Admin]);
    let limits = json!({"limits": [{"window": 86_400, "amount": 5_000, "count": 100}]}).to_string();
    client.raw(&officer, "PUT", &format!("/api/v1/accounts/{from}/limits"), &[], Some(limits)).await.expect(200);
    let mut fresh = pay(from, to, 2);
    fresh["external_ref"] = json!("r-2");
    let items = json!([pay(from, to, 1), pay(to, from, 0), fresh, worded, pay(to, from, 3)]);
    let many = json!({"mode": "independent", "transfers": items});
    client.post(who, "/api/v1/transfers/batch", &[("idempotency-key", "many")], &many).await.expect(200);
}

async fn pending(stack: &Stack, who: &User, (from, to): (&str, &str), clock: &Clock) {
    let client = &stack.client;
    let partly = held(client, who, "partly", &hold(from, to, 100)).await;
    act(client, who, (&partly, "post", "partly-1"), json!({"amount": 30})).await.expect(201);
    let let_go = held(client, who, "let-go", &hold(from, to, 100)).await;
    act(client, who, (&let_go, "post", "let-go-1"), json!({"amount": 60, "release_remainder": true})).await.expect(201);
    let void = held(client, who, "void", &hold(from, to, 40)).await;
    act(client, who, (&void, "void", "void-1"), json!({})).await.expect(201);
    let half = held(client, who, "half", &hold(from, to, 40)).await;
    act(client, who, (&half, "post", "half-1"), json!({"amount": 15})).await.expect(201);
    act(client, who, (&half, "void", "half-2"), json!({})).await.expect(201);
    // One that lapses and is written down with the next debit, one that nobody touches any more.
    held(client, who, "lapses", &hold_for(from, to, 50, 20)).await;
    let idle = client.funded(who, 100).await;
    held(client, who, "idle", &hold_for(&idle, to, 50, 20)).await;
    // One that lapses long after everything else.
    let later = client.funded(who, 100).await;
    held(client, who, "later", &hold_for(&later, to, 50, 300 * 86_400)).await;
    clock.advance(Duration::from_secs(21));
    client.transfer(who, "after", &pay(from, to, 1)).await.expect(201);
}

async fn refunds(stack: &Stack, who: &User, from: &str, to: &str) {
    let client = &stack.client;
    let paid = client.transfer(who, "paid", &pay(from, to, 100)).await.expect(201).json();
    let id = paid["id"].as_str().unwrap();
    for (key, amount) in [("back-1", 30), ("back-2", 70)] {
        act(client, who, (id, "reverse", key), json!({"amount": amount})).await.expect(201);
    }
}

/// Two transfers in one batch of the first format, with one reference, as the release before left them.
async fn of_before(url: &str) {
    const AT: i64 = 1_700_000_000_000_000;
    let db = Database::connect(url, 1).await.unwrap();
    Migrator::up(&db.pool, Some(1)).await.unwrap();
    let id = |n: u8| Uuid::from_bytes([n; 16]);
    let [bank, own, owner] = [1, 2, 3].map(|n| literal(url, id(n)));
    let transfers = [(4, 5_i64, (1_i64, -5_i64, 1_i64, 5_i64)), (5, 2, (2, -7, 2, 7))];
    let mut content = Sha256::new();
    content.update(AT.to_be_bytes());
    let mut sql = format!(
        "INSERT INTO accounts (id, owner_id, name, kind, currency, status, balance, seq, created_at, updated_at) VALUES \
         ({bank}, {owner}, 'bank', 'system', 'USD', 'open', -7, 2, 1, 1), ({own}, {owner}, 'own', 'user', 'USD', 'open', 7, 2, 1, 1);"
    );
    for (position, (n, amount, (debit_seq, debit, credit_seq, credit))) in (1..).zip(transfers) {
        content.update(id(n));
        for (account, seq, balance) in [(1, debit_seq, debit), (2, credit_seq, credit)] {
            content.update(id(account));
            content.update(seq.to_be_bytes());
            content.update(balance.to_be_bytes());
        }
        content.update(amount.to_be_bytes());
        content.update("USD");
        content.update(id(3));
        content.update(u64::MAX.to_be_bytes());
        content.update(4_u64.to_be_bytes());
        content.update("once");
        content.update(u64::MAX.to_be_bytes());
        let n = literal(url, id(n));
        sql += &format!(
            "INSERT INTO transfers (position, id, debit_account_id, credit_account_id, amount, currency, external_ref, \
             posted_at, created_at, created_by) VALUES ({position}, {n}, {bank}, {own}, {amount}, 'USD', 'once', {AT}, {AT}, {owner}); \
             INSERT INTO entries (account_id, seq, position, transfer_id, amount, balance_after, posted_at) VALUES \
             ({bank}, {debit_seq}, {position}, {n}, {}, {debit}, {AT}), ({own}, {credit_seq}, {position}, {n}, {amount}, {credit}, {AT}); \
             INSERT INTO outbox_events (position, id, kind, subject, recorded_at) VALUES ({position}, {n}, 'transfer.posted', {n}, {AT});",
            -amount
        );
    }
    let content: [u8; 32] = content.finalize().into();
    let hash =
        Sha256::new().chain_update([0_u8; 32]).chain_update(1_i64.to_be_bytes()).chain_update(content).finalize();
    let (content, hash) = (bytes(url, &content), bytes(url, &hash));
    sql += &format!(
        "INSERT INTO ledger_batches (batch_no, first_position, last_position, posted_at, content, hash) \
         VALUES (1, 1, 2, {AT}, {content}, {hash}); \
         UPDATE ledger_head SET batch_no = 1, position = 2, committed_at = {AT}, hash = {hash};"
    );
    db.pool.execute_unprepared(&sql).await.unwrap();
    db.pool.close().await.unwrap();
}

/// A copy to break.
pub struct Copy {
    pub url: String,
    of: String,
}

impl Copy {
    /// Of a ledger that nobody is connected to.
    pub async fn of(url: &str) -> Self {
        let name = format!("copy_{}", Uuid::new_v4().simple());
        if is_sqlite(url) {
            let file = url.trim_start_matches("sqlite://");
            let folder = file.rsplit_once('/').unwrap().0;
            // Whoever was the last to leave writes the log into the file, and takes it away when all of it is there.
            let since = std::time::Instant::now();
            while std::path::Path::new(&format!("{file}-wal")).exists() && since.elapsed() < Duration::from_secs(5) {
                tokio::task::yield_now().await;
            }
            for end in ["", "-wal", "-shm"] {
                let from = format!("{file}{end}");
                if std::path::Path::new(&from).exists() {
                    std::fs::copy(from, format!("{folder}/{name}.db{end}")).unwrap();
                }
            }
            return Self { url: format!("sqlite://{folder}/{name}.db"), of: url.to_owned() };
        }
        let (base, of) = url.rsplit_once('/').unwrap();
        admin(base, &format!("CREATE DATABASE {name} TEMPLATE {of}")).await;
        Self { url: format!("{base}/{name}"), of: url.to_owned() }
    }

    /// Changes what nothing in the product would: past triggers and checks.
    pub async fn change(&self, statements: &[String]) {
        let db = Database::connect(&self.url, 1).await.unwrap();
        let run = async |sql: &str| {
            db.pool.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        };
        if is_sqlite(&self.url) {
            let triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'";
            let triggers = Statement::from_string(db.pool.get_database_backend(), triggers);
            for row in db.pool.query_all_raw(triggers).await.unwrap() {
                run(&format!("DROP TRIGGER {}", row.try_get_by_index::<String>(0).unwrap())).await;
            }
            run("PRAGMA ignore_check_constraints = ON").await;
        } else {
            run("SET session_replication_role = replica").await;
            run(UNBOUND).await;
        }
        for sql in statements {
            run(sql).await;
        }
        db.pool.close().await.unwrap();
    }

    pub async fn remove(self) {
        if !is_sqlite(&self.url) {
            let base = self.of.rsplit_once('/').unwrap().0;
            admin(base, &format!("DROP DATABASE {} WITH (FORCE)", self.url.rsplit_once('/').unwrap().1)).await;
        }
    }
}

/// Takes every check away.
const UNBOUND: &str = "DO $$ DECLARE c record; BEGIN \
    FOR c IN SELECT conrelid::regclass AS place, conname FROM pg_constraint WHERE contype = 'c' AND conislocal \
        AND connamespace = current_schema()::regnamespace AND coninhcount = 0 LOOP \
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.place, c.conname); END LOOP; END $$";

async fn admin(base: &str, sql: &str) {
    let mut connection = PgConnection::connect(&format!("{base}/postgres")).await.unwrap();
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await.unwrap();
}
