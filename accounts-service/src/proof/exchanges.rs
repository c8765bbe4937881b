//! Exchanges: both sides are there, worth what the rate in force says, and rounding has lost nothing.

use sea_orm::{DbErr, FromQueryResult, Value};
use serde::Deserialize;
use shared::domain::Currency;
use uuid::Uuid;

use super::finding::{Findings, Place};
use super::invariant::Invariant;
use super::snapshot::Snapshot;
use super::sums;

/// A whole minor unit, in what remainders are counted in.
pub const UNIT: i128 = 1_000_000_000_000_000_000;

/// Digits that a rate may have behind its point.
const RATE_DIGITS: u32 = 12;

/// Digits of a remainder.
const UNIT_DIGITS: u32 = 18;

#[derive(Clone, Debug, FromQueryResult)]
struct Exchange {
    id: Uuid,
    position: i64,
    remainder: i64,
    created_at: i64,
    rate_id: Uuid,
    paid_transfer_id: Uuid,
    received_transfer_id: Uuid,
    rounding_transfer_id: Option<Uuid>,
    rate_position: Option<i64>,
    valid_until: Option<i64>,
    newest: Option<i64>,
    base: Option<String>,
    quote: Option<String>,
    rate: Option<String>,
    base_account_id: Option<Uuid>,
    quote_account_id: Option<Uuid>,
    rounding_account_id: Option<Uuid>,
    p_position: Option<i64>,
    p_amount: Option<i64>,
    p_currency: Option<String>,
    p_status: Option<String>,
    p_credit: Option<Uuid>,
    p_at: Option<i64>,
    q_amount: Option<i64>,
    q_currency: Option<String>,
    q_status: Option<String>,
    q_debit: Option<Uuid>,
    q_at: Option<i64>,
    o_currency: Option<String>,
    o_status: Option<String>,
    o_debit: Option<Uuid>,
    o_credit: Option<Uuid>,
    o_at: Option<i64>,
    event_id: Option<Uuid>,
    event_kind: Option<String>,
    event_data: Option<String>,
}

/// What the event of an exchange tells of it.
#[derive(Deserialize)]
struct Told {
    rate_id: Uuid,
    rate: Option<String>,
    paid_transfer_id: Uuid,
    received_transfer_id: Uuid,
    rounding_transfer_id: Option<Uuid>,
}

const WHOLE: &str = "SELECT x.id, x.position, x.remainder, x.created_at, x.rate_id, x.paid_transfer_id, \
                     x.received_transfer_id, x.rounding_transfer_id, r.position AS rate_position, r.valid_until, \
                     (SELECT max(n.position) FROM exchange_rates n WHERE n.base = r.base AND n.quote = r.quote \
                     AND n.position < coalesce(p.position, x.position)) AS newest, r.base, r.quote, r.rate, \
                     r.base_account_id, r.quote_account_id, r.rounding_account_id, \
                     p.position AS p_position, p.amount AS p_amount, p.currency AS p_currency, p.status AS p_status, \
                     p.credit_account_id AS p_credit, p.created_at AS p_at, \
                     q.amount AS q_amount, q.currency AS q_currency, q.status AS q_status, \
                     q.debit_account_id AS q_debit, q.created_at AS q_at, \
                     o.currency AS o_currency, o.status AS o_status, o.debit_account_id AS o_debit, \
                     o.credit_account_id AS o_credit, o.created_at AS o_at, v.id AS event_id, v.kind AS event_kind, \
                     v.data AS event_data \
                     FROM exchanges x LEFT JOIN exchange_rates r ON r.id = x.rate_id \
                     LEFT JOIN transfers p ON p.id = x.paid_transfer_id \
                     LEFT JOIN transfers q ON q.id = x.received_transfer_id \
                     LEFT JOIN transfers o ON o.id = x.rounding_transfer_id \
                     LEFT JOIN outbox_events v ON v.position = x.position";

/// Every exchange.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_all(snapshot: &Snapshot, findings: &mut Findings) -> Result<(), DbErr> {
    let sql = format!("{WHOLE} ORDER BY x.position");
    snapshot.each(&sql, Vec::new(), |row: Exchange| row.judge(findings)).await?;
    sums::check_remainders(snapshot, findings).await
}

/// Those between two positions.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_some(snapshot: &Snapshot, places: (i64, i64), findings: &mut Findings) -> Result<(), DbErr> {
    let sql = format!("{WHOLE} WHERE x.position >= $1 AND x.position <= $2");
    let rows: Vec<Exchange> = snapshot.all(&sql, vec![Value::from(places.0), Value::from(places.1)]).await?;
    rows.iter().for_each(|row| row.judge(findings));
    Ok(())
}

