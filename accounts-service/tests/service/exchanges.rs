//! Exchanges over HTTP: both sides or neither, at the rate in force, and not a grain lost.

use std::rc::Rc;

use accounts_service::db::Database;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use shared::auth::User;

use crate::client::{Answer, treasurer, user};
use crate::on_both;
use crate::stack::Stack;

on_both!(
    an_exchange_is_both_transfers_and_its_replay_is_the_same,
    a_quote_says_what_would_be_and_changes_nothing,
    what_is_refused_is_refused_in_order_and_for_good,
    rates_are_a_treasurers_and_the_newest_counts,
    a_list_goes_on_and_shows_ones_own,
);

pub const EXCHANGES: &str = "/api/v1/exchanges";
const RATES: &str = "/api/v1/exchange-rates";

/// Somebody with dollars and an account for euros, and the house's accounts.
pub struct World {
    pub stack: Rc<Stack>,
    pub who: User,
    pub officer: User,
    pub dollars: String,
    pub euros: String,
    pub house: [String; 3],
}

impl World {
    pub async fn new(stack: Rc<Stack>, money: i64) -> Self {
        let (who, officer) = (user(), treasurer());
        let dollars = stack.client.funded(&who, money).await;
        let euros = open(&stack, &who, "user", "EUR").await;
        let base = open(&stack, &officer, "system", "USD").await;
        let house =
            [base, open(&stack, &officer, "system", "EUR").await, open(&stack, &officer, "system", "EUR").await];
        Self { stack, who, officer, dollars, euros, house }
    }

    fn rate(&self, rate: &str) -> Value {
        let [base, quote, rounding] = &self.house;
        json!({
            "base": "USD", "quote": "EUR", "rate": rate, "base_account_id": base, "quote_account_id": quote,
            "rounding_account_id": rounding,
        })
    }

    pub async fn set(&self, rate: &str) {
        self.stack.client.post(&self.officer, RATES, &[], &self.rate(rate)).await.expect(201);
    }

    pub fn order(&self, amount: i64) -> Value {
        json!({"debit_account_id": self.dollars, "credit_account_id": self.euros, "amount": amount})
    }

    pub async fn exchange(&self, key: &str, order: &Value) -> Answer {
        self.stack.client.post(&self.who, EXCHANGES, &[("idempotency-key", key)], order).await
    }

    pub async fn balances(&self) -> [i64; 5] {
        let [base, quote, rounding] = &self.house;
        let of = async |who: &User, id: &str| self.stack.client.balance(who, id).await;
        [
            of(&self.who, &self.dollars).await,
            of(&self.who, &self.euros).await,
            of(&self.officer, base).await,
            of(&self.officer, quote).await,
            of(&self.officer, rounding).await,
        ]
    }

    /// What rounding took in all, and what is not booked of it: exact sums of the rows.
    pub async fn grains(&self) -> (i128, i128) {
        let db = Database::connect(&self.stack.url, 1).await.unwrap();
        let all = async |sql: &str| {
            let statement = Statement::from_string(db.pool.get_database_backend(), sql);
            let rows = db.pool.query_all_raw(statement).await.unwrap();
            rows.iter().map(|row| i128::from(row.try_get_by_index::<i64>(0).unwrap())).sum()
        };
        (all("SELECT remainder FROM exchanges").await, all("SELECT grains FROM exchange_carries").await)
    }
}

async fn open(stack: &Stack, who: &User, kind: &str, currency: &str) -> String {
    let body = json!({"name": "Account", "currency": currency, "kind": kind});
    let opened = stack.client.post(who, "/api/v1/accounts", &[], &body).await.expect(201);
    opened.json()["id"].as_str().unwrap().to_owned()
}

