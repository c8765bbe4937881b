//! The committed rows once more, through the model, in their order; and what left no row, wherever it fits.

mod exchange;
mod floating;

use std::collections::{HashMap, HashSet};

use super::Violation;
use super::claims::Claims;
use super::ops::Op;
use super::windows::Windows;
use crate::ledger::command::{Caller, Command, Order};
use crate::ledger::history::{Answer, History, Verdict};
use crate::ledger::model::{Account, Kind, Ledger, Reading, Status, Transfer, target};
use crate::ledger::record::{Committed, Entry, Made, Record, Row};

use self::floating::Floating;

/// What is replayed, and what it is held against.
pub struct Scene<'a> {
    /// What was committed since the opening.
    pub rows: &'a [Row],
    /// What clients asked for.
    pub ops: &'a [Op<'a>],
    /// Whose rows they are.
    pub claims: &'a Claims,
    /// When each operation must have happened.
    pub windows: &'a Windows,
    /// For its clock.
    pub history: &'a History,
}

/// Replays everything.
pub fn replay(opening: &Record, closing: &Record, scene: &Scene<'_>) -> Vec<Violation> {
    let mut replay = Replay {
        scene,
        ledger: opened(opening, closing),
        entries: closing.entries.iter().map(|entry| ((&*entry.transfer, &*entry.account), entry)).collect(),
        settled: HashSet::new(),
        turned: HashMap::new(),
        instant: 0,
        found: Vec::new(),
    };
    let mut floating = Floating::new(scene);
    let mut moment = 0;
    loop {
        let instant = replay.instant;
        replay.found.extend(floating.explain(&mut replay.ledger, moment, instant));
        if moment >= scene.rows.len() {
            break;
        }
        moment = replay.advance(moment);
    }
    replay.close(closing);
    replay.found
}

/// The accounts as they were, and those that were opened since.
fn opened(opening: &Record, closing: &Record) -> Ledger {
    let mut ledger = Ledger::default();
    for (id, stored) in &closing.accounts {
        let fresh = Account { status: Status::Open, balance: 0, seq: 0, version: 1, ..stored.account.clone() };
        ledger.open(id, opening.accounts.get(id).map_or(fresh, |there| there.account.clone()));
    }
    opening.rates().filter_map(exchange::rate).for_each(|rate| ledger.set_rate(rate));
    opening.carries.iter().for_each(|(account, carry)| ledger.set_carry(account, (*carry).into()));
    ledger
}

struct Replay<'a> {
    scene: &'a Scene<'a>,
    ledger: Ledger,
    entries: HashMap<(&'a str, &'a str), &'a Entry>,
    /// Holds whose end was written down.
    settled: HashSet<String>,
    /// At which row an account's status changed last.
    turned: HashMap<String, usize>,
    instant: i64,
    found: Vec<Violation>,
}

impl<'a> Replay<'a> {
    fn find(&mut self, name: &'static str, evidence: String) {
        self.found.push(Violation::new(name, evidence));
    }

    /// Takes in the row at `at`, and with it all of its batch; the next moment that anybody could see.
    fn advance(&mut self, at: usize) -> usize {
        let row = &self.scene.rows[at];
        match &row.what {
            Committed::Transfer(made) => return self.transfer(at, row, made),
            Committed::Rate(set) => self.rate(at, row, set),
            Committed::Status { account, to } => {
                self.status(row, account, *to);
                self.turned.insert(account.clone(), at);
            }
            Committed::Changed { account } => self.ledger.change(account, |_| {}),
            Committed::Lapsed { transfer } => self.lapse(row, transfer),
            // Said with its first transfer.
            Committed::Exchange(_) | Committed::Else => {}
        }
        at + 1
    }

