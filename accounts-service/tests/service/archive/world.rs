//! A ledger with everything in it, what clients see of it, and what they go on to do with it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::auth::User;
use shared::clock::{Clock, rfc3339};
use shared::domain::Role;

use crate::client::{Answer, pay, someone, treasurer, user};
use crate::exchanges;
use crate::holds::{act, held, hold, hold_for, sums};
use crate::stack::Stack;
use crate::standing::{daily, make, with};

const DAY: Duration = Duration::from_secs(86_400);
/// A month and some days.
const MONTH: Duration = Duration::from_secs(35 * 86_400);

/// A request that was answered under a key.
struct Asked {
    who: User,
    path: String,
    key: String,
    body: Value,
    answer: Answer,
}

pub struct World {
    clock: Clock,
    who: User,
    payee: User,
    officer: User,
    reader: User,
    from: String,
    to: String,
    lapsing: String,
    /// A hold that is open, and one that was posted in part.
    holds: [String; 2],
    paid: String,
    order: String,
    /// Who exchanges, and their accounts in USD and EUR.
    payer: User,
    exchanged: [String; 2],
    asked: Vec<Asked>,
    /// Pages that clients were about to ask for, each with who.
    cursors: Vec<(User, String)>,
}

/// A service that goes by `clock` and pays what is due soon.
pub async fn serve(url: &str, clock: &Clock) -> Rc<Stack> {
    let more = [("STANDING__POLL", "100ms"), ("HOLDS__SWEEP_EVERY", "1h")];
    Rc::new(Stack::start_by(url.to_owned(), clock.clone(), &more).await)
}

/// Ends it.
pub async fn stop(stack: Rc<Stack>) {
    Rc::try_unwrap(stack).ok().unwrap().stop().await;
}

impl World {
    pub async fn make(stack: &Rc<Stack>, clock: &Clock) -> Self {
        let (who, payee, client) = (user(), user(), &stack.client);
        let money = exchanges::World::new(Rc::clone(stack), 100_000).await;
        let (from, to) = (client.funded(&who, 10_000).await, client.open(&payee, "user").await);
        let mut world = Self {
            clock: clock.clone(),
            officer: treasurer(),
            reader: someone(&[Role::Admin]),
            lapsing: client.funded(&who, 500).await,
            holds: [String::new(), String::new()],
            paid: String::new(),
            order: String::new(),
            payer: money.who.clone(),
            exchanged: [money.dollars.clone(), money.euros.clone()],
            asked: Vec::new(),
            cursors: Vec::new(),
            who,
            payee,
            from,
            to,
        };
        world.set_accounts(stack).await;
        world.move_money(stack).await;
        money.set("0.9235").await;
        for key in ["first", "second"] {
            money.exchange(key, &money.order(1_001)).await.expect(201);
        }
        let rent = with(daily(&world.from, &world.to, 10), json!({"description": "Rent ⌂", "metadata": {"n": [1]}}));
        world.order = make(stack, &world.who, &rent).await;
        clock.advance(MONTH);
        world.catch_up(stack).await;
        world.settle(stack).await;
        clock.advance(MONTH);
        world.catch_up(stack).await;
        world.ask_under_keys(stack).await;
        world.begin_lists(stack).await;
        // It lapses later, and nobody writes that down before somebody asks.
        held(&stack.client, &world.who, "lapsing", &hold_for(&world.lapsing, &world.to, 100, 60)).await;
        world
    }

    /// Accounts in every state, with labels and limits.
    async fn set_accounts(&self, stack: &Stack) {
        let client = &stack.client;
        let patch = async |who: &User, id: &str, patch: Value| {
            let path = format!("/api/v1/accounts/{id}");
            client.raw(who, "PATCH", &path, &[], Some(patch.to_string())).await.expect(200);
        };
        let labels =
            json!({"labels": {"a.b-c_1": "Größe \"quoted\" \\ back\\nslash", "z": "é"}, "name": "Tab 'n' quote"});
        patch(&self.who, &self.from, labels).await;
        patch(&self.officer, &self.to, json!({"ceiling": 1_000_000, "floor": -5})).await;
        let limits = json!({"limits": [{"window": 3_600, "amount": 5_000}, {"window": 31_622_400, "count": 1_000}]});
        let path = format!("/api/v1/accounts/{}/limits", self.from);
        client.raw(&self.reader, "PUT", &path, &[], Some(limits.to_string())).await.expect(200);
        for way in ["freeze", "close"] {
            let id = client.open(&self.who, "user").await;
            let path = format!("/api/v1/accounts/{id}/{way}");
            client.raw(&self.officer, "POST", &path, &[], None).await.expect(200);
        }
    }

