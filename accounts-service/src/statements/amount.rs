//! Minor units as decimal text, exactly: no float comes near them.

use shared::domain::Currency;

/// `-1050` in USD as `-10.50`, in JPY as `-1050`.
pub fn decimal(minor: i64, currency: Currency) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{}", unsigned(minor, currency))
}

/// The same without its sign, for formats that say the direction in a word.
pub fn unsigned(minor: i64, currency: Currency) -> String {
    let (whole, part) = split(minor, currency);
    if part.is_empty() { whole } else { format!("{whole}.{part}") }
}

/// For people: thousands apart, `1,234,567.89`.
pub fn grouped(minor: i64, currency: Currency) -> String {
    let (whole, part) = split(minor, currency);
    let mut text = String::from(if minor < 0 { "-" } else { "" });
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if !part.is_empty() {
        text.push('.');
        text.push_str(&part);
    }
    text
}

/// Digits before and after the point.
fn split(minor: i64, currency: Currency) -> (String, String) {
    let places = usize::from(currency.exponent());
    let mut digits = format!("{:0>width$}", minor.unsigned_abs(), width = places + 1);
    let part = digits.split_off(digits.len() - places);
    (digits, part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exponent_is_exact_at_both_ends() {
        let of = |code: &str| code.parse::<Currency>().unwrap();
        for (minor, code, plain, shown) in [
            (0, "USD", "0.00", "0.00"),
            (5, "USD", "0.05", "0.05"),
            (-1_050, "USD", "-10.50", "-10.50"),
            (-1_050, "JPY", "-1050", "-1,050"),
            (1_234_567, "KWD", "1234.567", "1,234.567"),
            (9_007_199_254_740_991, "USD", "90071992547409.91", "90,071,992,547,409.91"),
            (-9_007_199_254_740_991, "JPY", "-9007199254740991", "-9,007,199,254,740,991"),
            (100_000, "USD", "1000.00", "1,000.00"),
            (99_999, "USD", "999.99", "999.99"),
        ] {
            assert_eq!((&*decimal(minor, of(code)), &*grouped(minor, of(code))), (plain, shown));
            assert_eq!(unsigned(minor, of(code)), plain.trim_start_matches('-'));
        }
    }
}