    fn transfer(&mut self, at: usize, row: &'a Row, made: &'a Made) -> usize {
        if row.at < self.instant {
            self.find("instants_grow", format!("{row:?} after {}", self.instant));
        }
        self.instant = self.instant.max(row.at);
        let Some((number, _)) = self.scene.claims.of_row.get(&at).copied() else {
            self.enter(row, made, blind(&self.ledger, made, row.at));
            return at + 1;
        };
        let op = &self.scene.ops[number];
        match &op.request.command {
            Command::Transfer(order) => self.ordered(row, made, (&op.request.who, order)),
            Command::Batch { orders, .. } => {
                let (first, last) = self.scene.windows.span(number).unwrap_or((at, at));
                let own = |row| self.scene.claims.of_row.get(&row).is_some_and(|(op, _)| *op == number);
                if first == at && (first..=last).all(own) {
                    self.batch(number, orders, row.at);
                    return last + 1;
                }
                self.find("out_of_order", format!("other rows lie between those of {:?}", op.request));
                self.enter(row, made, blind(&self.ledger, made, row.at));
            }
            Command::Post { .. } | Command::Void { .. } | Command::Reverse { .. } => self.settling(row, made, op),
            Command::Exchange(_) => return self.exchange(at, number),
            Command::SetRate(_) | Command::Step { .. } | Command::Look { .. } | Command::Balance { .. } => {
                self.enter(row, made, blind(&self.ledger, made, row.at));
            }
        }
        at + 1
    }

    fn ordered(&mut self, row: &Row, made: &Made, (who, order): (&Caller, &Order)) {
        if let Some(code) = self.ledger.item(who, order, row.at, &Reading::default()) {
            self.find("not_allowed", format!("{code}: {made:?} as {order:?} by {who:?}"));
        }
        let mut transfer = self.ledger.made(order, made.id.clone(), row.at);
        if let Kind::Pending { expires_at } = &mut transfer.kind {
            *expires_at = made.expires_at;
        }
        self.enter(row, made, transfer);
    }

    fn settling(&mut self, row: &Row, made: &Made, op: &Op<'_>) {
        let verdict = self.ledger.judge(op.request, row.at).swap_remove(0);
        if verdict != Verdict::Done {
            self.find("not_allowed", format!("{verdict:?}: {made:?} as {:?}", op.request));
        }
        let transfer = self.ledger.settling(&op.request.who, &op.request.command, made.id.clone(), row.at);
        let transfer = transfer.unwrap_or_else(|| blind(&self.ledger, made, row.at));
        if (&transfer.debit, &transfer.credit, transfer.amount) != (&made.debit, &made.credit, made.amount.into()) {
            self.find("altered", format!("{:?} became {made:?}", op.request));
        }
        self.enter(row, made, transfer);
    }

    /// Each item on what those before it left.
    fn batch(&mut self, number: usize, orders: &[Order], now: i64) {
        let op = &self.scene.ops[number];
        let who = &op.request.who;
        for (item, order) in orders.iter().enumerate() {
            if let Some(at) = self.scene.claims.row((number, item)) {
                let row = &self.scene.rows[at];
                if let Committed::Transfer(made) = &row.what {
                    self.ordered(row, made, (who, order));
                }
                continue;
            }
            let readings = self.ledger.readings(&Command::Transfer(order.clone()));
            let may: Vec<_> = readings.iter().map(|reading| self.ledger.item(who, order, now, reading)).collect();
            let fits = match op.end.as_ref().map(|end| &end.answer) {
                Some(Answer::Each { items }) => items.get(item).is_some_and(|told| match told {
                    Ok(_) => false,
                    Err(code) => may.contains(&Some(code.as_str())),
                }),
                Some(_) | None => may.iter().any(Option::is_some),
            };
            if !fits {
                let told = op.end.as_ref().map(|end| &end.answer);
                self.find("unexplained", format!("item {item} of {:?}: {may:?}, was told {told:?}", op.request));
            }
        }
    }

    /// Writes it down, and looks whether both accounts are as the database says they were then.
    fn enter(&mut self, row: &Row, made: &Made, transfer: Transfer) {
        let moves = transfer.kind.moves();
        self.ledger.enter(transfer);
        if !moves {
            return;
        }
        for (side, amount) in [(&made.debit, -made.amount), (&made.credit, made.amount)] {
            let Some(account) = self.ledger.account(side) else {
                self.find("phantom", format!("an account that is not there: {made:?}"));
                continue;
            };
            let expected = (account.seq, account.balance, amount, row.position, row.at);
            let entry = self.entries.get(&(made.id.as_str(), side.as_str()));
            let there = entry.map(|it| (it.seq.into(), it.balance_after.into(), it.amount, it.position, it.at));
            if there != Some(expected) {
                self.find("not_as_the_model", format!("{expected:?} instead of {entry:?} of {made:?}"));
            }
        }
    }

