//! How many keys there are: each that holds an answer, and none besides. A dry run takes none.

use std::collections::BTreeSet;

use super::Violation;
use super::ops::Op;
use crate::ledger::command::Caller;

type Key<'a> = (&'a Caller, &'static str, &'a str);

/// Every answer that is kept has its key; whoever does not know may have one.
pub fn taken(ops: &[Op<'_>], there: i64) -> Vec<Violation> {
    let moving = || ops.iter().filter(|op| op.request.moves_money() && !op.request.only_asks());
    let keys = |which: fn(&&Op<'_>) -> bool| -> BTreeSet<Key<'_>> { moving().filter(which).filter_map(key).collect() };
    let (kept, open) = (keys(|op| op.frozen), keys(|op| op.unknown));
    let (least, most) = (kept.len(), kept.union(&open).count());
    let there = usize::try_from(there).unwrap_or_default();
    if (least..=most).contains(&there) {
        return Vec::new();
    }
    let name = if there < least { "key_lost" } else { "key_of_nothing" };
    vec![Violation::new(name, format!("{there} keys, and {least} to {most} answers under one"))]
}

fn key<'a>(op: &Op<'a>) -> Option<Key<'a>> {
    Some((&op.request.who, op.request.route(), op.request.key.as_deref()?))
}