/// These, wherever they are.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_these(snapshot: &Snapshot, ids: &[Uuid], findings: &mut Findings) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let list = (1..=ids.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    let values = ids.iter().map(|id| Value::from(*id)).collect();
    snapshot.each(&format!("{WHOLE} WHERE x.id IN ({list})"), values, |row: Exchange| row.judge(findings)).await
}

impl Exchange {
    fn judge(&self, findings: &mut Findings) {
        // Its batch is that of its transfers; its own position is that of its event, behind them.
        let place = Place::at(self.p_position.unwrap_or(self.position)).with(self.id);
        findings.check(Invariant::Events, &place, self.is_told(), || "an exchange without its event".to_owned());
        let (sides, rounded) = (self.has_sides(), self.is_rounded());
        let (in_force, worth) = (self.is_in_force(), self.is_worth());
        let holds = sides && rounded && in_force && worth == Some(true);
        findings.check(Invariant::Exchanges, &place, holds, || match (sides, rounded, in_force) {
            (false, _, _) => "a side of it is missing, or not what its rate says".to_owned(),
            (_, false, _) => {
                "what was booked of its rounding is missing, or not between the house's accounts".to_owned()
            }
            (_, _, false) => "its rate was not in force: there was a newer one, or it had lapsed".to_owned(),
            (_, _, _) => format!(
                "{} at {} is not {} and {} of 10^18",
                self.p_amount.unwrap_or_default(),
                self.rate.as_deref().unwrap_or("no rate"),
                self.q_amount.unwrap_or_default(),
                self.remainder
            ),
        });
    }

    /// Whether its event is there, and tells of these rows.
    fn is_told(&self) -> bool {
        let told = serde_json::from_str::<Told>(self.event_data.as_deref().unwrap_or_default());
        let own = told.is_ok_and(|told| {
            (told.rate_id, told.paid_transfer_id) == (self.rate_id, self.paid_transfer_id)
                && told.received_transfer_id == self.received_transfer_id
                && told.rounding_transfer_id == self.rounding_transfer_id
                && told.rate == self.rate
        });
        own && self.event_id == Some(self.id) && self.event_kind.as_deref() == Some("exchange.made")
    }

    fn has_sides(&self) -> bool {
        let (posted, at) = (Some("posted"), Some(self.created_at));
        (self.p_status.as_deref(), self.q_status.as_deref()) == (posted, posted)
            && (self.p_at, self.q_at) == (at, at)
            && (&self.p_currency, &self.q_currency) == (&self.base, &self.quote)
            && (self.p_credit, self.q_debit) == (self.base_account_id, self.quote_account_id)
    }

    fn is_rounded(&self) -> bool {
        self.rounding_transfer_id.is_none()
            || (self.o_status.as_deref() == Some("posted")
                && self.o_at == Some(self.created_at)
                && self.o_currency == self.quote
                && (self.o_debit, self.o_credit) == (self.quote_account_id, self.rounding_account_id))
    }

    /// Whoever sets a rate and whoever exchanges take the lock on the chain's head, so that positions say which was first.
    fn is_in_force(&self) -> bool {
        let newest = self.newest.is_some() && self.newest == self.rate_position;
        newest && self.valid_until.is_none_or(|until| until > self.created_at)
    }

    /// Whether amount x rate = received + remainder, in whole numbers: nothing is divided and nothing rounded.
    fn is_worth(&self) -> Option<bool> {
        let decimals = |code: &Option<String>| Some(u32::from(code.as_ref()?.parse::<Currency>().ok()?.exponent()));
        let (from, to) = (decimals(&self.base)?, decimals(&self.quote)?);
        let (digits, places) = decimal(self.rate.as_ref()?)?;
        // What is too large for 128 bits is more than the other side can be.
        let finer = (UNIT_DIGITS + to).checked_sub(places + from)?;
        let paid = i128::from(self.p_amount?).checked_mul(digits)?.checked_mul(10_i128.checked_pow(finer)?);
        let received = i128::from(self.q_amount?) * UNIT + i128::from(self.remainder);
        Some(paid == Some(received) && (0..UNIT).contains(&i128::from(self.remainder)))
    }
}

/// A decimal's digits, and how many of them stand behind its point.
fn decimal(text: &str) -> Option<(i128, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction}");
    let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= RATE_DIGITS)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?.map(|digits| (digits, places))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_its_digits_and_where_its_point_stands() {
        assert_eq!(decimal("0.9235"), Some((9_235, 4)));
        assert_eq!(decimal("150"), Some((150, 0)));
        for wrong in ["", ".", "1e3", "-1", "1.0000000000001"] {
            assert_eq!(decimal(wrong), None, "{wrong}");
        }
    }
}
