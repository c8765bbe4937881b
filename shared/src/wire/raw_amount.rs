//! An amount as a client wrote it: any JSON integer, however large, so that the range can be judged in its turn.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::value::RawValue;

use crate::domain::{Amount, AmountOutOfRange};

/// A JSON integer, saturated to 128 bits. What is no integer (`1.0`, `1e2`, `"5"`, `true`, `null`) does not parse,
/// which makes it a malformed body; what is out of range parses here and is refused by [`RawAmount::amount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawAmount(i128);

impl RawAmount {
    /// The amount, if it is one.
    pub fn amount(self) -> Result<Amount, AmountOutOfRange> {
        Amount::try_from(self.0)
    }

    /// The integer as it was written.
    #[must_use]
    pub const fn get(self) -> i128 {
        self.0
    }
}

impl<'de> Deserialize<'de> for RawAmount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        parse(raw.get()).map(Self).ok_or_else(|| D::Error::custom("invalid type: expected an integer of minor units"))
    }
}

fn parse(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse::<i128>().unwrap_or(i128::MAX);
    Some(if negative { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Wrapper {
        amount: RawAmount,
    }

    fn read(text: &str) -> Option<i128> {
        serde_json::from_str::<Wrapper>(&format!(r#"{{"amount": {text}}}"#)).ok().map(|w| w.amount.get())
    }

    #[test]
    fn any_integer_is_read_and_nothing_else() {
        assert_eq!(read("1050"), Some(1050));
        assert_eq!(read("-3"), Some(-3));
        assert_eq!(read("9007199254740992"), Some(9_007_199_254_740_992));
        assert_eq!(read(&"9".repeat(60)), Some(i128::MAX));
        for bad in ["1.0", "1e2", "\"5\"", "true", "null", "[]", "{}", "01"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
