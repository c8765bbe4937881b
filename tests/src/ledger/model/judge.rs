//! What the ledger would answer, and what becomes of it then.

use super::reading::Reading;
use super::rules::{Ordered, POST, REVERSE, Settled, VOID};
use super::{Account, Decimal, Kind, Ledger, Status, Transfer};
use crate::ledger::command::{Caller, Command, Mode, Order, Request, Spoil, Step};
use crate::ledger::history::{Ended, Sketch, Verdict};

/// Refusals that rest on what is stored: they are kept under the key.
const DECIDED: [&str; 25] = [
    "debit_account_not_found",
    "credit_account_not_found",
    "currency_mismatch",
    "debit_account_closed",
    "credit_account_closed",
    "debit_account_frozen",
    "external_ref_taken",
    "precondition_failed",
    "limit_exceeded",
    "balance_overflow",
    "insufficient_funds",
    "not_found",
    "forbidden",
    "transfer_not_pending",
    "transfer_expired",
    "transfer_not_posted",
    "amount_exceeds_pending",
    "amount_exceeds_original",
    "linked_item_declined",
    "currencies_must_be_different",
    "no_exchange_rate",
    "exchange_rate_changed",
    "exchange_amount_unpayable",
    "exchange_with_rate_account",
    "stale_precondition",
];

/// Whether a refusal rests on what is stored.
#[must_use]
pub fn is_decided(code: &str) -> bool {
    DECIDED.contains(&code)
}

/// Whether an answer is kept under its key for ever.
#[must_use]
pub fn is_frozen(request: &Request, verdict: &Verdict) -> bool {
    if request.only_asks() || request.key.is_none() {
        return false;
    }
    // Of what moves no money a refusal leaves nothing behind, not even its key.
    if !request.moves_money() {
        return *verdict == Verdict::Done;
    }
    match verdict {
        Verdict::Done | Verdict::Exchanged(_) | Verdict::Each(_) => true,
        Verdict::Would(_) | Verdict::Looked(..) | Verdict::Balance(_) => false,
        Verdict::Linked(codes) => codes.iter().all(|code| is_decided(code)),
        Verdict::Refused(code) => is_decided(code),
    }
}

/// What is wrong with a body as it stands; of a batch's items each is judged in its turn.
#[must_use]
pub fn shape(request: &Request) -> Option<&'static str> {
    let no_decimal = |text: &String| Decimal::parse(text).is_none().then_some("validation_failed");
    match &request.command {
        Command::Transfer(order) => order.spoiled.map(Spoil::code),
        Command::Exchange(exchange) => {
            exchange.spoiled.map(Spoil::code).or_else(|| exchange.rate.as_ref().and_then(no_decimal))
        }
        Command::SetRate(new) => no_decimal(&new.rate),
        Command::Batch { .. }
        | Command::Post { .. }
        | Command::Void { .. }
        | Command::Reverse { .. }
        | Command::Step { .. }
        | Command::Look { .. }
        | Command::Balance { .. } => None,
    }
}

