//! All pairs of faults of posting, voiding and paying back, alone and dry: the one that is looked for first is the answer.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Person, Transfer, fresh_key, text};
use tests::{Backend, Client, Stack, wait_until};

journeys!(of_two_faults_of_a_settlement_the_first_is_the_answer);

/// The most that an account may have: 2^53 - 1.
const MOST: i64 = (1 << 53) - 1;
/// How long a hold lives that is to lapse, in seconds: long enough to be voided before.
const LIVES: u64 = 10;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Post,
    Void,
    Reverse,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// Whose it is to do.
    Fit,
    /// Who reads the transfer and may not do this.
    Reader,
    /// Who knows nothing of it.
    Stranger,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Fresh,
    None,
    Anothers,
}

/// A request that is good until faults are put into it. The payer is who pays by it: of a refund who had received.
#[derive(Debug, Clone)]
struct Wish {
    act: Act,
    malformed: bool,
    unknown_member: bool,
    key: Key,
    amount: Option<i64>,
    asker: Asker,
    stale: bool,
    /// It names what was held and let go.
    other_state: bool,
    lapsed: bool,
    payer_closed: bool,
    payer_frozen: bool,
    payer_empty: bool,
    receiver_closed: bool,
    receiver_capped: bool,
    receiver_full: bool,
}

type Spoil = fn(&mut Wish) -> Result<(), &'static str>;

struct Fault {
    status: u16,
    code: &'static str,
    spoil: Spoil,
    of: &'static [Act],
}

const ALL: &[Act] = &[Act::Post, Act::Void, Act::Reverse];
const SUMS: &[Act] = &[Act::Post, Act::Reverse];
const HELD: &[Act] = &[Act::Post, Act::Void];

const fn fault(of: &'static [Act], status: u16, code: &'static str, spoil: Spoil) -> Fault {
    Fault { status, code, spoil, of }
}

/// The contract's order of checks; each command has those that name it.
static FAULTS: [Fault; 19] = [
    fault(ALL, 400, "malformed_body", |wish| set(&mut wish.malformed)),
    fault(ALL, 422, "validation_failed", |wish| {
        wish.unknown_member = true;
        if wish.malformed { Err("both are the body's shape") } else { Ok(()) }
    }),
    fault(ALL, 400, "idempotency_key_required", |wish| wish.with_key(Key::None)),
    fault(ALL, 422, "idempotency_key_reused", |wish| wish.with_key(Key::Anothers)),
    fault(SUMS, 422, "amount_out_of_range", |wish| {
        wish.amount = Some(MOST + 1);
        Ok(())
    }),
    fault(ALL, 404, "not_found", |wish| {
        wish.asker = Asker::Stranger;
        Ok(())
    }),
    fault(ALL, 403, "forbidden", |wish| {
        if wish.asker == Asker::Stranger {
            return Err("who knows nothing of it is not told that they may not");
        }
        wish.asker = Asker::Reader;
        Ok(())
    }),
    fault(ALL, 412, "stale_precondition", |wish| set(&mut wish.stale)),
    fault(HELD, 409, "transfer_not_pending", |wish| set(&mut wish.other_state)),
    fault(HELD, 409, "transfer_expired", |wish| set(&mut wish.lapsed)),
    fault(&[Act::Reverse], 409, "transfer_not_posted", |wish| set(&mut wish.other_state)),
    fault(&[Act::Post], 422, "amount_exceeds_pending", Wish::too_much),
    fault(&[Act::Reverse], 422, "amount_exceeds_original", Wish::too_much),
    fault(&[Act::Reverse], 409, "debit_account_closed", |wish| set(&mut wish.payer_closed)),
    fault(SUMS, 409, "credit_account_closed", |wish| set(&mut wish.receiver_closed)),
    fault(SUMS, 409, "debit_account_frozen", |wish| {
        wish.payer_frozen = true;
        if wish.payer_closed { Err("an account is closed or frozen") } else { Ok(()) }
    }),
    fault(SUMS, 422, "limit_exceeded", |wish| set(&mut wish.receiver_capped)),
    fault(SUMS, 422, "balance_overflow", |wish| {
        wish.receiver_full = true;
        if wish.receiver_closed { Err("a closed account is empty") } else { Ok(()) }
    }),
    fault(&[Act::Reverse], 422, "insufficient_funds", |wish| set(&mut wish.payer_empty)),
];

