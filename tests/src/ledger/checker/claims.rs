//! Whose doing each committed transfer is, and whether what clients know of it is so.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Violation;
use super::ops::Op;
use crate::ledger::command::{Command, Mode, NewRate, Order, Request};
use crate::ledger::history::{Answer, Ids};
use crate::ledger::model::Decimal;
use crate::ledger::record::{Committed, Exchanged, Made, Row, SetRate};

/// An operation and an item of it.
pub type Claim = (usize, usize);

/// Which rows are whose.
#[derive(Debug, Default)]
pub struct Claims {
    /// Of each row, by its index.
    pub of_row: BTreeMap<usize, Claim>,
    /// Of each operation: item and row, in the order of rows.
    pub of_op: BTreeMap<usize, Vec<(usize, usize)>>,
}

impl Claims {
    /// The row of an item, if it was made.
    pub fn row(&self, (op, item): Claim) -> Option<usize> {
        self.of_op.get(&op)?.iter().find(|(at, _)| *at == item).map(|(_, row)| *row)
    }

    /// The first and the last row of an operation.
    pub fn span(&self, op: usize) -> Option<(usize, usize)> {
        let rows = self.of_op.get(&op)?;
        Some((rows.iter().map(|(_, row)| *row).min()?, rows.iter().map(|(_, row)| *row).max()?))
    }
}

/// The item that is an exchange itself; those below it are its transfers, in their order.
pub const EXCHANGE: usize = 3;

/// Finds the operation of every transfer, exchange and rate.
pub fn claim(ops: &[Op<'_>], rows: &[Row]) -> (Claims, Vec<Violation>) {
    let (mut claims, mut found) = (Claims::default(), Vec::new());
    let (tags, ids, places) = (tags(ops), ids(ops), places(rows));
    let legs: HashSet<&str> =
        rows.iter().filter_map(exchange).flat_map(|made| &made.legs).map(String::as_str).collect();
    let mut nameless: Vec<usize> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let Some(id) = named(row).filter(|id| !legs.contains(id)) else { continue };
        // What settles a hold is described as the hold is; a refund may be.
        let tag = transfer(row).and_then(|made| Some((made, tags.get(made.tag.as_deref()?)?)));
        let tagged = tag.filter(|(made, (op, _))| bears_names(ops[*op].request, made)).map(|(_, claim)| claim);
        match tagged.or_else(|| ids.get(id)) {
            Some(claim) => claims.take_all((at, row), *claim, &places),
            None => nameless.push(at),
        }
    }
    // A post, a void, an exchange and a rate carry no name of ours: what nobody was told of belongs to some client who
    // knows nothing.
    let taken: HashSet<usize> = claims.of_op.keys().copied().collect();
    let mut open: Vec<usize> = (0..ops.len()).filter(|op| ops[*op].end.is_none() && !taken.contains(op)).collect();
    for at in nameless {
        let row = &rows[at];
        let whole: Vec<_> = exchange(row).into_iter().flat_map(|made| &made.legs).collect();
        let whole: Vec<_> = whole.into_iter().filter_map(|id| transfer(&rows[*places.get(id.as_str())?])).collect();
        match open.iter().position(|op| could_be(ops[*op].request, row, &whole)) {
            Some(place) => claims.take_all((at, row), (open.swap_remove(place), 0), &places),
            None => found.push(Violation::new("phantom", format!("nobody asked for {row:?}"))),
        }
    }
    for (number, op) in ops.iter().enumerate() {
        let own = claims.of_op.get(&number).map_or(&[][..], Vec::as_slice);
        let own: Vec<(usize, &Row)> = own.iter().filter_map(|(item, at)| Some((*item, rows.get(*at)?))).collect();
        found.extend(told(op, &own));
        found.extend(asked(op.request, &own));
    }
    (claims, found)
}

impl Claims {
    fn take(&mut self, row: usize, claim: Claim) {
        self.of_row.insert(row, claim);
        self.of_op.entry(claim.0).or_default().push((claim.1, row));
    }

    /// An exchange is taken with its transfers.
    fn take_all(&mut self, (at, row): (usize, &Row), claim: Claim, places: &HashMap<&str, usize>) {
        let Some(made) = exchange(row) else { return self.take(at, claim) };
        for (item, id) in made.legs.iter().enumerate() {
            if let Some(leg) = places.get(id.as_str()) {
                self.take(*leg, (claim.0, item));
            }
        }
        self.take(at, (claim.0, EXCHANGE));
    }
}

fn places(rows: &[Row]) -> HashMap<&str, usize> {
    rows.iter().enumerate().filter_map(|(at, row)| Some((named(row)?, at))).collect()
}

