//! Showing what the checks found, and saying that somebody has acted on it.

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use shared::auth::SignedIn;
use shared::clock::Clock;
use shared::problem::{Code, Problem};

use super::model::{InvariantsBody, NewAcknowledgement, PartBody};
use super::sampler::Bounds;
use super::{part, sampler, watch};
use crate::db;

/// Violations that are shown.
const SHOWN: u32 = 100;

/// How it stands.
///
/// # Errors
/// When the database cannot answer.
pub async fn show(on: &impl ConnectionTrait, clock: &Clock, bounds: &Bounds) -> Result<InvariantsBody, Problem> {
    let watch = watch::read(on).await.map_err(db::problem)?;
    let head = watch::head(on).await.map_err(db::problem)?;
    let checked = watch::checked(on).await.map_err(db::problem)?;
    let open = watch::open(on).await.map_err(db::problem)?;
    let kept = watch::violations(on, SHOWN).await.map_err(db::problem)?;
    let parts = part::read(on).await.map_err(db::problem)?;
    let parts = PartBody::all(&parts, (clock.now_micros(), sampler::LEASE), bounds);
    Ok(InvariantsBody::of((&watch, &head), parts, &checked, &open, kept))
}

/// Writes down that somebody has acted; all of them or none.
///
/// # Errors
/// 422 when there is no such violation.
pub async fn acknowledge(
    tx: &DatabaseTransaction,
    (clock, bounds): (&Clock, &Bounds),
    who: &SignedIn,
    new: &NewAcknowledgement,
) -> Result<InvariantsBody, Problem> {
    let (by, now) = (who.user.id.as_uuid(), clock.now_micros());
    for (n, id) in new.violations.iter().enumerate() {
        let kept = watch::acknowledge(tx, *id, (by, now), new.note.as_deref()).await.map_err(db::problem)?;
        if kept.is_none() {
            let pointer = format!("/violations/{n}");
            return Err(Problem::new(Code::ValidationFailed).error(pointer, "exists", "there is no such violation"));
        }
        tracing::warn!(violation = %id, %by, "an operator has acted on a violation of the ledger");
    }
    show(tx, clock, bounds).await
}