    /// Transfers in every state.
    async fn move_money(&mut self, stack: &Stack) {
        let (client, who) = (&stack.client, &self.who);
        let (from, to) = (self.from.as_str(), self.to.as_str());
        let mut worded = pay(from, to, 300);
        worded["description"] = json!("für Miete \u{2028} \\N 🜚");
        worded["external_ref"] = json!("Ref 1");
        worded["metadata"] = json!({"a": [1, null, "x\ty"], "b": 1e3});
        let paid = client.transfer(who, "worded", &worded).await.expect(201).json();
        self.paid = paid["id"].as_str().unwrap().to_owned();
        act(client, &self.payee, (&self.paid, "reverse", "refund-1"), json!({"amount": 100})).await.expect(201);
        let open = held(client, who, "open", &hold(from, to, 70)).await;
        let partly = held(client, who, "partly", &hold(from, to, 80)).await;
        act(client, who, (&partly, "post", "post-1"), json!({"amount": 30})).await.expect(201);
        let voided = held(client, who, "voided", &hold(from, to, 5)).await;
        act(client, who, (&voided, "void", "void-1"), json!({})).await.expect(201);
        held(client, who, "expiring", &hold_for(from, to, 9, 60)).await;
        self.holds = [open, partly];
    }

    /// What has lapsed is written down with the next decision on its account.
    async fn settle(&self, stack: &Stack) {
        stack.client.transfer(&self.who, "later", &pay(&self.from, &self.to, 11)).await.expect(201);
    }

    /// Waits until the standing order has nothing left that is due.
    async fn catch_up(&self, stack: &Stack) {
        let patience = Instant::now() + Duration::from_secs(60);
        let (path, today) =
            (format!("/api/v1/standing-orders/{}", self.order), rfc3339(self.clock.now())[..10].to_owned());
        loop {
            let order = stack.client.get(&self.who, &path).await.expect(200).json();
            if order["next_due_on"].as_str().unwrap() > today.as_str() {
                return;
            }
            assert!(Instant::now() < patience, "{order}");
        }
    }

    async fn ask_under_keys(&mut self, stack: &Stack) {
        let (who, payee, payer) = (self.who.clone(), self.payee.clone(), self.payer.clone());
        let (from, to, [dollars, euros]) = (&self.from.clone(), &self.to.clone(), &self.exchanged.clone());
        let many = [pay(from, to, 1), pay(from, to, 0), pay(from, from, 2), pay(from, to, 4)];
        let many = json!({"mode": "independent", "transfers": many});
        let exchange = json!({"debit_account_id": dollars, "credit_account_id": euros, "amount": 77});
        let (post, refund) = (format!("transfers/{}/post", self.holds[1]), format!("transfers/{}/reverse", self.paid));
        for (who, path, body) in [
            (&who, "transfers", pay(from, to, 3)),
            (&who, "transfers", pay(from, to, 9_999_999)),
            (&who, "transfers/batch", many),
            (&who, post.as_str(), json!({"amount": 2})),
            (&payee, refund.as_str(), json!({"amount": 1})),
            (&payer, "exchanges", exchange),
            (&who, "accounts", json!({"name": "Under a key", "currency": "EUR"})),
        ] {
            let (path, key) = (format!("/api/v1/{path}"), format!("key-{}", self.asked.len()));
            let answer = stack.client.post(who, &path, &[("idempotency-key", &key)], &body).await;
            assert!(answer.status < 500 && !answer.replayed());
            self.asked.push(Asked { who: who.clone(), path, key, body, answer });
        }
    }

    /// The first pages of lists, whose next ones are asked for elsewhere.
    async fn begin_lists(&mut self, stack: &Stack) {
        let entries = format!("/api/v1/accounts/{}/entries?limit=3", self.from);
        let runs = format!("/api/v1/standing-orders/{}/runs?limit=3", self.order);
        for (who, path) in [
            (&self.who, entries.as_str()),
            (&self.who, "/api/v2/transfers?limit=3"),
            (&self.who, runs.as_str()),
            (&self.reader, "/api/v2/events?limit=7&scope=all"),
        ] {
            let page = stack.client.get(who, path).await.expect(200).json();
            let cursor = page["page"]["next_cursor"].as_str().unwrap();
            self.cursors.push((who.clone(), format!("{path}&cursor={cursor}")));
        }
    }

