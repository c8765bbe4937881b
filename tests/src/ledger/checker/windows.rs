//! Between which moments of the ledger an operation must have happened, by what its client saw of the others.

use super::Violation;
use super::claims::Claims;
use super::ops::Op;

/// Moments are counted in committed rows: moment n is after the first n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Not before this moment: all that had been answered before it was asked is in.
    pub from: usize,
    /// Not after this one: nothing is in that was asked for after it had been answered.
    pub to: usize,
}

/// The windows of all operations, and the places of those that left rows.
#[derive(Debug)]
pub struct Windows {
    of_op: Vec<Window>,
    spans: Vec<Option<(usize, usize)>>,
}

/// Measures every operation; `rows` is how many there are.
pub fn measure(ops: &[Op<'_>], claims: &Claims, rows: usize) -> Windows {
    let spans: Vec<_> = (0..ops.len()).map(|number| claims.span(number)).collect();
    let mut of_op = vec![Window { from: 0, to: rows }; ops.len()];
    let mut instants: Vec<(u64, bool, usize)> = Vec::with_capacity(ops.len() * 2);
    for (number, op) in ops.iter().enumerate() {
        instants.push((op.invoked, false, number));
        instants.extend(op.end.as_ref().map(|end| (end.at, true, number)));
    }
    instants.sort_unstable();
    let mut done = 0;
    for (_, returned, number) in &instants {
        match (returned, spans[*number]) {
            (false, _) => of_op[*number].from = done,
            (true, Some((_, last))) => done = done.max(last + 1),
            (true, None) => {}
        }
    }
    let mut begun = rows;
    for (_, returned, number) in instants.iter().rev() {
        match (returned, spans[*number]) {
            (true, _) => of_op[*number].to = begun,
            (false, Some((first, _))) => begun = begun.min(first),
            (false, None) => {}
        }
    }
    Windows { of_op, spans }
}

impl Windows {
    /// The window of an operation.
    pub fn of(&self, op: usize) -> Window {
        self.of_op[op]
    }

    /// The first and the last row of an operation.
    pub fn span(&self, op: usize) -> Option<(usize, usize)> {
        self.spans[op]
    }

    /// Whatever was committed before something that had been answered before it was asked for.
    pub fn out_of_order(&self, ops: &[Op<'_>]) -> Vec<Violation> {
        let early = |(number, op): (usize, &Op<'_>)| {
            let (window, (first, _)) = (self.of(number), self.span(number)?);
            let what = || format!("row {first} should be {} at the earliest: {:?}", window.from, op.request);
            (first < window.from).then(|| Violation::new("out_of_order", what()))
        };
        ops.iter().enumerate().filter_map(early).collect()
    }
}
