//! A rate as the decimal it was written as, and what an amount is worth at it: exact, rounded down, and what rounding
//! took told to the last digit. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use shared::domain::{Amount, Currency};

/// Digits before the point, and after it.
const MOST_DIGITS: usize = 12;

/// What a remainder is counted in: a minor unit has that many. No rate leaves anything smaller: twelve digits after the
/// point, and at most four decimals of the currency that is paid in (ISO 4217 has none with more).
pub const GRAINS: i128 = 1_000_000_000_000_000_000;

/// Units of one currency for one major unit of another. Above zero; `1.10` and `1.1` are one rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// The digits without their point.
    digits: i128,
    /// How many of them stand behind it; the last is not zero.
    scale: u32,
}

/// Text that is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a rate is a decimal above zero, with at most {MOST_DIGITS} digits before the point and {MOST_DIGITS} after it"
)]
pub struct NoRate;

/// What an amount is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worth {
    /// Whole minor units.
    pub received: Amount,
    /// What rounding down took, in grains of a minor unit: below one unit.
    pub remainder: Remainder,
}

/// Less than one minor unit, in [`GRAINS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remainder(i64);

/// Why an amount is worth nothing that can be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpayable {
    /// Less than one minor unit.
    #[error("at this rate nothing would arrive")]
    TooSmall,
    /// More than an amount may be.
    #[error("at this rate more would arrive than an amount may be")]
    TooLarge,
}

impl Rate {
    /// What `amount` of `paid` is worth in `received`, rounded down: never in the customer's favour, and by less than one
    /// minor unit.
    pub fn worth(self, amount: Amount, (paid, received): (Currency, Currency)) -> Result<Worth, Unpayable> {
        let (from, to) = (u32::from(paid.exponent()), u32::from(received.exponent()));
        let finer = |decimals: u32| 10_i128.checked_pow(decimals);
        let worth = i128::from(amount.get()).checked_mul(self.digits);
        let worth = worth.and_then(|worth| worth.checked_mul(finer(to.saturating_sub(from))?));
        let parts = finer(self.scale + from.saturating_sub(to));
        // What does not fit into 128 bits is, by at most 16 decimals, still more than an amount may be.
        let (Some(worth), Some(parts)) = (worth, parts) else { return Err(Unpayable::TooLarge) };
        let (whole, rest) = (worth / parts, worth % parts);
        if whole == 0 {
            return Err(Unpayable::TooSmall);
        }
        let received = Amount::try_from(whole).map_err(|_| Unpayable::TooLarge)?;
        // Exact: the parts are a power of ten, and grains are finer.
        let remainder = Remainder::of(rest * (GRAINS / parts)).ok_or(Unpayable::TooLarge)?;
        Ok(Worth { received, remainder })
    }
}

impl Remainder {
    /// That many grains, if they are less than a minor unit.
    #[must_use]
    pub fn of(grains: i128) -> Option<Self> {
        let grains = i64::try_from(grains).ok()?;
        (0..GRAINS).contains(&i128::from(grains)).then_some(Self(grains))
    }

    /// As they are stored.
    #[must_use]
    pub const fn grains(self) -> i64 {
        self.0
    }

    /// Both together: the whole units that they make, and what is left.
    #[must_use]
    pub fn and(self, more: Self) -> (i64, Self) {
        // Each is below 10^18, so the sum fits.
        let (sum, unit) = (self.0 + more.0, GRAINS as i64);
        (sum / unit, Self(sum % unit))
    }
}

impl fmt::Display for Remainder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, i128::from(self.0), 18)
    }
}

impl FromStr for Rate {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let all_digits = |part: &str| part.len() <= MOST_DIGITS && part.bytes().all(|b| b.is_ascii_digit());
        // One spelling of what stands before the point, and a point only before digits.
        let spelt = !whole.is_empty() && (whole == "0" || !whole.starts_with('0')) && !text.ends_with('.');
        if !spelt || !all_digits(whole) || !all_digits(fraction) {
            return Err(NoRate);
        }
        let fraction = fraction.trim_end_matches('0');
        let digits: i128 = format!("{whole}{fraction}").parse().map_err(|_| NoRate)?;
        let scale = u32::try_from(fraction.len()).map_err(|_| NoRate)?;
        if digits > 0 { Ok(Self { digits, scale }) } else { Err(NoRate) }
    }
}

impl TryFrom<String> for Rate {
    type Error = NoRate;

    fn try_from(text: String) -> Result<Self, NoRate> {
        text.parse()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, self.digits, self.scale)
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

/// `digits / 10^scale`, without zeros at its end.
fn write_decimal(f: &mut fmt::Formatter<'_>, digits: i128, scale: u32) -> fmt::Result {
    let places = usize::try_from(scale).unwrap_or_default();
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { f.write_str(whole) } else { write!(f, "{whole}.{fraction}") }
}

#[cfg(test)]
mod tests;
