//! Reading the outbox in the order of commit.

use sea_orm::{ConnectionTrait, DbErr, EntityTrait, FromQueryResult, Statement, Value};
use shared::domain::UserId;

use super::kinds::{EXPIRED, KINDS, POSTED};
use super::model::EventRow;
use crate::db::entity::ledger_head;
use crate::db::{Backend, Database};
use crate::history::{Concerning, Places, Rows};

/// How many events are looked at for those of some kinds, before a page is answered with what was found.
const LOOKED_AT: i64 = 10_000;

/// What is shown of an event `o`, with the transfer that it tells of.
const SHOWN: &str =
    "SELECT o.position AS place, o.id AS event_id, o.kind, o.subject, o.data AS event_data, o.recorded_at, t.*";
const TOLD_OF: &str = "LEFT JOIN transfers t ON t.position = o.position AND o.data IS NULL";
const BETWEEN: &str = "o.position > $1 AND o.position <= $2";

/// The last place that anything has happened at. Whatever has a place up to it can be read: places are handed out under
/// a lock that is held until what has them is committed.
pub async fn head(db: &Database) -> Result<i64, DbErr> {
    let head = ledger_head::Entity::find_by_id(1_i16).one(&db.pool).await?;
    head.map(|head| head.position).ok_or_else(|| DbErr::RecordNotFound("ledger_head".to_owned()))
}

/// What is wanted of the feed.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Only what concerns this user's accounts.
    pub owner: Option<UserId>,
    /// Only of these kinds.
    pub kinds: Option<Vec<&'static str>>,
}

/// A page, and how far it reaches.
#[derive(Debug)]
pub struct Page {
    /// At most as many as were wanted.
    pub rows: Vec<EventRow>,
    /// Nothing that is wanted stands between its last row and this place.
    pub reached: i64,
}

/// The first events of a stretch, at most `limit`.
pub async fn page(db: &Database, wanted: &Wanted, stretch: Places, limit: u32) -> Result<Page, DbErr> {
    let upto = match (wanted.owner, &wanted.kinds) {
        (None, Some(_)) => looked_at(db, stretch).await?,
        (Some(_), _) | (None, None) => stretch.upto,
    };
    let values = vec![stretch.above.into(), upto.into(), (i64::from(limit) + 1).into()];
    let (sql, values) = Query { wanted, values }.build(Concerning { backend: &db.backend, descending: false });
    let Some(sql) = sql else { return Ok(Page { rows: Vec::new(), reached: upto }) };
    let statement = Statement::from_sql_and_values(db.pool.get_database_backend(), sql, values);
    let mut rows = EventRow::find_by_statement(statement).all(&db.pool).await?;
    // The surplus row only shows that more follows.
    let surplus = usize::try_from(limit).is_ok_and(|limit| rows.len() > limit) && rows.pop().is_some();
    let reached = rows.last().filter(|_| surplus).map_or(upto, |last| last.place);
    Ok(Page { rows, reached })
}

/// The end of the part of a stretch that is looked at for some kinds among everybody's events.
async fn looked_at(db: &Database, stretch: Places) -> Result<i64, DbErr> {
    let last = "SELECT o.position FROM outbox_events o WHERE o.position > $1 AND o.position <= $2 \
                ORDER BY o.position LIMIT 1 OFFSET $3";
    let values = [stretch.above.into(), stretch.upto.into(), (LOOKED_AT - 1).into()];
    let last = Statement::from_sql_and_values(db.pool.get_database_backend(), last, values);
    let last = db.pool.query_one_raw(last).await?.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(last.unwrap_or(stretch.upto))
}

/// `$1` to `$3` are as [`Concerning`] has them.
struct Query<'a> {
    wanted: &'a Wanted,
    values: Vec<Value>,
}