    /// What clients see of it, by question.
    pub async fn seen(&self, stack: &Stack) -> Vec<(String, String)> {
        let (from, to, order) = (&self.from, &self.to, &self.order);
        let account = |id: &str, rest: &str| format!("/api/v1/accounts/{id}{rest}");
        let at = rfc3339(self.clock.now() - MONTH);
        let mut asked = self.cursors.clone();
        for (who, path) in [
            (&self.who, account(from, "")),
            (&self.who, account(from, "/limits")),
            (&self.who, account(from, &format!("/balance?at={at}"))),
            (&self.who, account(from, &format!("/statement?format=csv&from=2020-01-01T00:00:00Z&to={at}"))),
            (&self.payee, account(to, "")),
            (&self.payee, account(to, "/entries?limit=100")),
            (&self.who, account(&self.lapsing, "")),
            (&self.who, "/api/v1/accounts?per_page=100".to_owned()),
            (&self.who, "/api/v2/transfers?limit=100".to_owned()),
            (&self.who, "/api/v2/transfers?limit=100&external_ref=Ref%201".to_owned()),
            (&self.who, format!("/api/v1/transfers/{}", self.holds[1])),
            (&self.who, format!("/api/v1/standing-orders/{order}")),
            (&self.who, format!("/api/v1/standing-orders/{order}/runs?limit=100")),
            (&self.payer, "/api/v1/exchanges?limit=100".to_owned()),
            (&self.payer, account(&self.exchanged[1], "")),
            (&self.reader, "/api/v1/exchange-rates?limit=100".to_owned()),
            (&self.reader, "/api/v1/accounts?scope=all&per_page=100".to_owned()),
            (&self.reader, "/api/v2/events?scope=all&limit=100".to_owned()),
        ] {
            asked.push((who.clone(), path));
        }
        let mut seen = Vec::new();
        for (who, path) in asked {
            let answer = stack.client.get(&who, &path).await.expect(200);
            seen.push((path, String::from_utf8(answer.bytes).unwrap()));
        }
        seen
    }

    /// Every feature goes on from where it was.
    pub async fn goes_on(&self, stack: &Stack) {
        let (client, who) = (&stack.client, &self.who);
        for asked in &self.asked {
            let again = client.post(&asked.who, &asked.path, &[("idempotency-key", &asked.key)], &asked.body).await;
            assert_eq!((again.status, again.bytes.as_slice()), (asked.answer.status, asked.answer.bytes.as_slice()));
            assert!(again.replayed(), "{}", asked.path);
            let other = json!({"amount": 1, "name": "x"});
            let other = client.post(&asked.who, &asked.path, &[("idempotency-key", &asked.key)], &other).await;
            assert!(matches!(other.status, 400 | 422), "{} {}", asked.path, other.status);
        }
        let [open, partly] = self.holds.each_ref().map(String::as_str);
        act(client, who, (open, "post", "on-post"), json!({})).await.expect(201);
        assert_eq!(act(client, who, (open, "post", "on-again"), json!({})).await.status, 409);
        act(client, who, (partly, "void", "on-void"), json!({})).await.expect(201);
        // 300 less 101 are left to be paid back.
        let refund = async |key: &str, amount: i64| {
            act(client, &self.payee, (&self.paid, "reverse", key), json!({"amount": amount})).await.status
        };
        assert_eq!([refund("on-much", 200).await, refund("on-rest", 199).await], [422, 201]);
        let mut taken = pay(&self.from, &self.to, 1);
        taken["external_ref"] = json!("Ref 1");
        assert_eq!(client.transfer(who, "on-ref", &taken).await.expect(409).code(), "external_ref_taken");
        let much = client.transfer(who, "on-limit", &pay(&self.from, &self.to, 5_000)).await;
        assert_eq!(much.expect(422).code(), "limit_exceeded");
        let exchange =
            json!({"debit_account_id": self.exchanged[0], "credit_account_id": self.exchanged[1], "amount": 500});
        client.post(&self.payer, "/api/v1/exchanges", &[("idempotency-key", "on")], &exchange).await.expect(201);

        let end = client.get(&self.reader, "/api/v2/events?scope=all&cursor=end").await.expect(200).json();
        assert_eq!(sums(client, who, &self.lapsing).await, [500, 100, 400]);
        let before = client.balance(who, &self.from).await;
        self.clock.advance(DAY);
        self.catch_up(stack).await;
        assert_eq!(client.balance(who, &self.from).await, before - 10);
        assert_eq!(sums(client, who, &self.lapsing).await, [500, 0, 500]);
        let cursor = end["page"]["next_cursor"].as_str().unwrap();
        let news = format!("/api/v2/events?scope=all&limit=100&cursor={cursor}");
        let news = client.get(&self.reader, &news).await.expect(200).json();
        assert_eq!(news["data"][0]["type"], "transfer.posted");
    }
}
