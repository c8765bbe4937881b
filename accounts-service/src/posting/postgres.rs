//! PostgreSQL: one connection of the engine's own, and as few round trips as the work allows.

mod bind;

pub(super) use bind::Statement;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor, Row};
use uuid::Uuid;

use super::command::{KeyDigest, Unit};
use super::core::{Account, Kind, Need, Status};
use super::error::{CommitError, Moved};
use super::exchanges::{self, Rates};
use super::outcome::Stub;
use super::rest::read::{self, Looked, NeverWritten, Wanted};
use super::rows::{
    Committed, Found, FoundKey, Rows, account_ids, fill, named, read_account, read_key, read_transfer, sorted_keys,
};
use super::settle::{Held, Loaded, within};
use crate::db::Month;
use crate::db::entity::transfer::{self, transfer_columns};

const READ: &str = "SELECT id, owner_id, kind, currency, status, balance, held, next_expiry, floor, ceiling, limited, \
                    seq, version FROM accounts WHERE id = ANY($1)";

/// In the order in which `commit_batch` locks, whatever it does to them.
const LOCK: &str = "SELECT id, owner_id, kind, currency, status, balance, held, next_expiry, floor, ceiling, limited, \
                    seq, version FROM accounts WHERE id = ANY($1) \
                    ORDER BY kind = 'system', id FOR NO KEY UPDATE";

const CLAIM: &str = "INSERT INTO transfer_keys (digest, fingerprint) SELECT * FROM unnest($1::uuid[], $2::uuid[]) \
                     ON CONFLICT DO NOTHING RETURNING digest";

const KEYS: &str = "SELECT digest, fingerprint, status::bigint, transfer_id, body FROM transfer_keys \
                    WHERE digest = ANY($1)";

/// By their months: a search by id alone would look into every month there is.
const TRANSFERS: &str = concat!(
    "SELECT ",
    transfer_columns!(""),
    " FROM transfers WHERE id = ANY($1) AND position >= $2 AND position < $3"
);

const HEAD: &str = "SELECT committed_at FROM ledger_head WHERE id = 1 FOR UPDATE";

/// The engine's connection, opened when it is needed and dropped when it breaks.
pub(super) struct PostgresLane {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

impl PostgresLane {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        let settings = [
            // The arrays' lengths vary with the load: a plan made for this batch is no better for the next.
            ("plan_cache_mode", "force_generic_plan"),
            // Whatever the planner thinks of tables that are small or new: accounts are locked in the order of the
            // arrays, and a month is read by its indexes from its first row on.
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("enable_material", "off"),
            ("enable_seqscan", "off"),
            // Durable whatever the server's default is.
            ("synchronous_commit", "on"),
            ("statement_timeout", "20s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ];
        let options = options.application_name("tollgate-posting").options(settings);
        Self { options, connection: None }
    }

    async fn connection(&mut self) -> Result<&mut PgConnection, CommitError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await.map_err(CommitError::Lost)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// What the ledger holds of `needs` as last committed, unlocked.
    pub(super) async fn load(&mut self, needs: &[Need]) -> Result<Loaded, CommitError> {
        let ids = account_ids(needs);
        let rows = sqlx::query(READ).bind(ids).fetch_all(self.connection().await?).await?;
        let accounts = rows.iter().map(|row| Ok(read_account!(row))).collect::<Result<_, CommitError>>()?;
        Ok(Loaded { accounts, rates: Rates::default() })
    }

    pub(super) async fn open_month(&mut self, month: Month) -> Result<(), CommitError> {
        sqlx::query("SELECT open_month($1)").bind(month.number()).execute(self.connection().await?).await?;
        Ok(())
    }

    /// Those of `keys` that have an outcome.
    pub(super) async fn look_up(&mut self, keys: &[Uuid]) -> Result<Vec<Found>, CommitError> {
        look_up(self.connection().await?, keys).await
    }

    /// Claims, checks, writes and commits in one statement that is its own transaction.
    pub(super) async fn post(&mut self, statement: Statement) -> Result<Committed, CommitError> {
        statement.run(self.connection().await?).await
    }

    /// Begins a transaction with the claims of the keys.
    pub(super) async fn claim(&mut self, units: &[Unit]) -> Result<Vec<Found>, CommitError> {
        let connection = self.connection().await?;
        connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        claim(connection, units).await
    }

    /// Locks the accounts, then the chain's head.
    pub(super) async fn hold(&mut self, needs: &[Need]) -> Result<Held, CommitError> {
        let connection = self.connection().await?;
        let pairs = exchanges::pairs(needs);
        let mut rates = Rates { newest: exchanges::postgres::rates(connection, &pairs).await?, carries: Vec::new() };
        let ids = account_ids(&rates.and(needs));
        let rows = sqlx::query(LOCK).bind(ids).fetch_all(&mut *connection).await?;
        let accounts = rows.iter().map(|row| Ok(read_account!(row))).collect::<Result<_, CommitError>>()?;
        rates.carries = exchanges::postgres::carries(connection, &rates.rounding()).await?;
        let head = sqlx::query(HEAD).fetch_one(&mut *connection).await?;
        // Whoever sets a rate holds the head: none is newer than what is there now.
        if exchanges::postgres::rates(connection, &pairs).await? != rates.newest {
            return Err(CommitError::Stale(Moved::Other));
        }
        Ok(Held { loaded: Loaded { accounts, rates }, committed_at: head.try_get(0)? })
    }

    pub(super) async fn finish(&mut self, rows: &Rows) -> Result<Committed, CommitError> {
        let connection = self.connection().await?;
        let committed = Statement::of(rows, true).run(connection).await?;
        if !rows.exchanges.is_empty() {
            exchanges::postgres::write(connection, rows, committed.at.unwrap_or(rows.asked)).await?;
        }
        connection.execute("COMMIT").await?;
        Ok(committed)
    }

    /// What decisions rest on besides accounts.
    pub(super) async fn look(&mut self, wanted: &Wanted) -> Result<Looked, CommitError> {
        let row = sqlx::query(read::POSTGRES).bind(wanted.json()).fetch_one(self.connection().await?).await?;
        Looked::parse(row.try_get(0)?).map_err(|NeverWritten(what)| CommitError::Corrupt(what))
    }

    pub(super) async fn release(&mut self, error: &CommitError) {
        let Some(mut connection) = self.connection.take() else { return };
        let usable = error.leaves_connection() && within(roll_back(&mut connection)).await.is_ok();
        if usable {
            self.connection = Some(connection);
        }
    }

    pub(super) async fn close(self) {
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "the engine's connection did not close cleanly");
        }
    }
}