impl Ledger {
    /// What may be answered to `request` at `now` (microseconds since the epoch): the first is what the contract says,
    /// the others are what a service may say that counts windows in slices, and where nobody is sure of a version. Keys that
    /// are taken are none of its business.
    pub fn judge(&mut self, request: &Request, now: i64) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(1);
        for reading in self.readings(&request.command) {
            let verdict = self.say(request, now, &reading);
            if !verdicts.contains(&verdict) {
                verdicts.push(verdict);
            }
        }
        verdicts
    }

    fn say(&mut self, request: &Request, now: i64, reading: &Reading) -> Verdict {
        let who = &request.who;
        let keyless = request.key.is_none() && request.moves_money() && !request.only_asks();
        if let Some(code) = shape(request).or(keyless.then_some("idempotency_key_required")) {
            return Verdict::Refused(code.to_owned());
        }
        match &request.command {
            Command::Batch { mode, orders } => self.batch(who, *mode, orders, (now, reading)),
            Command::Balance { account } => match self.visible(who, account) {
                Some(found) => Verdict::Balance(i64::try_from(found.balance).unwrap_or(i64::MAX)),
                None => Verdict::Refused("not_found".to_owned()),
            },
            Command::Look { transfer } => match self.look(who, transfer, now) {
                Some((status, remaining)) => Verdict::Looked(status.to_owned(), remaining),
                None => Verdict::Refused("not_found".to_owned()),
            },
            Command::Step { account, step } => refused(self.step(who, account, *step, now)),
            Command::Transfer(order) => {
                let code = self.order(who, order, now, reading);
                self.done(request, code, || Some(self.made(order, String::new(), now)))
            }
            Command::Exchange(exchange) => match self.deal(who, exchange, now, reading) {
                Ok(deal) => Verdict::Exchanged(deal.worth),
                Err(code) => Verdict::Refused(code.to_owned()),
            },
            Command::SetRate(new) => refused(self.rate_refusal(who, new, now)),
            Command::Post { .. } | Command::Void { .. } | Command::Reverse { .. } => {
                let code = self.settlement(request, now);
                self.done(request, code, || self.settling(who, &request.command, String::new(), now))
            }
        }
    }

    /// A dry run shows what it would make.
    fn done(&self, request: &Request, code: Option<&'static str>, made: impl FnOnce() -> Option<Transfer>) -> Verdict {
        match (code, request.dry_run) {
            (None, true) => made().map_or(Verdict::Done, |made| Verdict::Would(self.sketch(&made))),
            (Some(_), _) | (None, false) => refused(code),
        }
    }

    fn sketch(&self, made: &Transfer) -> Sketch {
        let status = match made.kind {
            Kind::Pending { .. } => "pending",
            Kind::Voiding { .. } => "voided",
            Kind::Posted | Kind::Posting { .. } | Kind::Reversal { .. } => "posted",
        };
        Sketch {
            debit: made.debit.clone(),
            credit: made.credit.clone(),
            amount: i64::try_from(made.amount).unwrap_or(i64::MAX),
            currency: self.account(&made.debit).map(|account| account.currency.clone()).unwrap_or_default(),
            status: status.to_owned(),
        }
    }

    /// The code of what is wrong with an order whose body is sound.
    #[must_use]
    pub fn order(&self, who: &Caller, order: &Order, now: i64, reading: &Reading) -> Option<&'static str> {
        Ordered { ledger: self, who, order, now, reading }.refusal()
    }

    /// The same, body included.
    #[must_use]
    pub fn item(&self, who: &Caller, order: &Order, now: i64, reading: &Reading) -> Option<&'static str> {
        order.spoiled.map(|spoiled| spoiled.code()).or_else(|| self.order(who, order, now, reading))
    }

    fn settlement(&self, request: &Request, now: i64) -> Option<&'static str> {
        let Request { who, seen, command, .. } = request;
        let case = |of, amount| Settled { ledger: self, who, of, amount, seen: seen.as_ref(), now };
        match command {
            Command::Post { of, amount, .. } => case(of, *amount).refusal(POST),
            Command::Void { of } => case(of, None).refusal(VOID),
            Command::Reverse { of, amount, .. } => case(of, *amount).refusal(REVERSE),
            Command::Transfer(_)
            | Command::Batch { .. }
            | Command::Exchange(_)
            | Command::SetRate(_)
            | Command::Step { .. }
            | Command::Look { .. }
            | Command::Balance { .. } => None,
        }
    }

    /// How a transfer stands: its status by now, and what is still held of it or can still be given back.
    fn look(&self, who: &Caller, of: &str, now: i64) -> Option<(&'static str, Option<i64>)> {
        Settled { ledger: self, who, of, amount: None, seen: None, now }.look()
    }

    fn visible(&self, who: &Caller, account: &str) -> Option<&Account> {
        self.account(account).filter(|found| who.role.reads_all() || found.owner == who.user)
    }

    fn step(&self, who: &Caller, id: &str, step: Step, now: i64) -> Option<&'static str> {
        let Some(account) = self.visible(who, id) else { return Some("not_found") };
        let own = !account.system && account.owner == who.user;
        if !(who.role.operates() || (step == Step::Close && own)) {
            return Some("forbidden");
        }
        if account.status == target(step) {
            return None;
        }
        if account.status == Status::Closed {
            return Some("state_conflict");
        }
        let empty = account.balance == 0 && self.held(id, now) == 0;
        (step == Step::Close && !empty).then_some("account_not_empty")
    }

    /// Each item on what those before it left; then everything is taken back.
    fn batch(&mut self, who: &Caller, mode: Mode, orders: &[Order], (now, reading): (i64, &Reading)) -> Verdict {
        let before = self.transfers().len();
        let mut items: Vec<Ended> = Vec::with_capacity(orders.len());
        for (number, order) in orders.iter().enumerate() {
            let wrong = self.item(who, order, now, reading);
            if wrong.is_none() {
                self.enter(self.made(order, format!("item {number}"), now));
            }
            items.push(wrong.map(str::to_owned));
        }
        while self.transfers().len() > before {
            self.take_back();
        }
        if mode == Mode::Atomic && items.iter().any(Option::is_some) {
            let linked = |item: Ended| item.unwrap_or_else(|| "linked_item_declined".to_owned());
            return Verdict::Linked(items.into_iter().map(linked).collect());
        }
        Verdict::Each(items)
    }

    /// The transfer that an order becomes.
    #[must_use]
    pub fn made(&self, order: &Order, id: String, at: i64) -> Transfer {
        let until = |seconds: u32| at.saturating_add(i64::from(seconds) * 1_000_000);
        let kind = if order.pending { Kind::Pending { expires_at: order.expires_in.map(until) } } else { Kind::Posted };
        Transfer {
            id,
            debit: order.debit.clone(),
            credit: order.credit.clone(),
            amount: order.amount.into(),
            at,
            reference: order.reference.clone(),
            kind,
        }
    }

    /// The transfer that settles or reverses another one, if there is such a one.
    #[must_use]
    pub fn settling(&self, who: &Caller, command: &Command, id: String, at: i64) -> Option<Transfer> {
        let case = |of, amount| Settled { ledger: self, who, of, amount, seen: None, now: at };
        let number = |of: &str| self.transfer(of).map(|(number, _)| number);
        let (wish, kind, turned) = match command {
            Command::Post { of, amount, release } => {
                let (wish, of) = (case(of, *amount), number(of)?);
                let released = if *release { wish.left() - wish.wanted() } else { 0 };
                (wish, Kind::Posting { of, released }, false)
            }
            Command::Void { of } => (case(of, None), Kind::Voiding { of: number(of)? }, false),
            Command::Reverse { of, amount, .. } => (case(of, *amount), Kind::Reversal { of: number(of)? }, true),
            Command::Transfer(_)
            | Command::Batch { .. }
            | Command::Exchange(_)
            | Command::SetRate(_)
            | Command::Step { .. }
            | Command::Look { .. }
            | Command::Balance { .. } => return None,
        };
        let (_, original) = self.transfer(wish.of)?;
        let amount = wish.wanted();
        let (debit, credit) = (original.debit.clone(), original.credit.clone());
        let (debit, credit) = if turned { (credit, debit) } else { (debit, credit) };
        Some(Transfer { id, debit, credit, amount, at, reference: None, kind })
    }

    /// Moves an account through its life, where it is not there already.
    pub fn move_on(&mut self, account: &str, step: Step) {
        if self.account(account).is_some_and(|found| found.status != target(step)) {
            self.change(account, |account| account.status = target(step));
        }
    }
}

/// Where a step leads.
#[must_use]
pub const fn target(step: Step) -> Status {
    match step {
        Step::Freeze => Status::Frozen,
        Step::Unfreeze => Status::Open,
        Step::Close => Status::Closed,
    }
}

fn refused(code: Option<&'static str>) -> Verdict {
    code.map_or(Verdict::Done, |code| Verdict::Refused(code.to_owned()))
}
