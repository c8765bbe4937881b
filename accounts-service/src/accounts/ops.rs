//! What can be done to an account, each in one transaction with its event.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseTransaction, IntoActiveModel};
use shared::auth::SignedIn;
use shared::clock::Clock;
use shared::domain::{AccountId, Permission};
use shared::http::Conditions;
use shared::problem::Problem;

use super::error::AccountError;
use super::model::{AccountBody, NewAccount};
use super::store;
use crate::db::entity::account;
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

/// Opens an account of the caller's.
pub async fn open(
    tx: &DatabaseTransaction,
    clock: &Clock,
    who: &SignedIn,
    new: NewAccount,
) -> Result<AccountBody, Problem> {
    if new.kind == Kind::System && !who.may(Permission::AccountsTreasury) {
        return Err(AccountError::Forbidden.into());
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
        created_at: Set(now),
        updated_at: Set(now),
    };
    let row = row.insert(tx).await.map_err(AccountError::from)?;
    tell(tx, clock, "account.opened", row).await
}

/// Renames an account.
pub async fn rename(
    tx: &DatabaseTransaction,
    clock: &Clock,
    who: &SignedIn,
    (id, conditions): (AccountId, &Conditions),
    name: Option<String>,
) -> Result<AccountBody, Problem> {
    let row = store::locked(tx, who, id).await?;
    if row.owner_id != who.user.id.as_uuid() {
        return Err(AccountError::Forbidden.into());
    }
    check_version(&row, conditions)?;
    if row.status == Status::Closed.as_str() {
        return Err(AccountError::Closed.into());
    }
    let Some(name) = name.filter(|name| *name != row.name) else { return AccountBody::of(row) };
    let version = row.version;
    let mut change = row.into_active_model();
    change.name = Set(name);
    save(tx, clock, "account.renamed", (change, version)).await
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
    let row = store::locked(tx, who, id).await?;
    if !step.allowed(who, &row) {
        return Err(AccountError::Forbidden.into());
    }
    check_version(&row, conditions)?;
    if row.status == step.target().as_str() {
        return AccountBody::of(row);
    }
    if row.status == Status::Closed.as_str() {
        return Err(AccountError::Closed.into());
    }
    if step == Step::Close && (row.balance != 0 || row.held != 0) {
        return Err(AccountError::NotEmpty.into());
    }
    let version = row.version;
    let mut change = row.into_active_model();
    change.status = Set(step.target().as_str().to_owned());
    save(tx, clock, step.event(), (change, version)).await
}

fn check_version(row: &account::Model, conditions: &Conditions) -> Result<(), AccountError> {
    conditions.require(&shared::http::entity_tag(row.version)).map_err(AccountError::Stale)
}

async fn save(
    tx: &DatabaseTransaction,
    clock: &Clock,
    event: &str,
    (mut change, version): (account::ActiveModel, i64),
) -> Result<AccountBody, Problem> {
    change.version = Set(version + 1);
    change.updated_at = Set(clock.now_micros());
    let row = change.update(tx).await.map_err(AccountError::from)?;
    tell(tx, clock, event, row).await
}

async fn tell(
    tx: &DatabaseTransaction,
    clock: &Clock,
    event: &str,
    row: account::Model,
) -> Result<AccountBody, Problem> {
    let id = row.id.into();
    let body = AccountBody::of(row)?;
    let data = String::from_utf8(body.json()).unwrap_or_default();
    store::record(tx, clock, event, id, &data).await.map_err(AccountError::from)?;
    Ok(body)
}
