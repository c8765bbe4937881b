//! Money: an integer count of minor units with its ISO 4217 currency; never a float, never unchecked.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// The largest amount, in minor units: 2^53 - 1, the largest integer that every JSON client holds exactly
/// (RFC 8259, section 6).
pub const MAX_AMOUNT: i64 = 9_007_199_254_740_991;

/// A positive count of minor units: `1 ..= MAX_AMOUNT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Amount(i64);

/// An integer that is no amount: below 1 or above [`MAX_AMOUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount is an integer from 1 to {MAX_AMOUNT} minor units")]
pub struct AmountOutOfRange;

impl Amount {
    /// The count of minor units.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i128> for Amount {
    type Error = AmountOutOfRange;

    fn try_from(count: i128) -> Result<Self, AmountOutOfRange> {
        match i64::try_from(count) {
            Ok(count @ 1..=MAX_AMOUNT) => Ok(Self(count)),
            Ok(_) | Err(_) => Err(AmountOutOfRange),
        }
    }
}

impl TryFrom<i64> for Amount {
    type Error = AmountOutOfRange;

    fn try_from(count: i64) -> Result<Self, AmountOutOfRange> {
        Self::try_from(i128::from(count))
    }
}

/// An ISO 4217 currency that has minor units (so `XAU` or `XXX`, which have none, are refused).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency {
    inner: iso_currency::Currency,
    exponent: u8,
}

/// A code that is no ISO 4217 currency with minor units. Codes are upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 4217 currency code in upper case, such as USD")]
pub struct UnknownCurrency;

impl Currency {
    /// The three-letter code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.inner.code()
    }

    /// How many decimals the major unit has: 2 for USD, 0 for JPY, 3 for KWD.
    #[must_use]
    pub const fn exponent(self) -> u8 {
        self.exponent
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
        let inner = iso_currency::Currency::from_code(code).ok_or(UnknownCurrency)?;
        if inner.code() != code {
            return Err(UnknownCurrency);
        }
        let exponent = inner.exponent().and_then(|e| u8::try_from(e).ok()).ok_or(UnknownCurrency)?;
        Ok(Self { inner, exponent })
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let code = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        code.parse().map_err(D::Error::custom)
    }
}

/// An amount with its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Money {
    /// Minor units.
    pub amount: Amount,
    /// What they count.
    pub currency: Currency,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_hold_exactly_what_json_clients_hold() {
        assert_eq!(Amount::try_from(1_i64).unwrap().get(), 1);
        assert_eq!(Amount::try_from(MAX_AMOUNT).unwrap().get(), MAX_AMOUNT);
        for bad in [0, -1, i128::from(MAX_AMOUNT) + 1, i128::MAX, i128::MIN] {
            assert_eq!(Amount::try_from(bad), Err(AmountOutOfRange), "{bad}");
        }
    }

    #[test]
    fn currencies_carry_their_exponent_and_refuse_what_has_none() {
        for (code, exponent) in [("USD", 2), ("JPY", 0), ("KWD", 3), ("EUR", 2)] {
            assert_eq!(code.parse::<Currency>().unwrap().exponent(), exponent, "{code}");
        }
        for bad in ["usd", "US", "USDX", "XXX", "", "💶"] {
            assert_eq!(bad.parse::<Currency>(), Err(UnknownCurrency), "{bad}");
        }
    }
}
