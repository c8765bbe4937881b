//! Every rate and amount against integers of any size.

use num_bigint::BigInt;
use proptest::prelude::*;
use shared::domain::{Amount, Currency, MAX_AMOUNT};

use super::{GRAINS, NoRate, Rate, Remainder, Unpayable, Worth};

/// Currencies with 0 to 4 decimals.
const CURRENCIES: [&str; 5] = ["JPY", "USD", "KWD", "CLF", "EUR"];

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn worth(rate: &str, amount: i64, (paid, received): (&str, &str)) -> Result<(i64, String), Unpayable> {
    let worth =
        rate.parse::<Rate>().unwrap().worth(Amount::try_from(amount).unwrap(), (currency(paid), currency(received)));
    worth.map(|Worth { received, remainder }| (received.get(), remainder.to_string()))
}

#[test]
fn a_rate_is_a_decimal_in_one_spelling() {
    for (text, shown) in [
        ("1", "1"),
        ("1.0", "1"),
        ("1.10", "1.1"),
        ("0.000000000001", "0.000000000001"),
        ("999999999999.999999999999", "999999999999.999999999999"),
        ("120.50", "120.5"),
        ("100", "100"),
    ] {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), shown);
    }
    assert_eq!("1.10".parse::<Rate>(), "1.1".parse::<Rate>());
    let bad = [
        "",
        "0",
        "0.0",
        "0.000000000000",
        "-1",
        "+1",
        "1.",
        ".5",
        "01",
        "00.5",
        "1e3",
        "1,5",
        " 1",
        "1 ",
        "1.2.3",
        "١",
        "1000000000000",
        "0.0000000000001",
        "NaN",
        "1.5\n",
    ];
    for bad in bad {
        assert_eq!(bad.parse::<Rate>(), Err(NoRate), "{bad:?}");
    }
}

#[test]
fn currencies_differ_in_their_decimals() {
    // 10.00 EUR at 1.0835 are 10.835 USD: 10.83, and half a cent is left.
    assert_eq!(worth("1.0835", 1000, ("EUR", "USD")), Ok((1083, "0.5".to_owned())));
    assert_eq!(worth("163.27", 1000, ("EUR", "JPY")), Ok((1632, "0.7".to_owned())));
    assert_eq!(worth("0.0061", 1000, ("JPY", "EUR")), Ok((610, "0".to_owned())));
    assert_eq!(worth("0.3071", 1, ("USD", "KWD")), Ok((3, "0.071".to_owned())));
    assert_eq!(worth("0.000000000001", 1, ("CLF", "JPY")), Err(Unpayable::TooSmall));
    assert_eq!(worth("0.01", 99, ("USD", "JPY")), Err(Unpayable::TooSmall));
    assert_eq!(worth("999999999999.999999999999", MAX_AMOUNT, ("JPY", "CLF")), Err(Unpayable::TooLarge));
    assert_eq!(worth("1.1", MAX_AMOUNT, ("EUR", "USD")), Err(Unpayable::TooLarge));
    assert_eq!(worth("1", MAX_AMOUNT, ("EUR", "USD")), Ok((MAX_AMOUNT, "0".to_owned())));
}

#[test]
fn remainders_gather_into_whole_units() {
    let of = |grains| Remainder::of(grains).unwrap();
    let half = of(GRAINS / 2);
    assert_eq!(half.and(of(GRAINS / 2 - 1)), (0, of(GRAINS - 1)));
    assert_eq!(half.and(half), (1, Remainder::default()));
    assert_eq!(of(GRAINS - 1).and(of(GRAINS - 1)), (1, of(GRAINS - 2)));
    assert_eq!((Remainder::of(GRAINS), Remainder::of(-1)), (None, None));
    assert_eq!(of(1).to_string(), "0.000000000000000001");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn nothing_is_lost_and_nothing_is_made(
        digits in 1..=999_999_999_999_999_999_999_999_i128,
        scale in 0..=12_u32,
        amount in prop_oneof![1..=MAX_AMOUNT, 1..=10_000_i64],
        (paid, received) in (prop::sample::select(&CURRENCIES[..]), prop::sample::select(&CURRENCIES[..])),
    ) {
        let text = {
            let padded = format!("{digits:0>25}");
            let (whole, fraction) = padded.split_at(padded.len() - scale as usize);
            let whole = whole.trim_start_matches('0');
            let whole = if whole.is_empty() { "0" } else { whole };
            if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
        };
        let Ok(rate) = text.parse::<Rate>() else { return Ok(()) };
        let sides = (currency(paid), currency(received));
        // amount x digits x 10^(to) of them make 10^(scale + from).
        let ten = BigInt::from(10);
        let all = BigInt::from(amount) * BigInt::from(digits) * ten.pow(sides.1.exponent().into());
        let parts = ten.pow(scale + u32::from(sides.0.exponent()));
        match rate.worth(Amount::try_from(amount).unwrap(), sides) {
            Ok(Worth { received, remainder }) => {
                let grains = BigInt::from(received.get()) * BigInt::from(GRAINS) + BigInt::from(remainder.grains());
                prop_assert_eq!(grains * parts, all * BigInt::from(GRAINS));
            }
            Err(Unpayable::TooSmall) => prop_assert!(all < parts),
            Err(Unpayable::TooLarge) => prop_assert!(all >= parts * BigInt::from(MAX_AMOUNT + 1)),
        }
    }
}
