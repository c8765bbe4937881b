//! The ledger as the contract tells it: accounts, a list of transfers, and sums over that list wherever a sum is needed.
//!
//! It is slow on purpose where the service is quick: what is held, what was reversed and what was spent within a window
//! are counted anew from the list each time, so that no counter of ours can be wrong in the way one of theirs is.

mod exchange;
mod judge;
mod reading;
mod rules;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use self::exchange::{Deal, Decimal, Rate, UNIT};
pub use self::judge::{is_decided, is_frozen, shape, target};
pub use self::reading::Reading;

/// The largest balance and the largest amount, either way: 2^53 - 1.
pub const MOST: i128 = (1 << 53) - 1;

/// Whether an account moves money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Both ways.
    Open,
    /// Only inwards.
    Frozen,
    /// Never again.
    Closed,
}

/// The most that may leave an account within a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// How long the window is, in microseconds.
    pub window: i64,
    /// In minor units.
    pub amount: Option<i128>,
    /// In transfers.
    pub count: Option<i128>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose it is.
    pub owner: String,
    /// Whether it is the bank's own.
    pub system: bool,
    /// ISO 4217.
    pub currency: String,
    /// Whether it moves.
    pub status: Status,
    /// The least that may be available.
    pub floor: Option<i128>,
    /// The most it may have.
    pub ceiling: Option<i128>,
    /// What may leave it in a while.
    pub limits: Vec<Limit>,
    /// Everything posted.
    pub balance: i128,
    /// How many entries it has.
    pub seq: i128,
    /// How often it has changed, as far as the model is told.
    pub version: i128,
    /// Whether it may have changed otherwise, too: holds that ran out are written down when somebody comes by.
    pub unsure: bool,
}

impl Account {
    /// A customer's new one.
    #[must_use]
    pub fn of(owner: &str, currency: &str) -> Self {
        Self {
            owner: owner.to_owned(),
            system: false,
            currency: currency.to_owned(),
            status: Status::Open,
            floor: Some(0),
            ceiling: None,
            limits: Vec::new(),
            balance: 0,
            seq: 0,
            version: 1,
            unsure: false,
        }
    }

    /// The bank's new one, without a floor.
    #[must_use]
    pub fn system(owner: &str, currency: &str) -> Self {
        Self { system: true, floor: None, ..Self::of(owner, currency) }
    }
}

/// What a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Money moved.
    Posted,
    /// Money is held until then, in microseconds since the epoch, or for ever.
    Pending {
        /// When it lets go by itself.
        expires_at: Option<i64>,
    },
    /// What was held moved.
    Posting {
        /// The hold.
        of: usize,
        /// What was let go with it.
        released: i128,
    },
    /// What was held was let go.
    Voiding {
        /// The hold.
        of: usize,
    },
    /// What had moved moved back.
    Reversal {
        /// The transfer.
        of: usize,
    },
}

impl Kind {
    /// Whether money moves.
    #[must_use]
    pub const fn moves(self) -> bool {
        matches!(self, Self::Posted | Self::Posting { .. } | Self::Reversal { .. })
    }

    /// The transfer that it settles or reverses.
    #[must_use]
    pub const fn parent(self) -> Option<usize> {
        match self {
            Self::Posting { of, .. } | Self::Voiding { of } | Self::Reversal { of } => Some(of),
            Self::Posted | Self::Pending { .. } => None,
        }
    }
}

/// A transfer that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Its id.
    pub id: String,
    /// Who pays.
    pub debit: String,
    /// Who receives.
    pub credit: String,
    /// Minor units.
    pub amount: i128,
    /// When, in microseconds since the epoch.
    pub at: i64,
    /// The client's own reference.
    pub reference: Option<String>,
    /// What it is.
    pub kind: Kind,
}

