//! Reading a record out of PostgreSQL or SQLite: every column as text, so that one query serves both.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};

use super::{Committed, Entry, Exchanged, Made, Record, Row, SetRate, Stored};
use crate::ledger::model::{Account, Limit, Status};

/// `#name` is an id, `@name` any other column.
const TRANSFERS: &str = "SELECT @position, @created_at, #id, #debit_account_id, #credit_account_id, @amount, @currency, \
                         @status, @description, @external_ref, #pending_of, #reversal_of, @expires_at, #created_by \
                         FROM transfers";
const EVENTS: &str = "SELECT @position, @recorded_at, @kind, #subject FROM outbox_events";
const ENTRIES: &str = "SELECT #account_id, @seq, #transfer_id, @amount, @balance_after, @position, @posted_at \
                       FROM entries";
const ACCOUNTS: &str = "SELECT #id, #owner_id, @kind, @currency, @status, @balance, @held, @floor, @ceiling, @seq, \
                        @version, @next_expiry FROM accounts";

const LIMITS: &str = "SELECT #account_id, @window_seconds, @most_amount, @most_count FROM account_limits";

const RATES: &str = "SELECT @position, @created_at, #id, @base, @quote, @rate, #base_account_id, #quote_account_id, \
                     #rounding_account_id, @valid_until, #created_by FROM exchange_rates";

const EXCHANGES: &str = "SELECT @position, @created_at, #id, #rate_id, #paid_transfer_id, #received_transfer_id, \
                         #rounding_transfer_id, @remainder, #created_by FROM exchanges";

const CARRIES: &str = "SELECT #rounding_account_id, @grains FROM exchange_carries";

const KEYS: &str = "SELECT @count(*) FROM transfer_keys";

type Line = Vec<Option<String>>;

/// One connection, of either kind.
enum Door {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Record {
    /// Reads everything in one snapshot: whatever runs by itself may go on.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn read(url: &str) -> Result<Self, sqlx::Error> {
        let mut door = Door::open(url).await?;
        door.hold_still().await?;
        let mut rows: Vec<_> = door.lines(TRANSFERS).await?.into_iter().map(transfer).collect();
        rows.extend(door.lines(RATES).await?.into_iter().map(rate));
        rows.extend(door.lines(EXCHANGES).await?.into_iter().map(exchange));
        rows.extend(door.lines(EVENTS).await?.into_iter().filter_map(event));
        rows.sort_by_key(|row| row.position);
        // Here and not there: a text of digits does not sort as its number.
        let mut entries: Vec<_> = door.lines(ENTRIES).await?.into_iter().map(entry).collect();
        entries.sort_by(|one, other| (&one.account, one.seq).cmp(&(&other.account, other.seq)));
        let mut accounts: BTreeMap<_, _> = door.lines(ACCOUNTS).await?.into_iter().map(account).collect();
        for (id, limit) in door.lines(LIMITS).await?.into_iter().map(limit) {
            accounts.entry(id).and_modify(|stored| stored.account.limits.push(limit));
        }
        let carries = door.lines(CARRIES).await?.into_iter().map(carry).collect();
        let keys = door.lines(KEYS).await?.into_iter().map(|line| Columns(line.into_iter()).number()).sum();
        Ok(Self { rows, entries, accounts, carries, keys })
    }
}

impl Door {
    async fn open(url: &str) -> Result<Self, sqlx::Error> {
        if url.starts_with("postgres") {
            return PgConnection::connect(url).await.map(Self::Postgres);
        }
        SqliteConnection::connect(url).await.map(Self::Sqlite)
    }

    async fn hold_still(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(connection) => {
                sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(connection).await.map(drop)
            }
            Self::Sqlite(connection) => sqlx::raw_sql("BEGIN").execute(connection).await.map(drop),
        }
    }

    async fn lines(&mut self, sql: &str) -> Result<Vec<Line>, sqlx::Error> {
        match self {
            Self::Postgres(connection) => {
                let sql = spelled(sql, |id| format!("{id}::text"), |other| format!("{other}::text"));
                let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
                rows.iter().map(|row| (0..row.len()).map(|at| row.try_get(at)).collect()).collect()
            }
            Self::Sqlite(connection) => {
                let sql = spelled(sql, |id| format!("lower(hex({id}))"), |other| format!("CAST({other} AS TEXT)"));
                let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
                rows.iter().map(|row| (0..row.len()).map(|at| row.try_get(at)).collect()).collect()
            }
        }
    }
}

