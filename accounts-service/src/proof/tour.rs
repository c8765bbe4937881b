//! What a round comes by whenever it was made: the next rows of a tour through all of them, and as many from a random place,
//! so that each is looked at some time, and nobody knows when.

use rand::Rng as _;
use sea_orm::{DbErr, FromQueryResult};
use uuid::Uuid;

use super::snapshot::Snapshot;

/// Of the tour in one round, and as many at random.
const EACH: usize = 100;

/// A way through all ids of some tables.
pub struct Tour(&'static [(&'static str, &'static str)]);

/// Transfers that have a hold or were reversed.
pub const SETTLED: Tour = Tour(&[("holds", "transfer_id"), ("reversals", "transfer_id")]);

/// Exchanges.
pub const EXCHANGES: Tour = Tour(&[("exchanges", "id")]);

#[derive(FromQueryResult)]
struct Id {
    id: Uuid,
}

impl Tour {
    /// Some ids, and where the tour has come to; none: to its end.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn some(&self, snapshot: &Snapshot, after: Option<Uuid>) -> Result<(Vec<Uuid>, Option<Uuid>), DbErr> {
        let mut ids = self.next(snapshot, after.unwrap_or_default()).await?;
        let reached = ids.last().copied().filter(|_| ids.len() == EACH);
        if let (Some(least), Some(greatest)) = (self.end(snapshot, "ASC").await?, self.end(snapshot, "DESC").await?) {
            let place = Uuid::from_u128(rand::rng().random_range(least..=greatest));
            ids.extend(self.next(snapshot, place).await?);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok((ids, reached))
    }

    /// Those that follow a place.
    async fn next(&self, snapshot: &Snapshot, after: Uuid) -> Result<Vec<Uuid>, DbErr> {
        let mut ids = Vec::new();
        for (table, column) in self.0 {
            let sql = format!("SELECT {column} AS id FROM {table} WHERE {column} > $1 ORDER BY {column} LIMIT {EACH}");
            snapshot.each(&sql, vec![after.into()], |row: Id| ids.push(row.id)).await?;
        }
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(EACH);
        Ok(ids)
    }

    /// The least or the greatest of them.
    async fn end(&self, snapshot: &Snapshot, order: &str) -> Result<Option<u128>, DbErr> {
        let mut ends = Vec::new();
        for (table, column) in self.0 {
            let sql = format!("SELECT {column} AS id FROM {table} ORDER BY {column} {order} LIMIT 1");
            snapshot.each(&sql, Vec::new(), |row: Id| ends.push(row.id.as_u128())).await?;
        }
        Ok(if order == "ASC" { ends.into_iter().min() } else { ends.into_iter().max() })
    }
}
