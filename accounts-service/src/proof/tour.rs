//! Holds and reversals of a round, whenever they were made: the next ones of a tour through all of them, and as many from a
//! random place.

use rand::Rng as _;
use sea_orm::{DbErr, FromQueryResult};
use uuid::Uuid;

use super::finding::Findings;
use super::settled;
use super::snapshot::Snapshot;

/// Of the tour in one round, and as many at random.
const EACH: usize = 100;

#[derive(FromQueryResult)]
struct Id {
    id: Uuid,
}

/// Holds some of them against what names them; where the tour has come to.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_some(
    snapshot: &Snapshot,
    after: Option<Uuid>,
    findings: &mut Findings,
) -> Result<Option<Uuid>, DbErr> {
    let mut ids = next(snapshot, after.unwrap_or_default()).await?;
    let reached = ids.last().copied().filter(|_| ids.len() == EACH);
    if let (Some(least), Some(greatest)) = (end(snapshot, "ASC").await?, end(snapshot, "DESC").await?) {
        let place = Uuid::from_u128(rand::rng().random_range(least..=greatest));
        ids.extend(next(snapshot, place).await?);
    }
    ids.sort_unstable();
    ids.dedup();
    settled::check_some(snapshot, &ids, findings).await?;
    Ok(reached)
}

/// The transfers that follow a place and have a row of either kind.
async fn next(snapshot: &Snapshot, after: Uuid) -> Result<Vec<Uuid>, DbErr> {
    let mut ids = Vec::new();
    for table in ["holds", "reversals"] {
        let sql =
            format!("SELECT transfer_id AS id FROM {table} WHERE transfer_id > $1 ORDER BY transfer_id LIMIT {EACH}");
        snapshot.each(&sql, vec![after.into()], |row: Id| ids.push(row.id)).await?;
    }
    ids.sort_unstable();
    ids.dedup();
    ids.truncate(EACH);
    Ok(ids)
}

/// The least or the greatest of them.
async fn end(snapshot: &Snapshot, order: &str) -> Result<Option<u128>, DbErr> {
    let mut ends = Vec::new();
    for table in ["holds", "reversals"] {
        let sql = format!("SELECT transfer_id AS id FROM {table} ORDER BY transfer_id {order} LIMIT 1");
        snapshot.each(&sql, Vec::new(), |row: Id| ends.push(row.id.as_u128())).await?;
    }
    Ok(if order == "ASC" { ends.into_iter().min() } else { ends.into_iter().max() })
}