fn spelled(sql: &str, id: impl Fn(&str) -> String, other: impl Fn(&str) -> String) -> String {
    let words = sql.split(' ').map(|word| {
        let (column, comma) = word.strip_suffix(',').map_or((word, ""), |column| (column, ","));
        match (column.strip_prefix('#'), column.strip_prefix('@')) {
            (Some(name), _) => format!("{}{comma}", id(name)),
            (None, Some(name)) => format!("{}{comma}", other(name)),
            (None, None) => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The columns of one line, taken one after the other.
struct Columns(std::vec::IntoIter<Option<String>>);

impl Columns {
    fn maybe(&mut self) -> Option<String> {
        self.0.next().flatten()
    }

    fn text(&mut self) -> String {
        self.maybe().unwrap_or_default()
    }

    fn number(&mut self) -> i64 {
        self.text().parse().expect("a column of integers")
    }

    fn maybe_number(&mut self) -> Option<i64> {
        self.maybe().map(|text| text.parse().expect("a column of integers"))
    }

    /// With hyphens, as the API shows it. SQLite's `hex(NULL)` is an empty text.
    fn maybe_id(&mut self) -> Option<String> {
        self.maybe().filter(|text| !text.is_empty()).map(|text| {
            let id: uuid::Uuid = text.parse().expect("a column of ids");
            id.to_string()
        })
    }

    fn id(&mut self) -> String {
        self.maybe_id().expect("an id")
    }
}

fn transfer(line: Line) -> Row {
    let mut columns = Columns(line.into_iter());
    let (position, at) = (columns.number(), columns.number());
    let made = Made {
        id: columns.id(),
        debit: columns.id(),
        credit: columns.id(),
        amount: columns.number(),
        currency: columns.text(),
        status: columns.text(),
        tag: columns.maybe(),
        reference: columns.maybe(),
        pending_of: columns.maybe_id(),
        reversal_of: columns.maybe_id(),
        expires_at: columns.maybe_number(),
        by: columns.id(),
    };
    Row { position, at, what: Committed::Transfer(made) }
}

fn rate(line: Line) -> Row {
    let mut columns = Columns(line.into_iter());
    let (position, at) = (columns.number(), columns.number());
    let set = SetRate {
        id: columns.id(),
        pair: (columns.text(), columns.text()),
        rate: columns.text(),
        base: columns.id(),
        quote: columns.id(),
        rounding: columns.id(),
        valid_until: columns.maybe_number(),
        by: columns.id(),
    };
    Row { position, at, what: Committed::Rate(set) }
}

fn exchange(line: Line) -> Row {
    let mut columns = Columns(line.into_iter());
    let (position, at) = (columns.number(), columns.number());
    let made = Exchanged {
        id: columns.id(),
        rate_id: columns.id(),
        legs: [columns.maybe_id(), columns.maybe_id(), columns.maybe_id()].into_iter().flatten().collect(),
        remainder: columns.number(),
        by: columns.id(),
    };
    Row { position, at, what: Committed::Exchange(made) }
}

fn carry(line: Line) -> (String, i64) {
    let mut columns = Columns(line.into_iter());
    (columns.id(), columns.number())
}

/// The own events of transfers, rates and exchanges stand at their positions and say nothing more.
fn event(line: Line) -> Option<Row> {
    let mut columns = Columns(line.into_iter());
    let (position, at, kind, subject) = (columns.number(), columns.number(), columns.text(), columns.id());
    let status = |to| Committed::Status { account: subject.clone(), to };
    let what = match kind.as_str() {
        "transfer.posted" | "transfer.pending" | "transfer.voided" | "exchange.made" | "exchange_rate.set" => {
            return None;
        }
        "transfer.expired" => Committed::Lapsed { transfer: subject },
        "account.frozen" => status(Status::Frozen),
        "account.unfrozen" => status(Status::Open),
        "account.closed" => status(Status::Closed),
        "account.opened" => Committed::Else,
        kind if kind.starts_with("account.") => Committed::Changed { account: subject },
        _ => Committed::Else,
    };
    Some(Row { position, at, what })
}

fn entry(line: Line) -> Entry {
    let mut columns = Columns(line.into_iter());
    Entry {
        account: columns.id(),
        seq: columns.number(),
        transfer: columns.id(),
        amount: columns.number(),
        balance_after: columns.number(),
        position: columns.number(),
        at: columns.number(),
    }
}

fn limit(line: Line) -> (String, Limit) {
    let mut columns = Columns(line.into_iter());
    let (id, window) = (columns.id(), columns.number().saturating_mul(1_000_000));
    let mut most = || columns.maybe_number().map(i128::from);
    (id, Limit { window, amount: most(), count: most() })
}

fn account(line: Line) -> (String, Stored) {
    let mut columns = Columns(line.into_iter());
    let (id, owner) = (columns.id(), columns.id());
    let system = columns.text() == "system";
    let currency = columns.text();
    let status = match columns.text().as_str() {
        "open" => Status::Open,
        "frozen" => Status::Frozen,
        _ => Status::Closed,
    };
    let (balance, held) = (columns.number(), columns.number());
    let (floor, ceiling) = (columns.maybe_number(), columns.maybe_number());
    let account = Account {
        owner,
        system,
        currency,
        status,
        floor: floor.map(i128::from),
        ceiling: ceiling.map(i128::from),
        limits: Vec::new(),
        balance: balance.into(),
        seq: columns.number().into(),
        version: columns.number().into(),
        unsure: false,
    };
    (id, Stored { account, held, next_expiry: columns.maybe_number() })
}
