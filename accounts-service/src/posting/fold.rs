//! Folding a commit batch: every unit through `apply`, in the order of arrival, into the rows to write.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use shared::domain::AccountId;
use shared::problem::{Code, Context, Problem};

use super::apply::{Posting, apply};
use super::command::{Draft, Mode, Outcome, Unit, Work};
use super::rows::{AccountRow, KeyRow, Rows, TransferRow};
use super::state::{Account, State};
use crate::transfers::model::Transfer;
use crate::transfers::render::{self, Item};

/// Decides `units` on `state`, which afterwards is what the database will be once the rows are written.
pub(super) fn fold<'a>(state: &mut State, units: impl Iterator<Item = &'a Unit> + Clone, posted_at: i64) -> Rows {
    let mut accounts: BTreeMap<AccountId, i64> = BTreeMap::new();
    for id in units.clone().flat_map(|unit| unit.work.accounts()) {
        if let Some(account) = state.account(id) {
            accounts.insert(id, account.version);
        }
    }
    let mut rows = Rows { posted_at, ..Rows::default() };
    for unit in units {
        let outcome = decide_unit(state, &mut rows.transfers, unit, posted_at);
        rows.keys.push(KeyRow { digest: unit.key, fingerprint: unit.fingerprint, outcome });
    }
    rows.keys.sort_unstable_by_key(|key| key.digest);
    let row = |(id, expected)| state.account(id).map(|after| AccountRow { expected, after: *after });
    rows.accounts = accounts.into_iter().filter_map(row).collect();
    rows
}

fn decide_unit(state: &mut State, transfers: &mut Vec<TransferRow>, unit: &Unit, posted_at: i64) -> Outcome {
    match &unit.work {
        Work::One(draft) => match apply(state, &draft.order) {
            Ok(posting) => {
                transfers.push(TransferRow { draft: Arc::clone(draft), posting });
                Outcome::Posted(Arc::clone(draft), posted_at)
            }
            Err(decline) => stored_problem(&Problem::from(decline), unit),
        },
        Work::Many(mode, items) => {
            let before = snapshot(state, &unit.work);
            let decided = decide_items(state, items);
            if *mode == Mode::Atomic && decided.iter().any(Result::is_err) {
                before.into_iter().for_each(|account| state.put(account));
                return stored_problem(&atomic_decline(&decided, &unit.context), unit);
            }
            let posted = decided.iter().filter_map(|item| item.as_ref().ok());
            transfers
                .extend(posted.map(|(draft, posting)| TransferRow { draft: Arc::clone(draft), posting: *posting }));
            Outcome::Stored(200, render::results(&items_of(&decided, posted_at), &unit.context))
        }
    }
}

/// One item of a batch, judged.
pub(crate) type Decided = Result<(Arc<Draft>, Posting), Problem>;

/// Judges the items of a batch one after the other, each on what those before it left.
pub(crate) fn decide_items(state: &mut State, items: &[Result<Arc<Draft>, Problem>]) -> Vec<Decided> {
    let decide = |item: &Result<Arc<Draft>, Problem>| {
        let draft = item.as_ref().map_err(Problem::clone)?;
        let posting = apply(state, &draft.order).map_err(Problem::from)?;
        Ok((Arc::clone(draft), posting))
    };
    items.iter().map(decide).collect()
}

fn items_of(decided: &[Decided], posted_at: i64) -> Vec<Item> {
    let item = |decided: &Decided| match decided {
        Ok((draft, _)) => Item::Posted(Transfer { draft: Arc::clone(draft), posted_at }),
        Err(problem) => Item::Refused(problem.clone()),
    };
    decided.iter().map(item).collect()
}

/// The accounts of a batch as they are before it, so that an atomic one can be undone whole.
fn snapshot(state: &State, work: &Work) -> Vec<Account> {
    work.accounts().filter_map(|id| state.account(id).copied()).collect()
}

/// 422 with every item's own answer inside; those that would have posted name the link.
pub(crate) fn atomic_decline(decided: &[Decided], context: &Context) -> Problem {
    let item = |item: &Decided| match item {
        Ok(_) => Item::Refused(Problem::new(Code::LinkedItemDeclined)),
        Err(problem) => Item::Refused(problem.clone()),
    };
    let items: Vec<_> = decided.iter().map(item).collect();
    Problem::new(Code::BatchDeclined).extension("results", render::results_value(&items, context))
}

fn stored_problem(problem: &Problem, unit: &Unit) -> Outcome {
    Outcome::Stored(problem.code().status(), Bytes::from(problem.body(&unit.context)))
}
