//! What can be done to an account, each in one transaction with its event.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseTransaction, IntoActiveModel};
use shared::auth::SignedIn;
use shared::clock::Clock;
use shared::domain::{AccountId, Permission};
use shared::http::Conditions;
use shared::problem::Problem;

use super::error::AccountError;
use super::labels::Labels;
use super::model::{AccountBody, Change, NewAccount};
use super::store::{self, Shown};
use crate::db::entity::account;
use crate::holds::settle;
use crate::posting::{Kind, Status};

/// The next step in an account's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// No more debits. Treasurer or administrator.
    Freeze,
    /// Debits again. Treasurer or administrator.
    Unfreeze,
    /// The end. The owner too, and only when it is empty.
    Close,
}

impl Step {
    /// The route's key scope.
    #[must_use]
    pub const fn route(self) -> &'static str {
        match self {
            Self::Freeze => "POST /accounts/{id}/freeze",
            Self::Unfreeze => "POST /accounts/{id}/unfreeze",
            Self::Close => "POST /accounts/{id}/close",
        }
    }

    const fn target(self) -> Status {
        match self {
            Self::Freeze => Status::Frozen,
            Self::Unfreeze => Status::Open,
            Self::Close => Status::Closed,
        }
    }

    const fn event(self) -> &'static str {
        match self {
            Self::Freeze => "account.frozen",
            Self::Unfreeze => "account.unfrozen",
            Self::Close => "account.closed",
        }
    }

    fn allowed(self, who: &SignedIn, account: &account::Model) -> bool {
        let officer = who.may(Permission::AccountsOperate);
        match self {
            Self::Freeze | Self::Unfreeze => officer,
            Self::Close => {
                officer || (account.kind == Kind::User.as_str() && account.owner_id == who.user.id.as_uuid())
            }
        }
    }
}

