//! The order of checks, as lists: the first rule that holds is the answer.

use super::reading::Reading;
use super::{Account, Kind, Ledger, MOST, Status, Transfer};
use crate::ledger::command::{Bounds, Caller, Order, Seen};

/// A code, and when it is the answer to an order.
type OnOrder = (&'static str, fn(&Ordered<'_>) -> bool);

/// A code, and when it is the answer to a wish about a transfer that there is.
type OnTransfer = (&'static str, fn(&Settled<'_>) -> bool);

/// An order at an instant.
pub(super) struct Ordered<'a> {
    pub ledger: &'a Ledger,
    pub who: &'a Caller,
    pub order: &'a Order,
    pub now: i64,
    pub reading: &'a Reading,
}

/// Of a transfer: alone, in a batch, or dry.
const TRANSFER: &[OnOrder] = &[
    ("amount_out_of_range", |case| out_of_range(case.order.amount)),
    ("accounts_must_be_different", |case| case.order.debit == case.order.credit),
    ("debit_account_not_found", |case| !case.debit().is_some_and(|account| is_theirs(case.who, account))),
    ("credit_account_not_found", |case| case.credit().is_none()),
    ("currency_mismatch", |case| case.of_either(|account| account.currency != case.order.currency)),
    ("debit_account_closed", |case| case.debit().is_some_and(|account| account.status == Status::Closed)),
    ("credit_account_closed", |case| case.credit().is_some_and(|account| account.status == Status::Closed)),
    ("debit_account_frozen", |case| case.debit().is_some_and(|account| account.status == Status::Frozen)),
    ("external_ref_taken", |case| case.reference_is_taken()),
    ("precondition_failed", |case| !case.conditions_hold()),
    ("limit_exceeded", |case| case.too_much_at_a_time()),
    ("limit_exceeded", |case| case.credit().is_some_and(|account| above(account, case.amount()))),
    ("balance_overflow", |case| {
        case.debit().is_some_and(|account| account.balance - case.amount() < -MOST)
            || case.credit().is_some_and(|account| account.balance + case.amount() > MOST)
    }),
    ("insufficient_funds", |case| {
        let held = case.ledger.held(&case.order.debit, case.now);
        case.debit().is_some_and(|account| below(account, held, case.amount()))
    }),
];

impl<'a> Ordered<'a> {
    /// The code of the first rule that holds.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        TRANSFER.iter().find(|(_, holds)| holds(self)).map(|(code, _)| *code)
    }

    fn amount(&self) -> i128 {
        self.order.amount.into()
    }

    fn debit(&self) -> Option<&'a Account> {
        self.ledger.account(&self.order.debit)
    }

    fn credit(&self) -> Option<&'a Account> {
        self.ledger.account(&self.order.credit)
    }

    fn of_either(&self, what: impl Fn(&Account) -> bool) -> bool {
        self.debit().is_some_and(&what) || self.credit().is_some_and(&what)
    }

    fn reference_is_taken(&self) -> bool {
        let (Some(account), Some(reference)) = (self.debit(), &self.order.reference) else { return false };
        self.ledger.references.contains(&(account.owner.clone(), reference.clone()))
    }

    /// On the balances that would result; of a hold they are those of now.
    fn conditions_hold(&self) -> bool {
        let (Some(debit), Some(credit)) = (self.debit(), self.credit()) else { return true };
        let moved = if self.order.pending { 0 } else { self.amount() };
        let conditions = &self.order.conditions;
        let asks = conditions.credit_balance != Bounds::default();
        // What a stranger has is nobody's business.
        let may_ask = self.who.role.reads_all() || credit.owner == self.who.user;
        (may_ask || !asks)
            && within(conditions.debit_balance, debit.balance - moved)
            && within(conditions.credit_balance, credit.balance + moved)
            && conditions.debit_version.is_none_or(|version| self.reading.is_version(&self.order.debit, debit, version))
    }

    fn too_much_at_a_time(&self) -> bool {
        self.debit().is_some_and(|account| {
            account.limits.iter().any(|limit| {
                let since = self.reading.since(&self.order.debit, limit, self.now);
                let (amount, count) = self.ledger.spent(&self.order.debit, since, self.now);
                limit.amount.is_some_and(|most| amount + self.amount() > most)
                    || limit.count.is_some_and(|most| count + 1 > most)
            })
        })
    }
}

