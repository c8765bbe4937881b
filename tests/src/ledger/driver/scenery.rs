//! Setting a stage on a fresh ledger: accounts in every state, with money in them.

use serde_json::{Value, json};
use shared::clock::Clock;

use super::{Door, Raw};
use crate::ledger::command::{Caller, Command, NewRate, Order, Request, Step};
use crate::ledger::generator::{Market, Place, Stage, Till};
use crate::ledger::model::MOST;

/// Who plays.
#[derive(Debug, Clone)]
pub struct Cast {
    /// Those who pay one another.
    pub customers: Vec<Caller>,
    /// Who debits the bank's accounts.
    pub treasurer: Caller,
    /// Who freezes and reads.
    pub admin: Caller,
}

/// What may leave the third account within a minute: minor units, transfers.
const LIMIT: (i64, i64) = (1_500, 60);

/// Two, none and three decimals; US dollars first, and last the one whose till is frozen now and then.
const CURRENCIES: [&str; 4] = ["USD", "EUR", "JPY", "KWD"];

/// The first rates, between neighbours: from which of them to which, and how many microseconds they last, if not for ever.
const RATES: [(usize, usize, &str, Option<i64>); 8] = [
    (0, 1, "0.9234", None),
    (1, 0, "1.07", None),
    (1, 2, "163.5", Some(2_000_000)),
    (2, 1, "0.0061", None),
    (2, 3, "0.002", None),
    (3, 2, "491.07", None),
    (3, 0, "3.25", None),
    (0, 3, "0.3075", Some(5_000_000)),
];

/// What each account has to begin with.
const MONEY: i64 = 2_000;

/// Opens `accounts` accounts of the customers, and one of every other kind.
///
/// # Panics
/// When the ledger refuses.
pub async fn set(door: &Door, cast: &Cast, accounts: usize) -> Stage {
    let Cast { customers, treasurer, admin } = cast;
    let owner = |number: usize| &customers[number % customers.len()];
    let vault = door.open(treasurer, "USD", "system").await.id;
    let depth = door.open(treasurer, "USD", "system").await.id;
    let mut places = Vec::with_capacity(accounts);
    for number in 0..accounts {
        places.push(door.open(owner(number), "USD", "user").await);
    }
    let (changing, euros) = (door.open(owner(0), "USD", "user").await, door.open(owner(0), "EUR", "user").await);
    let (closed, full, capped) = (
        door.open(owner(0), "USD", "user").await,
        door.open(owner(1), "USD", "user").await,
        door.open(owner(1), "USD", "user").await,
    );
    let mut closing = Vec::new();
    for number in 0..6 {
        closing.push(door.open(owner(number), "USD", "user").await);
    }
    for place in places.iter().chain([&changing]) {
        door.pay(treasurer, Order::usd(&vault, &place.id, MONEY)).await;
    }
    // From an account of its own: this is also the most that one may owe.
    door.pay(treasurer, Order::usd(&depth, &full.id, i64::try_from(MOST).expect("2^53 - 1"))).await;
    let close = Command::Step { account: closed.id.clone(), step: Step::Close };
    door.must(&Request { who: admin.clone(), key: None, dry_run: false, seen: None, command: close }).await;
    door.operate(admin, ("PATCH", &format!("/accounts/{}", capped.id)), json!({"ceiling": 0})).await;
    let market = open_market(door, cast).await;
    let (amount, count) = LIMIT;
    let limits = json!({"limits": [{"window": 60, "amount": amount, "count": count}]});
    door.operate(admin, ("PUT", &format!("/accounts/{}/limits", places[2].id)), limits).await;
    Stage {
        customers: customers.clone(),
        treasurer: treasurer.clone(),
        admin: admin.clone(),
        places,
        vault,
        euros,
        closed,
        changing,
        full,
        capped,
        closing,
        market,
        nobodys: "00000000-0000-7000-8000-000000000000".to_owned(),
    }
}

/// Accounts in other currencies for the first customers, the bank's tills, and the first rates.
async fn open_market(door: &Door, Cast { customers, treasurer, .. }: &Cast) -> Market {
    let (mut tills, mut foreign) = (Vec::new(), Vec::new());
    for currency in CURRENCIES {
        let [drawer, one, other] = ["drawer", "rounding", "rounding"].map(|_| door.open(treasurer, currency, "system"));
        let (drawer, rounding) = (drawer.await.id, [one.await.id, other.await.id]);
        for owner in customers.iter().take(3).filter(|_| currency != CURRENCIES[0]) {
            let place = door.open(owner, currency, "user").await;
            let order = Order { currency: currency.to_owned(), ..Order::usd(&drawer, &place.id, MONEY) };
            door.pay(treasurer, order).await;
            foreign.push((place, currency.to_owned()));
        }
        tills.push(Till { currency: currency.to_owned(), drawer, rounding });
    }
    let opened = Clock::system().now_micros();
    for (base, quote, rate, lasts) in RATES {
        let (base, quote): (&Till, &Till) = (&tills[base], &tills[quote]);
        let new = NewRate {
            base: base.currency.clone(),
            quote: quote.currency.clone(),
            rate: rate.to_owned(),
            base_account: base.drawer.clone(),
            quote_account: quote.drawer.clone(),
            rounding_account: quote.rounding[0].clone(),
            valid_until: lasts.map(|lasts| opened + lasts),
        };
        let command = Command::SetRate(new);
        door.must(&Request { who: treasurer.clone(), key: None, dry_run: false, seen: None, command }).await;
    }
    Market { foreign, tills, opened }
}

impl Door {
    /// Opens an account of a customer's, with that much from the vault in it.
    ///
    /// # Panics
    /// When the ledger refuses.
    pub async fn open_with(&self, stage: &Stage, owner: &Caller, money: i64) -> Place {
        let place = self.open(owner, "USD", "user").await;
        if money > 0 {
            self.pay(&stage.treasurer, Order::usd(&stage.vault, &place.id, money)).await;
        }
        place
    }

    /// Opens an account of `who`'s.
    async fn open(&self, who: &Caller, currency: &str, kind: &str) -> Place {
        let body = json!({"name": "Account", "currency": currency, "kind": kind});
        let answer = self.call(who, ("POST", "/accounts"), &[], Some(body)).await;
        let Raw { status, body, .. } = answer.unwrap_or_else(|error| panic!("no account: {error}"));
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        assert_eq!(status, 201, "{json}");
        Place { id: json["id"].as_str().expect("an id").to_owned(), owner: who.clone() }
    }

    async fn operate(&self, who: &Caller, call: (&str, &str), body: Value) {
        let answer = self.call(who, call, &[], Some(body)).await;
        let Raw { status, body, .. } = answer.unwrap_or_else(|error| panic!("{call:?}: {error}"));
        assert_eq!(status, 200, "{call:?}: {}", String::from_utf8_lossy(&body));
    }

    async fn pay(&self, who: &Caller, order: Order) {
        let key = Some(format!("fund-{}", order.credit));
        self.must(&Request { who: who.clone(), key, dry_run: false, seen: None, command: Command::Transfer(order) })
            .await;
    }

    async fn must(&self, request: &Request) {
        let answer = self.send(request).await;
        let Raw { status, body, .. } = answer.unwrap_or_else(|error| panic!("{request:?}: {error}"));
        assert!(status < 300, "{request:?}: {status} {}", String::from_utf8_lossy(&body));
    }
}
