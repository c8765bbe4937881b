//! A transaction that writes: begun so that it cannot fail half-way, rolled back unless committed.

use std::ops::Deref;
use std::time::Duration;

use parking_lot::Mutex;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use shared::domain::UserId;
use tokio::sync::OwnedMutexGuard;

use super::connect::Kind;
use super::fault::Fault;
use crate::audit::{self, Event, Tally};
use crate::users::UserCache;

/// A row that whoever changes something as a whole locks first, until commit. Lock order everywhere: idempotency key,
/// counter (in the order below), user, a passkey's challenge, OAuth client, sessions and links (whoever changes several of a user holds that user; the
/// sessions and authorizations of a client are many users', so all who change several hold them in the order of their ids
/// ([`super::hold`]); others hold one at a time, and sweeps wait for none), authorization, consent, and last of all
/// the head of the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Making the first keys, and the first administrator.
    Setup,
    /// Who is an administrator.
    Administrators,
    /// Numbers users in the order in which their registrations commit, which is what cursors go by. Whoever gives or changes
    /// a user name holds it, so that no two who look alike get theirs at once. A sweep that frees held ones need not.
    Users,
    /// Numbers OAuth clients in the same way.
    Clients,
}

impl Counter {
    const fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Administrators => "administrators",
            Self::Users => "users",
            Self::Clients => "clients",
        }
    }
}

/// One writing transaction. On SQLite it takes the write lock at once (`BEGIN IMMEDIATE`): a reader that turns writer
/// could only fail.
#[derive(Debug)]
pub struct Write {
    // Before the turn: the next writer begins when this one has ended.
    transaction: DatabaseTransaction,
    kind: Kind,
    /// Security events of this transaction, written as its last rows.
    events: Mutex<Vec<Event>>,
    tally: Tally,
    /// Users whom this transaction changes.
    touched: Mutex<Vec<UserId>>,
    cache: UserCache,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Write {
    pub(super) async fn begin(
        pool: &DatabaseConnection,
        kind: Kind,
        tally: Tally,
        cache: UserCache,
        turn: Option<OwnedMutexGuard<()>>,
    ) -> Result<Self, Fault> {
        let options = TransactionOptions {
            isolation_level: None,
            access_mode: None,
            sqlite_transaction_mode: (kind == Kind::Sqlite).then_some(SqliteTransactionMode::Immediate),
        };
        let transaction = pool.begin_with_options(options).await?;
        Ok(Self { transaction, kind, events: Mutex::default(), tally, touched: Mutex::default(), cache, turn })
    }

    /// Notes what is done here for the audit. It is committed with the rest or not at all: nothing is done without its
    /// record, and there is no record of what was not done.
    pub fn audit(&self, event: Event) {
        self.events.lock().push(event);
    }

    /// Notes that something is changed here which a user is shown with: whoever reads them after the commit sees it.
    pub fn touched(&self, user: UserId) {
        self.touched.lock().push(user);
    }

    /// Makes the changes last, with the events they are. These come last, so that everybody takes the lock on the end of
    /// the chain after all others, and holds it for no longer than a commit takes.
    ///
    /// # Errors
    /// When the database does not confirm; whether they last is then not known.
    pub async fn commit(self) -> Result<(), Fault> {
        let Self { transaction, events, tally, touched, cache, turn, .. } = self;
        let events = events.into_inner();
        if !events.is_empty() {
            audit::append(&transaction, &events).await?;
        }
        let debt = cache.owe(touched.into_inner());
        let committed = transaction.commit().await;
        drop(turn);
        match committed {
            Ok(()) => cache.settle(debt).await,
            // Perhaps only the confirmation was lost, and perhaps it is still under way: left to whoever purges twice.
            Err(error) => {
                drop(debt);
                return Err(error.into());
            }
        }
        tally.wrote(events.iter().map(Event::kind));
        Ok(())
    }

    /// Undoes the changes.
    pub async fn rollback(self) {
        if let Err(error) = self.transaction.rollback().await {
            tracing::debug!(%error, "the database was gone before the rollback");
        }
    }

    /// The bare transaction.
    #[must_use]
    pub const fn transaction(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// Counts one up, keeps the row locked until the end of the transaction, and returns the new count.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn next(&self, counter: Counter) -> Result<i64, Fault> {
        let sql = "UPDATE counters SET value = value + 1 WHERE name = $1 RETURNING value";
        let backend = self.transaction.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, [counter.name().into()]);
        let row = self.transaction.query_one_raw(statement).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound(format!("counter {}", counter.name())))?;
        Ok(row.try_get("", "value")?)
    }

    /// Keeps the row locked until the end of the transaction, as [`Self::next`] does, and counts nothing.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn hold(&self, counter: Counter) -> Result<(), Fault> {
        let sql = "UPDATE counters SET value = value WHERE name = $1";
        let backend = self.transaction.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, [counter.name().into()]);
        self.transaction.execute_raw(statement).await?;
        Ok(())
    }

    /// How long its statements wait for a row that another transaction holds; zero: without end; nothing: as long as
    /// the connection's settings say.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn patience(&self, wait: Option<Duration>) -> Result<(), Fault> {
        match self.kind {
            Kind::Postgres => {
                let wait = wait.map_or_else(|| "DEFAULT".to_owned(), |wait| wait.as_millis().to_string());
                let sql = format!("SET LOCAL lock_timeout TO {wait}");
                self.transaction.execute_unprepared(&sql).await?;
                Ok(())
            }
            // There is one writer, and it is this one.
            Kind::Sqlite => Ok(()),
        }
    }
}

impl Deref for Write {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.transaction
    }
}