impl Query<'_> {
    /// No statement when nothing can be found.
    fn build(mut self, way: Concerning<'_>) -> (Option<String>, Vec<Value>) {
        let sql = match self.wanted.owner {
            None => {
                let of_kinds = self.of_kinds(|_| true).map(|kinds| format!(" AND {kinds}")).unwrap_or_default();
                Some(format!("{SHOWN} FROM outbox_events o {TOLD_OF} WHERE {BETWEEN}{of_kinds}"))
            }
            Some(owner) => {
                let condition = format!("a.owner_id = {}", self.bind(owner.as_uuid()));
                let own = way.own(&condition);
                let parts = self.parts(way);
                let found = (!parts.is_empty()).then(|| Concerning::found(&parts));
                let rows = way.at_found("outbox_events", "o");
                found.map(|found| format!("WITH {own}, {found} {SHOWN} FROM {rows} {TOLD_OF} WHERE {BETWEEN}"))
            }
        };
        let sql = sql.map(|sql| format!("{sql} ORDER BY o.position LIMIT $3"));
        (sql, self.values)
    }

    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn wants(&self, kind: &str) -> bool {
        self.wanted.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    /// The condition that an event `o` is of a wanted kind among those that `such` picks; none when all of them are.
    fn of_kinds(&mut self, such: impl Fn(&str) -> bool) -> Option<String> {
        let kinds = self.wanted.kinds.as_ref()?;
        let kinds: Vec<_> = kinds.iter().filter(|kind| such(kind)).map(|kind| self.bind(*kind)).collect();
        Some(format!("o.kind IN ({})", kinds.join(", ")))
    }

    /// The places of a page of each account: a transfer's events stand where the transfer does; what time has ended names
    /// its accounts; everything else is about an account.
    fn parts(&mut self, way: Concerning<'_>) -> Vec<String> {
        let mut parts = Vec::new();
        if self.wants(POSTED) {
            parts.push(way.posted().to_owned());
        }
        let statuses = ["pending", "voided"].map(|status| (status, self.wants(&format!("transfer.{status}"))));
        let unposted: Vec<_> = statuses.iter().filter(|(_, wanted)| *wanted).map(|(status, _)| *status).collect();
        for side in ["debit_account_id", "credit_account_id"] {
            if !unposted.is_empty() {
                let (column, words) = (format!("t.{side}"), unposted.join("', '"));
                // Not the plain column: the index that is ordered by status must not look as good as that of the side.
                let condition = format!("t.status <> 'posted' AND t.status || '' IN ('{words}')");
                parts.push(way.rows(of_each("transfers t", "t", &column, "own.id", &condition)));
            }
            if self.wants(EXPIRED) {
                let (column, value) = match way.backend {
                    Backend::Postgres(_) => (format!("(o.data::jsonb ->> '{side}')"), "own.id::text"),
                    Backend::Sqlite(_) => (format!("(o.data ->> '{side}')"), HYPHENATED),
                };
                let condition = format!("o.kind = '{EXPIRED}'");
                parts.push(way.rows(of_each("outbox_events o", "o", &column, value, &condition)));
            }
        }
        let others = |kind: &str| !kind.starts_with("transfer.");
        if KINDS.into_iter().any(|kind| others(kind) && self.wants(kind)) {
            let mut condition = "o.data IS NOT NULL".to_owned();
            if let Some(kinds) = self.of_kinds(others) {
                condition = format!("{condition} AND {kinds}");
            }
            parts.push(way.rows(of_each("outbox_events o", "o", "o.subject", "own.id", &condition)));
        }
        parts
    }
}

const fn of_each<'a>(from: &'a str, alias: &'a str, column: &'a str, value: &'a str, condition: &'a str) -> Rows<'a> {
    Rows { from, alias, column, value, of_each: true, condition: Some(condition) }
}

/// An account's id as JSON has it, on SQLite, where it is sixteen bytes.
const HYPHENATED: &str = "lower(substr(hex(own.id), 1, 8) || '-' || substr(hex(own.id), 9, 4) || '-' || \
                          substr(hex(own.id), 13, 4) || '-' || substr(hex(own.id), 17, 4) || '-' || \
                          substr(hex(own.id), 21))";
