//! Whose doing each committed transfer is, and whether what clients know of it is so.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Violation;
use super::ops::Op;
use crate::ledger::command::{Command, Mode, Order, Request};
use crate::ledger::history::Answer;
use crate::ledger::record::{Committed, Made, Row};

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

/// Finds the operation of every transfer.
pub fn claim(ops: &[Op<'_>], rows: &[Row]) -> (Claims, Vec<Violation>) {
    let (mut claims, mut found) = (Claims::default(), Vec::new());
    let (tags, ids) = (tags(ops), ids(ops));
    let mut nameless: Vec<(usize, &Made)> = Vec::new();
    for (at, made) in rows.iter().enumerate().filter_map(transfer) {
        // What settles a hold is described as the hold is; a refund may be.
        let named = made.tag.as_deref().and_then(|tag| tags.get(tag));
        let named = named.filter(|(op, _)| bears_names(ops[*op].request, made));
        let known = named.or_else(|| ids.get(made.id.as_str()));
        match known {
            Some(claim) => claims.take(at, *claim),
            None => nameless.push((at, made)),
        }
    }
    // A post and a void carry no name of ours: what nobody was told of belongs to some client who knows nothing.
    let taken: HashSet<usize> = claims.of_op.keys().copied().collect();
    let mut open: Vec<usize> = (0..ops.len()).filter(|op| ops[*op].end.is_none() && !taken.contains(op)).collect();
    for (at, made) in nameless {
        match open.iter().position(|op| could_be(ops[*op].request, made)) {
            Some(place) => claims.take(at, (open.swap_remove(place), 0)),
            None => found.push(Violation::new("phantom", format!("nobody asked for {made:?}"))),
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
}

fn transfer((at, row): (usize, &Row)) -> Option<(usize, &Made)> {
    match &row.what {
        Committed::Transfer(made) => Some((at, made)),
        Committed::Status { .. } | Committed::Changed { .. } | Committed::Lapsed { .. } | Committed::Else => None,
    }
}

/// Which order a description names. Of several attempts at one order the one that may have done something counts.
fn tags<'a>(ops: &[Op<'a>]) -> HashMap<&'a str, Claim> {
    let mut tags = HashMap::new();
    let mut by_weight: Vec<_> = ops.iter().enumerate().collect();
    by_weight.sort_by_key(|(_, op)| op.unknown || op.end.as_ref().is_some_and(|end| !end.answer.refuses()));
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
        Command::Post { .. } | Command::Void { .. } | Command::Step { .. } | Command::Balance { .. } => Vec::new(),
    }
}

/// Whether a row of this kind carries the name of such a request.
fn bears_names(request: &Request, made: &Made) -> bool {
    match &request.command {
        Command::Transfer(_) | Command::Batch { .. } => made.pending_of.is_none() && made.reversal_of.is_none(),
        Command::Reverse { of, .. } => made.reversal_of.as_ref() == Some(of),
        Command::Post { .. } | Command::Void { .. } | Command::Step { .. } | Command::Balance { .. } => false,
    }
}

fn ids<'a>(ops: &'a [Op<'_>]) -> HashMap<&'a str, Claim> {
    let told = ops.iter().enumerate().filter_map(|(number, op)| Some((number, op.end.as_ref()?)));
    told.flat_map(|(number, end)| end.answer.ids().map(move |id| (id, (number, 0)))).collect()
}

fn could_be(request: &Request, made: &Made) -> bool {
    if request.only_asks() || request.who.user != made.by {
        return false;
    }
    let of = |whole: &Option<String>, of: &String, amount: &Option<i64>| {
        whole.as_ref() == Some(of) && amount.is_none_or(|amount| amount == made.amount)
    };
    match &request.command {
        Command::Post { of: hold, amount, .. } => made.status == "posted" && of(&made.pending_of, hold, amount),
        Command::Void { of: hold } => made.status == "voided" && of(&made.pending_of, hold, &None),
        Command::Reverse { of: paid, amount, .. } => of(&made.reversal_of, paid, amount),
        Command::Transfer(_) | Command::Batch { .. } | Command::Step { .. } | Command::Balance { .. } => false,
    }
}

/// What clients were told, against what was committed.
fn told(op: &Op<'_>, own: &[(usize, &Row)]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut find = |name, what: String| found.push(Violation::new(name, format!("{what}: {:?}", op.request)));
    let ids: Vec<_> = own.iter().filter_map(|(item, row)| Some((*item, transfer((0, row))?.1.id.as_str()))).collect();
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
        Answer::Each { items } if !op.request.only_asks() => {
            items.iter().map(|item| item.as_ref().ok().and_then(Option::as_deref)).enumerate().collect()
        }
        Answer::Each { .. }
        | Answer::Would
        | Answer::Stepped
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
    for (item, row) in own {
        let Some((_, made)) = transfer((0, row)) else { continue };
        let order = match &request.command {
            Command::Transfer(order) => Some(order),
            Command::Batch { orders, .. } => orders.get(*item),
            Command::Post { .. }
            | Command::Void { .. }
            | Command::Reverse { .. }
            | Command::Step { .. }
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