/// Pairs that no request can have, as the table has them for each command.
fn impossible(act: Act) -> Vec<(&'static str, &'static str)> {
    let mut pairs = vec![
        ("malformed_body", "validation_failed"),
        ("idempotency_key_required", "idempotency_key_reused"),
        ("not_found", "forbidden"),
    ];
    pairs.extend(match act {
        Act::Post => vec![("credit_account_closed", "balance_overflow")],
        Act::Void => vec![],
        Act::Reverse => {
            vec![("debit_account_closed", "debit_account_frozen"), ("credit_account_closed", "balance_overflow")]
        }
    });
    pairs
}

fn set(flag: &mut bool) -> Result<(), &'static str> {
    *flag = true;
    Ok(())
}

impl Wish {
    fn good(act: Act) -> Self {
        Self {
            act,
            malformed: false,
            unknown_member: false,
            key: Key::Fresh,
            amount: None,
            asker: Asker::Fit,
            stale: false,
            other_state: false,
            lapsed: false,
            payer_closed: false,
            payer_frozen: false,
            payer_empty: false,
            receiver_closed: false,
            receiver_capped: false,
            receiver_full: false,
        }
    }

    fn with_key(&mut self, key: Key) -> Result<(), &'static str> {
        if self.key != Key::Fresh {
            return Err("a request has one key or none");
        }
        self.key = key;
        Ok(())
    }

    /// What is out of every range is also too much.
    fn too_much(&mut self) -> Result<(), &'static str> {
        self.amount = self.amount.or(Some(61));
        Ok(())
    }

    fn body(&self) -> String {
        if self.malformed {
            return "[".to_owned();
        }
        let mut body = json!({});
        if self.unknown_member {
            body["unknown"] = json!(true);
        }
        if let Some(amount) = self.amount {
            body["amount"] = json!(amount);
        }
        body.to_string()
    }
}

/// A pair, with the transfer that it is about.
struct Case {
    first: &'static Fault,
    second: &'static Fault,
    wish: Wish,
    id: String,
}

struct Scene {
    stack: Stack,
    ann: Person,
    bob: Person,
    eve: Person,
    support: Person,
    /// Everybody's, of another request of each kind.
    used: String,
}

impl Scene {
    async fn on(backend: Backend) -> Self {
        let stack = Stack::start(backend).await;
        let (ann, bob, eve) = (stack.register("ann").await, stack.register("bob").await, stack.register("eve").await);
        let support = stack.with_roles("support", &["support"]).await;
        let scene = Self { stack, ann, bob, eve, support, used: fresh_key() };
        let nothing = "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11";
        for person in [&scene.ann, &scene.bob, &scene.eve, &scene.support] {
            for what in ["post", "void", "reverse"] {
                let path = format!("/api/v1/transfers/{nothing}/{what}");
                let call = person.client.call(Method::POST, &path).key(&scene.used).json(json!({}));
                call.send().await.problem(404, "not_found");
            }
        }
        scene
    }

    fn asker(&self, act: Act, asker: Asker) -> &Client {
        let person = match (asker, act) {
            (Asker::Fit, Act::Post | Act::Void) | (Asker::Reader, Act::Reverse) => &self.ann,
            (Asker::Fit, Act::Reverse) | (Asker::Reader, Act::Post) => &self.bob,
            (Asker::Reader, Act::Void) => &self.support,
            (Asker::Stranger, _) => &self.eve,
        };
        &person.client
    }

    /// From Ann to Bob: held or paid, and then whatever the wish wants of the accounts.
    async fn set(&self, wish: &Wish) -> String {
        let (anns, bobs) = (self.stack.account_with(&self.ann, 60).await, self.stack.account_with(&self.bob, 0).await);
        let holds = wish.act != Act::Reverse || wish.other_state;
        let id = self.transfer((&anns, &bobs), holds, wish.lapsed).await;
        if wish.other_state {
            let void = self.ann.client.call(Method::POST, &format!("/api/v1/transfers/{id}/void"));
            drop(void.key(&fresh_key()).send().await.expect(201));
        }
        let (payer, receiver, owner) = match wish.act {
            Act::Post | Act::Void => (&anns, &bobs, &self.ann),
            Act::Reverse => (&bobs, &anns, &self.bob),
        };
        if wish.payer_empty || wish.payer_closed {
            self.empty(payer, owner).await;
        }
        self.receiver(wish, receiver).await;
        if wish.payer_frozen {
            self.step(payer, "freeze").await;
        }
        if wish.payer_closed {
            self.step(payer, "close").await;
        }
        id
    }

