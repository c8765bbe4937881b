//! Folding a commit batch: every unit judged by the core, in the order of arrival, into the rows to write.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use shared::domain::{AccountId, MAX_AMOUNT};
use shared::problem::{Code, Context, Problem};

use super::command::{Mode, Unit, Work};
use super::core::{
    Account, Bounds, Command, Decided, Draft, Effect, Exchange, Exchanged, Halt, Kind, Need, Preconditions, State,
    Status, Stop, apply, decide, exchange, lapse,
};
use super::exchanges::{ExchangeRow, made};
use super::outcome::{Done, Outcome};
use super::rest::write::Rest;
use super::rows::{ANY_VERSION, AccountRow, AddedRow, KeyRow, Rows, TransferRow};
use crate::transfers::render::{self, Item};

/// Decides `units` on `state` at `now`, in microseconds since the epoch. The state is afterwards what the database will
/// be once the rows are written; when it knows too little it is as before, and what is missing is the answer.
pub(super) fn fold<'a>(state: &mut State, units: impl Iterator<Item = &'a Unit>, now: i64) -> Result<Rows, Vec<Need>> {
    let before = state.mark();
    let mut fold = Fold { state, rows: Rows { asked: now, ..Rows::default() }, leaned: HashSet::new() };
    let mut missing = Vec::new();
    for unit in units {
        match fold.judge_unit(unit) {
            Ok(outcome) => {
                let row = |digest| KeyRow { digest, fingerprint: unit.fingerprint, outcome };
                fold.rows.keys.extend(unit.key.map(row));
            }
            Err(needs) => missing.extend(needs),
        }
    }
    let Fold { mut rows, leaned, .. } = fold;
    if !missing.is_empty() {
        state.undo_to(before);
        return Err(missing);
    }
    rows.keys.sort_unstable_by_key(|key| key.digest);
    sort_accounts(&mut rows, state, leaned);
    let carries = state.carries.changed();
    rows.carries = carries.into_iter().filter_map(|(id, _)| Some((id, *state.carries.row(&id)?))).collect();
    if let Some(rest) = Rest::of(state, rows.transfers.len(), now) {
        (rows.rest, rows.events) = (Some(rest.json()), rest.positions());
    }
    Ok(rows)
}

/// A fold on its way.
struct Fold<'a> {
    state: &'a mut State,
    rows: Rows,
    /// Accounts that a decision leans on and that need not change by it; of those that change only the unbounded ones.
    leaned: HashSet<AccountId>,
}

