//! All pairs of faults, alone, dry, in a batch, all or none, and in dry batches: the one that is looked for first is the answer.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Person, Transfer, fresh_key};
use tests::{Answer, Backend, Client, Stack};

use super::wishes::{Fault, IMPOSSIBLE, Key, Money, Owner, REFERENCE, Status, Traits, Wish, pairs};

journeys!(of_two_faults_the_first_is_the_answer);

/// An account of every kind that a pair needs, opened when it is.
struct Accounts {
    stack: Stack,
    ann: Person,
    stranger: Person,
    /// By whether they pay: two sides that are alike are two accounts.
    opened: BTreeMap<(bool, Traits), String>,
}

/// The most that an account may have: 2^53 - 1.
const MOST: i64 = (1 << 53) - 1;

impl Accounts {
    async fn on(backend: Backend) -> Self {
        let stack = Stack::start(backend).await;
        let (ann, stranger) = (stack.register("ann").await, stack.register("bob").await);
        Self { stack, ann, stranger, opened: BTreeMap::new() }
    }

    async fn of(&mut self, pays: bool, wanted: Traits) -> String {
        if let Some(there) = self.opened.get(&(pays, wanted)) {
            return there.clone();
        }
        let made = self.open(wanted).await;
        self.opened.insert((pays, wanted), made.clone());
        made
    }

    async fn open(&self, wanted: Traits) -> String {
        let treasurer = self.stack.treasurer().await;
        let id = match wanted.owner {
            Owner::Caller => self.ann.client.open("checked", "USD").await,
            Owner::Stranger => self.stranger.client.open("checked", "USD").await,
            Owner::Bank => treasurer.client.open_system("checked", "USD").await,
        };
        match wanted.money {
            Money::Nothing => {}
            Money::Some => self.stack.fund(&id, 1_000).await,
            Money::Everything => {
                let depth = treasurer.client.open_system("depth", "USD").await;
                drop(treasurer.client.transfer(&fresh_key(), &Transfer::usd(&depth, &id, MOST)).await.expect(201));
            }
            Money::Debt => {
                let height = self.stranger.client.open("height", "USD").await;
                drop(treasurer.client.transfer(&fresh_key(), &Transfer::usd(&id, &height, MOST)).await.expect(201));
            }
        }
        if wanted.capped {
            let balance = treasurer.client.balance(&id).await;
            let path = format!("/api/v1/accounts/{id}");
            drop(treasurer.client.patch(&path, json!({"ceiling": balance})).await.expect(200));
        }
        if wanted.limited {
            let path = format!("/api/v1/accounts/{id}/limits");
            let limits = json!({"limits": [{"window": 86_400, "amount": 1}]});
            drop(treasurer.client.put(&path, limits).await.expect(200));
        }
        match wanted.status {
            Status::Open => {}
            Status::Frozen => self.step(&id, "freeze").await,
            Status::Closed => self.step(&id, "close").await,
        }
        id
    }

    async fn step(&self, id: &str, step: &str) {
        let path = format!("/api/v1/accounts/{id}/{step}");
        drop(self.stack.treasurer().await.client.call(Method::POST, &path).send().await.expect(200));
    }

    /// The body of a wish, and whether it is a treasurer's.
    async fn body(&mut self, wish: &Wish) -> (Value, bool) {
        let payer = wish.payer();
        let debit = self.of(true, payer).await;
        let credit = match wish.credit {
            Some(wanted) => self.of(false, wanted).await,
            None if wish.same => debit.clone(),
            None => uuid::Uuid::new_v4().to_string(),
        };
        (wish.body(&debit, &credit), payer.owner == Owner::Bank)
    }

    async fn caller(&self, treasurer: bool) -> &Client {
        if treasurer { &self.stack.treasurer().await.client } else { &self.ann.client }
    }
}

/// A pair, made a body.
struct Case {
    first: &'static Fault,
    second: &'static Fault,
    key: Key,
    body: Value,
    treasurer: bool,
}

impl Case {
    fn name(&self) -> String {
        format!("{} and {}", self.first.code, self.second.code)
    }

    fn has(&self, code: &str) -> bool {
        self.first.code == code || self.second.code == code
    }

    fn judge(&self, how: &str, status: &Value, code: &Value) {
        assert_eq!(
            (status, code),
            (&json!(self.first.status), &json!(self.first.code)),
            "{} {how}: {}",
            self.name(),
            self.body
        );
    }
}

async fn of_two_faults_the_first_is_the_answer(backend: Backend) {
    let mut accounts = Accounts::on(backend).await;
    let (possible, impossible) = pairs();
    assert_eq!(impossible, IMPOSSIBLE, "what cannot be together is known");
    let mut cases = Vec::new();
    for (first, second, wish) in possible {
        let (body, treasurer) = accounts.body(&wish).await;
        cases.push(Case { first, second, key: wish.key, body, treasurer });
    }
    let used = use_up_keys(&mut accounts).await;
    let alone = alone(&accounts, &cases, &used).await;
    let dry = dry(&accounts, &cases, &used).await;
    let (batch, dry_batch) = (batch(&accounts, &cases, false).await, batch(&accounts, &cases, true).await);
    // Of 153 pairs five cannot be. A dry run needs no key; the key of a batch is none of its items' business.
    assert_eq!((alone, dry, batch, dry_batch), (148, 132, 116, 116));
    let (atomic, dry_atomic) = (atomic(&mut accounts, &cases, false).await, atomic(&mut accounts, &cases, true).await);
    assert_eq!((atomic, dry_atomic), (116, 116));
}

