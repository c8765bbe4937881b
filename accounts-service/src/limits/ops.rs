//! Showing and replacing the limits of an account.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseTransaction, IntoActiveModel};
use sha2::{Digest, Sha256};
use shared::auth::SignedIn;
use shared::clock::Clock;
use shared::domain::AccountId;
use shared::http::{Conditions, entity_tag};
use shared::problem::Problem;

use super::model::Limits;
use super::store;
use crate::accounts::{self, AccountError};
use crate::app::App;
use crate::db;
use crate::db::entity::account;
use crate::posting::{Limit, Status, Window};

/// Limits as they are answered, with their entity tag.
pub struct Shown {
    /// JSON.
    pub body: Vec<u8>,
    /// Of the account's version and of what is used, which time alone changes.
    pub etag: String,
}

impl Shown {
    fn of(windows: Vec<Window>, version: i64, now: i64) -> Self {
        let body = Limits::of(windows, now).json();
        let digest = hex::encode(Sha256::digest(&body));
        let etag = entity_tag(format_args!("{version}-{}", digest.get(..16).unwrap_or_default()));
        Self { body, etag }
    }
}

/// The limits of an account that the caller may see.
pub async fn show(app: &App, who: &SignedIn, id: AccountId) -> Result<Shown, Problem> {
    let row = accounts::visible(&app.db, who, id).await?;
    let now = app.clock.now_micros();
    Ok(Shown::of(store::windows(&app.db.pool, id, now).await?, row.version, now))
}

/// Replaces the limits of an account. What was debited before counts against the new ones, too; debits that are being
/// decided meanwhile are decided again, because the account's version moves.
pub async fn replace(
    tx: &DatabaseTransaction,
    clock: &Clock,
    who: &SignedIn,
    (id, conditions): (AccountId, &Conditions),
    limits: Vec<Limit>,
) -> Result<Shown, Problem> {
    let now = clock.now_micros();
    let row = accounts::locked(tx, who, id, now).await?.account;
    if !accounts::may_bound(who, &row) {
        return Err(AccountError::Forbidden.into());
    }
    let before = store::windows(tx, id, now).await?;
    conditions.require(&Shown::of(before.clone(), row.version, now).etag)?;
    if row.status == Status::Closed.as_str() {
        return Err(AccountError::Closed.into());
    }
    let windows = windows(tx, id, (before, limits), now).await?;
    let version = row.version + 1;
    let mut change: account::ActiveModel = row.into_active_model();
    change.limited = Set(!windows.is_empty());
    change.version = Set(version);
    change.updated_at = Set(now);
    change.update(tx).await.map_err(db::problem)?;
    store::replace(tx, id, &windows).await.map_err(db::problem)?;
    let shown = Shown::of(windows, version, now);
    let data = String::from_utf8(shown.body.clone()).unwrap_or_default();
    accounts::record(tx, clock, "account.limits_changed", id, &data).await.map_err(db::problem)?;
    Ok(shown)
}

/// Windows that were there keep what counts against them.
async fn windows(
    tx: &DatabaseTransaction,
    id: AccountId,
    (before, limits): (Vec<Window>, Vec<Limit>),
    now: i64,
) -> Result<Vec<Window>, Problem> {
    let mut windows = Vec::with_capacity(limits.len());
    for limit in limits {
        let known = before.iter().find(|window| window.limit.seconds == limit.seconds);
        windows.push(match known {
            Some(window) => Window { limit, slices: window.slices.clone() },
            None => store::filled(tx, id, limit, now).await.map_err(db::problem)?,
        });
    }
    Ok(windows)
}