/// The id of what somebody asked for.
fn named(row: &Row) -> Option<&str> {
    match &row.what {
        Committed::Transfer(made) => Some(&made.id),
        Committed::Rate(set) => Some(&set.id),
        Committed::Exchange(made) => Some(&made.id),
        Committed::Status { .. } | Committed::Changed { .. } | Committed::Lapsed { .. } | Committed::Else => None,
    }
}

fn transfer(row: &Row) -> Option<&Made> {
    if let Committed::Transfer(made) = &row.what { Some(made) } else { None }
}

fn rate(row: &Row) -> Option<&SetRate> {
    if let Committed::Rate(set) = &row.what { Some(set) } else { None }
}

fn exchange(row: &Row) -> Option<&Exchanged> {
    if let Committed::Exchange(made) = &row.what { Some(made) } else { None }
}

/// Which order a description names. Of several attempts at one order the one that may have done something counts.
fn tags<'a>(ops: &[Op<'a>]) -> HashMap<&'a str, Claim> {
    let mut tags = HashMap::new();
    let mut by_weight: Vec<_> = ops.iter().enumerate().collect();
    by_weight.sort_by_key(|(_, op)| {
        // A dry run first: what was tried may be asked in earnest afterwards.
        let may = op.unknown || op.end.as_ref().is_some_and(|end| !end.answer.refuses());
        (!op.request.only_asks(), may)
    });
    for (number, op) in by_weight {
        for (item, tag) in names(op.request).into_iter().enumerate() {
            if !tag.is_empty() {
                tags.insert(tag, (number, item));
            }
        }
    }
    tags
}

fn names(request: &Request) -> Vec<&str> {
    match &request.command {
        Command::Transfer(order) => vec![order.tag.as_str()],
        Command::Batch { orders, .. } => orders.iter().map(|order| order.tag.as_str()).collect(),
        Command::Reverse { tag, .. } => vec![tag.as_str()],
        Command::Post { .. }
        | Command::Void { .. }
        | Command::Exchange(_)
        | Command::SetRate(_)
        | Command::Step { .. }
        | Command::Look { .. }
        | Command::Balance { .. } => Vec::new(),
    }
}

/// Whether a row of this kind carries the name of such a request.
fn bears_names(request: &Request, made: &Made) -> bool {
    match &request.command {
        Command::Transfer(_) | Command::Batch { .. } => made.pending_of.is_none() && made.reversal_of.is_none(),
        Command::Reverse { of, .. } => made.reversal_of.as_ref() == Some(of),
        Command::Post { .. }
        | Command::Void { .. }
        | Command::Exchange(_)
        | Command::SetRate(_)
        | Command::Step { .. }
        | Command::Look { .. }
        | Command::Balance { .. } => false,
    }
}

