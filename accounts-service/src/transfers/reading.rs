//! Reading transfers as they stand: one by its id, and pages of them in the order of commit.

use sea_orm::{ColumnTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, Statement, Value};
use serde::Serialize;
use shared::domain::{AccountId, TransferId, UserId};
use uuid::Uuid;

use super::shown::{BESIDE, HOLD, ShownRow, Status, columns_sql, status_sql};
use crate::db::entity::{account, transfer};
use crate::db::{Database, Month};
use crate::history::{Concerning, Rows};

/// A transfer as it stands at `now`, if `reader` owns a side of it; `None` reads them all.
pub async fn visible(
    db: &Database,
    id: TransferId,
    (reader, now): (Option<UserId>, i64),
) -> Result<Option<ShownRow>, DbErr> {
    let Some(row) = find(db, id, now).await? else { return Ok(None) };
    let Some(reader) = reader else { return Ok(Some(row)) };
    let sides = account::Column::Id.is_in([row.transfer.debit_account_id, row.transfer.credit_account_id]);
    let own = account::Column::OwnerId.eq(reader.as_uuid());
    let side = account::Entity::find().filter(sides).filter(own).one(&db.pool).await?;
    Ok(side.map(|_| row))
}

/// Its id says about when it was made, so what is older is not looked at first.
async fn find(db: &Database, id: TransferId, now: i64) -> Result<Option<ShownRow>, DbErr> {
    let columns = columns_sql("$2");
    let whole = format!("SELECT {columns} FROM transfers t {BESIDE} WHERE t.id = $1");
    let late = format!("{whole} AND t.position >= $3");
    let backend = db.pool.get_database_backend();
    let wanted: [Value; 3] = [id.as_uuid().into(), now.into(), not_before(id.as_uuid()).into()];
    let late = Statement::from_sql_and_values(backend, late, wanted.clone());
    match ShownRow::find_by_statement(late).one(&db.pool).await? {
        Some(row) => Ok(Some(row)),
        None => {
            let [id, now, _] = wanted;
            let whole = Statement::from_sql_and_values(backend, whole, [id, now]);
            ShownRow::find_by_statement(whole).one(&db.pool).await
        }
    }
}

/// The position that the month before the one begins above in which an id was made (RFC 9562, section 5.7: milliseconds
/// in front).
fn not_before(id: Uuid) -> i64 {
    let millis = id.as_bytes().iter().take(6).fold(0, |millis, byte| millis << 8 | i64::from(*byte));
    Month::at(millis.saturating_mul(1_000)).plus(-1).base()
}

/// Where a transfer stands in the order of commit.
pub async fn position_of(db: &Database, id: TransferId) -> Result<Option<i64>, DbErr> {
    let found = transfer::Entity::find().filter(transfer::Column::Id.eq(id.as_uuid()));
    let late = found.clone().filter(transfer::Column::Position.gte(not_before(id.as_uuid())));
    let row = match late.one(&db.pool).await? {
        Some(row) => Some(row),
        None => found.one(&db.pool).await?,
    };
    Ok(row.map(|row| row.position))
}

/// What a list of transfers is narrowed to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Filter {
    /// Only with a side of this user's.
    pub owner: Option<UserId>,
    /// Only with this account on a side.
    pub account: Option<AccountId>,
    /// Only with this reference.
    pub external_ref: Option<String>,
    /// Only what posts or voids this pending one.
    pub pending_of: Option<TransferId>,
    /// Only what reverses this one.
    pub reversal_of: Option<TransferId>,
    /// Only of this status by now.
    pub status: Option<Status>,
    /// Only recorded then or later, in microseconds since the epoch.
    pub from: Option<i64>,
    /// Only recorded before then.
    pub to: Option<i64>,
}

/// A stretch of the order of commit, and which way to go through it.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Newest first.
    pub descending: bool,
    /// Rows beyond this position only.
    pub above: i64,
    /// Rows up to this one.
    pub upto: i64,
    /// At most so many.
    pub rows: u32,
}

/// A page in the order of commit, of transfers as they stand at `now`.
///
/// By what a transfer names through an index of its own; of one or many accounts through their entries and through what
/// did not post, a page of each; everything through the positions, or through what did not post alone.
pub async fn list(db: &Database, filter: &Filter, window: Window, now: i64) -> Result<Vec<ShownRow>, DbErr> {
    let way = Concerning { backend: &db.backend, descending: window.descending };
    let values = vec![window.above.into(), window.upto.into(), i64::from(window.rows).into(), now.into()];
    let (sql, values) = Query { filter, way, values }.build();
    let statement = Statement::from_sql_and_values(db.pool.get_database_backend(), sql, values);
    ShownRow::find_by_statement(statement).all(&db.pool).await
}

/// `$1` to `$3` are as [`Concerning`] has them, and `$4` is now.
struct Query<'a> {
    filter: &'a Filter,
    way: Concerning<'a>,
    values: Vec<Value>,
}

