//! How a transfer stands when somebody looks: its row never changes, and what became of it stands elsewhere.

use sea_orm::FromQueryResult;
use shared::domain::TransferId;
use shared::http::{Conditions, entity_tag};

use super::model::{CorruptTransfer, Transfer};
use crate::db::entity::transfer::{self, transfer_columns};
use crate::posting::{HoldState, Look, Record, Recorded, Seen};

/// The status that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Money moved, or of what was held at least something did and nothing is held any more.
    Posted,
    /// Money is held.
    Pending,
    /// What was held was let go.
    Voided,
    /// What was held was let go by time.
    Expired,
}

impl Status {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Posted, Self::Pending, Self::Voided, Self::Expired];

    /// The word in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Posted => "posted",
            Self::Pending => "pending",
            Self::Voided => "voided",
            Self::Expired => "expired",
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// What became of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What it is by now.
    pub status: Status,
    /// What is still held of a pending one, and what can still be paid back of a posted one, in minor units.
    pub remaining: Option<i64>,
}

impl Standing {
    /// How it stands when it is recorded.
    #[must_use]
    pub fn recorded(record: &Record) -> Self {
        let (status, remains) = match record.status {
            Recorded::Posted => (Status::Posted, record.reversal_of.is_none()),
            Recorded::Pending => (Status::Pending, true),
            Recorded::Voided => (Status::Voided, false),
        };
        Self { status, remaining: remains.then_some(record.amount.get()) }
    }

    /// The entity tag of a transfer that stands so: nothing else of it ever changes.
    #[must_use]
    pub fn etag(self, id: TransferId) -> String {
        let status = self.status.as_str();
        match self.remaining {
            Some(remaining) => entity_tag(format!("{id}-{status}-{remaining}")),
            None => entity_tag(format!("{id}-{status}")),
        }
    }

    /// The same, of a transfer that is shown with a receipt of that tag. Two receipts differ in when they were signed, so that
    /// this one is weak; whoever has one by a key that signs no more, or of another issuer, gets another.
    #[must_use]
    pub fn etag_with(self, id: TransferId, receipt: &str) -> String {
        format!("W/\"{}-receipt-{receipt}\"", self.etag(id).trim_matches('"'))
    }
}

/// What `If-Match` says of the transfer that something is to be done to: as what the caller has seen it.
#[must_use]
pub fn seen(conditions: &Conditions, id: TransferId) -> Seen {
    let Some(tags) = conditions.if_match() else { return Seen::Anyhow };
    let tags: Vec<_> = tags.collect();
    if tags.contains(&"*") {
        Seen::Anyhow
    } else {
        Seen::As(tags.into_iter().filter_map(|tag| look(tag, id)).collect())
    }
}

/// What a strong entity tag of the transfer says; `None`: it is none that this transfer ever had.
fn look(tag: &str, id: TransferId) -> Option<Look> {
    let said = tag.strip_prefix('"')?.strip_suffix('"')?.strip_prefix(&format!("{id}-"))?;
    let (status, remaining) = match said.split_once('-') {
        Some((status, remaining)) => (status, Some(remaining.parse().ok()?)),
        None => (said, None),
    };
    let status = Status::parse(status)?;
    let state = match status {
        Status::Posted => HoldState::Posted,
        Status::Pending => HoldState::Open,
        Status::Voided => HoldState::Voided,
        Status::Expired => HoldState::Expired,
    };
    (Standing { status, remaining }.etag(id) == tag).then_some(Look { state, remaining })
}

/// A transfer as it stands.
#[derive(Clone, Debug)]
pub struct Shown {
    /// As it was recorded.
    pub transfer: Transfer,
    /// What became of it.
    pub standing: Standing,
}

/// What a query has to find for it.
#[derive(Debug, FromQueryResult)]
pub struct ShownRow {
    /// The transfer's own row.
    #[sea_orm(nested)]
    pub transfer: transfer::Model,
    /// The word of its status by now.
    pub shown: String,
    /// What remains of it.
    pub remaining: Option<i64>,
}

impl TryFrom<ShownRow> for Shown {
    type Error = CorruptTransfer;

    fn try_from(row: ShownRow) -> Result<Self, CorruptTransfer> {
        let status = Status::parse(&row.shown).ok_or(CorruptTransfer::at(row.transfer.position))?;
        let standing = Standing { status, remaining: row.remaining };
        Ok(Self { transfer: row.transfer.try_into()?, standing })
    }
}

/// The status of a row `t` with its hold `h`, at the instant that the statement has as `now`. Time ends a hold whether or
/// not anybody has written it down, and what was booked of it makes it posted, however the rest ended.
pub fn status_sql(now: &str) -> String {
    format!(
        "CASE WHEN t.status <> 'pending' THEN t.status \
         WHEN h.state = 'open' AND h.expires_at <= {now} AND h.posted > 0 THEN 'posted' \
         WHEN h.state = 'open' AND h.expires_at <= {now} THEN 'expired' \
         WHEN h.state = 'open' THEN 'pending' ELSE h.state END"
    )
}

/// Everything of [`ShownRow`], of a transfer `t` that [`BESIDE`] was joined to.
pub fn columns_sql(now: &str) -> String {
    let (status, transfer) = (status_sql(now), transfer_columns!("t."));
    format!(
        "{transfer}, {status} AS shown, CASE WHEN t.status = 'pending' THEN \
         CASE WHEN h.state = 'open' AND (h.expires_at IS NULL OR h.expires_at > {now}) \
         THEN h.amount - h.posted - h.released ELSE 0 END \
         WHEN t.status = 'posted' AND t.reversal_of IS NULL THEN t.amount - coalesce(r.reversed, 0) END AS remaining"
    )
}

/// The hold of a pending transfer.
pub const HOLD: &str = "LEFT JOIN holds h ON h.transfer_id = t.id AND t.status = 'pending'";

/// What stands beside a transfer.
pub const BESIDE: &str = "LEFT JOIN holds h ON h.transfer_id = t.id AND t.status = 'pending' \
                          LEFT JOIN reversals r ON r.transfer_id = t.id";