/// A wish about a transfer that there is.
pub(super) struct Settled<'a> {
    pub ledger: &'a Ledger,
    pub who: &'a Caller,
    pub of: &'a str,
    pub amount: Option<i64>,
    /// As what its caller has seen the transfer, if they say.
    pub seen: Option<&'a Seen>,
    pub now: i64,
}

/// Of posting what is held.
pub(super) const POST: &[OnTransfer] = &[
    ("amount_out_of_range", |case| case.amount.is_some_and(out_of_range)),
    ("not_found", |case| !case.is_readable()),
    ("forbidden", |case| !(case.who.role.treasury() || case.owns(|hold| &hold.debit))),
    ("stale_precondition", |case| case.is_stale()),
    ("transfer_not_pending", |case| !case.is_open()),
    ("transfer_expired", |case| case.is_lapsed()),
    ("amount_exceeds_pending", |case| case.wanted() > case.left()),
    ("debit_account_closed", |case| case.side(|hold| &hold.debit).is_some_and(|it| it.status == Status::Closed)),
    ("credit_account_closed", |case| case.side(|hold| &hold.credit).is_some_and(|it| it.status == Status::Closed)),
    ("debit_account_frozen", |case| case.side(|hold| &hold.debit).is_some_and(|it| it.status == Status::Frozen)),
    ("limit_exceeded", |case| case.side(|hold| &hold.credit).is_some_and(|it| above(it, case.wanted()))),
    ("balance_overflow", |case| case.overflows(|hold| &hold.debit, |hold| &hold.credit)),
];

/// Of letting it go.
pub(super) const VOID: &[OnTransfer] = &[
    ("not_found", |case| !case.is_readable()),
    ("forbidden", |case| {
        !(case.who.role.treasury() || case.owns(|hold| &hold.debit) || case.owns(|hold| &hold.credit))
    }),
    ("stale_precondition", |case| case.is_stale()),
    ("transfer_not_pending", |case| !case.is_open()),
    ("transfer_expired", |case| case.is_lapsed()),
];

/// Of giving back what was posted: the sides are turned round.
pub(super) const REVERSE: &[OnTransfer] = &[
    ("amount_out_of_range", |case| case.amount.is_some_and(out_of_range)),
    ("not_found", |case| !case.is_readable()),
    ("forbidden", |case| !(case.who.role.treasury() || case.owns(|paid| &paid.credit))),
    ("stale_precondition", |case| case.is_stale()),
    ("transfer_not_posted", |case| {
        !case.transfer().is_some_and(|(_, paid)| matches!(paid.kind, Kind::Posted | Kind::Posting { .. }))
    }),
    ("amount_exceeds_original", |case| case.wanted() > case.left() || case.left() == 0),
    ("debit_account_closed", |case| case.side(|paid| &paid.credit).is_some_and(|it| it.status == Status::Closed)),
    ("credit_account_closed", |case| case.side(|paid| &paid.debit).is_some_and(|it| it.status == Status::Closed)),
    ("debit_account_frozen", |case| case.side(|paid| &paid.credit).is_some_and(|it| it.status == Status::Frozen)),
    ("limit_exceeded", |case| case.side(|paid| &paid.debit).is_some_and(|it| above(it, case.wanted()))),
    ("balance_overflow", |case| case.overflows(|paid| &paid.credit, |paid| &paid.debit)),
    ("insufficient_funds", |case| {
        let held = case.transfer().map_or(0, |(_, paid)| case.ledger.held(&paid.credit, case.now));
        case.side(|paid| &paid.credit).is_some_and(|account| below(account, held, case.wanted()))
    }),
];