async fn an_exchange_is_both_transfers_and_its_replay_is_the_same(stack: Rc<Stack>) {
    let world = World::new(Rc::clone(&stack), 10_000).await;
    world.set("0.9235").await;
    let first = world.exchange("one", &world.order(1_001)).await.expect(201);
    let shown = first.json();
    let id = shown["id"].as_str().unwrap();
    assert_eq!(first.header("location"), Some(format!("{EXCHANGES}/{id}").as_str()));
    assert_eq!((&shown["rate"], &shown["remainder"]), (&json!("0.9235"), &json!("0.4235")));
    let (paid, received) = (&shown["paid"], &shown["received"]);
    assert_eq!((&paid["amount"], &paid["currency"], &paid["status"]), (&json!(1_001), &json!("USD"), &json!("posted")));
    assert_eq!((&received["amount"], &received["currency"]), (&json!(924), &json!("EUR")));
    assert_eq!(
        (&paid["debit_account_id"], &paid["credit_account_id"]),
        (&json!(world.dollars), &json!(world.house[0]))
    );
    assert_eq!(
        (&received["debit_account_id"], &received["credit_account_id"]),
        (&json!(world.house[1]), &json!(world.euros))
    );
    assert_eq!(paid["posted_at"], shown["created_at"]);
    assert_eq!(world.balances().await, [8_999, 924, 1_001, -924, 0]);

    let again = world.exchange("one", &world.order(1_001)).await.expect(201);
    assert!(again.replayed() && !first.replayed() && again.bytes == first.bytes);
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_eq!(world.exchange("one", &world.order(1_002)).await.expect(422).code(), "idempotency_key_reused");
    let got = stack.client.get(&world.who, &format!("{EXCHANGES}/{id}")).await.expect(200);
    assert_eq!(got.bytes, first.bytes);
    let etag = got.header("etag").unwrap().to_owned();
    let unchanged = [("if-none-match", etag.as_str())];
    stack.client.raw(&world.who, "GET", &format!("{EXCHANGES}/{id}"), &unchanged, None).await.expect(304);
    stack.client.get(&world.officer, &format!("{EXCHANGES}/{id}")).await.expect(200);
    stack.client.get(&user(), &format!("{EXCHANGES}/{id}")).await.expect(404);
    let transfer = stack.client.get(&world.who, &format!("/api/v1/transfers/{}", text(received, "id"))).await;
    assert_eq!(&transfer.expect(200).json(), received);

    // The third makes a whole unit: 3 x 0.4235.
    world.exchange("two", &world.order(1_001)).await.expect(201);
    world.exchange("three", &world.order(1_001)).await.expect(201);
    assert_eq!(world.balances().await, [10_000 - 3_003, 3 * 924, 3_003, -3 * 924 - 1, 1]);
    assert_eq!(world.grains().await, (1_270_500_000_000_000_000, 270_500_000_000_000_000));
    // To an account of somebody else's, and by a treasurer from a system account.
    let other = open(&stack, &user(), "user", "EUR").await;
    let abroad = json!({"debit_account_id": world.dollars, "credit_account_id": other, "amount": 100});
    world.exchange("abroad", &abroad).await.expect(201);
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

async fn a_quote_says_what_would_be_and_changes_nothing(stack: Rc<Stack>) {
    let world = World::new(Rc::clone(&stack), 10_000).await;
    world.set("0.9235").await;
    let quote =
        async |order: &Value| stack.client.post(&world.who, &format!("{EXCHANGES}?dry_run=true"), &[], order).await;
    let quoted = quote(&world.order(1_001)).await.expect(200).json();
    for (member, value) in [("id", Value::Null), ("created_at", Value::Null), ("remainder", json!("0.4235"))] {
        assert_eq!(quoted[member], value);
    }
    assert_eq!((&quoted["paid"]["id"], &quoted["received"]["amount"]), (&Value::Null, &json!(924)));
    assert_eq!(world.balances().await, [10_000, 0, 0, 0, 0]);
    assert_eq!(quote(&world.order(10_001)).await.expect(422).code(), "insufficient_funds");
    // What was quoted is what is got, or nothing.
    let mut order = world.order(1_001);
    order["rate"] = quoted["rate"].clone();
    let made = world.exchange("quoted", &order).await.expect(201).json();
    assert_eq!(made["received"]["amount"], quoted["received"]["amount"]);
    world.set("0.9234").await;
    assert_eq!(quote(&order).await.expect(422).code(), "exchange_rate_changed");
    order["rate"] = json!("0.92340");
    quote(&order).await.expect(200);
}

async fn what_is_refused_is_refused_in_order_and_for_good(stack: Rc<Stack>) {
    let world = World::new(Rc::clone(&stack), 1_000).await;
    let with = |members: Value| {
        let mut order = world.order(100);
        members.as_object().unwrap().iter().for_each(|(name, value)| order[name] = value.clone());
        order
    };
    let nobody = "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11";
    let refused = world.exchange("no-rate", &world.order(100)).await;
    assert_eq!(refused.expect(409).code(), "no_exchange_rate");
    world.set("0.5").await;
    let table = [
        (with(json!({"amount": 0, "credit_account_id": world.dollars})), 422, "amount_out_of_range"),
        (with(json!({"credit_account_id": world.dollars})), 422, "accounts_must_be_different"),
        (with(json!({"debit_account_id": nobody, "credit_account_id": world.euros})), 404, "debit_account_not_found"),
        (with(json!({"debit_account_id": world.house[0], "rate": "7"})), 404, "debit_account_not_found"),
        (with(json!({"credit_account_id": nobody})), 422, "credit_account_not_found"),
        (with(json!({"credit_account_id": world.house[0]})), 422, "currencies_must_be_different"),
        (with(json!({"amount": 1_001, "rate": "7"})), 422, "exchange_rate_changed"),
        (with(json!({"amount": 1})), 422, "exchange_amount_unpayable"),
        (with(json!({"amount": 1_001})), 422, "insufficient_funds"),
        (with(json!({"credit_account_id": world.house[1], "amount": 1_001})), 422, "exchange_with_rate_account"),
    ];
    for (n, (order, status, code)) in table.iter().enumerate() {
        let key = format!("refused-{n}");
        assert_eq!(world.exchange(&key, order).await.expect(*status).code(), *code, "{order}");
        let dry = stack.client.post(&world.who, &format!("{EXCHANGES}?dry_run=true"), &[], order).await;
        assert_eq!(dry.expect(*status).code(), *code, "{order}");
    }
    assert_eq!(world.balances().await, [1_000, 0, 0, 0, 0]);
    // What is decided against what is stored stays under its key, and nothing else does: a key that was refused before is
    // good for another try.
    for (n, (order, _, code)) in table.iter().enumerate() {
        let again = world.exchange(&format!("refused-{n}"), order).await;
        assert_eq!((again.code().as_str(), again.replayed()), (*code, n > 1), "{order}");
    }
    world.exchange("refused-0", &with(json!({"amount": 2}))).await.expect(201);
    // The answer stays, although there is a rate and money by now.
    let again = world.exchange("no-rate", &world.order(100)).await.expect(409);
    assert!(again.replayed() && again.code() == "no_exchange_rate");
    // The house's own account is frozen: said as what it is.
    let path = format!("/api/v1/accounts/{}/freeze", world.house[1]);
    stack.client.post(&world.officer, &path, &[], &json!({})).await.expect(200);
    let frozen = world.exchange("frozen", &world.order(100)).await.expect(409);
    assert_eq!(frozen.code(), "debit_account_frozen");
    assert!(frozen.json()["detail"].as_str().unwrap().starts_with("What the exchange pays out"));
    assert_eq!(world.balances().await, [998, 1, 2, -1, 0]);

    let shapes = [
        (json!({"rate": 1.5}), 400),
        (json!({"rate": "1e3"}), 422),
        (json!({"rate": "0"}), 422),
        (json!({"amount": "5"}), 400),
        (json!({"amount": 1.5}), 400),
        (json!({"currency": "USD"}), 422),
    ];
    for (members, status) in shapes {
        let order = with(members);
        assert_eq!(world.exchange("shape", &order).await.status, status, "{order}");
    }
    let keyless = stack.client.post(&world.who, EXCHANGES, &[], &world.order(1)).await;
    assert_eq!(keyless.expect(400).code(), "idempotency_key_required");
}

async fn rates_are_a_treasurers_and_the_newest_counts(stack: Rc<Stack>) {
    let world = World::new(Rc::clone(&stack), 10_000).await;
    let set = async |members: Value| {
        let mut rate = world.rate("0.5");
        members.as_object().unwrap().iter().for_each(|(name, value)| rate[name] = value.clone());
        stack.client.post(&world.officer, RATES, &[], &rate).await
    };
    stack.client.post(&world.who, RATES, &[], &world.rate("0.5")).await.expect(403);
    let [base, quote, _] = world.house.clone();
    for (members, places) in [
        (json!({"quote": "USD"}), vec!["/quote"]),
        (json!({"rounding_account_id": quote}), vec!["/rounding_account_id"]),
        (json!({"valid_until": "2020-01-01T00:00:00Z"}), vec!["/valid_until"]),
        (json!({"valid_until": "2099-02-30T00:00:00Z"}), vec!["/valid_until"]),
        (json!({"valid_until": "2099-01-01", "quote": "USD"}), vec!["/quote", "/valid_until"]),
        (
            json!({"base_account_id": world.dollars, "quote_account_id": base}),
            vec!["/base_account_id", "/quote_account_id"],
        ),
    ] {
        let refused = set(members).await.expect(422).json();
        let faults: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|it| it["pointer"].clone()).collect();
        assert_eq!(faults, places);
    }
    let first = set(json!({"rate": "0.50"})).await.expect(201);
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(first.header("location"), Some(format!("{RATES}/{id}").as_str()));
    let shown = stack.client.get(&world.who, &format!("{RATES}/{id}")).await.expect(200);
    assert_eq!((shown.json(), shown.json()["rate"].clone()), (first.json(), json!("0.5")));
    stack.client.get(&world.who, &format!("{RATES}/01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11")).await.expect(404);

    let feed = "/api/v1/events?scope=all&types=exchange_rate.set";
    let told = stack.client.get(&world.officer, feed).await.expect(200).json();
    assert!(told["data"].as_array().unwrap().iter().any(|event| event["data"]["id"] == id.as_str()), "{told}");

    let key = [("idempotency-key", "rate")];
    let keyed = stack.client.post(&world.officer, RATES, &key, &world.rate("0.6")).await.expect(201);
    let again = stack.client.post(&world.officer, RATES, &key, &world.rate("0.6")).await.expect(201);
    assert!(again.replayed() && again.bytes == keyed.bytes);
    let made = world.exchange("newest", &world.order(100)).await.expect(201).json();
    assert_eq!((&made["rate_id"], &made["received"]["amount"]), (&keyed.json()["id"], &json!(60)));
    let list = stack.client.get(&world.who, &format!("{RATES}?base=USD&quote=EUR&limit=1")).await.expect(200).json();
    assert_eq!((&list["data"][0]["id"], &list["page"]["has_more"]), (&keyed.json()["id"], &json!(true)));
    let other_way = stack.client.get(&world.who, &format!("{RATES}?base=EUR")).await.expect(200).json();
    assert_eq!(other_way["data"], json!([]));
    stack.client.get(&world.who, &format!("{RATES}?base=usd")).await.expect(422);
}

async fn a_list_goes_on_and_shows_ones_own(stack: Rc<Stack>) {
    let world = World::new(Rc::clone(&stack), 10_000).await;
    world.set("0.5").await;
    let mut made = Vec::new();
    for n in 0..3 {
        let exchange = world.exchange(&format!("list-{n}"), &world.order(100 + n)).await.expect(201).json();
        made.push(exchange);
    }
    made.reverse();
    let list = async |who: &User, query: &str| {
        let page = stack.client.get(who, &format!("{EXCHANGES}?{query}")).await.expect(200).json();
        (page["data"].as_array().unwrap().clone(), page["page"]["next_cursor"].as_str().map(str::to_owned))
    };
    let (first, cursor) = list(&world.who, "limit=2").await;
    let (rest, end) = list(&world.who, &format!("limit=2&cursor={}", cursor.unwrap())).await;
    assert_eq!(([first, rest].concat(), end), (made.clone(), None));
    assert_eq!(list(&world.officer, "").await.0, Vec::<Value>::new());
    assert_eq!(list(&world.officer, "scope=all").await.0, made);
    stack.client.get(&world.who, &format!("{EXCHANGES}?scope=all")).await.expect(403);
}