/// Everything that was decided so far. The indexes only say where in the list to look.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    accounts: BTreeMap<String, Account>,
    transfers: Vec<Transfer>,
    numbers: HashMap<String, usize>,
    children: BTreeMap<usize, Vec<usize>>,
    debits: BTreeMap<String, Vec<usize>>,
    holds: BTreeMap<String, Vec<usize>>,
    references: BTreeSet<(String, String)>,
    /// The newest of each pair.
    rates: BTreeMap<(String, String), Rate>,
    /// What rounding has gathered, by account.
    carries: BTreeMap<String, i128>,
}

impl Ledger {
    /// Adds an account.
    pub fn open(&mut self, id: &str, account: Account) {
        self.accounts.insert(id.to_owned(), account);
    }

    /// An account, if there is one.
    #[must_use]
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// Every account, by id.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &Account)> {
        self.accounts.iter().map(|(id, account)| (id.as_str(), account))
    }

    /// Changes an account otherwise than by a transfer.
    pub fn change(&mut self, id: &str, how: impl FnOnce(&mut Account)) {
        if let Some(account) = self.accounts.get_mut(id) {
            how(account);
            account.version += 1;
        }
    }

    /// A transfer and its place in the list.
    #[must_use]
    pub fn transfer(&self, id: &str) -> Option<(usize, &Transfer)> {
        let number = *self.numbers.get(id)?;
        Some((number, self.transfers.get(number)?))
    }

    /// Every transfer, in the order of commit.
    #[must_use]
    pub fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    fn children(&self, number: usize) -> impl Iterator<Item = &Transfer> {
        self.children.get(&number).into_iter().flatten().filter_map(|child| self.transfers.get(*child))
    }

    /// What is left of a hold, whether or not it has lapsed.
    #[must_use]
    pub fn left(&self, number: usize) -> i128 {
        let whole = self.transfers.get(number).map_or(0, |hold| hold.amount);
        let gone = |child: &Transfer| match child.kind {
            Kind::Posting { released, .. } => child.amount + released,
            Kind::Voiding { .. } => child.amount,
            Kind::Posted | Kind::Pending { .. } | Kind::Reversal { .. } => 0,
        };
        whole - self.children(number).map(gone).sum::<i128>()
    }

    /// What was posted of a hold.
    #[must_use]
    pub fn posted(&self, number: usize) -> i128 {
        let posts = self.children(number).filter(|child| matches!(child.kind, Kind::Posting { .. }));
        posts.map(|post| post.amount).sum()
    }

    /// What was given back of a transfer.
    #[must_use]
    pub fn reversed(&self, number: usize) -> i128 {
        let reversals = self.children(number).filter(|child| matches!(child.kind, Kind::Reversal { .. }));
        reversals.map(|reversal| reversal.amount).sum()
    }

    /// What pending transfers claim of an account at an instant.
    #[must_use]
    pub fn held(&self, account: &str, now: i64) -> i128 {
        let holds = self.holds.get(account).into_iter().flatten();
        holds.filter(|number| !self.lapsed(**number, now)).map(|number| self.left(*number)).sum()
    }

    /// Every hold of an account of which something is left, lapsed or not.
    pub fn open_holds(&self, account: &str) -> impl Iterator<Item = (usize, &Transfer)> {
        let numbers = self.holds.get(account).into_iter().flatten().copied();
        numbers.filter(|number| self.left(*number) > 0).filter_map(|number| Some((number, self.transfers.get(number)?)))
    }

    /// Whether a hold's time is over.
    #[must_use]
    pub fn lapsed(&self, number: usize, now: i64) -> bool {
        match self.transfers.get(number).map(|transfer| transfer.kind) {
            Some(Kind::Pending { expires_at }) => expires_at.is_some_and(|end| now >= end),
            Some(Kind::Posted | Kind::Posting { .. } | Kind::Voiding { .. } | Kind::Reversal { .. }) | None => false,
        }
    }

    /// The instants behind `from`, up to `to`, at which time ends a hold of one of these accounts.
    #[must_use]
    pub fn ends(&self, accounts: impl Iterator<Item = impl AsRef<str>>, (from, to): (i64, i64)) -> BTreeSet<i64> {
        let holds = accounts.filter_map(|account| self.holds.get(account.as_ref())).flatten();
        let ends = holds.filter_map(|number| match self.transfers.get(*number)?.kind {
            Kind::Pending { expires_at } => expires_at,
            Kind::Posted | Kind::Posting { .. } | Kind::Voiding { .. } | Kind::Reversal { .. } => None,
        });
        ends.filter(|end| (from + 1..=to).contains(end)).collect()
    }

    /// What left an account, or was held of it, since an instant: the amount and the number of transfers. What was let
    /// go again does not count; what was given back does.
    #[must_use]
    pub fn spent(&self, account: &str, since: i64, now: i64) -> (i128, i128) {
        let debits = self.debits.get(account).into_iter().flatten().rev();
        let recent = debits.filter_map(|number| Some((*number, self.transfers.get(*number)?)));
        let counted = |(number, transfer): (usize, &Transfer)| {
            let kept = match transfer.kind {
                Kind::Pending { .. } => {
                    let voided = |child: &Transfer| match child.kind {
                        Kind::Posting { released, .. } => released,
                        Kind::Voiding { .. } => child.amount,
                        Kind::Posted | Kind::Pending { .. } | Kind::Reversal { .. } => 0,
                    };
                    let lapsed = if self.lapsed(number, now) { self.left(number) } else { 0 };
                    transfer.amount - lapsed - self.children(number).map(voided).sum::<i128>()
                }
                Kind::Posted | Kind::Posting { .. } | Kind::Voiding { .. } | Kind::Reversal { .. } => transfer.amount,
            };
            (kept, i128::from(kept > 0))
        };
        recent
            .take_while(|(_, transfer)| transfer.at > since)
            .map(counted)
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Writes a transfer at the end of the list, and moves what it moves.
    pub fn enter(&mut self, transfer: Transfer) {
        let number = self.transfers.len();
        self.shift(&transfer, 1);
        self.numbers.insert(transfer.id.clone(), number);
        if let Some(parent) = transfer.kind.parent() {
            self.children.entry(parent).or_default().push(number);
        }
        if matches!(transfer.kind, Kind::Posted | Kind::Pending { .. }) {
            self.debits.entry(transfer.debit.clone()).or_default().push(number);
        }
        if matches!(transfer.kind, Kind::Pending { .. }) {
            self.holds.entry(transfer.debit.clone()).or_default().push(number);
        }
        if let Some(claim) = self.claim(&transfer) {
            self.references.insert(claim);
        }
        self.transfers.push(transfer);
    }

    /// Takes back the last transfer of the list, as if it had never been.
    pub fn take_back(&mut self) {
        let Some(transfer) = self.transfers.pop() else { return };
        self.shift(&transfer, -1);
        self.numbers.remove(&transfer.id);
        if let Some(siblings) = transfer.kind.parent().and_then(|parent| self.children.get_mut(&parent)) {
            siblings.pop();
        }
        if let (Kind::Posted | Kind::Pending { .. }, Some(debits)) =
            (transfer.kind, self.debits.get_mut(&transfer.debit))
        {
            debits.pop();
        }
        if let (Kind::Pending { .. }, Some(holds)) = (transfer.kind, self.holds.get_mut(&transfer.debit)) {
            holds.pop();
        }
        if let Some(claim) = self.claim(&transfer) {
            self.references.remove(&claim);
        }
    }

    /// A reference is one among the transfers of whoever owns the account that pays.
    fn claim(&self, transfer: &Transfer) -> Option<(String, String)> {
        Some((self.accounts.get(&transfer.debit)?.owner.clone(), transfer.reference.clone()?))
    }

    fn shift(&mut self, transfer: &Transfer, sign: i128) {
        let moves = transfer.kind.moves();
        for (id, by) in [(&transfer.debit, -transfer.amount), (&transfer.credit, transfer.amount)] {
            let Some(account) = self.accounts.get_mut(id) else { continue };
            if moves {
                account.balance += sign * by;
                account.seq += sign;
            }
            // A hold and its end change the account that pays, and it alone.
            if moves || by < 0 {
                account.version += sign;
            }
        }
    }
}
