//! From an instant to the place in the order of commit behind everything that had posted by then.

use sea_orm::{DbErr, FromQueryResult, Statement};

use super::{History, Unanswered};

/// In one snapshot: what had posted by an instant, and up to when no later batch can get an instant any more.
const LOOK: &str = "SELECT h.committed_at, coalesce((SELECT b.last_position FROM ledger_batches b \
                    WHERE b.posted_at <= $1 ORDER BY b.posted_at DESC LIMIT 1), 0) AS position \
                    FROM ledger_head h WHERE h.id = 1";

#[derive(FromQueryResult)]
struct Seen {
    committed_at: i64,
    position: i64,
}

impl History {
    /// The last position that had posted by `at`, in microseconds since the epoch; 0 when none had. The same instant
    /// always has the same answer: behind the chain's last instant nothing can post any more, and one that is not
    /// there yet is sealed first.
    ///
    /// # Errors
    /// [`Unanswered::Future`] when `at` has not come yet by the ledger's time nor by this process's.
    pub async fn position_at(&self, at: i64) -> Result<i64, Unanswered> {
        loop {
            let seals = self.sealer.so_far();
            let seen = self.look(at).await?;
            if seen.committed_at >= at {
                return Ok(seen.position);
            }
            // The ledger's own time may be ahead of this process's clock; only beyond both is the future.
            if at > self.clock.now_micros() {
                return Err(Unanswered::Future);
            }
            self.sealer.seal(&self.db, seals, at).await?;
        }
    }

    async fn look(&self, at: i64) -> Result<Seen, DbErr> {
        let backend = self.db.pool.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, LOOK, [at.into()]);
        let seen = Seen::find_by_statement(statement).one(&self.db.pool).await?;
        seen.ok_or_else(|| DbErr::RecordNotFound("ledger_head".to_owned()))
    }
}