    fn status(&mut self, row: &Row, account: &str, to: Status) {
        let asked = self.scene.ops.iter().any(|op| match &op.request.command {
            Command::Step { account: of, step } => {
                of == account && target(*step) == to && op.end.as_ref().is_none_or(|end| !end.answer.refuses())
            }
            Command::Transfer(_)
            | Command::Batch { .. }
            | Command::Post { .. }
            | Command::Void { .. }
            | Command::Reverse { .. }
            | Command::Exchange(_)
            | Command::SetRate(_)
            | Command::Look { .. }
            | Command::Balance { .. } => false,
        });
        if !asked {
            self.find("phantom", format!("nobody asked for {row:?}"));
        }
        let held = self.ledger.held(account, row.at);
        let now = self.ledger.account(account);
        let sound = now.is_some_and(|now| match to {
            Status::Closed => now.balance == 0 && held == 0 && now.status != Status::Closed,
            Status::Open | Status::Frozen => now.status != Status::Closed && now.status != to,
        });
        if !sound {
            self.find("not_allowed", format!("{row:?} with {held} held of {:?}", self.ledger.account(account)));
        }
        self.ledger.change(account, |account| account.status = to);
    }

    fn lapse(&mut self, row: &Row, transfer: &str) {
        let hold = self.ledger.transfer(transfer).map(|(number, hold)| (number, hold.debit.clone()));
        let sound = hold
            .as_ref()
            .is_some_and(|(number, _)| self.ledger.left(*number) > 0 && self.ledger.lapsed(*number, row.at));
        if !sound || !self.settled.insert(transfer.to_owned()) {
            self.find("not_allowed", format!("{row:?} of {hold:?}"));
        }
        if let Some((_, debit)) = hold {
            self.ledger.change(&debit, |account| account.unsure = true);
        }
    }

    /// What the accounts' rows say in the end.
    fn close(&mut self, closing: &Record) {
        let mut found = Vec::new();
        for (id, stored) in &closing.accounts {
            let Some(account) = self.ledger.account(id) else { continue };
            let there = &stored.account;
            if (account.balance, account.seq, account.status) != (there.balance, there.seq, there.status) {
                found.push(Violation::new("not_as_the_model", format!("{id}: {account:?} instead of {there:?}")));
            }
            // Of very many that lapse at once the account counts none from then on; their rows follow.
            let counted = |hold: &Transfer| {
                let off = |end: i64| stored.next_expiry.is_none_or(|next| end < next);
                !matches!(hold.kind, Kind::Pending { expires_at: Some(end) } if off(end))
            };
            let open = self.ledger.open_holds(id).filter(|(_, hold)| !self.settled.contains(&hold.id) && counted(hold));
            let held: i128 = open.map(|(number, _)| self.ledger.left(number)).sum();
            if held != stored.held.into() {
                found.push(Violation::new("held_is_open_holds", format!("{id}: {held} instead of {}", stored.held)));
            }
        }
        for account in closing.carries.keys().chain(closing.rates().map(|set| &set.rounding)) {
            let (expected, there) = (self.ledger.carry(account), closing.carries.get(account));
            if there.map(|carry| i128::from(*carry)) != Some(expected) {
                found.push(Violation::new(
                    "not_as_the_model",
                    format!("{expected} gathered for {account}, not {there:?}"),
                ));
            }
        }
        self.found.extend(found);
    }
}

/// What a row says by itself, for a transfer that nobody asked for.
fn blind(ledger: &Ledger, made: &Made, at: i64) -> Transfer {
    let number = |id: &Option<String>| Some(ledger.transfer(id.as_ref()?)?.0);
    let kind = match (made.status.as_str(), number(&made.pending_of), number(&made.reversal_of)) {
        ("pending", _, _) => Kind::Pending { expires_at: made.expires_at },
        ("voided", Some(of), _) => Kind::Voiding { of },
        (_, Some(of), _) => Kind::Posting { of, released: 0 },
        (_, None, Some(of)) => Kind::Reversal { of },
        (_, None, None) => Kind::Posted,
    };
    let (debit, credit) = (made.debit.clone(), made.credit.clone());
    Transfer {
        id: made.id.clone(),
        debit,
        credit,
        amount: made.amount.into(),
        at,
        reference: made.reference.clone(),
        kind,
    }
}
