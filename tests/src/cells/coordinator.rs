//! What a coordinator does, over and over: decide what is pending, and carry out what is decided.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::door::{Door, Heard};
use super::{Plan, Side, destination, reference, returned};

/// Units under way at once.
const AT_ONCE: usize = 8;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// Seconds for which a refusal holds its unit's amount; its reference it keeps for ever.
const TOMBSTONE: u32 = 1;

/// Refusals that are about who is paid. Any other is about ourselves or the moment, and settles nothing.
const PAYEES: [&str; 6] = [
    "accounts_must_be_different",
    "credit_account_not_found",
    "currency_mismatch",
    "credit_account_closed",
    "limit_exceeded",
    "balance_overflow",
];

/// Coordinates until it is killed.
pub async fn run(plan: Plan) -> Infallible {
    let desks = plan.map(Desk::of);
    let [one, other] = &desks;
    loop {
        for way in [Way { from: one, to: other }, Way { from: other, to: one }] {
            way.decide_all().await;
            way.carry_out_all().await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A cell, and what has been read of it. Whoever loses that reads it again, and does nothing twice.
#[derive(Debug)]
struct Desk {
    side: Side,
    door: Door,
    /// Where the first page of units begins that have not all ended.
    units: Mutex<Option<String>>,
    ends: Mutex<Ends>,
}

/// The references under which money left the clearing account: each is the end of a unit.
#[derive(Debug, Default)]
struct Ends {
    cursor: Option<String>,
    references: HashSet<String>,
}

impl Desk {
    fn of(side: Side) -> Self {
        Self { door: Door::to(&side), side, units: Mutex::default(), ends: Mutex::default() }
    }

    /// A page of transfers with the clearing account on a side, oldest first, and where it goes on.
    async fn page(&self, narrowed: &str) -> Option<(Vec<Value>, Option<String>)> {
        let clearing = &self.side.clearing;
        let path = format!("/transfers?scope=all&account_id={clearing}&sort_order=asc&limit=100{narrowed}");
        let Heard::Done(page) = self.door.get(&path).await else { return None };
        let rows = page["data"].as_array()?.clone();
        let next = page["page"]["has_more"].as_bool()?.then(|| text(&page["page"], "next_cursor").to_owned());
        Some((rows, next))
    }

    /// Reads on in what has left the clearing account. What it misses is looked up one by one.
    async fn read_ends(&self) {
        loop {
            let cursor = self.ends.lock().cursor.clone();
            let Some((rows, next)) = self.page(&going_on(cursor)).await else { return };
            let left = rows.iter().filter(|row| row["debit_account_id"] == self.side.clearing);
            let ends = left.filter(|row| row["posted_at"].is_string()).map(|row| text(row, "external_ref").to_owned());
            let mut known = self.ends.lock();
            known.references.extend(ends);
            match next {
                Some(next) => known.cursor = Some(next),
                None => return,
            }
        }
    }

    fn note_end(&self, transfer: &Value) {
        self.ends.lock().references.insert(text(transfer, "external_ref").to_owned());
    }

    fn knows_end(&self, reference: &str) -> bool {
        self.ends.lock().references.contains(reference)
    }

    /// What has this reference among what leaves the clearing account.
    async fn under(&self, reference: &str) -> Option<Option<Value>> {
        let (rows, _) = self.page(&format!("&external_ref={reference}")).await?;
        Some(rows.into_iter().find(|row| row["debit_account_id"] == self.side.clearing))
    }
}

/// From one cell to the other.
#[derive(Debug, Clone, Copy)]
struct Way<'a> {
    from: &'a Desk,
    to: &'a Desk,
}

impl Way<'_> {
    /// Every pending transfer into the clearing account.
    async fn decide_all(self) {
        let mut cursor = String::new();
        loop {
            let Some((rows, next)) = self.from.page(&format!("&status=pending{cursor}")).await else { return };
            let holds = rows.into_iter().filter(|row| row["credit_account_id"] == self.from.side.clearing);
            stream::iter(holds).for_each_concurrent(AT_ONCE, async |hold| self.decide(&hold).await).await;
            let Some(next) = next else { return };
            cursor = format!("&cursor={next}");
        }
    }

    /// Posts a hold whose payee would be paid, and lets go of one whose payee would not. Which of all who try comes first, the
    /// payer and time among them, the payer's ledger says.
    async fn decide(self, hold: &Value) {
        let Some(payee) = destination(hold, &self.to.side.cell) else {
            // Nobody to pay, ever.
            drop(self.settle(hold, "void").await);
            return;
        };
        match self.to.door.would(&self.payment(hold, payee, &hold["remaining"])).await {
            Heard::Done(_) => {
                if let Heard::Done(unit) = self.settle(hold, "post").await {
                    self.pay(&unit).await;
                }
            }
            Heard::Refused(code) if PAYEES.contains(&code.as_str()) => drop(self.settle(hold, "void").await),
            Heard::Refused(_) | Heard::Unknown => {}
        }
    }

    async fn settle(self, hold: &Value, how: &str) -> Heard {
        self.from.door.post(&format!("/transfers/{}/{how}", text(hold, "id")), &json!({})).await
    }

    /// Every posted transfer into the clearing account that nobody has seen end yet.
    async fn carry_out_all(self) {
        self.from.read_ends().await;
        self.to.read_ends().await;
        loop {
            let cursor = self.from.units.lock().clone();
            let Some((rows, next)) = self.from.page(&going_on(cursor)).await else { return };
            let units: Vec<_> = rows.iter().filter(|row| self.is_unit(row)).collect();
            let open = units.iter().filter(|unit| !self.has_ended(unit));
            stream::iter(open).for_each_concurrent(AT_ONCE, async |unit| self.carry_out(unit).await).await;
            match next {
                Some(next) if units.iter().all(|unit| self.has_ended(unit)) => *self.from.units.lock() = Some(next),
                Some(_) | None => return,
            }
        }
    }

    /// Whether money came to be paid on. A settled hold is shown as posted, too; it has no instant of its own.
    fn is_unit(self, row: &Value) -> bool {
        row["credit_account_id"] == self.from.side.clearing
            && row["posted_at"].is_string()
            && destination(row, &self.to.side.cell).is_some()
    }

    /// Whether it is known that the unit was paid, or given back.
    fn has_ended(self, unit: &Value) -> bool {
        let id = text(unit, "id");
        self.to.knows_end(&reference(&self.from.side.cell, id)) || self.from.knows_end(&returned(id))
    }

    /// One unit, wherever somebody left it.
    async fn carry_out(self, unit: &Value) {
        let reference = reference(&self.from.side.cell, text(unit, "id"));
        match self.to.under(&reference).await {
            None => {}
            Some(None) => self.pay(unit).await,
            Some(Some(there)) => self.go_on_from(unit, &there).await,
        }
    }

    /// Pays the payee, who may refuse.
    async fn pay(self, unit: &Value) {
        let Some(payee) = destination(unit, &self.to.side.cell) else { return };
        let payment = self.referring(self.payment(unit, payee, &unit["amount"]), unit);
        match self.to.door.post("/transfers", &payment).await {
            Heard::Done(paid) => self.to.note_end(&paid),
            Heard::Refused(code) if PAYEES.contains(&code.as_str()) => self.refuse(unit).await,
            // Under its reference there is what somebody else did; the next look finds it.
            Heard::Refused(_) | Heard::Unknown => {}
        }
    }

    /// Takes the reference away from the payment: a hold of our own, which lapses.
    async fn refuse(self, unit: &Value) {
        let hold = self.referring(self.payment(unit, &self.to.side.unclaimed, &unit["amount"]), unit);
        let hold = with(hold, json!({"pending": true, "expires_in": TOMBSTONE}));
        if let Heard::Done(there) = self.to.door.post("/transfers", &hold).await {
            self.go_on_from(unit, &there).await;
        }
    }

    /// What stands under the unit's reference is the payment, which posted, or the refusal, which never does.
    async fn go_on_from(self, unit: &Value, there: &Value) {
        if there["posted_at"].is_string() {
            self.to.note_end(there);
        } else {
            self.give_back(unit).await;
        }
    }

    /// Gives a refused unit back to its payer, or, when they take nothing, keeps it where somebody will look for it.
    async fn give_back(self, unit: &Value) {
        let reference = returned(text(unit, "id"));
        match self.from.under(&reference).await {
            None => return,
            Some(Some(back)) => return self.from.note_end(&back),
            Some(None) => {}
        }
        for taker in [text(unit, "debit_account_id"), &self.from.side.unclaimed] {
            let back = json!({
                "debit_account_id": self.from.side.clearing, "credit_account_id": taker, "amount": unit["amount"],
                "currency": unit["currency"], "external_ref": reference, "description": "Could not be delivered",
                "metadata": {"returns": {"transfer_id": unit["id"]}},
            });
            match self.from.door.post("/transfers", &back).await {
                Heard::Done(back) => return self.from.note_end(&back),
                Heard::Refused(code) if PAYEES.contains(&code.as_str()) => {}
                Heard::Refused(_) | Heard::Unknown => return,
            }
        }
    }

    fn payment(self, what: &Value, payee: &str, amount: &Value) -> Value {
        json!({
            "debit_account_id": self.to.side.clearing, "credit_account_id": payee, "amount": amount,
            "currency": what["currency"], "description": what["description"],
        })
    }

    fn referring(self, payment: Value, unit: &Value) -> Value {
        let (cell, id) = (&self.from.side.cell, text(unit, "id"));
        let source =
            json!({"external_ref": reference(cell, id), "metadata": {"from": {"cell": cell, "transfer_id": id}}});
        with(payment, source)
    }
}

fn going_on(cursor: Option<String>) -> String {
    cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default()
}

fn with(mut body: Value, more: Value) -> Value {
    if let (Some(members), Value::Object(more)) = (body.as_object_mut(), more) {
        members.extend(more);
    }
    body
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}
