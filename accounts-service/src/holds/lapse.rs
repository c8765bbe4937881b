//! Writing down which of an account's holds time has ended. Nothing waits for it: they count no more from their instant
//! on, whoever asks.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseTransaction, IntoActiveModel};
use shared::problem::Problem;

use crate::accounts::take_positions;
use crate::db;
use crate::db::entity::account;
use crate::posting::outside::{known, teach, write_rest};
use crate::posting::{Need, State, lapse};

/// Ends the lapsed holds of an account whose row the transaction has locked. The account as it is after; if anything
/// was to be ended, its version has moved, so that whoever decided on it before decides again.
pub async fn settle(tx: &DatabaseTransaction, row: account::Model, now: i64) -> Result<account::Model, Problem> {
    let account = known(&row).ok_or_else(|| Problem::internal("an account that was never written"))?;
    let mut state = State::default();
    state.accounts.learn(account.id, Some(account));
    let mut needs = vec![Need::Lapsed(account.id, now)];
    needs.extend(account.limited.then_some(Need::Windows(account.id)));
    teach(tx, &mut state, &needs, now).await?;
    let after =
        lapse(&mut state, account.id, now).map_err(|need| Problem::internal(format!("lapsed without {need:?}")))?;
    let Some(after) = after else { return Ok(row) };
    let mut change = row.into_active_model();
    change.held = Set(after.held);
    change.next_expiry = Set(after.next_expiry);
    change.version = Set(after.version);
    change.updated_at = Set(now);
    let row = change.update(tx).await.map_err(db::problem)?;
    write_rest(tx, &state, now, async |count| take_positions(tx, count, now).await).await.map_err(db::problem)?;
    Ok(row)
}