impl Fold<'_> {
    fn judge_unit(&mut self, unit: &Unit) -> Result<Outcome, Vec<Need>> {
        let now = self.rows.asked;
        match &unit.work {
            Work::One(draft) => match judge(self.state, draft, now) {
                Ok((decided, effect)) => {
                    self.record(draft, &decided, &effect);
                    Ok(Outcome::Posted(decided))
                }
                Err(Stop::Declined(decline)) => {
                    let problem = Problem::from(decline);
                    self.decline(draft, &problem)?;
                    Ok(stored_problem(&problem, unit))
                }
                Err(Stop::Missing(need)) => Err(vec![need]),
            },
            Work::Many(mode, items) => {
                let before = self.state.mark();
                let judged = judge_items(self.state, items, now)?;
                if *mode == Mode::Atomic && judged.iter().any(Result::is_err) {
                    self.state.undo_to(before);
                    for (item, judged) in items.iter().zip(&judged) {
                        self.take_back(item, judged)?;
                    }
                    return Ok(stored_problem(&atomic_decline(&judged, &unit.context), unit));
                }
                let done = items.iter().zip(judged).map(|(item, judged)| self.finish_item(item, judged, &unit.context));
                Ok(Outcome::Results(done.collect::<Result<_, _>>()?))
            }
            // All that it rests on is held still, so nothing has to be looked at once more.
            Work::Exchange(wish) => match exchange(self.state, wish, now) {
                Ok(exchanged) => Ok(self.record_exchange(wish, exchanged)),
                Err(Halt::Refused(refusal)) => Ok(stored_problem(&Problem::from(refusal), unit)),
                Err(Halt::Missing(need)) => Err(vec![need]),
            },
        }
    }

    fn finish_item(
        &mut self,
        item: &Result<Arc<Draft>, Problem>,
        judged: Judged,
        context: &Context,
    ) -> Result<Done, Vec<Need>> {
        Ok(match (item, judged) {
            (Ok(draft), Ok((decided, effect))) => {
                self.record(draft, &decided, &effect);
                Done::Posted(decided)
            }
            (Ok(draft), Err(problem)) => {
                self.decline(draft, &problem)?;
                Done::refused(&problem, context)
            }
            (Err(_), Err(problem)) => Done::refused(&problem, context),
            (Err(problem), Ok(_)) => Done::refused(problem, context),
        })
    }

    /// An item of an atomic batch that came to nothing. That it would have posted is said, too, and rests on whatever it
    /// would have changed: not on an account that it would only have added to, which may be everybody's.
    fn take_back(&mut self, item: &Result<Arc<Draft>, Problem>, judged: &Judged) -> Result<(), Vec<Need>> {
        match (item, judged) {
            (Ok(draft), Ok((_, effect))) if effect.credit.is_some() => {
                let sides = [Some(effect.debit), effect.credit].into_iter().flatten();
                let rested = sides.filter(|side| !(is_unbounded(side) && is_only_added_to(draft, effect, side.id)));
                self.leaned.extend(rested.map(|side| side.id));
                Ok(())
            }
            (Ok(draft), Ok(_)) => {
                self.lean_on(&draft.command);
                Ok(())
            }
            (Ok(draft), Err(problem)) => self.decline(draft, problem),
            (Err(_), _) => Ok(()),
        }
    }

    /// A decline is as true as what it rests on. What time has ended of the payer's holds is written down with it: else
    /// every decline after it would add them up again, and there may be any number of them.
    fn decline(&mut self, draft: &Draft, problem: &Problem) -> Result<(), Vec<Need>> {
        if !rests_on_accounts(problem) {
            return Ok(());
        }
        self.lean_on(&draft.command);
        let now = self.rows.asked;
        let sides: Vec<_> = draft.command.needs().flat_map(|need| self.state.accounts_of(&need)).collect();
        for id in sides {
            let due = |account: &Account| account.next_expiry.is_some_and(|next| next <= now);
            if self.state.accounts.row(&id).is_some_and(due) && self.state.lapsed(id, now).is_ok() {
                lapse(self.state, id, now).map_err(|need| vec![need])?;
            }
        }
        Ok(())
    }

    fn record_exchange(&mut self, wish: &Arc<Exchange>, exchanged: Exchanged) -> Outcome {
        let row = ExchangeRow { wish: Arc::clone(wish), exchanged };
        self.rows.before(row.not_after());
        self.rows.transfers.extend(row.transfers());
        self.rows.exchanges.push(row);
        Outcome::Stored(201, made(wish.id))
    }

    fn record(&mut self, draft: &Draft, decided: &Arc<Decided>, effect: &Effect) {
        for side in [Some(effect.debit), effect.credit].into_iter().flatten() {
            if is_unbounded(&side) && !is_only_added_to(draft, effect, side.id) {
                self.leaned.insert(side.id);
            }
        }
        // A hold is judged on a receiver that it leaves as it is.
        if effect.credit.is_none() {
            self.lean_on(&draft.command);
        }
        self.rows.before(effect.not_after());
        self.rows.transfers.push(TransferRow { decided: Arc::clone(decided), posting: effect.posting() });
    }

    /// A decline is as true as what was known of both sides.
    fn lean_on(&mut self, command: &Command) {
        let sides = command.needs().flat_map(|need| self.state.accounts_of(&need));
        self.leaned.extend(sides);
    }
}

/// Whether what was declined rests on how the accounts stand, so that they must be as they were judged. Owners and
/// currencies never change, and nothing that does is asked about before them: whom nobody knows nobody makes wait for a
/// stranger's hot account. All other checks come after one whose answer may have become another.
fn rests_on_accounts(problem: &Problem) -> bool {
    !matches!(
        problem.code(),
        Code::NotFound
            | Code::Forbidden
            | Code::DebitAccountNotFound
            | Code::CreditAccountNotFound
            | Code::CurrencyMismatch
    )
}

/// Whether money may come and go without a look at what is there: the commit adds to such an account, whatever another
/// process has made of it meanwhile. Far enough from the ends of the range for that not to matter.
fn is_unbounded(account: &Account) -> bool {
    account.kind == Kind::System
        && account.status == Status::Open
        && (account.floor, account.ceiling, account.next_expiry) == (None, None, None)
        && !account.limited
        && account.balance.abs() < MAX_AMOUNT / 2
}