/// A key of Ann's and one of the treasurer's that belong to other requests, which have taken the reference, too.
async fn use_up_keys(accounts: &mut Accounts) -> [String; 2] {
    let keys = [fresh_key(), fresh_key()];
    for (key, treasurer) in keys.iter().zip([false, true]) {
        let owner = if treasurer { Owner::Bank } else { Owner::Caller };
        let open = Traits { owner, status: Status::Open, money: Money::Some, capped: false, limited: false };
        let (debit, credit) = (accounts.of(true, open).await, accounts.stack.account_with(&accounts.ann, 0).await);
        let client = accounts.caller(treasurer).await;
        let order = Transfer::usd(&debit, &credit, 1).reference(REFERENCE);
        drop(client.transfer(key, &order).await.expect(201));
    }
    keys
}

async fn send(accounts: &Accounts, case: &Case, path: &str, used: &[String; 2]) -> Answer {
    let call = accounts.caller(case.treasurer).await.call(Method::POST, path).json(&case.body);
    match case.key {
        Key::Fresh => call.key(&fresh_key()).send().await,
        Key::None => call.send().await,
        Key::Anothers => call.key(&used[usize::from(case.treasurer)]).send().await,
    }
}

async fn alone(accounts: &Accounts, cases: &[Case], used: &[String; 2]) -> usize {
    for case in cases {
        let answer = send(accounts, case, "/api/v1/transfers", used).await;
        case.judge("alone", &json!(answer.status), &answer.json()["code"]);
        drop(answer.is_problem());
    }
    cases.len()
}

async fn dry(accounts: &Accounts, cases: &[Case], used: &[String; 2]) -> usize {
    let keyed = cases.iter().filter(|case| !case.has("idempotency_key_required"));
    let mut seen = 0;
    for case in keyed {
        let answer = send(accounts, case, "/api/v2/transfers?dry_run=true", used).await;
        case.judge("dry", &json!(answer.status), &answer.json()["code"]);
        seen += 1;
    }
    seen
}

/// Those without a fault of their key, Ann's or the treasurer's.
fn items(cases: &[Case], treasurer: bool) -> Vec<&Case> {
    let keyless = |case: &&Case| !case.has("idempotency_key_required") && !case.has("idempotency_key_reused");
    cases.iter().filter(keyless).filter(|case| case.treasurer == treasurer).collect()
}

/// All of them as items of two atomic batches, each with a good order at its end that is declined with them.
async fn atomic(accounts: &mut Accounts, cases: &[Case], dry: bool) -> usize {
    let mut seen = 0;
    for treasurer in [false, true] {
        let cases = items(cases, treasurer);
        let good = Wish::good();
        let (body, _) = accounts.body(&good).await;
        let good = Traits { owner: if treasurer { Owner::Bank } else { Owner::Caller }, ..good.debit };
        let (payer, mut linked) = (accounts.of(true, good).await, body);
        linked["debit_account_id"] = json!(payer);
        let client = accounts.caller(treasurer).await;
        let before = client.balance(&payer).await;
        let transfers: Vec<_> = cases.iter().map(|case| &case.body).chain([&linked]).collect();
        let path = if dry { "/api/v2/transfers/batch?dry_run=true" } else { "/api/v2/transfers/batch" };
        let call = client.call(Method::POST, path).key(&fresh_key());
        let answer = call.json(json!({"mode": "atomic", "transfers": transfers})).send().await;
        let declined = answer.problem(422, "batch_declined");
        let results = declined["results"].as_array().expect("results");
        assert_eq!(results.len(), cases.len() + 1);
        for (case, result) in cases.iter().zip(results) {
            case.judge("in an atomic batch", &result["status"], &result["problem"]["code"]);
        }
        assert_eq!(results[cases.len()]["problem"]["code"], "linked_item_declined");
        assert_eq!(client.balance(&payer).await, before);
        seen += cases.len();
    }
    seen
}

/// All of them as items of two batches, Ann's and the treasurer's.
async fn batch(accounts: &Accounts, cases: &[Case], dry: bool) -> usize {
    let mut seen = 0;
    for treasurer in [false, true] {
        let cases = items(cases, treasurer);
        let items: Vec<_> = cases.iter().map(|case| &case.body).collect();
        let path = if dry { "/api/v1/transfers/batch?dry_run=true" } else { "/api/v1/transfers/batch" };
        let call = accounts.caller(treasurer).await.call(Method::POST, path).key(&fresh_key());
        let answer = call.json(json!({"mode": "independent", "transfers": items})).send().await.expect(200).json();
        let results = answer["results"].as_array().expect("results");
        assert_eq!(results.len(), cases.len());
        for (case, result) in cases.iter().zip(results) {
            case.judge("in a batch", &result["status"], &result["problem"]["code"]);
        }
        seen += cases.len();
    }
    seen
}