async fn roll_back(connection: &mut PgConnection) -> Result<(), CommitError> {
    connection.execute("ROLLBACK").await?;
    Ok(())
}

/// Inserts the keys that are free and reads those that are not: in a statement of its own, whose snapshot can see what
/// the insert had to wait for.
async fn claim(connection: &mut PgConnection, units: &[Unit]) -> Result<Vec<Found>, CommitError> {
    let keys = sorted_keys(units);
    let (digests, fingerprints): (Vec<Uuid>, Vec<Uuid>) = keys.iter().map(|(key, print)| (key.0, *print)).unzip();
    let won = sqlx::query(CLAIM).bind(&digests).bind(&fingerprints).fetch_all(&mut *connection).await?;
    if won.len() == digests.len() {
        return Ok(Vec::new());
    }
    let won = won.iter().map(|row| row.try_get(0)).collect::<Result<Vec<Uuid>, _>>()?;
    let lost: Vec<_> = digests.into_iter().filter(|digest| !won.contains(digest)).collect();
    let found = look_up(connection, &lost).await?;
    // Fewer than were lost: whoever held one has rolled back since.
    if found.len() == lost.len() { Ok(found) } else { Err(CommitError::Stale(Moved::Key)) }
}

async fn look_up(connection: &mut PgConnection, keys: &[Uuid]) -> Result<Vec<Found>, CommitError> {
    let rows = sqlx::query(KEYS).bind(keys).fetch_all(&mut *connection).await?;
    let keys = rows.iter().map(|row| Ok(read_key!(row))).collect::<Result<Vec<_>, CommitError>>()?;
    let ids = named(&keys);
    fill(keys, transfers(connection, &ids).await?)
}

/// Ids name the month of their request, which is that of the commit or the one before; whatever is not found there was
/// imported, or comes from a clock that was wrong.
async fn transfers(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<transfer::Model>, CommitError> {
    let months = || ids.iter().map(|id| Month::of_id(*id));
    let (Some(first), Some(last)) = (months().min(), months().max()) else { return Ok(Vec::new()) };
    let near = sqlx::query(TRANSFERS).bind(ids).bind(first.plus(-1).base()).bind(last.plus(2).base());
    let mut rows = near.fetch_all(&mut *connection).await?;
    if rows.len() < ids.len() {
        rows = sqlx::query(TRANSFERS).bind(ids).bind(0_i64).bind(i64::MAX).fetch_all(connection).await?;
    }
    rows.iter().map(|row| Ok(read_transfer!(row))).collect()
}
