//! Accounts as they are recorded, against what their entries and their holds make of them.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{DbErr, FromQueryResult};
use uuid::Uuid;

use super::finding::{Findings, Place};
use super::invariant::Invariant;
use super::snapshot::Snapshot;
use super::walk::Fold;

/// An account with what its open holds claim, whatever their time.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Recorded {
    /// Which.
    pub id: Uuid,
    /// Its currency.
    pub currency: String,
    /// Its balance.
    pub balance: i64,
    /// What is held of it.
    pub held: i64,
    /// The number of its last entry.
    pub seq: i64,
    /// What its open holds claim, if it has any.
    pub claimed: Option<i64>,
    /// How many of them are to lapse, but neither at its next expiry nor later.
    pub missed: Option<i64>,
}

/// Accounts with their open holds, but for those that lapsed before the account's next expiry: of very many that lapse at
/// once it counts none from then on, and their rows follow. Whatever counts some off commits after they lapsed, so none that
/// lapses after the head's instant may lie before its account's next expiry.
pub const RECORDED: &str = "SELECT a.id, a.currency, a.balance, a.held, a.seq, h.claimed, h.missed \
                            FROM accounts a LEFT JOIN (SELECT b.id, \
                            CAST(sum(CASE WHEN o.expires_at IS NULL OR o.expires_at >= b.next_expiry \
                            THEN o.amount - o.posted - o.released ELSE 0 END) AS bigint) AS claimed, \
                            sum(CASE WHEN o.expires_at > e.committed_at \
                            AND (b.next_expiry IS NULL OR b.next_expiry > o.expires_at) THEN 1 ELSE 0 END) AS missed \
                            FROM holds o JOIN accounts b ON b.id = o.debit_account_id CROSS JOIN ledger_head e \
                            WHERE o.state = 'open' GROUP BY b.id) AS h ON h.id = a.id";

/// Holds every account against its fold. Where a walk did not begin at the beginning, accounts without an entry on its way
/// have none.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_all(
    snapshot: &Snapshot,
    mut folds: HashMap<Uuid, Fold>,
    whole: bool,
    findings: &mut Findings,
) -> Result<(), DbErr> {
    let mut sums: BTreeMap<String, i128> = BTreeMap::new();
    snapshot
        .each(RECORDED, Vec::new(), |account: Recorded| {
            *sums.entry(account.currency.clone()).or_default() += i128::from(account.balance);
            check_held(&account, findings);
            match folds.remove(&account.id) {
                Some(fold) => check_fold(&account, fold, whole, findings),
                None if whole => check_fold(&account, Fold { seq: 0, balance: 0, currency: None }, whole, findings),
                None => {}
            }
        })
        .await?;
    // What is left are entries of accounts that do not exist.
    for account in folds.into_keys() {
        let place = Place::default().of(account);
        findings.check(Invariant::AccountBalances, &place, false, || "entries of no account".to_owned());
    }
    check_sums(&sums, findings);
    Ok(())
}

/// What is held is what its open holds claim that have not lapsed.
pub fn check_held(account: &Recorded, findings: &mut Findings) {
    let (claimed, missed) = (account.claimed.unwrap_or_default(), account.missed.unwrap_or_default());
    let place = Place::default().of(account.id);
    let off = i128::from(account.held) - i128::from(claimed);
    findings.check_by(Invariant::HeldAmounts, &place, off == 0 && missed == 0, off, || match missed {
        0 => format!("{} is held, and open holds claim {claimed}", account.held),
        some => format!("{some} open holds are to lapse before its next expiry, and what is held is without them"),
    });
}

/// Its balance is that after its last entry. `whole`: what was folded are all of its entries.
pub fn check_fold(account: &Recorded, fold: Fold, whole: bool, findings: &mut Findings) {
    let place = Place::default().of(account.id);
    let same = (account.balance, account.seq) == (fold.balance, fold.seq);
    let off = i128::from(account.balance) - i128::from(fold.balance);
    findings.check_by(Invariant::AccountBalances, &place, same, off, || {
        format!(
            "a balance of {} after {} entries is recorded; {} after {} is what entries make",
            account.balance, account.seq, fold.balance, fold.seq
        )
    });
    let own = fold.currency.is_none_or(|code| code == account.currency.as_bytes());
    findings.check_part(Invariant::CurrencySums, &place, (own, whole), || {
        "its transfers are in another currency".to_owned()
    });
}

/// The balances of each currency add up to nothing.
pub fn check_sums(sums: &BTreeMap<String, i128>, findings: &mut Findings) {
    for (currency, sum) in sums {
        findings.check_by(Invariant::CurrencySums, &Place::default().named(currency), *sum == 0, *sum, || {
            format!("all balances in {currency} add up to {sum}")
        });
    }
}
