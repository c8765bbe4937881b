//! Calendar months of the ledger: every position names the month it was handed out in, and PostgreSQL keeps what is
//! written once in a table per month.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, Statement};
use shared::clock::{Clock, from_micros};
use uuid::Uuid;

use super::{Backend, Database};

/// Positions in a month: some 10^12, four hundred thousand a second.
const SHIFT: u32 = 40;

/// Months that have their tables before they begin, so that a night without this task costs nothing.
const AHEAD: i32 = 2;

/// Between two looks; a month is opened long before it begins.
const EVERY: Duration = Duration::from_secs(3_600);

/// A calendar month in UTC, counted from January 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i32);

impl Month {
    /// The month of an instant in microseconds since the Unix epoch.
    #[must_use]
    pub fn at(micros: i64) -> Self {
        let at = from_micros(micros);
        Self((at.year() - 1970) * 12 + i32::from(u8::from(at.month())) - 1)
    }

    /// The month that a position was handed out in; positions of before months are of the month 0.
    #[must_use]
    pub fn of(position: i64) -> Self {
        Self(i32::try_from(position >> SHIFT).unwrap_or(i32::MAX))
    }

    /// The month that an id was made in: it carries its instant in milliseconds (RFC 9562, version 7).
    #[must_use]
    pub fn of_id(id: Uuid) -> Self {
        let millis = i64::try_from(id.as_u128() >> 80).unwrap_or(i64::MAX);
        Self::at(millis.saturating_mul(1_000))
    }

    /// As it is counted: 12 for each year since 1970.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The position that the month begins above.
    #[must_use]
    pub fn base(self) -> i64 {
        i64::from(self.0) << SHIFT
    }

    /// The one that is `by` months later.
    #[must_use]
    pub const fn plus(self, by: i32) -> Self {
        Self(self.0 + by)
    }
}

/// As `2026-11`.
impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", 1970 + self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

/// Text that names no month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a month is written as 2026-11, from 1970-01 on")]
pub struct NoMonth;

impl std::str::FromStr for Month {
    type Err = NoMonth;

    fn from_str(text: &str) -> Result<Self, NoMonth> {
        let (year, month) = text.split_once('-').ok_or(NoMonth)?;
        let number = |part: &str, digits: usize| -> Option<i32> {
            (part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok())?
        };
        match (number(year, 4), number(month, 2)) {
            (Some(year @ 1970..), Some(month @ 1..=12)) => Ok(Self((year - 1970) * 12 + month - 1)),
            _ => Err(NoMonth),
        }
    }
}

/// Makes the tables of this month and the next ones, where they are not there. Nothing to SQLite, whose tables are whole.
pub async fn open_months(db: &Database, clock: &Clock) -> Result<(), DbErr> {
    if matches!(db.backend, Backend::Sqlite(_)) {
        return Ok(());
    }
    let this = Month::at(clock.now_micros());
    for ahead in 0..=AHEAD {
        let open = Statement::from_sql_and_values(
            db.pool.get_database_backend(),
            "SELECT open_month($1)",
            [this.plus(ahead).number().into()],
        );
        let opened = db.pool.query_one_raw(open).await?.map(|row| row.try_get_by_index::<bool>(0)).transpose()?;
        if opened == Some(true) {
            tracing::info!(month = ?this.plus(ahead), "opened the tables of a month");
        }
    }
    Ok(())
}

/// Opens months ahead until dropped.
pub async fn keep_opening(db: Database, clock: Clock) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if let Err(error) = open_months(&db, &clock).await {
            tracing::warn!(%error, "the tables of the months to come could not be made; it will be tried again");
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::clock::to_micros;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_month_begins_at_midnight_utc_and_its_positions_lie_above_all_of_the_month_before() {
        let (last, first) = (datetime!(2026-11-30 23:59:59.999999 UTC), datetime!(2026-12-01 00:00 UTC));
        let (november, december) = (Month::at(to_micros(last)), Month::at(to_micros(first)));
        assert_eq!((november, november.plus(1)), (Month(56 * 12 + 10), december));
        assert_eq!(november.base(), 682 << 40);
        assert_eq!((Month::of(november.base() + 1), Month::of(december.base())), (november, december));
        assert_eq!((november.to_string(), "2026-12".parse()), ("2026-11".to_owned(), Ok(december)));
        for wrong in ["2026-13", "2026-00", "1969-12", "2026-1", "26-01", "2026-+1", "", "2026-11-01"] {
            assert_eq!(wrong.parse::<Month>(), Err(NoMonth), "{wrong}");
        }
        assert!(Month::of(7) < november && Month::at(to_micros(datetime!(2652-01-01 00:00 UTC))).base() < 1 << 53);
    }
}
