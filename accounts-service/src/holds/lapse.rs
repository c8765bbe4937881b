//! Writing down which of an account's holds time has ended. Nothing waits for it: they count no more from their instant
//! on, whoever asks.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseTransaction, IntoActiveModel};
use shared::problem::Problem;

use crate::accounts::take_positions;
use crate::db;
use crate::db::entity::account;
use crate::history::seal_within;
use crate::posting::outside::{known, teach, write_rest};
use crate::posting::{Need, State, lapse};

/// What came of a step.
#[derive(Debug)]
pub struct Settled {
    /// The account as it is after. If anything was to be done, its version has moved, so that whoever decided on it before
    /// decides again.
    pub account: account::Model,
    /// Holds whose rows say now that they are over. More may be left when it is any: a step is bounded.
    pub ended: usize,
}

/// Ends the lapsed holds of an account whose row the transaction has locked: `held` is without all of them afterwards, and
/// of their rows a bounded number is written, the oldest first.
pub async fn settle(tx: &DatabaseTransaction, row: account::Model, now: i64) -> Result<Settled, Problem> {
    let account = known(&row).ok_or_else(|| Problem::internal("an account that was never written"))?;
    let mut state = State::default();
    state.accounts.learn(account.id, Some(account));
    let mut needs = vec![Need::Lapsed(account.id, now)];
    needs.extend(account.limited.then_some(Need::Windows(account.id)));
    teach(tx, &mut state, &needs, now).await?;
    let after =
        lapse(&mut state, account.id, now).map_err(|need| Problem::internal(format!("lapsed without {need:?}")))?;
    let Some((after, ended)) = after else { return Ok(Settled { account: row, ended: 0 }) };
    let counted_off = row.next_expiry != after.next_expiry;
    let mut change = row.into_active_model();
    change.held = Set(after.held);
    change.next_expiry = Set(after.next_expiry);
    change.version = Set(after.version);
    change.updated_at = Set(now);
    let account = change.update(tx).await.map_err(db::problem)?;
    write_rest(tx, &state, now, async |count| take_positions(tx, count, now).await).await.map_err(db::problem)?;
    if counted_off {
        // What is held from now on lapses after what was counted off: else a process whose clock is behind could make a
        // hold that lapses before it, and `next_expiry` would tell the two apart no more.
        seal_within(tx, now).await.map_err(db::problem)?;
    }
    Ok(Settled { account, ended })
}
