//! Payers: they hold money for somebody in the other cell, and some of them settle their own holds, as they may.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};

use super::world::World;
use crate::cells::addressed;
use crate::client::Client;
use crate::ledger::generator::Random;

/// Between two payments.
const PAUSE: Duration = Duration::from_millis(15);
/// While nobody knows what became of a payment.
const DOUBT: Duration = Duration::from_millis(30);

/// What a payer meant.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// From which cell.
    pub(super) from: &'static str,
    /// Whose account pays.
    pub(super) debit: String,
    /// Who is to be paid, in the other cell.
    pub(super) payee: String,
    /// Cents.
    pub(super) amount: i64,
    /// Whether the payer settled it, or tried to.
    pub(super) meddled: bool,
}

/// Every payment that was answered, by the id of its hold.
pub(super) type Log = Arc<Mutex<BTreeMap<String, Sent>>>;

/// One payer.
#[derive(Debug)]
pub(super) struct Payer {
    client: Client,
    name: &'static str,
    /// This cell and its clearing account, and the other one.
    cells: [&'static str; 2],
    clearing: String,
    places: Vec<String>,
    payees: Vec<String>,
    unable: Vec<String>,
    random: Random,
}

impl Payer {
    pub(super) fn new(world: &World, at: usize, name: &'static str, seed: u64) -> Self {
        let (here, there) = (&world.0[at], &world.0[1 - at]);
        Self {
            client: here.payer.client.clone(),
            name,
            cells: [here.name, there.name],
            clearing: here.clearing.clone(),
            places: here.places.clone(),
            payees: there.places.clone(),
            unable: there.unable.clone(),
            random: Random::new(seed),
        }
    }

    /// Pays until told to stop; what is not answered is asked again under its key until it is.
    pub(super) async fn pay(mut self, log: Log, on: Arc<AtomicBool>) {
        for round in 0.. {
            if !on.load(Ordering::SeqCst) {
                return;
            }
            let (body, mut sent) = self.order(&format!("{}-{round}", self.name));
            let Some(id) = self.hold(&body).await else { continue };
            log.lock().insert(id.clone(), sent.clone());
            if let Some((how, body)) = self.own_mind(&sent) {
                sent.meddled = true;
                log.lock().insert(id.clone(), sent);
                let key = format!("{}-{round}-{how}", self.name);
                let path = format!("/api/v1/transfers/{id}/{how}");
                // Whatever comes of it.
                drop(self.client.call(Method::POST, &path).key(&key).json(body).try_send().await);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn order(&mut self, name: &str) -> (Value, Sent) {
        let debit = self.random.pick(&self.places).expect("there are some").clone();
        let bad = self.random.one_in(5);
        let payee = self.random.pick(if bad { &self.unable } else { &self.payees }).expect("there are some").clone();
        let amount = 1 + i64::try_from(self.random.below(50)).unwrap_or_default();
        let mut body = json!({
            "debit_account_id": debit, "credit_account_id": self.clearing, "amount": amount, "currency": "USD",
            "pending": true, "external_ref": name, "description": "Across", "metadata": addressed(self.cells[1], &payee),
        });
        // A deadline that coordinators meet, or do not.
        if self.random.one_in(4) {
            body["expires_in"] = json!(1);
        }
        (body, Sent { from: self.cells[0], debit, payee, amount, meddled: false })
    }

    async fn hold(&self, body: &Value) -> Option<String> {
        let key = body["external_ref"].as_str().unwrap_or_default();
        loop {
            let answer = self.client.call(Method::POST, "/api/v1/transfers").key(key).json(body).try_send().await;
            match answer {
                Ok(answer) if answer.status == 201 => return Some(answer.text("/id")),
                Ok(answer) if answer.code().as_deref() == Some("insufficient_funds") => return None,
                Ok(answer) => assert!(
                    [502, 503, 504].contains(&answer.status)
                        || answer.code().as_deref() == Some("idempotency_in_progress"),
                    "a crash behind the gateway is no other error: {answer}"
                ),
                Err(error) => panic!("the gateway itself stays up: {error}"),
            }
            tokio::time::sleep(DOUBT).await;
        }
    }

    /// What the payer does about their own hold, which is theirs to post, in part or whole, and to void.
    fn own_mind(&mut self, sent: &Sent) -> Option<(&'static str, Value)> {
        match self.random.below(12) {
            0 => Some(("void", json!({}))),
            1 => Some(("post", json!({}))),
            2 if sent.amount > 1 => Some(("post", json!({"amount": 1, "release_remainder": true}))),
            3 if sent.amount > 1 => Some(("post", json!({"amount": 1}))),
            _ => None,
        }
    }
}