/// Whether nothing but the side's existence was decided on.
fn is_only_added_to(draft: &Draft, effect: &Effect, side: AccountId) -> bool {
    let Command::Transfer(order) = &draft.command else { return false };
    let Preconditions { debit_balance, credit_balance, debit_version } = order.preconditions;
    let free = if side == order.debit() {
        debit_balance == Bounds::default() && debit_version.is_none()
    } else {
        credit_balance == Bounds::default()
    };
    effect.credit.is_some() && free
}

/// Sorts what changed into accounts whose versions have to hold and accounts that are added to, and names what was
/// leaned on without being changed.
fn sort_accounts(rows: &mut Rows, state: &State, leaned: HashSet<AccountId>) {
    let mut unchanged = leaned.clone();
    for (id, before) in state.accounts.changed() {
        unchanged.remove(&id);
        let (Some(before), Some(after)) = (before.copied(), state.accounts.row(&id).copied()) else { continue };
        if is_unbounded(&before) && is_unbounded(&after) && !leaned.contains(&id) {
            rows.added.push(AddedRow { before, after });
        } else {
            let expiring = before.next_expiry.is_some() || after.next_expiry.is_some();
            rows.accounts.push(AccountRow { expected: before.version, after, expiring });
        }
    }
    rows.accounts.sort_unstable_by_key(|row| turn(&row.after));
    rows.added.sort_unstable_by_key(|row| turn(&row.after));
    let unchanged = unchanged.into_iter().filter_map(|id| state.accounts.row(&id));
    let mut looked: Vec<_> = unchanged.map(|account| (turn(account), account.version)).collect();
    // Those that are added to are locked last, and in the order of all only if no other system account is locked before.
    let mixed = !rows.added.is_empty() && rows.accounts.iter().any(|row| row.after.kind == Kind::System);
    if looked.is_empty() && !mixed {
        return;
    }
    looked.extend(rows.accounts.iter().map(|row| (turn(&row.after), row.expected)));
    if looked.iter().any(|((is_system, _), _)| *is_system) {
        looked.extend(rows.added.iter().map(|row| (turn(&row.after), ANY_VERSION)));
    }
    looked.sort_unstable();
    rows.looked = Some(looked.into_iter().map(|((_, id), version)| (id, version)).collect());
}

/// The one order in which accounts are locked, by whatever way: system accounts last, because they are the hot ones and
/// the commit may add to them without a look.
fn turn(account: &Account) -> (bool, AccountId) {
    (account.kind == Kind::System, account.id)
}

fn judge(state: &mut State, draft: &Draft, now: i64) -> Result<(Arc<Decided>, Effect), Stop> {
    let effect = decide(state, draft, now)?;
    apply(state, &effect);
    Ok((Arc::new(Decided { record: effect.record, memo: effect.memo(&draft.memo) }), effect))
}

/// One item of a batch, judged.
pub(crate) type Judged = Result<(Arc<Decided>, Effect), Problem>;

/// Judges the items of a batch one after the other, each on what those before it left; or everything that is missing.
pub(crate) fn judge_items(
    state: &mut State,
    items: &[Result<Arc<Draft>, Problem>],
    now: i64,
) -> Result<Vec<Judged>, Vec<Need>> {
    let mut judged = Vec::with_capacity(items.len());
    let mut missing = Vec::new();
    for item in items {
        judged.push(match item {
            Ok(draft) => match judge(state, draft, now) {
                Ok(done) => Ok(done),
                Err(Stop::Declined(decline)) => Err(decline.into()),
                Err(Stop::Missing(need)) => {
                    missing.push(need);
                    continue;
                }
            },
            Err(problem) => Err(problem.clone()),
        });
    }
    if missing.is_empty() { Ok(judged) } else { Err(missing) }
}

/// 422 with every item's own answer inside; those that would have posted name the link.
pub(crate) fn atomic_decline(judged: &[Judged], context: &Context) -> Problem {
    let item = |item: &Judged| match item {
        Ok(_) => Item::refused(&Problem::new(Code::LinkedItemDeclined), context),
        Err(problem) => Item::refused(problem, context),
    };
    let items: Vec<_> = judged.iter().map(item).collect();
    Problem::new(Code::BatchDeclined).extension("results", render::results_value(&items))
}

fn stored_problem(problem: &Problem, unit: &Unit) -> Outcome {
    Outcome::Stored(problem.code().status(), Bytes::from(problem.body(&unit.context)))
}
