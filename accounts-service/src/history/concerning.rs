//! The places in the order of commit at which something happened to some accounts, as SQL: at most a page for each
//! account, so that a page costs its own size and not the history's.
//!
//! Of every such statement `$1` is the position to begin above, `$2` the last one, and `$3` the rows of a page.

use super::place::seq_at_sql;
use crate::db::Backend;

/// A way through the order of commit on one back-end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Concerning<'a> {
    /// Where.
    pub backend: &'a Backend,
    /// Newest first.
    pub descending: bool,
}

impl Concerning<'_> {
    /// The word of the way.
    pub const fn sort(self) -> &'static str {
        if self.descending { "DESC" } else { "ASC" }
    }

    /// `own`: the accounts that `condition` picks among `accounts a`, each with its last entry at the end that the page
    /// begins from. Where there is no entry yet, nothing is looked for.
    pub fn own(self, condition: &str) -> String {
        let end = if self.descending { "$2" } else { "$1" };
        let mark = seq_at_sql(self.backend, "a.id", end);
        format!(
            "own AS MATERIALIZED (SELECT a.id, CASE WHEN a.seq = 0 THEN 0 ELSE {mark} END AS mark FROM accounts a WHERE {condition})"
        )
    }

    /// `found`: each place of `parts` once, although a transfer may have both of its sides among the accounts.
    pub fn found(parts: &[String]) -> String {
        format!("found AS (SELECT DISTINCT n.position FROM ({}) AS n)", parts.join(" UNION ALL "))
    }

    /// Where money moved. The numbers of entries have no gaps, so a page of an account's is a range of them.
    pub const fn posted(self) -> &'static str {
        if self.descending {
            "SELECT e.position FROM own JOIN entries e ON e.account_id = own.id AND e.seq <= own.mark \
             AND e.seq > own.mark - $3 WHERE e.position > $1 AND e.position <= $2"
        } else {
            "SELECT e.position FROM own JOIN entries e ON e.account_id = own.id AND e.seq > own.mark \
             AND e.seq <= own.mark + $3 WHERE e.position > $1 AND e.position <= $2"
        }
    }

    /// Rows of a `table` at the places of `found`, by the alias that is given: that way round, and not the whole table
    /// held against a few places.
    pub fn at_found(self, table: &str, alias: &str) -> String {
        match self.backend {
            Backend::Postgres(_) => format!(
                "found CROSS JOIN LATERAL (SELECT * FROM {table} WHERE position = found.position OFFSET 0) AS {alias}"
            ),
            Backend::Sqlite(_) => {
                format!("found CROSS JOIN {table} AS {alias} ON {alias}.position = found.position")
            }
        }
    }

    /// Where rows stand, each page from its own index. On PostgreSQL the condition is one on the pair of column and
    /// position, ordered by both: an index on positions alone, which is there as well, can answer neither, and a plan that
    /// was made when the tables were empty would take the one for the other.
    pub fn rows(self, rows: Rows<'_>) -> String {
        let (Rows { from, alias, column, value, of_each, condition }, sort) = (rows, self.sort());
        let position = format!("{alias}.position");
        let and = condition.map(|condition| format!(" AND {condition}")).unwrap_or_default();
        match self.backend {
            Backend::Postgres(_) => {
                let lateral = if of_each { "own CROSS JOIN LATERAL " } else { "" };
                format!(
                    "SELECT p.position FROM {lateral}(SELECT {position} FROM {from} \
                     WHERE ROW({column}, {position}) > ROW({value}, $1) AND ROW({column}, {position}) <= ROW({value}, $2) \
                     AND {position} > $1{and} ORDER BY {column} {sort}, {position} {sort} LIMIT $3) AS p"
                )
            }
            // It has no LATERAL, and walks what the accounts have between both ends.
            Backend::Sqlite(_) => {
                let own = if of_each { "own CROSS JOIN " } else { "" };
                format!(
                    "SELECT p.position FROM (SELECT {position} AS position FROM {own}{from} \
                     WHERE {column} = {value} AND {position} > $1 AND {position} <= $2{and} \
                     ORDER BY {position} {sort} LIMIT $3) AS p"
                )
            }
        }
    }
}

/// Rows of a table that has an index on a column and the position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    /// The table with its alias, and what is joined to it.
    pub from: &'a str,
    /// The alias.
    pub alias: &'a str,
    /// The column.
    pub column: &'a str,
    /// What it has to be.
    pub value: &'a str,
    /// Whether that is of an account of `own`, and so a page of each is wanted.
    pub of_each: bool,
    /// What else there is to it, the index's own condition included.
    pub condition: Option<&'a str>,
}
