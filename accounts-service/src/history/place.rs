//! Places in the order of commit, and the entries of an account that stand before them.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement};
use shared::domain::AccountId;

use crate::db::{Backend, Database};

/// What an account's last seq at a position is on each back-end: SQLite keeps an index on positions, PostgreSQL halves
/// over the key, month by month.
#[must_use]
pub(super) fn seq_at_sql(backend: &Backend, account: &str, position: &str) -> String {
    match backend {
        Backend::Postgres(_) => format!("seq_at({account}, {position})"),
        Backend::Sqlite(_) => format!(
            "coalesce((SELECT s.seq FROM entries s WHERE s.account_id = {account} AND s.position <= {position} \
             ORDER BY s.position DESC LIMIT 1), 0)"
        ),
    }
}

#[derive(FromQueryResult)]
struct Between {
    first: Option<i64>,
    beyond: Option<i64>,
}

/// The beginnings of the first batches at or after two instants; none where there is none yet.
const BETWEEN: &str = "SELECT (SELECT b.first_position FROM ledger_batches b WHERE b.posted_at >= $1 \
                       ORDER BY b.posted_at LIMIT 1) AS first, \
                       (SELECT b.first_position FROM ledger_batches b WHERE b.posted_at >= $2 \
                       ORDER BY b.posted_at LIMIT 1) AS beyond";

/// The number of an account's last entry at or before a position; 0 when it had none by then. An answer for a position
/// that is taken never changes.
pub async fn seq_at(db: &Database, account: AccountId, position: i64) -> Result<i64, DbErr> {
    let values = [account.as_uuid().into(), position.into()];
    let sql = format!("SELECT {}", seq_at_sql(&db.backend, "$1", "$2"));
    let statement = Statement::from_sql_and_values(db.pool.get_database_backend(), sql, values);
    let row = db.pool.query_one_raw(statement).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("a row of one number".to_owned()))?.try_get_by_index(0)
}

/// An account as a position left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The number of its last entry; 0: none.
    pub seq: i64,
    /// Its balance with that entry.
    pub balance: i64,
}

#[derive(FromQueryResult)]
struct Last {
    seq: i64,
    balance_after: Option<i64>,
}

/// An account as it was behind everything at or before a position; like [`seq_at`], it never changes once it is answered.
pub(super) async fn standing_at(db: &Database, account: AccountId, position: i64) -> Result<Standing, DbErr> {
    // LIMIT keeps the subquery one: folded into the join, it would be asked for again in each month.
    let sql = format!(
        "SELECT s.seq, e.balance_after FROM (SELECT {} AS seq LIMIT 1) AS s \
         LEFT JOIN entries e ON e.account_id = $1 AND e.seq = s.seq",
        seq_at_sql(&db.backend, "$1", "$2"),
    );
    let values = [account.as_uuid().into(), position.into()];
    let statement = Statement::from_sql_and_values(db.pool.get_database_backend(), sql, values);
    match Last::find_by_statement(statement).one(&db.pool).await? {
        Some(Last { seq: 0, .. }) => Ok(Standing { seq: 0, balance: 0 }),
        Some(Last { seq, balance_after: Some(balance) }) => Ok(Standing { seq, balance }),
        // Numbers have no gaps: where the entry is missing, nothing would be a wrong answer.
        Some(Last { seq, .. }) => Err(DbErr::RecordNotFound(format!("entry {seq} of {account}"))),
        None => Err(DbErr::RecordNotFound("a row of an account's standing".to_owned())),
    }
}

/// A stretch of the order of commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// It begins above this position.
    pub above: i64,
    /// Its last one.
    pub upto: i64,
}

impl Places {
    /// Everything.
    pub const ALL: Self = Self { above: 0, upto: i64::MAX };

    /// What a list has left beyond a place, going its way.
    #[must_use]
    pub fn beyond(self, place: Option<i64>, descending: bool) -> Self {
        match place {
            None => self,
            Some(place) if descending => Self { upto: self.upto.min(place.saturating_sub(1)), ..self },
            Some(place) => Self { above: self.above.max(place), ..self },
        }
    }
}

/// Where what was recorded from `from` on and before `to` stands, both in microseconds since the epoch; none: nothing was
/// recorded so late. As of now: nothing is sealed.
pub async fn places(db: &Database, from: Option<i64>, to: Option<i64>) -> Result<Option<Places>, DbErr> {
    if (from, to) == (None, None) {
        return Ok(Some(Places::ALL));
    }
    let values = [from.unwrap_or(i64::MIN).into(), to.unwrap_or(i64::MAX).into()];
    let statement = Statement::from_sql_and_values(db.pool.get_database_backend(), BETWEEN, values);
    let found = Between::find_by_statement(statement).one(&db.pool).await?;
    let found = found.ok_or_else(|| DbErr::RecordNotFound("a row of two places".to_owned()))?;
    let upto = found.beyond.map_or(i64::MAX, |beyond| beyond - 1);
    match (from, found.first) {
        (None, _) => Ok(Some(Places { above: 0, upto })),
        (Some(_), Some(first)) => Ok(Some(Places { above: first - 1, upto })),
        (Some(_), None) => Ok(None),
    }
}