impl Query<'_> {
    fn build(mut self) -> (String, Vec<Value>) {
        let (with, from, condition) = match self.parts() {
            Parts::Whole(condition) => {
                (String::new(), "transfers t".to_owned(), all([Some(BETWEEN.to_owned()), condition]))
            }
            Parts::Found { own, parts } => {
                let own = own.map(|own| format!("{own}, ")).unwrap_or_default();
                let found = Concerning::found(&parts);
                (format!("WITH {own}{found} "), self.way.at_found("transfers", "t"), BETWEEN.to_owned())
            }
        };
        let (columns, sort) = (columns_sql("$4"), self.way.sort());
        let sql = format!(
            "{with}SELECT {columns} FROM {from} {BESIDE} WHERE {condition} ORDER BY t.position {sort} LIMIT $3"
        );
        (sql, self.values)
    }

    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// What answers best.
    fn parts(&mut self) -> Parts {
        let accounts = self.accounts();
        if let Some(part) = self.named(accounts.as_deref()) {
            return Parts::Found { own: None, parts: vec![part] };
        }
        let Some(accounts) = accounts else {
            return match self.filter.status {
                None | Some(Status::Posted) => Parts::Whole(self.of_status()),
                Some(Status::Pending | Status::Expired) => {
                    Parts::Found { own: None, parts: self.recorded(&["pending"]) }
                }
                Some(Status::Voided) => Parts::Found { own: None, parts: self.recorded(&["pending", "voided"]) },
            };
        };
        Parts::Found { own: Some(self.way.own(&accounts)), parts: self.of_accounts() }
    }

    /// Which accounts have to be on a side, if it matters.
    fn accounts(&mut self) -> Option<String> {
        let id = self.filter.account.map(|id| format!("a.id = {}", self.bind(id.as_uuid())));
        let owner = self.filter.owner.map(|owner| format!("a.owner_id = {}", self.bind(owner.as_uuid())));
        Some(all([id, owner])).filter(|condition| !condition.is_empty())
    }

    /// The status by now, if it matters.
    fn of_status(&mut self) -> Option<String> {
        let status = self.filter.status?;
        Some(format!("{} = {}", status_sql("$4"), self.bind(status.as_str())))
    }

    /// The places of what names something, if anything has to be named: the first by its index.
    fn named(&mut self, accounts: Option<&str>) -> Option<String> {
        let filter = self.filter;
        let reference = filter.external_ref.as_deref().map(|text| ("t.external_ref", self.bind(text)));
        let pending = filter.pending_of.map(|id| ("t.pending_of", self.bind(id.as_uuid())));
        let reversal = filter.reversal_of.map(|id| ("t.reversal_of", self.bind(id.as_uuid())));
        let mut named = [reference, pending, reversal].into_iter().flatten();
        let (column, value) = named.next()?;
        let mut conditions = vec![format!("{column} IS NOT NULL")];
        conditions.extend(named.map(|(column, value)| format!("{column} = {value}")));
        conditions.extend(self.of_status());
        conditions.extend(accounts.map(|accounts| {
            let sides = "t.debit_account_id, t.credit_account_id";
            format!("EXISTS (SELECT 1 FROM accounts a WHERE a.id IN ({sides}) AND {accounts})")
        }));
        let condition = conditions.join(" AND ");
        let from = format!("transfers t {HOLD}");
        let rows = Rows { from: &from, alias: "t", column, value: &value, of_each: false, condition: Some(&condition) };
        Some(self.way.rows(rows))
    }

    /// The places of what is recorded so, and is by now what is wanted.
    fn recorded(&mut self, statuses: &[&str]) -> Vec<String> {
        let condition = all([Some(BY_STATUS.to_owned()), self.of_status()]);
        let from = format!("transfers t {HOLD}");
        let part = |status: &&str| {
            let (value, condition) = (format!("'{status}'"), Some(condition.as_str()));
            self.way.rows(Rows {
                from: &from,
                alias: "t",
                column: "t.status",
                value: &value,
                of_each: false,
                condition,
            })
        };
        statuses.iter().map(part).collect()
    }

    /// The places of a page of each account: its entries, unless what is wanted moved no money, and beside them what has
    /// no entries on either side.
    fn of_accounts(&mut self) -> Vec<String> {
        let of_status = self.of_status();
        let from = if of_status.is_some() { format!("transfers t {HOLD}") } else { "transfers t".to_owned() };
        let condition = all([Some(UNPOSTED.to_owned()), of_status]);
        let side = |column: &str| {
            let condition = Some(condition.as_str());
            self.way.rows(Rows { from: &from, alias: "t", column, value: "own.id", of_each: true, condition })
        };
        let mut parts: Vec<_> = ["t.debit_account_id", "t.credit_account_id"].into_iter().map(side).collect();
        if self.filter.status.is_none_or(|status| status == Status::Posted) {
            parts.push(self.way.posted().to_owned());
        }
        parts
    }
}

/// Where the rows of a page are found.
enum Parts {
    /// Among all of them, which are mostly what is wanted.
    Whole(Option<String>),
    /// At places that are found first.
    Found { own: Option<String>, parts: Vec<String> },
}

const UNPOSTED: &str = "t.status <> 'posted'";

/// The same in other words: those of the index that is ordered by status, so that what asks by account is not answered
/// through it, which a plan from when a month was empty would find as cheap.
const BY_STATUS: &str = "t.status IN ('pending', 'voided')";

const BETWEEN: &str = "t.position > $1 AND t.position <= $2";

fn all<const N: usize>(conditions: [Option<String>; N]) -> String {
    conditions.into_iter().flatten().collect::<Vec<_>>().join(" AND ")
}