/// Opens an account of the caller's, who may have `most` user accounts.
pub async fn open(
    tx: &DatabaseTransaction,
    clock: &Clock,
    (who, most): (&SignedIn, u32),
    new: NewAccount,
) -> Result<AccountBody, Problem> {
    match new.kind {
        Kind::System if !who.may(Permission::AccountsTreasury) => return Err(AccountError::Forbidden.into()),
        Kind::System => {}
        // Those that are opened at the same moment may be a few more.
        Kind::User if store::has(tx, who.user.id, most).await.map_err(AccountError::from)? => {
            return Err(AccountError::TooMany(most).into());
        }
        Kind::User => {}
    }
    let now = clock.now_micros();
    let row = account::ActiveModel {
        id: Set(AccountId::generate(clock).as_uuid()),
        owner_id: Set(who.user.id.as_uuid()),
        name: Set(new.name.into_inner()),
        kind: Set(new.kind.as_str().to_owned()),
        currency: Set(new.currency.code().to_owned()),
        status: Set(Status::Open.as_str().to_owned()),
        balance: Set(0),
        held: Set(0),
        floor: Set((new.kind == Kind::User).then_some(0)),
        ceiling: Set(None),
        seq: Set(0),
        version: Set(1),
        next_expiry: Set(None),
        limited: Set(false),
        label_text: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let row = row.insert(tx).await.map_err(AccountError::from)?;
    tell(tx, clock, "account.opened", row.into()).await
}

/// Changes an account: what is the owner's, what is an officer's, or both for who is both.
pub async fn change(
    tx: &DatabaseTransaction,
    clock: &Clock,
    who: &SignedIn,
    (id, conditions): (AccountId, &Conditions),
    wish: Change,
) -> Result<AccountBody, Problem> {
    let now = clock.now_micros();
    let shown = store::locked(tx, who, id, now).await?;
    let owner = shown.account.owner_id == who.user.id.as_uuid();
    let words = wish.words() || !wish.bounds();
    if (words && !owner) || (wish.bounds() && !sets_bounds(who, &shown.account, wish.floor)) {
        return Err(AccountError::Forbidden.into());
    }
    check_version(&shown, conditions)?;
    if shown.account.status == Status::Closed.as_str() {
        return Err(AccountError::Closed.into());
    }
    let labels = match wish.labels {
        None => None,
        Some(patch) => {
            let known = Labels::read(shown.account.label_text.as_deref());
            Some(known.map_err(|_| Problem::internal("accounts.label_text"))?.patched(patch)?)
        }
    };
    let row = &shown.account;
    let name = wish.name.filter(|name| *name != row.name);
    let labels = labels.filter(|labels| labels.text() != row.label_text);
    let floor = wish.floor.filter(|floor| *floor != row.floor);
    let ceiling = wish.ceiling.filter(|ceiling| *ceiling != row.ceiling);
    let bounds = floor.is_some() || ceiling.is_some();
    if name.is_none() && labels.is_none() && !bounds {
        return AccountBody::of(shown);
    }
    // The database holds bounds against what is stored.
    let (row, lapsed) =
        if bounds { (settle(tx, shown.account, now).await?.account, 0) } else { (shown.account, shown.lapsed) };
    let (floor, ceiling) = (floor.unwrap_or(row.floor), ceiling.unwrap_or(row.ceiling));
    if bounds {
        check_bounds(&row, floor, ceiling)?;
    }
    if let Some(labels) = &labels {
        store::label(tx, id, labels).await.map_err(AccountError::from)?;
    }
    let renamed = name.is_some() && labels.is_none() && !bounds;
    let version = row.version;
    let mut change = row.into_active_model();
    name.into_iter().for_each(|name| change.name = Set(name));
    labels.into_iter().for_each(|labels| change.label_text = Set(labels.text()));
    (change.floor, change.ceiling) = (Set(floor), Set(ceiling));
    let event = if renamed { "account.renamed" } else { "account.changed" };
    save(tx, clock, event, (change, version, lapsed)).await
}

/// Whether `who` sets bounds of this account, and this floor. Below zero money is made that nobody has paid in, which is
/// for whoever has the treasury.
fn sets_bounds(who: &SignedIn, row: &account::Model, floor: Option<Option<i64>>) -> bool {
    let makes_money = floor.is_some_and(|floor| floor.is_none_or(|floor| floor < 0));
    may_bound(who, row) && (!makes_money || who.may(Permission::AccountsTreasury))
}

/// Whether `who` sets bounds and limits of this account: an officer, and of a user's account one who is not that user.
/// Whoever has opened a system account has no more of it than any other treasurer.
#[must_use]
pub fn may_bound(who: &SignedIn, row: &account::Model) -> bool {
    let own = row.kind == Kind::User.as_str() && row.owner_id == who.user.id.as_uuid();
    who.may(Permission::AccountsOperate) && !own
}

/// What is there already has to keep new bounds.
fn check_bounds(row: &account::Model, floor: Option<i64>, ceiling: Option<i64>) -> Result<(), AccountError> {
    let kept = floor.is_none_or(|floor| row.balance - row.held >= floor)
        && ceiling.is_none_or(|ceiling| row.balance <= ceiling);
    if kept { Ok(()) } else { Err(AccountError::OutOfBounds) }
}

/// Freezes, unfreezes or closes. The row is locked from the check to the commit and every posting checks its version,
/// so no debit commits after the answer. A step to where the account is already changes nothing.
pub async fn step(
    tx: &DatabaseTransaction,
    clock: &Clock,
    who: &SignedIn,
    (id, conditions): (AccountId, &Conditions),
    step: Step,
) -> Result<AccountBody, Problem> {
    let now = clock.now_micros();
    let shown = store::locked(tx, who, id, now).await?;
    if !step.allowed(who, &shown.account) {
        return Err(AccountError::Forbidden.into());
    }
    check_version(&shown, conditions)?;
    if shown.account.status == step.target().as_str() {
        return AccountBody::of(shown);
    }
    if shown.account.status == Status::Closed.as_str() {
        return Err(AccountError::Closed.into());
    }
    if step == Step::Close && (shown.account.balance != 0 || shown.held() != 0) {
        return Err(AccountError::NotEmpty.into());
    }
    // Nothing is held by now, which the database has to know, too.
    let (row, lapsed) = match step {
        Step::Close => (settle(tx, shown.account, now).await?.account, 0),
        Step::Freeze | Step::Unfreeze => (shown.account, shown.lapsed),
    };
    let version = row.version;
    let mut change = row.into_active_model();
    change.status = Set(step.target().as_str().to_owned());
    save(tx, clock, step.event(), (change, version, lapsed)).await
}

fn check_version(shown: &Shown, conditions: &Conditions) -> Result<(), AccountError> {
    conditions.require(&shown.etag()).map_err(AccountError::Stale)
}

async fn save(
    tx: &DatabaseTransaction,
    clock: &Clock,
    event: &str,
    (mut change, version, lapsed): (account::ActiveModel, i64, i64),
) -> Result<AccountBody, Problem> {
    change.version = Set(version + 1);
    change.updated_at = Set(clock.now_micros());
    let account = change.update(tx).await.map_err(AccountError::from)?;
    tell(tx, clock, event, Shown { account, lapsed }).await
}

async fn tell(tx: &DatabaseTransaction, clock: &Clock, event: &str, shown: Shown) -> Result<AccountBody, Problem> {
    let id = shown.account.id.into();
    let body = AccountBody::of(shown)?;
    let data = String::from_utf8(body.json()).unwrap_or_default();
    store::record(tx, clock, event, id, &data).await.map_err(AccountError::from)?;
    Ok(body)
}