    /// Sixty of Ann's to Bob, paid or held, perhaps for a while.
    async fn transfer(&self, (from, to): (&str, &str), holds: bool, lapses: bool) -> String {
        let mut order = json!({"debit_account_id": from, "credit_account_id": to, "amount": 60, "currency": "USD"});
        if holds {
            order["pending"] = json!(true);
        }
        if lapses {
            order["expires_in"] = json!(LIVES);
        }
        let made = self.ann.client.call(Method::POST, "/api/v1/transfers").key(&fresh_key()).json(&order).send().await;
        text(&made.expect(201).json(), "/id").to_owned()
    }

    async fn empty(&self, account: &str, owner: &Person) {
        let there = owner.client.balance(account).await;
        if there > 0 {
            let elsewhere = owner.client.open("elsewhere", "USD").await;
            drop(owner.client.transfer(&fresh_key(), &Transfer::usd(account, &elsewhere, there)).await.expect(201));
        }
    }

    async fn receiver(&self, wish: &Wish, receiver: &str) {
        let treasurer = &self.stack.treasurer().await.client;
        if wish.receiver_closed {
            self.empty(receiver, if wish.act == Act::Reverse { &self.ann } else { &self.bob }).await;
        }
        if wish.receiver_full {
            let there = treasurer.balance(receiver).await;
            let depth = treasurer.open_system("depth", "USD").await;
            let rest = Transfer::usd(&depth, receiver, MOST - there);
            drop(treasurer.transfer(&fresh_key(), &rest).await.expect(201));
        }
        if wish.receiver_capped {
            let ceiling = treasurer.balance(receiver).await;
            drop(
                treasurer.patch(&format!("/api/v1/accounts/{receiver}"), json!({"ceiling": ceiling})).await.expect(200),
            );
        }
        if wish.receiver_closed {
            self.step(receiver, "close").await;
        }
    }

    async fn step(&self, id: &str, step: &str) {
        let path = format!("/api/v1/accounts/{id}/{step}");
        drop(self.stack.treasurer().await.client.call(Method::POST, &path).send().await.expect(200));
    }

    async fn send(&self, case: &Case, dry: bool) {
        let Case { first, second, wish, id } = case;
        let what = match wish.act {
            Act::Post => "post",
            Act::Void => "void",
            Act::Reverse => "reverse",
        };
        let path = format!("/api/v1/transfers/{id}/{what}{}", if dry { "?dry_run=true" } else { "" });
        let call = self.asker(wish.act, wish.asker).call(Method::POST, &path);
        let call = call.body("application/json", wish.body());
        let call = if wish.stale { call.header("if-match", "\"stale\"") } else { call };
        let answer = match wish.key {
            Key::Fresh => call.key(&fresh_key()).send().await,
            Key::None => call.send().await,
            Key::Anothers => call.key(&self.used).send().await,
        };
        let told = (answer.status, answer.code());
        let pair = format!("{} and {} of {what}, dry: {dry}", first.code, second.code);
        assert_eq!(told, (first.status, Some(first.code.to_owned())), "{pair}: {answer}");
    }
}

async fn of_two_faults_of_a_settlement_the_first_is_the_answer(backend: Backend) {
    let scene = Scene::on(backend).await;
    let mut cases = Vec::new();
    for act in [Act::Post, Act::Void, Act::Reverse] {
        let faults: Vec<_> = FAULTS.iter().filter(|fault| fault.of.contains(&act)).collect();
        let mut never = Vec::new();
        for (at, first) in faults.iter().enumerate() {
            for second in &faults[at + 1..] {
                let mut wish = Wish::good(act);
                let spoilt = (first.spoil)(&mut wish).and_then(|()| (second.spoil)(&mut wish));
                if spoilt.is_err() {
                    never.push((first.code, second.code));
                    continue;
                }
                let id = scene.set(&wish).await;
                cases.push(Case { first, second, wish, id });
            }
        }
        assert_eq!(never, impossible(act), "what cannot be together is known: {act:?}");
    }
    // All that are to lapse have, once one has that was made after them.
    let (from, to) = (scene.stack.account_with(&scene.ann, 60).await, scene.stack.account_with(&scene.bob, 0).await);
    let last = scene.transfer((&from, &to), true, true).await;
    let lapsed = async || {
        let shown: Value = scene.ann.client.get(&format!("/api/v1/transfers/{last}")).await.expect(200).json();
        (shown["status"] == "expired").then_some(())
    };
    wait_until("the last hold has lapsed", Duration::from_secs(4 * LIVES), lapsed).await;
    let mut dry = 0;
    for case in &cases {
        scene.send(case, false).await;
        if case.wish.key != Key::None {
            scene.send(case, true).await;
            dry += 1;
        }
    }
    // Of posting 105 pairs less four, of voiding 36 less three, of paying back 120 less five.
    assert_eq!((cases.len(), dry), (249, 215));
}