impl<'a> Settled<'a> {
    /// The code of the first of these rules that holds.
    pub(super) fn refusal(&self, rules: &[OnTransfer]) -> Option<&'static str> {
        rules.iter().find(|(_, holds)| holds(self)).map(|(code, _)| *code)
    }

    fn transfer(&self) -> Option<(usize, &'a Transfer)> {
        self.ledger.transfer(self.of)
    }

    fn side(&self, which: fn(&Transfer) -> &String) -> Option<&'a Account> {
        self.ledger.account(which(self.transfer()?.1))
    }

    fn owns(&self, which: fn(&Transfer) -> &String) -> bool {
        self.side(which).is_some_and(|account| is_theirs(self.who, account))
    }

    /// Its sides' owners see it, and who sees all; also the owner of a system account, who may do nothing with it.
    fn is_readable(&self) -> bool {
        let owns = |which: fn(&Transfer) -> &String| self.side(which).is_some_and(|it| it.owner == self.who.user);
        self.transfer().is_some()
            && (self.who.role.reads_all() || owns(|transfer| &transfer.debit) || owns(|transfer| &transfer.credit))
    }

    /// Its status by now, and what is still held of it or can still be given back; none to whoever may not read it.
    pub(super) fn look(&self) -> Option<(&'static str, Option<i64>)> {
        let (number, transfer) = self.transfer().filter(|_| self.is_readable())?;
        let status = match transfer.kind {
            Kind::Pending { .. } if self.is_open() && !self.is_lapsed() => "pending",
            // Whatever was posted of it makes it posted, however the rest ended.
            Kind::Pending { .. } if self.ledger.posted(number) > 0 => "posted",
            Kind::Pending { .. } if self.is_open() => "expired",
            Kind::Pending { .. } | Kind::Voiding { .. } => "voided",
            Kind::Posted | Kind::Posting { .. } | Kind::Reversal { .. } => "posted",
        };
        let remaining = match transfer.kind {
            Kind::Pending { .. } if status != "pending" => Some(0),
            Kind::Pending { .. } | Kind::Posted | Kind::Posting { .. } => i64::try_from(self.left()).ok(),
            Kind::Voiding { .. } | Kind::Reversal { .. } => None,
        };
        Some((status, remaining))
    }

    fn is_stale(&self) -> bool {
        self.seen.is_some_and(|seen| self.look() != Some((seen.status.as_str(), seen.remaining)))
    }

    /// Something of it was never settled.
    fn is_open(&self) -> bool {
        let Some((number, transfer)) = self.transfer() else { return false };
        matches!(transfer.kind, Kind::Pending { .. }) && self.ledger.left(number) > 0
    }

    fn is_lapsed(&self) -> bool {
        self.transfer().is_some_and(|(number, _)| self.ledger.lapsed(number, self.now))
    }

    /// What is left: of a hold to post, of a transfer to give back.
    pub(super) fn left(&self) -> i128 {
        self.transfer().map_or(0, |(number, transfer)| match transfer.kind {
            Kind::Pending { .. } => self.ledger.left(number),
            Kind::Posted | Kind::Posting { .. } => transfer.amount - self.ledger.reversed(number),
            Kind::Voiding { .. } | Kind::Reversal { .. } => 0,
        })
    }

    /// How much is asked for.
    pub(super) fn wanted(&self) -> i128 {
        self.amount.map_or_else(|| self.left(), i128::from)
    }

    fn overflows(&self, debit: fn(&Transfer) -> &String, credit: fn(&Transfer) -> &String) -> bool {
        self.side(debit).is_some_and(|account| account.balance - self.wanted() < -MOST)
            || self.side(credit).is_some_and(|account| account.balance + self.wanted() > MOST)
    }
}

pub(super) fn out_of_range(amount: i64) -> bool {
    !(1..=MOST).contains(&i128::from(amount))
}

/// A system account is whoever's is a treasurer now, whoever opened it.
pub(super) fn is_theirs(who: &Caller, account: &Account) -> bool {
    if account.system { who.role.treasury() } else { account.owner == who.user }
}

fn above(account: &Account, more: i128) -> bool {
    account.ceiling.is_some_and(|ceiling| account.balance + more > ceiling)
}

fn below(account: &Account, held: i128, less: i128) -> bool {
    account.floor.is_some_and(|floor| account.balance - held - less < floor)
}

fn within(bounds: Bounds, value: i128) -> bool {
    let Bounds { gt, gte, eq, lte, lt } = bounds;
    gt.is_none_or(|bound| value > bound.into())
        && gte.is_none_or(|bound| value >= bound.into())
        && eq.is_none_or(|bound| value == bound.into())
        && lte.is_none_or(|bound| value <= bound.into())
        && lt.is_none_or(|bound| value < bound.into())
}