fn ids<'a>(ops: &'a [Op<'_>]) -> HashMap<&'a str, Claim> {
    let told = ops.iter().enumerate().filter_map(|(number, op)| Some((number, op.end.as_ref()?)));
    told.flat_map(|(number, end)| end.answer.ids().map(move |id| (id, (number, 0)))).collect()
}

/// Whether a row, with the transfers of an exchange, may be what came of a request.
fn could_be(request: &Request, row: &Row, legs: &[&Made]) -> bool {
    if request.only_asks() {
        return false;
    }
    match &row.what {
        Committed::Transfer(made) => request.who.user == made.by && could_settle(&request.command, made),
        Committed::Rate(set) => {
            request.who.user == set.by && matches!(&request.command, Command::SetRate(new) if is_as_set(new, set))
        }
        Committed::Exchange(made) => {
            let Command::Exchange(asked) = &request.command else { return false };
            let [paid, received, ..] = legs else { return false };
            request.who.user == made.by
                && (&paid.debit, &received.credit, paid.amount) == (&asked.debit, &asked.credit, asked.amount)
        }
        Committed::Status { .. } | Committed::Changed { .. } | Committed::Lapsed { .. } | Committed::Else => false,
    }
}

fn could_settle(command: &Command, made: &Made) -> bool {
    let of = |whole: &Option<String>, of: &String, amount: &Option<i64>| {
        whole.as_ref() == Some(of) && amount.is_none_or(|amount| amount == made.amount)
    };
    match command {
        Command::Post { of: hold, amount, .. } => made.status == "posted" && of(&made.pending_of, hold, amount),
        Command::Void { of: hold } => made.status == "voided" && of(&made.pending_of, hold, &None),
        Command::Reverse { of: paid, amount, .. } => of(&made.reversal_of, paid, amount),
        Command::Transfer(_)
        | Command::Batch { .. }
        | Command::Exchange(_)
        | Command::SetRate(_)
        | Command::Step { .. }
        | Command::Look { .. }
        | Command::Balance { .. } => false,
    }
}

fn is_as_set(new: &NewRate, set: &SetRate) -> bool {
    let there = Decimal::parse(&set.rate);
    (&new.base, &new.quote) == (&set.pair.0, &set.pair.1)
        && (&new.base_account, &new.quote_account, &new.rounding_account) == (&set.base, &set.quote, &set.rounding)
        && (Decimal::parse(&new.rate), new.valid_until) == (there, set.valid_until)
        && there.is_some_and(|rate| rate.to_string() == set.rate)
}

/// What clients were told, against what was committed.
fn told(op: &Op<'_>, own: &[(usize, &Row)]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut find = |name, what: String| found.push(Violation::new(name, format!("{what}: {:?}", op.request)));
    let ids: Vec<_> = own.iter().filter_map(|(item, row)| Some((*item, named(row)?))).collect();
    let mut items = HashSet::new();
    for (item, id) in &ids {
        if !items.insert(item) {
            find("doubled", format!("item {item} was made twice, the second time as {id}"));
        }
    }
    if op.request.only_asks() && !own.is_empty() {
        find("dry_run_posted", format!("{ids:?}"));
    }
    let Some(end) = &op.end else { return found };
    if end.answer.refuses() && !own.is_empty() && (op.frozen || !op.unknown) {
        find("refused_yet_posted", format!("{:?} and {ids:?}", end.answer));
    }
    let expected: Vec<(usize, Option<&str>)> = match &end.answer {
        Answer::Made { id } => vec![(0, Some(id.as_str()))],
        Answer::Exchanged { ids: Some(ids), .. } => {
            let Ids { exchange, paid, received } = ids;
            vec![(0, Some(paid.as_str())), (1, Some(received.as_str())), (EXCHANGE, Some(exchange.as_str()))]
        }
        Answer::Each { items } if !op.request.only_asks() => {
            items.iter().map(|item| item.as_ref().ok().and_then(Option::as_deref)).enumerate().collect()
        }
        Answer::Each { .. }
        | Answer::Exchanged { ids: None, .. }
        | Answer::Would(_)
        | Answer::Stepped
        | Answer::Looked { .. }
        | Answer::Balance { .. }
        | Answer::Linked { .. }
        | Answer::Refused { .. } => Vec::new(),
    };
    for (item, id) in expected {
        let there = ids.iter().find(|(at, _)| *at == item).map(|(_, id)| *id);
        match (id, there) {
            (Some(id), None) => find("lost", format!("item {item} was answered as {id} and is not there")),
            (Some(id), Some(other)) if id != other => find("another", format!("item {item} is {other}, not {id}")),
            (None, Some(id)) => find("refused_yet_posted", format!("item {item} is there as {id}")),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    found
}

/// What was asked, against what was committed.
fn asked(request: &Request, own: &[(usize, &Row)]) -> Vec<Violation> {
    let mut found = Vec::new();
    if let (Command::SetRate(new), Some(set)) = (&request.command, own.first().and_then(|(_, row)| rate(row)))
        && (!is_as_set(new, set) || set.by != request.who.user)
    {
        found.push(Violation::new("altered", format!("{request:?} became {set:?}")));
    }
    for (item, row) in own {
        let Some(made) = transfer(row) else { continue };
        let order = match &request.command {
            Command::Transfer(order) => Some(order),
            Command::Batch { orders, .. } => orders.get(*item),
            Command::Post { .. }
            | Command::Void { .. }
            | Command::Reverse { .. }
            | Command::Exchange(_)
            | Command::SetRate(_)
            | Command::Step { .. }
            | Command::Look { .. }
            | Command::Balance { .. } => None,
        };
        if order.is_some_and(|order| !is_as_ordered(order, made)) || made.by != request.who.user {
            found.push(Violation::new("altered", format!("{request:?} became {made:?}")));
        }
    }
    if let Command::Batch { mode, orders } = &request.command {
        if *mode == Mode::Atomic && !own.is_empty() && own.len() < orders.len() {
            found.push(Violation::new("torn", format!("{} of {} items of {request:?}", own.len(), orders.len())));
        }
        let places = own.iter().map(|(item, row)| (*item, row.position));
        let in_a_row = |pair: ((usize, i64), (usize, i64))| pair.0.0 < pair.1.0 && pair.0.1 < pair.1.1;
        if !places.clone().zip(places.skip(1)).all(in_a_row) {
            found.push(Violation::new("out_of_order", format!("the items of {request:?}")));
        }
    }
    found
}

fn is_as_ordered(order: &Order, made: &Made) -> bool {
    let status = if order.pending { "pending" } else { "posted" };
    let alike = (&made.debit, &made.credit, made.amount, &made.currency, &made.reference)
        == (&order.debit, &order.credit, order.amount, &order.currency, &order.reference);
    alike && made.status == status && made.expires_at.is_some() == order.expires_in.is_some()
}
